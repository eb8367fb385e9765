# SPDX-License-Identifier: Apache-2.0
"""Raw tables into Delta tables: every row and digit, by window and in full, declared columns, names of all kinds."""

from __future__ import annotations

import json
from itertools import permutations
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_replicator.cdf.raw import copy as raw_copy
from airflow_provider_replicator.exceptions import ConfigurationError, DeleteGuardError, PartialReplicationError
from airflow_provider_replicator.lake.location import path_part

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_replicator.lake.location import Lake
    from tests.lake.resources.exports import Exports

T0 = 1_800_000_000_000
HOUR = 3_600_000
ODD = "db/with #%"

VALUES: dict[str, Any] = {
    "empty": {},
    "big": {"n": 2**53 + 1, "m": -(2**63), "u": 2**64 - 1, "f": 0.1, "e": 1e300},
    "text": {"t": "Ü \u2028 😀 \\ \" '", "long": "x" * 1_000_000},
    "nested": {"a": [1, None, {"b": [True, False]}], "A": {"a": {}}, "": "no name"},
    "null": {"a": None},
    " k/%ey'\"\\": {"_key": "theirs", "_lastUpdatedTime": 5, "columns": "theirs", "key": 1},
}


def path(table: str) -> str:
    database, name = table.split("|")
    return f"raw/{path_part(database)}/{path_part(name)}"


def content(exports: Exports, where: str) -> dict[str, Any]:
    return {key: json.loads(row["columns"]) for key, row in exports.by("_key", where).items()}


def fill(exports: Exports, database: str, table: str, rows: dict[str, Any]) -> None:
    items = [{"key": key, "columns": columns} for key, columns in rows.items()]
    exports.project.call("POST", f"{_url(database, table)}/rows?ensureParent=true", {"items": items})


def drop(exports: Exports, database: str, table: str, *keys: str) -> None:
    exports.project.call("POST", f"{_url(database, table)}/rows/delete", {"items": [{"key": key} for key in keys]})


def _url(database: str, table: str) -> str:
    from urllib.parse import quote

    return f"/raw/dbs/{quote(database, safe='')}/tables/{quote(table, safe='')}"


def numbered(count: int, *, begin: int = 0, **columns: Any) -> dict[str, Any]:
    return {f"k{number}": {"n": number, **columns} for number in range(begin, begin + count)}


@pytest.mark.parametrize("window", [None, (0, 4_000_000_000_000)])
def test_every_row_is_there_with_all_of_its_digits(exports: Exports, window: tuple[int, int] | None) -> None:
    fill(exports, ODD, "æ ø & ?%", VALUES)
    fill(exports, "..", ".", numbered(3))
    exports.project.call("POST", "/raw/dbs/../tables".replace("..", "%2E%2E"), {"items": [{"name": "bare"}]})
    report = exports.export_raw(window)
    assert (report.read, report.written, report.created) == (9, 9, 9)
    assert content(exports, path(f"{ODD}|æ ø & ?%")) == VALUES
    assert content(exports, path("..|.")) == numbered(3)
    assert exports.rows(path("..|bare")) == []
    row = exports.by("_key", path("..|."))["k1"]
    assert set(row) == {"_key", "_lastUpdatedTime", "columns"}
    assert abs(row["_lastUpdatedTime"] - exports.clock.now_ms()) < 600_000


def test_numbers_keep_digits_that_no_machine_word_has(exports: Exports) -> None:
    """The sandbox, like JavaScript, does not keep them; CDF does."""
    digits = "123456789012345678901234567890", "0.1234567890123456789012345"
    fill(exports, "d", "t", {"k": {"huge": "HUGE", "fine": "FINE", "list": ["HUGE"]}})

    def real(body: bytes) -> bytes:
        return body.replace(b'"HUGE"', digits[0].encode()).replace(b'"FINE"', digits[1].encode())

    exports.rewrite("/raw", real)
    schema = {"fine": "float64", "huge": "int64", "list": "json"}
    exports.export_raw(schema=schema, on_misfit="rescue")
    row = exports.by("_key", "raw/d/t")["k"]
    assert row["columns"] == f'{{"huge":{digits[0]},"fine":{digits[1]},"list":[{digits[0]}]}}'
    assert (row["fine"], row["list"]) == (float(digits[1]), f"[{digits[0]}]")
    assert row["_rescued"] == f'{{"huge": {digits[0]}}}'


