# SPDX-License-Identifier: Apache-2.0
"""Whether a database is the one that a table was made of, by what servers of all ages tell."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_replicator.couchdb.server import ServerInfo
from airflow_provider_replicator.lake.documents.identity import is_another, made_at

#: Of two databases of the same name, each with two shards, one after the other.
ONE = "3-g1AAAACLeJzLYWBgYMpgTmHgzcvPy09JdcjLz8gvLskBCScyJNX___8_K4M5kTEXKMBuaJyamGZoia4Yh_Y8FiDJ0ACk_kNNYQKbkmZmlmpsYICuJwsAUP8qgQ"
LATER = "2-g1AAAACLeJzLYWBgYMpgTmHgzcvPy09JdcjLz8gvLskBCScyJNX___8_K4M5kTEXKMBuaJyamGZoia4Yh_Y8FiDJ0ACk_qOYkmZmlmpsYICuJwsAUOEqgA"


def server(version: str) -> ServerInfo:
    return ServerInfo.of({"couchdb": "Welcome", "version": version})


@pytest.mark.parametrize(
    ("version", "told", "made"),
    [
        ("3.5.0", "1795286012", "1795286012"),
        ("3.3.0", "1795286012", "1795286012"),
        ("3.2.3", "1795286012", ""),
        ("3.5.0", "0", ""),
        ("3.5.0", None, ""),
        ("1.7.2", "1795286012000000", ""),  # when it was opened
        ("4.2.0", "", ""),
    ],
)
def test_when_it_was_made(version: str, told: Any, made: str) -> None:
    assert made_at(server(version), {"instance_start_time": told}) == made


@pytest.mark.parametrize(
    ("now", "made", "before", "cursor", "another"),
    [
        (ONE, "5", "5", LATER, False),
        (ONE, "6", "5", LATER, True),
        (ONE, "", "", LATER, False),  # of the same shards
        (ONE, "5", "", LATER, False),  # the server was updated meanwhile
        ("0-g1AAAABPeJzLYWBgYMpgTmHgzcvPy09JdcjLz8gvLskBCeexAEmGBiD1HwiyEhlwqEtkSKqHKMgCAIT2GV4", "", "", ONE, True),
        ("12-opaque", "", "", "13-other", False),  # copies of a cluster are not equally far
        (7, "", "", "8", True),
        (8, "", "", "8", False),
        (9, "", "", "8", False),
        (0, "", "", "0", False),
    ],
)
def test_another_one(now: Any, made: str, before: str, cursor: str, another: bool) -> None:
    assert is_another({"update_seq": now}, made=made, before=before, cursor=cursor) is another
