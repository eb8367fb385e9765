# SPDX-License-Identifier: Apache-2.0
"""Names in addresses: every character that an id or a database name may have."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_replicator.couchdb.urls import path, query, segment


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("plain", "plain"),
        ("my/db+1", "my%2Fdb%2B1"),
        ("a%25b", "a%2525b"),
        ("100%", "100%25"),
        ("ünï/cödé", "%C3%BCn%C3%AF%2Fc%C3%B6d%C3%A9"),
        ("a b?c#d&e=f", "a%20b%3Fc%23d%26e%3Df"),
        ("..", "%2E%2E"),
        (".", "%2E"),
        ("...", "..."),
        ("_design/people", "_design/people"),
        ("_design/a/b", "_design/a%2Fb"),
        ("_local/..", "_local/%2E%2E"),
        ("_design/", "_design%2F"),
        ("_replicator", "_replicator"),
        ("tenant/_replicator", "tenant%2F_replicator"),
    ],
)
def test_a_segment(name: str, expected: str) -> None:
    assert segment(name) == expected


def test_a_path() -> None:
    assert path("my/db", "_changes") == "/my%2Fdb/_changes"
    with pytest.raises(ValueError, match="empty name"):
        path("db", "")


@given(st.text(min_size=1).filter(lambda name: not name.startswith(("_design/", "_local/"))))
def test_any_name_is_one_segment_and_comes_back(name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        return  # half a character, which no JSON holds either
    written = segment(name)
    assert written not in (".", "..")
    assert not set(written) & set("/?#+ ")
    assert unquote(written) == name


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        (None, {}),
        ({"limit": 0, "skip": None}, {"limit": "0"}),
        ({"include_docs": True, "descending": False}, {"include_docs": "true", "descending": "false"}),
        ({"since": "4-g1A+/=="}, {"since": "4-g1A+/=="}),
        ({"rev": "1-a"}, {"rev": "1-a"}),
        ({"start_key": "a", "key": 1}, {"start_key": '"a"', "key": "1"}),
        ({"keys": ["ä", "b/c"], "open_revs": "all"}, {"keys": '["ä","b/c"]', "open_revs": '"all"'}),
        ({"states": "crashing,failed"}, {"states": "crashing,failed"}),
    ],
)
def test_parameters(params: dict[str, Any] | None, expected: dict[str, str]) -> None:
    assert dict(parse_qsl(query(params).removeprefix("?"), strict_parsing=bool(expected))) == expected


def test_a_plus_is_never_a_blank() -> None:
    assert query({"q": "a+b c"}) == "?q=a%2Bb%20c"