def test_many_pages_and_tables_all_advance(exports: Exports, monkeypatch: pytest.MonkeyPatch) -> None:
    """A watermark that did not move within the loop read the first page of the first table for ever."""
    monkeypatch.setattr(raw_copy, "PAGE", 100)
    tables = {("a", "one"): 1500, ("a", "two"): 0, ("b", "one"): 250, ("c", "one"): 99, ("d", "one"): 100}
    exports.clock.freeze(T0)
    for (database, table), count in tables.items():
        fill(exports, database, table, numbered(count))
    for mode in ("window", "full"):
        report = exports.export_raw((T0, T0 + 100) if mode == "window" else None)
        assert report.read == sum(tables.values())
        for (database, table), count in tables.items():
            assert content(exports, f"raw/{database}/{table}") == numbered(count)
    # what changed in one table, and not in the order of time
    exports.clock.freeze(T0 + HOUR)
    fill(exports, "a", "one", numbered(3, begin=700, new=True))
    fill(exports, "c", "one", numbered(1, begin=500))
    report = exports.export_raw((T0 + HOUR, T0 + 2 * HOUR))
    assert (report.read, report.created, report.updated) == (4, 1, 3)
    assert content(exports, "raw/a/one") == numbered(1500) | numbered(3, begin=700, new=True)
    assert content(exports, "raw/c/one") == numbered(99) | numbered(1, begin=500)


def test_windows_in_any_order(exports_to: Callable[[Lake], Exports], new_lake: Callable[[], Lake]) -> None:
    exports = exports_to(new_lake())
    for hour in range(3):
        exports.clock.freeze(T0 + hour * HOUR)
        fill(exports, "d", "t", numbered(10 + hour, begin=5 * hour, hour=hour))
    for order in permutations([(T0 + hour * HOUR, T0 + (hour + 1) * HOUR) for hour in range(3)]):
        exports.lake = new_lake()
        for window in (*order, order[0]):
            exports.export_raw(window, overlap_ms=0)
        assert content(exports, "raw/d/t") == (
            numbered(10, hour=0) | numbered(11, begin=5, hour=1) | numbered(12, begin=10, hour=2)
        )


def test_deletes_follow_in_full_and_a_guarded_table_stops_no_other(exports: Exports) -> None:
    for table in ("a", "b", "c"):
        fill(exports, "d", table, numbered(20))
    exports.export_raw()
    drop(exports, "d", "a", *(f"k{number}" for number in range(5)))
    drop(exports, "d", "b", "k0")
    drop(exports, "d", "c", *numbered(20))
    fill(exports, "d", "c", {"only": {}})
    with pytest.raises(DeleteGuardError, match=r"raw/d/a: 5 of 20 rows .* \(and 1 more of 3 tables: d/a, d/c\)"):
        exports.export_raw()
    assert content(exports, "raw/d/a") == numbered(20)
    assert content(exports, "raw/d/b") == numbered(19, begin=1)
    assert content(exports, "raw/d/c") == numbered(20)
    report = exports.export_raw(tables=("d/[ac]",), max_delete_fraction=1)
    assert (report.deleted, report.read) == (25, 16)
    assert content(exports, "raw/d/c") == {"only": {}}
    drop(exports, "d", "b", *numbered(20))
    with pytest.raises(DeleteGuardError, match="listed nothing"):
        exports.export_raw(tables=("b",), max_delete_fraction=1)


def test_tables_by_wildcard(exports: Exports) -> None:
    for database, table in (("a", "x1"), ("a", "x2"), ("a", "y"), ("b", "x1")):
        fill(exports, database, table, numbered(1))
    chosen: list[tuple[dict[str, Any], set[str]]] = [
        ({"databases": ("a",)}, {"a/x1", "a/x2", "a/y"}),
        ({"tables": ("x*",)}, {"a/x1", "a/x2", "b/x1"}),
        ({"tables": ("a/x?", "b/*"), "exclude_pattern": "x2$"}, {"a/x1", "b/x1"}),
    ]
    for options, expected in chosen:
        report = exports.export_raw(**options)
        assert {table["table"] for table in report.tables} == {f"raw/{name}" for name in expected}
    with pytest.raises(ConfigurationError, match="none of the selected raw tables"):
        exports.export_raw(databases=("nobody",))


