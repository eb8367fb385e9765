# SPDX-License-Identifier: Apache-2.0
"""What the demo compares tables by: equal content is equal in whatever form a reader gives it, and anything else is named."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from scripts.demo import summary
from scripts.demo.delta_content import content_hash, differences, of_instance, of_table

PROPERTIES: dict[str, dict[str, Any]] = {
    name: {"type": {"type": kind, "list": is_list}}
    for name, kind, is_list in (
        ("name", "text", False),
        ("small", "float32", False),
        ("seen", "timestamp", False),
        ("built", "date", False),
        ("more", "json", False),
        ("parent", "direct", False),
        ("path", "direct", True),
    )
}
PARENT = {"space": "s", "externalId": "p"}
DOCUMENT: dict[str, Any] = {
    "space": "s",
    "externalId": "a",
    "version": 3,
    "properties": {
        "m": {
            "View/v1": {
                "name": "pump",
                "small": 1.1,
                "seen": "2026-01-02T03:04:05.006+00:00",
                "built": "2020-05-06",
                "more": {"b": 1, "a": [2]},
                "parent": PARENT,
                "path": [PARENT, {"space": "s", "externalId": "a"}],
            }
        }
    },
}
#: The same as a table's row, and as a flat file's.
ROW: dict[str, Any] = {
    "_space": "s",
    "_externalId": "a",
    "_version": 3,
    "name": "pump",
    "small": 1.100000023841858,
    "seen": datetime(2026, 1, 2, 3, 4, 5, 6000, UTC),
    "built": date(2020, 5, 6),
    "more": '{"a":[2],"b":1}',
    "parent": PARENT,
    "path": [PARENT, {"space": "s", "externalId": "a"}],
    "not": "a property",
}
FLAT = {
    **ROW,
    "path": '[{"space":"s","externalId":"p"},{"space":"s","externalId":"a"}]',
    "seen": ROW["seen"].replace(tzinfo=None),
}


def expected() -> dict[str, dict[str, Any]]:
    return {"s/a": of_instance(DOCUMENT, PROPERTIES)}


def test_the_same_content_in_other_forms_is_equal() -> None:
    wanted = content_hash(expected())
    for row in (ROW, FLAT):
        found = of_table([row], PROPERTIES)
        assert differences(expected(), found) == []
        assert content_hash(found) == wanted


def test_every_difference_is_noticed() -> None:
    others = {
        "name": "Pump",
        "small": 1.1000001,
        "seen": datetime(2026, 1, 2, 3, 4, 5, 7000, UTC),
        "built": date(2020, 5, 7),
        "more": '{"a":[2],"b":2}',
        "parent": {"space": "other", "externalId": "p"},
        "path": [PARENT],
        "_version": 2,
    }
    for name, value in others.items():
        found = of_table([{**ROW, name: value}], PROPERTIES)
        assert content_hash(found) != content_hash(expected())
        assert differences(expected(), found)[0].startswith(f"s/a: {name} is ")


def test_missing_and_doubled_rows_are_noticed() -> None:
    assert differences(expected(), {}) == ["1 missing, such as s/a"]
    assert differences(expected(), of_table([ROW, ROW], PROPERTIES)) == ["1 too many, such as s/a (again)"]


def test_the_table_says_what_is_wrong() -> None:
    tables = {
        "t": {"rows": 1200, "expected": 1201, "content_ok": False},
        "u": {"rows": 1, "expected": 1, "content_ok": True},
    }
    published = {"name": {"source": "t", "rows": 1200, "duckdb_ok": True, "polars_ok": False, "hyper_ok": None}}
    lines = [line.split() for line in summary.delta_table(tables, published).splitlines()]
    assert lines[2] == ["t", "1,200", "1,201", "NO", "name", "yes", "NO", "-"]
    assert lines[3][:4] == ["u", "1", "1", "yes"]
