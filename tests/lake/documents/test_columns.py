# SPDX-License-Identifier: Apache-2.0
"""Declared columns: where their values are, how they are cast, what happens to those that do not fit."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_replicator.exceptions import PartialReplicationError, SchemaChangedError
from airflow_provider_replicator.lake.documents.declared import read_declared
from airflow_provider_replicator.lake.documents.decode import Decoder
from airflow_provider_replicator.lake.documents.options import DocumentsOptions
from airflow_provider_replicator.lake.documents.schema import SYSTEM, current_schema
from tests.lake.documents.world import ALWAYS, NEVER

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_replicator.lake.documents.decode import Rows
    from tests.lake.documents.world import World

EVERY_TYPE: dict[str, Any] = {
    "name": "text",
    "on": "boolean",
    "small": "int32",
    "n": "int64",
    "half": "float32",
    "power": "float64",
    "when": "timestamp",
    "day": "date",
    "any": "json",
    "labels": "map",
    "tags": "text[]",
    "deep": {"type": "float64", "path": "readings.inner.value"},
    "second": {"type": "int64", "path": "/list/1"},
    "odd": {"type": "text", "path": "/a~1b/c.d"},
}
DOCUMENT: dict[str, Any] = {
    "name": "ünï",
    "on": True,
    "small": -5,
    "n": 2**60,
    "half": 0.5,
    "power": 1e300,
    "when": "2024-05-06T07:08:09.123456+02:00",
    "day": "1999-12-31",
    "any": {"a": [1, None]},
    "labels": {"x": "y"},
    "tags": ["a", "b"],
    "readings": {"inner": {"value": 3}},
    "list": [1, 2],
    "a/b": {"c.d": "found"},
}


def page_of(*documents: str, columns: dict[str, Any], **more: Any) -> Rows:
    """What becomes of a page with these documents (JSON without ``_id`` and ``_rev``)."""
    rows = [
        f'{{"seq":"{n}-x","id":"d{n}","changes":[{{"rev":"1-a"}}],"doc":{{"_id":"d{n}","_rev":"1-a",{document[1:]}}}'
        for n, document in enumerate(documents)
    ]
    body = f'{{"results":[\n{",".join(rows)}\n],"last_seq":"9-x","pending":0}}'.encode()
    declared = read_declared(columns)
    schema = current_schema(declared)
    options = DocumentsOptions(database="d", columns=columns, **more)
    decoder = Decoder(declared, schema.columns[len(SYSTEM) :], options)
    return decoder.rows(decoder.page(body))


def test_every_type(world: World) -> None:
    world.write({"_id": "full", **DOCUMENT}, {"_id": "empty"}, {"_id": "other", "readings": [1], "list": {"1": 2}})
    world.run(columns=EVERY_TYPE)
    world.check()
    rows = world.by_id()
    names = list(EVERY_TYPE)
    full = {name: rows["full"][name] for name in names}
    assert json.loads(full.pop("any")) == DOCUMENT["any"]
    assert dict(full.pop("labels")) == {"x": "y"}
    assert full == {
        **{name: DOCUMENT[name] for name in ("name", "on", "small", "n", "half", "power", "tags")},
        "when": datetime(2024, 5, 6, 5, 8, 9, 123456, UTC),
        "day": date(1999, 12, 31),
        "deep": 3.0,
        "second": 2,
        "odd": "found",
    }
    assert {rows["empty"][name] for name in names} == {None}
    assert rows["other"]["deep"] is None
    assert rows["other"]["second"] == 2  # a field that is called 1


def test_a_value_that_does_not_fit_is_named_and_its_row_stays_as_it_was(world: World, tmp_path: Path) -> None:
    columns = {"n": "int64"}
    world.make(range(3))
    world.run(columns=columns)
    world.make([1], name="again", n=1.5)
    world.make([2, 5])
    letters = tmp_path / "letters.jsonl"
    with pytest.raises(PartialReplicationError, match=r"d1: n: 1\.5 is no int64"):
        world.run(columns=columns, dead_letter_path=str(letters))
    rows = world.by_id()
    assert {one: row["n"] for one, row in rows.items()} == {"d0": 0, "d1": 1, "d2": 2, "d5": 5}
    assert json.loads(rows["d1"]["document"])["name"] == "Pump 1"
    (letter,) = map(json.loads, letters.read_text().splitlines())
    assert letter["key"] == "d1"
    assert letter["document"]["n"] == 1.5
    assert world.run(columns=columns).failed == 0
    world.make([1], n=7)
    world.run(columns=columns)
    world.check()


@pytest.mark.parametrize("merge_when", [ALWAYS, NEVER], ids=["merged", "waiting"])
def test_a_value_that_does_not_fit_is_kept_aside(world: World, merge_when: Any) -> None:
    chosen = {"columns": {"n": "int32", "name": "text"}, "on_misfit": "rescue", "merge_when": merge_when}
    world.make([0, 1])
    world.run(**chosen)
    world.make([1], n="many")
    world.make([2], n=2**40, name=5)
    assert world.run(**chosen).failed == 0
    world.check()
    rows = world.by_id()
    assert (rows["d0"]["n"], rows["d0"]["_rescued"]) == (0, None)
    assert (rows["d1"]["n"], json.loads(rows["d1"]["_rescued"])) == (None, {"n": "many"})
    assert rows["d1"]["name"] == "Pump 1"
    assert json.loads(rows["d2"]["_rescued"]) == {"n": 2**40, "name": 5}


def test_more_columns_later(world: World) -> None:
    world.make(range(3))
    world.run()
    (table,) = world.run(columns={"n": "int64"}).tables
    assert table["did"][0] == "resync: other columns are declared"
    assert {row["n"] for row in world.rows()} == {0, 1, 2}
    world.run(columns={"name": "text"})
    assert {row["name"] for row in world.rows()} == {"Pump 0", "Pump 1", "Pump 2"}
    assert {row["n"] for row in world.rows()} == {None}
    with pytest.raises(SchemaChangedError, match="frozen"):
        world.run(columns={"more": "text"}, on_schema_change="freeze")
    with pytest.raises(SchemaChangedError, match="name is string in the table and int64"):
        world.run(columns={"name": "int64"})


def test_names_that_delta_cannot_tell_apart(world: World) -> None:
    world.write({"_id": "a", "name": "small", "Name": "large", "document": "x", "with space": 1})
    columns = {"name": "text", "Name": "text", "document": "text", "with space": "int64"}
    for _ in range(2):
        world.run(columns=columns)
        (row,) = world.rows()
        assert (row["name"], row["Name__2"], row["document__2"], row["with_space"]) == ("small", "large", "x", 1)
    properties = {field.name: field.metadata["cdf.property"] for field in world.table().schema().fields}
    assert properties["with_space"] == "with space"
    assert properties["document__2"] == "document"


# -- pages, without a server


def test_numbers_keep_their_digits() -> None:
    long = "123456789012345678901234567890"
    rows = page_of(
        f'{{"any":{{"n":{long}}},"n":{long},"f":1.10}}',
        '{"any":0.10000000000000000001,"n":9007199254740993,"f":1e5}',
        columns={"any": "json", "n": "int64", "f": "float64"},
        on_misfit="rescue",
    )
    assert rows.columns["any"].to_pylist() == [f'{{"n":{long}}}', "0.10000000000000000001"]
    assert rows.columns["n"].to_pylist() == [None, 9007199254740993]
    assert rows.columns["_rescued"].to_pylist() == [f'{{"n":{long}}}', None]
    assert f'"n":{long},"f":1.10' in rows.columns["document"].to_pylist()[0]


def test_text_that_is_none() -> None:
    rows = page_of('{"t":"\\ud800","u":"fine"}', '{"t":"\\ud83d\\ude00"}', columns={"t": "text", "u": "text"})
    assert [misfit.key for misfit in rows.misfits] == ["d0"]
    assert rows.columns["t"].to_pylist() == ["😀"]


def test_a_change_without_its_document() -> None:
    """Nothing is passed over in silence."""
    decoder = Decoder((), (), DocumentsOptions(database="d"))
    body = b'{"results":[{"id":"a","changes":[{"rev":"1-a"}],"doc":null},{"id":"b","changes":[{"rev":"1-a"}]}],"last_seq":3}'
    rows = decoder.rows(decoder.page(body))
    assert len(rows) == 0
    assert [(misfit.key, misfit.reason) for misfit in rows.misfits] == [
        (key, "the server gave no document for this change") for key in ("a", "b")
    ]
