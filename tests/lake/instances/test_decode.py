# SPDX-License-Identifier: Apache-2.0
"""From bytes to columns: exactly what was sent, or a misfit that is named."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from airflow_provider_replicator.exceptions import LakeError
from airflow_provider_replicator.lake.arrow import arrow_type
from airflow_provider_replicator.lake.instances.decode import Decoder, Rows
from airflow_provider_replicator.lake.instances.schema import (
    InstanceSource,
    ViewRef,
    current_schema,
    properties_of,
    system_columns,
)

REF = ViewRef(space="sp", external_id="V", version="v-1")
ONE: dict[str, Any] = {
    "text": "a",
    "boolean": True,
    "int32": 1,
    "int64": 2,
    "float32": 0.5,
    "float64": 0.25,
    "json": {"a": [1, None]},
}
ONE |= {
    "timestamp": "2024-01-02T03:04:05.678+00:00",
    "date": "2024-01-02",
    "direct": {"space": "sp", "externalId": "x"},
}


def source(types: dict[str, dict[str, Any]], instances: Any = "nodes") -> InstanceSource:
    view = {"properties": {name: {"container": {}, "type": kind} for name, kind in types.items()}}
    return InstanceSource(instances=instances, path="x", filter={}, view=REF, properties=properties_of(view))


def decoder(types: dict[str, dict[str, Any]], *, rescue: bool = False, instances: Any = "nodes") -> Decoder:
    of = source(types, instances)
    schema = current_schema(of)
    return Decoder(of, schema.columns[len(system_columns(instances)) :], rescue=rescue)


def item(key: str = "a", properties: Any = None, **more: Any) -> dict[str, Any]:
    found = {
        "instanceType": "node",
        "space": "sp",
        "externalId": key,
        "version": 3,
        "createdTime": 1,
        "lastUpdatedTime": 2,
    }
    if properties is not None:
        found["properties"] = {"sp": {"V/v-1": properties}}
    return found | more


def body(*items: dict[str, Any]) -> bytes:
    return json.dumps({"items": {"rows": items}, "nextCursor": {"rows": "next"}}).encode()


def read(types: dict[str, dict[str, Any]], *items: dict[str, Any], **more: Any) -> Rows:
    one = decoder(types, **more)
    page = one.page(body(*items))
    assert page.cursor == "next"
    assert page.count == len(items)
    return one.rows(page)


@pytest.mark.parametrize("typed", [True, False], ids=["whole columns", "value by value"])
def test_every_type_alone_and_in_lists(typed: bool) -> None:
    types: dict[str, dict[str, Any]] = {name: {"type": name} for name in ONE}
    types |= {f"{name}s": {"type": name, "list": True} for name in ONE}
    values = ONE | {f"{name}s": [value, value] for name, value in ONE.items()}
    if not typed:
        types["wrong"] = {"type": "int64"}
    items = [item("a", values), item("b", {}), item("c", values | {f"{name}s": [] for name in ONE})]
    if not typed:
        items.append(item("d", {"wrong": "1"}))
    rows = read(types, *items)
    assert len(rows) == 3
    told = {
        "timestamp": datetime(2024, 1, 2, 3, 4, 5, 678000, UTC),
        "date": date(2024, 1, 2),
        "json": '{"a": [1, null]}' if typed else '{"a":[1,null]}',
    }
    for name, value in ONE.items():
        one = told.get(name, value)
        kind = "reference" if name == "direct" else name
        assert rows.columns[name].type == arrow_type(kind)  # type: ignore[arg-type]
        assert rows.columns[name].to_pylist() == [one, None, one]
        assert rows.columns[f"{name}s"].type == arrow_type(kind, is_list=True)  # type: ignore[arg-type]
        assert rows.columns[f"{name}s"].to_pylist() == [[one, one], None, []]


@pytest.mark.parametrize(
    ("kind", "value", "kept"),
    [
        ("int64", 2**63 - 1, 2**63 - 1),
        ("int64", -(2**63), -(2**63)),
        ("int64", 2**53 + 1, 2**53 + 1),
        ("float64", 3, 3.0),
        ("float32", 0.1, 0.10000000149011612),
        ("text", "x" * 128_000, "x" * 128_000),
        ("text", "\U0001f600\x01ä", "\U0001f600\x01ä"),
        ("timestamp", "0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("timestamp", "2024-01-01T01:30:00.5+05:30", datetime(2023, 12, 31, 20, 0, 0, 500000, UTC)),
        ("date", "9999-12-31", date(9999, 12, 31)),
        ("enum", "open", "open"),
        ("timeseries", "ts:1", "ts:1"),
        ("sequence", "s", "s"),
        ("file", "f", "f"),
    ],
)
def test_values_that_fit(kind: str, value: Any, kept: Any) -> None:
    rows = read({"it": {"type": kind}}, item(properties={"it": value}))
    assert rows.columns["it"].to_pylist() == [kept]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("int64", 1.5),
        ("int64", "1"),
        ("int64", True),
        ("int64", 2**63),
        ("int32", 2**31),
        ("float64", "1.5"),
        ("float64", False),
        ("float32", 1e39),
        ("boolean", 0),
        ("boolean", "true"),
        ("text", 5),
        ("text", {"a": 1}),
        ("timestamp", "2024-01-01T00:00:00"),
        ("timestamp", "yesterday"),
        ("date", "2024-02-30"),
        ("date", "2024-01-01T00:00:00Z"),
        ("direct", {"space": "sp"}),
        ("direct", "sp:x"),
    ],
)
def test_a_value_that_does_not_fit_is_named_and_not_bent(kind: str, value: Any) -> None:
    items = (item("good", {}), item("bad", {"it": value}), item("fine", {}))
    rows = read({"it": {"type": kind}}, *items)
    assert rows.columns["_externalId"].to_pylist() == ["good", "fine"]
    (misfit,) = rows.misfits
    assert misfit.key == "sp:bad"
    assert misfit.reason.startswith("it: ")
    assert misfit.document == items[1]
    rows = read({"it": {"type": kind}}, *items, rescue=True)
    assert rows.columns["_externalId"].to_pylist() == ["good", "bad", "fine"]
    assert rows.columns["it"].to_pylist() == [None] * 3
    (nothing, rescued, _) = rows.columns["_rescued"].to_pylist()
    assert nothing is None
    assert json.loads(rescued) == {"it": value}
    assert not rows.misfits


def test_half_a_surrogate_pair_is_a_misfit() -> None:
    one = decoder({"it": {"type": "text"}}, rescue=True)
    rows = one.rows(one.page(body(item("a", {"it": "\ud800"}), item("b", {"it": "fine"}))))
    assert rows.columns["it"].to_pylist() == [None, "fine"]
    assert json.loads(rows.columns["_rescued"].to_pylist()[0]) == {"it": "\ud800"}


def test_json_is_kept_as_it_came() -> None:
    text = '{"big":123456789012345678901234567890,"float":1.10,"long":"' + "x" * 1_000_000 + '"}'
    one = decoder({"it": {"type": "json"}})
    page = body(item("a", {"it": "@"})).replace(b'"@"', text.encode())
    assert one.rows(one.page(page)).columns["it"].to_pylist() == [text]


def test_tombstones_need_only_identity() -> None:
    rows = read({"it": {"type": "int64"}}, item("a", {"it": 1}), item("b", deletedTime=7))
    assert rows.columns["_externalId"].to_pylist() == ["a", "b"]
    assert rows.columns["it"].to_pylist() == [1, None]
    assert rows.columns["_deletedTime"].to_pylist() == [None, datetime(1970, 1, 1, 0, 0, 0, 7000, UTC)]
    assert rows.changed_ms == 7


def test_edges() -> None:
    one, two = {"space": "sp", "externalId": "1"}, {"space": "sp", "externalId": "2"}
    edge = item("e", {}, type=one, startNode=two, endNode=one)
    rows = read({"it": {"type": "int64"}}, edge, instances="edges")
    assert [rows.columns[name].to_pylist() for name in ("_type", "_startNode", "_endNode")] == [[one], [two], [one]]


def test_names() -> None:
    """Case variants get columns of their own; dashes, leading digits and the names of system columns without their prefix stay."""
    names = ["Name", "name", "NAME", "4-wheel", "space", "type", "version", "externalId", "deletedTime", "batch", "p0"]
    types = {name: {"type": "int64"} for name in names}
    schema = current_schema(source(types))
    columns = schema.names[6:]
    assert columns[:4] == ("Name", "name__2", "NAME__3", "4-wheel")
    assert columns[4:] == tuple(names[4:])
    assert len({name.lower() for name in schema.names}) == len(schema.names)
    rows = read(types, item("a", {name: index for index, name in enumerate(names)}))
    assert [rows.columns[column].to_pylist() for column in columns] == [[index] for index in range(len(names))]
    known = {"Name": "name__7"}
    assert current_schema(source(types), known=known).names[6:8] == ("name__7", "name")


def test_connections_are_no_columns_and_units_are_remembered() -> None:
    view = {
        "properties": {
            "power": {
                "container": {},
                "type": {"type": "float32", "unit": {"externalId": "power:w", "sourceUnit": "W"}},
            },
            "pumps": {"connectionType": "multi_edge_connection", "type": {"space": "sp", "externalId": "x"}},
            "new": {"container": {}, "type": {"type": "geometry", "list": True}},
        }
    }
    power, new = properties_of(view)
    assert power.metadata["cdf.unit"] == "power:w"
    assert power.metadata["cdf.sourceUnit"] == "W"
    assert (new.kind, new.is_list) == ("json", False)


@pytest.mark.parametrize("answer", [b"", b"[]", b"{}", b'{"items": {"rows": [{"space": 1}]}}', b"<html>"])
def test_what_is_no_answer_is_an_error(answer: bytes) -> None:
    one = decoder({"it": {"type": "int64"}})
    with pytest.raises(LakeError, match="no page of instances"):
        one.rows(one.page(answer))


def test_an_empty_page_has_all_columns() -> None:
    rows = read({"it": {"type": "int64"}, "ref": {"type": "direct", "list": True}})
    assert len(rows) == 0
    assert rows.columns["ref"].type == arrow_type("reference", is_list=True)


def test_the_order_of_properties_is_no_other_question() -> None:
    one, other = {"a": {"type": "int64"}, "b": {"type": "text"}}, {"b": {"type": "text"}, "a": {"type": "int64"}}
    assert source(one).question == source(other).question
    assert source(one).question != source(one | {"c": {"type": "text"}}).question
