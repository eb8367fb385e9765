# SPDX-License-Identifier: Apache-2.0
"""Tables: made as declared, evolved or frozen, written strictly, read back by others."""

from __future__ import annotations

import json
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import polars as pl
import pyarrow as pa
import pytest

from airflow_provider_replicator.exceptions import LakeConflictError, LakeError, SchemaChangedError
from airflow_provider_replicator.lake.arrow import batch, column_array
from airflow_provider_replicator.lake.columns import Column, TableSchema, column_names, literal, quoted
from airflow_provider_replicator.lake.table import Table

if TYPE_CHECKING:
    from airflow_provider_replicator.lake.location import Lake

ID = Column(name="id", kind="int64", nullable=False)
SCHEMA = TableSchema(columns=(ID, Column(name="name", kind="text")), key=("id",))


@pytest.fixture(params=["local_lake", "s3_lake"])
def lake(request: pytest.FixtureRequest) -> Lake:
    made: Lake = request.getfixturevalue(request.param)
    return made


def rows(table: Table) -> list[dict[str, Any]]:
    scanned = pl.scan_delta(table.uri, storage_options=table.lake.options()).collect()
    return scanned.sort("id").to_dicts() if "id" in scanned.columns else scanned.to_dicts()


def filled(lake: Lake, schema: TableSchema, **values: list[Any]) -> Table:
    table = Table(lake, "some/table")
    arrays = {}
    for column in schema.columns:
        arrays[column.name], misfits = column_array(column, values[column.name])
        assert misfits == {}
    table.append(table.prepare(schema), pa.Table.from_batches([batch(schema, arrays)]))
    return table


def test_there_is_no_table_until_it_is_prepared(lake: Lake) -> None:
    table = Table(lake, "t")
    assert table.open() is None
    assert table.prepare(SCHEMA).version() == 0
    assert table.prepare(SCHEMA).version() == 0  # as it is
    opened = table.open()
    assert opened is not None
    assert table.properties(opened) == {"id": "id", "name": "name"}


def test_a_version_that_is_given_and_one_that_is_gone(lake: Lake) -> None:
    table = Table(lake, "t")
    first = table.prepare(SCHEMA)
    assert table.at(0, first) is first
    second = filled(lake, SCHEMA, id=[1], name=["A"])
    newest = second.open()
    assert newest is not None
    assert (newest.version(), second.at(0, newest).version()) == (1, 0)
    with pytest.raises(LakeError, match="version 7"):
        table.at(7, first)
    with pytest.raises(LakeError, match=r"nowhere: version 0 is gone"):
        Table(lake, "nowhere").at(0)


def test_many_may_prepare_it_at_once(lake: Lake) -> None:
    with ThreadPoolExecutor(4) as threads:
        handles = list(threads.map(lambda _: Table(lake, "t").prepare(SCHEMA), range(4)))
    for number, handle in enumerate(handles):
        Table(lake, "t").append(handle, pa.table({"id": [number]}))
    assert [row["id"] for row in rows(Table(lake, "t"))] == [0, 1, 2, 3]


def test_every_kind_of_value_comes_back_as_it_was(lake: Lake) -> None:
    long = {"text": "é" * 1_000_000}
    schema = TableSchema(
        columns=(
            ID,
            Column(name="number", kind="float64"),
            Column(name="small", kind="float32"),
            Column(name="json", kind="json"),
            Column(name="when", kind="timestamp"),
            Column(name="day", kind="date"),
            Column(name="reference", kind="reference"),
            Column(name="map", kind="map"),
            Column(name="list", kind="int64", is_list=True),
        )
    )
    table = filled(
        lake,
        schema,
        id=[2**53 + 1, -(2**63), 2**63 - 1],
        number=["NaN", "Infinity", "-Infinity"],
        small=[1.5, "NaN", None],
        json=[long, None, [1, {"a": None}]],
        when=["2026-11-05T01:02:03.456+02:00", -1, None],
        day=["1600-02-29", None, "9999-12-31"],
        reference=[{"space": "s", "externalId": "é/1"}, None, {"space": "", "externalId": ""}],
        map=[{"a": "1", "": ""}, {}, None],
        list=[[2**53 + 1, None], [], None],
    )
    (smallest, middle, largest) = rows(table)
    assert [row["id"] for row in (smallest, middle, largest)] == [-(2**63), 2**53 + 1, 2**63 - 1]
    assert math.isnan(middle["number"])
    assert (smallest["number"], largest["number"]) == (math.inf, -math.inf)
    assert math.isnan(smallest["small"])
    assert json.loads(middle["json"]) == long
    assert json.loads(largest["json"]) == [1, {"a": None}]
    assert middle["when"].isoformat() == "2026-11-04T23:02:03.456000+00:00"
    assert str(middle["day"]) == "1600-02-29"
    assert middle["reference"] == {"space": "s", "externalId": "é/1"}
    assert (dict(middle["map"]), dict(smallest["map"]), largest["map"]) == ({"a": "1", "": ""}, {}, None)
    assert (middle["list"], smallest["list"], largest["list"]) == ([2**53 + 1, None], [], None)


