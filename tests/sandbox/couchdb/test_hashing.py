# SPDX-License-Identifier: Apache-2.0
"""Names of revisions, as a real CouchDB 3.5.0 made them."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

import pytest

from airflow_provider_replicator.sandbox.couchdb.attachments import store
from airflow_provider_replicator.sandbox.couchdb.config import Config
from airflow_provider_replicator.sandbox.couchdb.hashing import new_rev
from tests.sandbox.couchdb.caller import Caller

EVERYTHING: dict[str, Any] = {
    "t": [1, 2, 3],
    "u": [300, 1],
    "f": 1.5,
    "g": 1.0,
    "h": 1e30,
    "n": None,
    "b": True,
    "o": {},
    "e": [],
    "s": "ünï€",
    "big": 12345678901,
    "neg": -5,
    "nb": -12345678901,
    "huge": 123456789012345678901234567890,
}


@pytest.mark.parametrize(
    ("parent", "body", "rev"),
    [
        (None, {}, "1-967a00dff5e02add41819138abb3284d"),
        (None, {"a": 1}, "1-23202479633c2b380f79507a776743d5"),
        ("1-23202479633c2b380f79507a776743d5", {"a": 2}, "2-71173597778497e0a6aa176963f222db"),
        ("1-abc", {"x": 1}, "2-7bb76e3956271362e863bc9e3e16ec13"),
        (None, EVERYTHING, "1-afd01fb728a8f04037c91c70c7643d49"),
    ],
)
def test_revisions_have_the_names_that_couchdb_gives_them(parent: str | None, body: dict[str, Any], rev: str) -> None:
    assert new_rev(parent, body, {}, deleted=False) == rev


def test_a_deletion_is_another_revision() -> None:
    assert new_rev(None, {}, {}, deleted=True) == "1-de715bf126efc93d225d9e3f8e8eb81a"


def test_attachments_count_as_they_are_packed() -> None:
    config = Config()
    made = {
        "t.txt": store(b"hello world " * 20, "text/plain", 1, config),
        "b.bin": store(bytes(range(256)), "application/octet-stream", 1, config),
    }
    assert made["t.txt"].digest == "md5-+e//YI1dy2vi30rMxL9b9A=="
    assert len(made["t.txt"].data) == 35
    assert made["b.bin"].digest == "md5-4shl20Fivtljv6qe9qwY8A=="
    assert new_rev(None, {}, made, deleted=False) == "1-a9bd95cc640dbd8221c769b75876b589"
    assert made["t.txt"].plain() == b"hello world " * 20
    assert b64decode(made["b.bin"].digest[4:]) == made["b.bin"].md5


def test_numbers_come_back_as_they_went_in(db: Caller) -> None:
    text = b'{"huge":123456789012345678901234567890,"one":1.0,"many":1e+30,"less":-0.5}'
    written = db("PUT", "/n", text, content_type="application/json").json["rev"]
    expected = b'{"_id":"n","_rev":"%s",%s\n' % (written.encode(), text[1:])
    assert db("GET", "/n").body == expected