SCHEMA = {
    "i": "int64",
    "f": "float64",
    "t": "text",
    "b": "boolean",
    "at": "timestamp",
    "day": "date",
    "any": "json",
    "_key": "text",
    "I": "int32",
    "a b,c": "text",
}
FITS = {
    "i": 2**63 - 1,
    "f": 0.5,
    "t": "",
    "b": False,
    "at": "2020-01-01T00:00:00.5+01:00",
    "day": "1600-02-29",
    "any": [1, {"a": None}],
    "_key": "theirs",
    "I": 7,
    "a b,c": "x",
}


@pytest.mark.parametrize("window", [None, (0, 4_000_000_000_000)])
def test_declared_columns_are_cast_strictly(exports: Exports, window: tuple[int, int] | None, tmp_path: Any) -> None:
    fill(exports, "d", "t", {"fits": FITS, "none": {}, "null": dict.fromkeys(FITS)})
    exports.export_raw(window, schema=SCHEMA)
    rows = exports.by("_key", "raw/d/t")
    assert {name: value for name, value in rows["fits"].items() if name not in ("columns", "_lastUpdatedTime")} == {
        "_key": "fits",
        "i": 2**63 - 1,
        "f": 0.5,
        "t": "",
        "b": False,
        "at": 1_577_833_200_500,
        "day": rows["fits"]["day"],
        "any": '[1,{"a":null}]',
        "_key__2": "theirs",
        "I__2": 7,
        "a_b_c": "x",
    }
    assert str(rows["fits"]["day"]) == "1600-02-29"
    assert set(rows["none"]) == set(rows["null"]) == {"_key", "_lastUpdatedTime", "columns"}
    properties = {field.name: field.metadata["cdf.property"] for field in exports.table("raw/d/t").schema().fields}
    assert (properties["I__2"], properties["a_b_c"]) == ("I", "a b,c")

    fill(exports, "d", "t", {"fits": {**FITS, "i": 2**63, "t": 5}, "new": {"f": "0.5"}, "half": {"i": 1.5}})
    file = tmp_path / "dead.jsonl"
    with pytest.raises(PartialReplicationError, match="3 of 5"):
        exports.export_raw(window, schema=SCHEMA, dead_letter_path=str(file))
    rows = exports.by("_key", "raw/d/t")
    assert set(rows) == {"fits", "none", "null"}
    assert (rows["fits"]["i"], rows["fits"]["t"]) == (2**63 - 1, "")
    letters = {letter["key"]: letter for letter in map(json.loads, file.read_text().splitlines())}
    assert letters["fits"]["document"]["columns"]["i"] == 2**63
    assert "t: 5 is no text" in letters["fits"]["reason"]

    exports.export_raw(window, schema=SCHEMA, on_misfit="rescue")
    rows = exports.by("_key", "raw/d/t")
    assert json.loads(rows["fits"]["_rescued"]) == {"i": 2**63, "t": 5}
    assert json.loads(rows["half"]["_rescued"]) == {"i": 1.5}
    assert (rows["new"]["_rescued"], "i" in rows["fits"], rows["fits"]["f"]) == ('{"f":"0.5"}', False, 0.5)
    assert json.loads(rows["fits"]["columns"])["i"] == 2**63


def test_columns_are_declared_by_table_and_later(exports: Exports) -> None:
    fill(exports, "d", "one", {"k": {"a": 1, "b": "x"}})
    fill(exports, "d", "two", {"k": {"a": 1, "b": "x"}})
    exports.export_raw()
    exports.export_raw(schema={"d/one": {"a": "int64"}, "*": {"b": "text"}})
    assert exports.by("_key", "raw/d/one")["k"].items() >= {"a": 1, "b": "x"}.items()
    assert "a" not in exports.by("_key", "raw/d/two")["k"]
    for wrong in ({"a": "number"}, {"d/*": {"a": "map"}}, {"a": "text", "d/*": {"b": "text"}}):
        with pytest.raises(ConfigurationError, match="schema"):
            exports.export_raw(schema=wrong)


def test_thousands_of_rows_on_s3(exports_to: Callable[[Lake], Exports], s3_lake: Lake) -> None:
    exports = exports_to(s3_lake)
    fill(exports, ODD, "t", numbered(10_000))
    fill(exports, ODD, "t", numbered(5_000, begin=10_000))
    exports.export_raw((0, exports.clock.now_ms() + 1000))
    drop(exports, ODD, "t", "k7")
    report = exports.export_raw()
    assert (report.read, report.deleted) == (14_999, 1)
    assert content(exports, path(f"{ODD}|t")) == {k: v for k, v in numbered(15_000).items() if k != "k7"}
