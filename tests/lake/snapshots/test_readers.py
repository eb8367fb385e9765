# SPDX-License-Identifier: Apache-2.0
"""All kinds of columns and odd names, read back by readers that are not ours: DuckDB, Polars, and Tableau's own engine."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import textwrap
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import duckdb
import polars as pl
import pytest

from airflow_provider_replicator.exceptions import ConfigurationError, LakeError
from airflow_provider_replicator.lake.columns import Column, TableSchema, column_names
from airflow_provider_replicator.lake.snapshots import hyper
from airflow_provider_replicator.lake.table import Table
from tests.lake.snapshots.making import everything, manifest, numbers, run, stable, write

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_replicator.lake.columns import Kind
    from airflow_provider_replicator.lake.location import Lake

MOMENT = datetime(2020, 1, 2, 3, 4, 5, 123456, UTC)
TEXT = 'quote " comma , line\nbreak \\ é \u0001'
#: kind -> (JSON value, the same as published).
VALUES: dict[Kind, tuple[Any, Any]] = {
    "text": (TEXT, TEXT),
    "boolean": (True, True),
    "int32": (-(2**31), -(2**31)),
    "int64": (2**53 + 1, 2**53 + 1),
    "float32": (1.5, 1.5),
    "float64": ("-Infinity", -math.inf),
    "timestamp": ("2020-01-02T03:04:05.123456+00:00", MOMENT),
    "date": ("1600-02-03", date(1600, 2, 3)),
    "json": ({"a": [1, None, "x"]}, '{"a":[1,null,"x"]}'),
}
#: kind -> (JSON list, the JSON that is published).
LISTS: dict[Kind, tuple[list[Any], list[Any]]] = {
    "text": ([TEXT, ""], [TEXT, ""]),
    "boolean": ([True, False], [True, False]),
    "int32": ([1, -1], [1, -1]),
    "int64": ([2**53 + 1, -(2**63)], [2**53 + 1, -(2**63)]),
    "float32": ([1.5, "NaN"], [1.5, "NaN"]),
    "float64": ([0.1, "NaN", "Infinity", "-Infinity", 1e300], [0.1, "NaN", "Infinity", "-Infinity", 1e300]),
    "timestamp": (["2020-01-02T03:04:05.123456+00:00"], ["2020-01-02T03:04:05.123456+00:00"]),
    "date": (["1600-02-03"], ["1600-02-03"]),
    "json": ([{"a": 1}, [2], "x", 3], [{"a": 1}, [2], "x", 3]),
    "reference": ([{"space": "s", "externalId": 'x"y'}], [{"space": "s", "externalId": 'x"y'}]),
}
ODD = [
    "1st",
    "with-dash",
    "Name",
    "name",
    "NAME",
    "version",
    "space",
    "externalId",
    "select",
    "a b",
    "x.y",
    "ünï",
    "q'\"u",
]


def kinds_schema() -> TableSchema:
    columns = [
        Column(name="key", kind="text"),
        Column(name="reference", kind="reference"),
        Column(name="map", kind="map"),
    ]
    columns += [Column(name=f"one_{kind}", kind=kind) for kind in VALUES]
    columns += [Column(name=f"list_{kind}", kind=kind, is_list=True) for kind in LISTS]
    return TableSchema(columns=tuple(columns))


def kinds_rows() -> list[dict[str, Any]]:
    full: dict[str, Any] = {
        "key": "full",
        "reference": {"space": "s", "externalId": "x"},
        "map": {'k"': "v\n", "b": ""},
    }
    full |= {f"one_{kind}": value for kind, (value, _) in VALUES.items()}
    full |= {f"list_{kind}": value for kind, (value, _) in LISTS.items()}
    return [full, {"key": "null"}, {"key": "empty", "map": {}, **{f"list_{kind}": [] for kind in LISTS}}]


def test_every_kind_of_column(local_lake: Lake) -> None:
    write(local_lake, "resources/kinds", kinds_rows(), kinds_schema())
    run(local_lake, ["resources/kinds"])
    read = {row["key"]: row for row in stable(local_lake, "kinds").to_dicts()}
    full, null, empty = read["full"], read["null"], read["empty"]
    for kind, (_, expected) in VALUES.items():
        assert full[f"one_{kind}"] == expected
    for kind, (_, as_json) in LISTS.items():
        assert json.loads(full[f"list_{kind}"]) == as_json
        assert empty[f"list_{kind}"] == "[]"
    assert (full["reference.space"], full["reference.externalId"]) == ("s", "x")
    assert (json.loads(full["map"]), empty["map"]) == ({'k"': "v\n", "b": ""}, "{}")
    assert set(null.values()) == {"null", None}
    columns = {column["name"]: column for column in manifest(local_lake)["tables"]["kinds"]["columns"]}
    assert list(columns) == list(full)
    assert columns["list_int64"] == {
        "name": "list_int64", "type": "text", "column": "list_int64", "kind": "int64", "list": True,
        "property": "list_int64",
    }  # fmt: skip
    assert {columns[f"reference.{part}"]["kind"] for part in ("space", "externalId")} == {"reference"}
    assert columns["one_timestamp"]["type"] == "timestamp"
    duck = duckdb.sql(f"SELECT * FROM read_parquet('{_path(local_lake, 'kinds')}')")  # noqa: S608
    assert duck.columns == list(full)
    assert duckdb.sql("SELECT count(*), max(one_int64), min(epoch_us(one_timestamp)) FROM duck").fetchall() == [
        (3, 2**53 + 1, int(MOMENT.timestamp()) * 1_000_000 + 123_456)
    ]


def test_no_column_breaks_the_engine_of_tableau(local_lake: Lake) -> None:
    """It refuses the whole file for one column that is nested, unsigned, of no type or of half precision: published flat, none is."""
    write(local_lake, "resources/kinds", kinds_rows(), kinds_schema())
    Table(local_lake, "resources/empty").prepare(kinds_schema())
    write(local_lake, "resources/odd", *odd_table())
    run(local_lake, ["resources/*"], formats=("parquet", "hyper"))
    files = {
        f"{name}.{form}": _path(local_lake, name, form)
        for name in ("kinds", "empty", "odd")
        for form in ("parquet", "hyper")
    }
    read = in_tableau(files)
    for form in ("parquet", "hyper"):
        assert (read[f"kinds.{form}"]["rows"], read[f"empty.{form}"]["rows"], read[f"odd.{form}"]["rows"]) == (3, 0, 1)
        assert read[f"kinds.{form}"]["columns"] == [
            column["name"] for column in manifest(local_lake)["tables"]["kinds"]["columns"]
        ]
        assert read[f"empty.{form}"]["types"] == read[f"kinds.{form}"]["types"]
        full = dict(zip(read[f"kinds.{form}"]["columns"], read[f"kinds.{form}"]["first"], strict=True))
        assert full["one_text"] == TEXT
        assert int(full["one_int64"]) == 2**53 + 1
        assert (full["one_date"], full["one_timestamp"]) == ("1600-02-03", "2020-01-02 03:04:05.123456+00:00")
        assert json.loads(full["list_float64"]) == LISTS["float64"][1]
        assert full["reference.externalId"] == "x"
    names = [column["name"] for column in manifest(local_lake)["tables"]["odd"]["columns"]]
    assert read["odd.parquet"]["columns"] == read["odd.hyper"]["columns"] == names


def odd_table() -> tuple[list[dict[str, Any]], TableSchema]:
    names = column_names(ODD)
    columns = [Column(name="_space", kind="text"), Column(name="x", kind="reference")]
    columns += [Column(name=names[odd], kind="text", source_name=odd) for odd in ODD]
    columns += [Column(name="x.space", kind="text")]
    return [{"_space": "s", "x": {"space": "1", "externalId": "2"}, **{names[odd]: odd for odd in ODD}}], TableSchema(
        columns=tuple(columns)
    )


def test_odd_names(local_lake: Lake) -> None:
    rows, schema = odd_table()
    write(local_lake, "resources/odd", rows, schema)
    run(local_lake, ["resources/odd"])
    published = stable(local_lake, "odd")
    names = column_names(ODD)
    assert published.columns == ["_space", "x.space", "x.externalId", *(names[odd] for odd in ODD), "x.space__2"]
    assert len({column.lower() for column in published.columns}) == len(published.columns)
    assert [published[names[odd]][0] for odd in ODD] == ODD
    quoted = ", ".join('"' + names[odd].replace('"', '""') + '"' for odd in ODD)
    query = f"SELECT {quoted} FROM read_parquet('{_path(local_lake, 'odd')}')"  # noqa: S608
    assert duckdb.sql(query).fetchall() == [tuple(ODD)]
    run(local_lake, ["resources/odd"], names="property")
    original = stable(local_lake, "odd")
    assert original.columns == ["_space", "x.space", "x.externalId", *ODD, "x.space__2"]
    assert original.row(0) == published.row(0)


def test_foreign_types_become_flat(local_lake: Lake) -> None:
    """Tables that somebody else wrote have what ours have not."""
    frame = pl.DataFrame(
        {
            "small": pl.Series([1], dtype=pl.Int8),
            "nested": [{"a": [1, 2], "b": {"c": "x"}}],
            "matrix": [[[1, 2], [3]]],
            "amount": pl.Series(["1.50"]).str.to_decimal(scale=2),
        }
    )
    frame.write_delta(local_lake.uri("foreign/t"))
    run(local_lake, ["foreign/t"])
    published = stable(local_lake, "t")
    assert published.schema == {
        "small": pl.Int32,
        "nested": pl.String,
        "matrix": pl.String,
        "amount": frame.schema["amount"],
    }
    assert json.loads(published["nested"][0]) == {"a": [1, 2], "b": {"c": "x"}}
    assert json.loads(published["matrix"][0]) == [[1, 2], [3]]


def test_extracts_follow_the_same_protocol(local_lake: Lake) -> None:
    write(local_lake, "resources/a", numbers(3))
    both = run(local_lake, ["resources/a"], formats=("parquet", "hyper"))
    found = manifest(local_lake)["tables"]["a"]["files"]
    assert set(found) == {"parquet", "hyper"}
    for file in found.values():
        assert everything(local_lake)[file["key"]] == everything(local_lake)[file["versioned_key"]]
    assert in_tableau({"a.hyper": _path(local_lake, "a", "hyper")})["a.hyper"]["rows"] == 3
    assert both.bytes == sum(file["bytes"] for file in found.values())
    run(local_lake, ["resources/a"])
    assert not [key for key in everything(local_lake) if key.endswith("/all/a.hyper")]


def test_an_engine_that_fails_leaves_the_previous_snapshot(local_lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no")
    _engine_or_skip()
    with pytest.raises(LakeError, match=r"Tableau's engine could not make an extract: .*Exception"):
        hyper.write_hyper(tmp_path / "broken.parquet", tmp_path / "broken.hyper", rows=1)
    write(local_lake, "resources/a", numbers(3))
    run(local_lake, ["resources/a"])
    before = everything(local_lake)
    write(local_lake, "resources/a", numbers(4))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "executable", "/bin/false")
        with pytest.raises(LakeError, match="exit code 1"):
            run(local_lake, ["resources/a"], formats=("parquet", "hyper"))
    assert everything(local_lake) == before


def test_a_missing_engine_is_named(local_lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    write(local_lake, "resources/a", numbers(3))
    monkeypatch.setattr(hyper, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"pip install 'airflow-provider-replicator\[tableau\]'"):
        run(local_lake, ["resources/a"], formats=("parquet", "hyper"))


def _path(lake: Lake, table: str, form: str = "parquet") -> str:
    return f"{lake.prefix}/publish/all/{table}.{form}"


def _engine_or_skip() -> None:
    pytest.importorskip("tableauhyperapi")


def in_tableau(files: dict[str, str]) -> dict[str, Any]:
    """What Tableau's engine reads, all columns: rows, columns, their types and the first row, by file."""
    _engine_or_skip()
    script = """
        import json, sys, tempfile
        from tableauhyperapi import Connection, HyperProcess, Telemetry, escape_string_literal as literal
        found = {}
        with tempfile.TemporaryDirectory() as logs, HyperProcess(
            Telemetry.DO_NOT_SEND_USAGE_DATA_TO_TABLEAU, parameters={"log_dir": logs}
        ) as server:
            for name, path in json.loads(sys.argv[1]).items():
                hyper = path.endswith(".hyper")
                with Connection(server.endpoint, path if hyper else None) as connection:
                    source = '"Extract"."Extract"' if hyper else f"external({literal(path)}, format => 'parquet')"
                    with connection.execute_query(f"SELECT * FROM {source}") as result:
                        columns = [column.name.unescaped for column in result.schema.columns]
                        types = [str(column.type) for column in result.schema.columns]
                        rows = list(result)
                    first = next((row for row in rows if "full" in row), rows[0] if rows else [])
                    found[name] = {"rows": len(rows), "columns": columns, "types": types,
                                   "first": [None if value is None else str(value) for value in first]}
        print(json.dumps(found))
    """
    command = [sys.executable, "-c", textwrap.dedent(script), json.dumps(files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    read: dict[str, Any] = json.loads(done.stdout)
    return read