def test_any_name_of_a_property_is_a_column_that_others_read(local_lake: Lake) -> None:
    properties = ["id", "1st-value", "Name", "name", "NAME", "type", "_space", "with_", 'a"b', "select"]
    names = column_names(properties)
    assert (names["Name"], names["name"], names["NAME"]) == ("Name", "name__2", "NAME__3")
    schema = TableSchema(
        columns=tuple(Column(name=names[one], kind="int64", source_name=one) for one in properties), key=("id",)
    )
    table = filled(local_lake, schema, **{names[one]: [number] for number, one in enumerate(properties)})
    handle = table.open()
    assert handle is not None
    assert table.properties(handle) == names
    assert column_names(["naME", *reversed(properties)], known=table.properties(handle)) == names | {"naME": "naME__4"}
    assert rows(table) == [{names[one]: number for number, one in enumerate(properties)}]
    handle.delete(
        f"{quoted('1st-value')} = 1 AND {quoted(names['NAME'])} = 4 AND {literal('it' + chr(39) + 's')} = 'it''s'"
    )
    assert rows(table) == []
    file = next(Path(local_lake.prefix).rglob("*.parquet"))
    assert set(duckdb.read_parquet(str(file)).columns) == set(names.values())


def test_new_columns_are_added_and_old_ones_stay(lake: Lake) -> None:
    table = filled(lake, SCHEMA, id=[1], name=["a"])
    wider = TableSchema(columns=(ID, Column(name="more-1", kind="float64", source_name="more-1", nullable=False)))
    handle = table.prepare(wider)
    table.append(handle, pa.table({"id": [2], "more-1": [0.5]}))
    assert rows(table) == [{"id": 1, "name": "a", "more-1": None}, {"id": 2, "name": None, "more-1": 0.5}]
    assert table.properties(handle)["more-1"] == "more-1"


def test_a_frozen_table_takes_no_new_columns(local_lake: Lake) -> None:
    table = filled(local_lake, SCHEMA, id=[1], name=["a"])
    wider = SCHEMA.with_columns(Column(name="more", kind="float64"))
    with pytest.raises(SchemaChangedError, match=r"some/table: new columns more, .*on_schema_change='evolve'"):
        table.prepare(wider, on_change="freeze")
    fewer = TableSchema(columns=(ID,))
    assert table.prepare(fewer, on_change="freeze").version() == 1


@pytest.mark.parametrize(
    "changed",
    [
        Column(name="name", kind="int64"),
        Column(name="name", kind="text", is_list=True),
        Column(name="name", kind="map"),
        Column(name="name", kind="reference"),
    ],
)
def test_another_type_is_an_error_that_says_what_to_do(local_lake: Lake, changed: Column) -> None:
    table = filled(local_lake, SCHEMA, id=[1], name=["a"])
    with pytest.raises(SchemaChangedError, match=r"column name is string in the table and .* write to another table"):
        table.prepare(TableSchema(columns=(ID, changed)))
    assert rows(table) == [{"id": 1, "name": "a"}]


def test_columns_that_many_add_at_once_are_there_once(local_lake: Lake) -> None:
    table = filled(local_lake, SCHEMA, id=[1], name=["a"])
    wider = SCHEMA.with_columns(Column(name="more", kind="float64"))

    def add(_: int) -> bool:
        try:
            table.prepare(wider)
        except LakeConflictError:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        assert any(threads.map(add, range(4)))
    handle = table.open()
    assert handle is not None
    assert [field.name for field in handle.schema().fields] == ["id", "name", "more"]


def test_replacing_the_rows_of_a_predicate_twice_is_once(lake: Lake) -> None:
    table = filled(lake, SCHEMA, id=[1, 2, 3], name=["a", "b", "a"])
    handle = table.prepare(SCHEMA)
    for _ in range(2):
        table.replace(handle, pa.table({"id": [9], "name": ["a"]}), predicate="name = 'a'")
    assert [row["id"] for row in rows(table)] == [2, 9]
    table.replace(handle, pa.table({"id": pa.array([], pa.int64()), "name": pa.array([], pa.string())}))
    assert rows(table) == []


def test_a_row_outside_of_the_predicate_is_refused_whole(local_lake: Lake) -> None:
    table = filled(local_lake, SCHEMA, id=[1], name=["a"])
    with pytest.raises(LakeError, match="replace rows of some/table"):
        table.replace(table.prepare(SCHEMA), pa.table({"id": [2, 3], "name": ["a", "b"]}), predicate="name = 'a'")
    assert rows(table) == [{"id": 1, "name": "a"}]


def test_a_stream_of_batches_is_one_commit(local_lake: Lake) -> None:
    table = Table(local_lake, "t")
    handle = table.prepare(SCHEMA)
    batches = (pa.record_batch({"id": [number], "name": ["x"]}) for number in range(50))
    reader = pa.RecordBatchReader.from_batches(pa.schema({"id": pa.int64(), "name": pa.string()}), batches)
    table.append(handle, reader)
    opened = table.open()
    assert opened is not None
    assert (opened.version(), len(rows(table))) == (1, 50)


def test_readers_of_the_oldest_kind_can_read_it(local_lake: Lake) -> None:
    table = filled(local_lake, SCHEMA, id=[1], name=["a"])
    handle = table.open()
    assert handle is not None
    protocol = handle.protocol()
    assert (protocol.min_reader_version, protocol.min_writer_version) == (1, 2)
