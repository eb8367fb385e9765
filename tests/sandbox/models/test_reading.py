# SPDX-License-Identifier: Apache-2.0
"""`/models/instances/list`, `/byids` and `/inspect`: pages, sources, sorting, typing; and the filter language."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_replicator.sandbox.cdf.server import CdfServer
from airflow_provider_replicator.sandbox.clock import Clock
from tests.sandbox.caller import AnswerError, Caller
from tests.sandbox.conftest import NOW
from tests.sandbox.models.modelling import (
    SPACE,
    apply,
    container,
    container_ref,
    edge,
    key,
    mapped,
    node,
    node_ref,
    read,
    view,
    view_ref,
    with_every_type,
)

ALL, LISTS = view_ref("All"), view_ref("Lists")
PATH = "/models/instances/list"


def at(name: str, source: str = "All/1") -> list[str]:
    return [SPACE, source, name]


def names(cdf: Caller, **query: Any) -> list[str]:
    return [one["externalId"] for one in cdf.items(PATH, query)]


def paged(cdf: Caller, limit: int, **query: Any) -> list[str]:
    found: list[str] = []
    cursor = None
    while True:
        page = cdf.post(PATH, {**query, "limit": limit, "cursor": cursor})
        assert len(page["items"]) <= limit
        found += [one["externalId"] for one in page["items"]]
        cursor = page.get("nextCursor")
        if cursor is None:
            return found


@pytest.fixture
def filled(models: Caller) -> Caller:
    return fill(models)


@pytest.fixture(scope="module")
def settled() -> Caller:
    """The same, for tests that only read."""
    return fill(with_every_type(Caller(CdfServer(["source"], clock=Clock(at=NOW)), "source")))


def fill(models: Caller) -> Caller:
    """n0 … n5: ``i32`` n (none at n5), ``text`` "T0" … ``to`` the node before; lists; edges e0 (n0 → n1) and e1 of another type."""
    apply(
        models,
        *(
            node(
                f"n{n}",
                (
                    ALL,
                    {
                        "text": f"T{n % 3}",
                        "i32": n if n < 5 else None,
                        "f64": n / 2,
                        "flag": n % 2 == 0,
                        "moment": f"2024-01-0{n + 1}T00:00:00Z",
                        "day": f"2024-01-0{n + 1}",
                        "to": node_ref(f"n{n - 1}") if n else None,
                        "json": {"n": n},
                        "colour": "red" if n == 0 else None,
                    },
                ),
                *([(LISTS, {"text": ["a", f"x{n}"], "i32": [n, n + 1], "to": [node_ref("n0")]})] if n < 3 else []),
                **({"type": node_ref("kind")} if n == 0 else {}),
            )
            for n in range(6)
        ),
        edge("e0", "n0", "n1", (ALL, {"text": "edge"})),
        edge("e1", "n1", "n0", type=node_ref("other")),
    )
    return models


# -- lists -----------------------------------------------------------------------------------------------------------


def test_a_list_is_of_nodes_or_of_edges(filled: Caller) -> None:
    assert set(names(filled)) == {"n0", "n1", "n2", "n3", "n4", "n5", "kind", "link", "other"}
    assert names(filled, instanceType="edge") == ["e0", "e1"]
    assert names(filled, instanceType="edge", sources=[{"source": ALL}]) == ["e0"]
    assert names(filled, sources=[{"source": ALL}, {"source": LISTS}]) == ["n0", "n1", "n2"]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 1000])
def test_pages_neither_skip_nor_repeat(filled: Caller, limit: int) -> None:
    wanted = {"sources": [{"source": ALL}], "filter": {"not": {"equals": {"property": at("i32"), "value": 2}}}}
    assert paged(filled, limit, **wanted) == ["n0", "n1", "n3", "n4", "n5"]
    down = [{"property": at("text"), "direction": "descending"}, {"property": ["node", "externalId"]}]
    assert paged(filled, limit, sort=down, **wanted) == ["n5", "n1", "n4", "n0", "n3"]


def test_what_appears_or_goes_between_pages_does_no_harm(filled: Caller) -> None:
    query = {"sources": [{"source": ALL}], "limit": 2}
    first = filled.post(PATH, query)
    filled.post("/models/instances/delete", {"items": [key("n0"), key("n2")]})
    apply(filled, node("n6", (ALL, {"text": "new"})), node("n1", (ALL, {"text": "changed"})))
    rest = filled.post(PATH, {**query, "cursor": first["nextCursor"], "limit": 100})
    assert [one["externalId"] for one in first["items"] + rest["items"]] == ["n0", "n1", "n3", "n4", "n5", "n6"]


def test_a_cursor_is_of_one_query(filled: Caller) -> None:
    cursor = filled.post(PATH, {"limit": 1})["nextCursor"]
    assert filled.post(PATH, {"limit": 3, "cursor": cursor})["items"]
    with pytest.raises(AnswerError, match="Invalid cursor"):
        filled.post(PATH, {"limit": 1, "cursor": cursor, "instanceType": "edge"})
    with pytest.raises(AnswerError, match="Invalid cursor"):
        filled.post(PATH, {"limit": 1, "cursor": "none"})


def test_nulls_go_where_the_sort_says(filled: Caller) -> None:
    query = {"sources": [{"source": ALL}]}
    assert names(filled, sort=[{"property": at("i32")}], **query)[-1] == "n5"
    assert names(filled, sort=[{"property": at("i32"), "nullsFirst": True}], **query)[0] == "n5"
    assert names(filled, sort=[{"property": at("i32"), "direction": "descending"}], **query) == [
        "n4",
        "n3",
        "n2",
        "n1",
        "n0",
        "n5",
    ]
    with pytest.raises(AnswerError, match="cannot sort by a list"):
        names(filled, sort=[{"property": at("i32", "Lists/1")}])


def test_byids_keeps_the_order_and_leaves_out_what_is_not_there(filled: Caller) -> None:
    wanted = [key("n3"), key("gone"), key("e0", "edge"), key("n0")]
    found = filled.items("/models/instances/byids", {"items": wanted})
    assert [one["externalId"] for one in found] == ["n3", "e0", "n0"]
    assert found[1]["startNode"] == node_ref("n0")
    through = filled.items("/models/instances/byids", {"items": wanted, "sources": [{"source": LISTS}]})
    assert [one["externalId"] for one in through] == ["n0"]


def test_typing_describes_what_is_shown(filled: Caller) -> None:
    filled.create(
        "/models/views", view("V", {"t": mapped("All", "text", name="Text"), "to": mapped("All", "to", source=ALL)})
    )
    answer = filled.post(PATH, {"sources": [{"source": view_ref("V")}], "includeTyping": True, "limit": 1})
    typing = answer["typing"][SPACE]["V/1"]
    assert set(typing) == {"t", "to"}
    assert typing["t"]["type"] == {"type": "text", "list": False, "collation": "ucs_basic"}
    assert typing["t"]["name"] == "Text"
    assert typing["to"]["type"] == {"type": "direct", "list": False, "source": ALL}
    assert answer["items"][0]["properties"][SPACE]["V/1"] == {"t": "T0"}


def test_a_view_with_a_filter_of_its_own_shows_what_matches_it(filled: Caller) -> None:
    even = {"equals": {"property": [SPACE, "All", "flag"], "value": True}}
    filled.create(
        "/models/views", view("Even", {"i32": mapped("All", "i32"), "f64": mapped("Lists", "f64")}, filter=even)
    )
    assert names(filled, sources=[{"source": view_ref("Even")}]) == ["n0", "n2", "n4"]
    assert names(filled, filter={"hasData": [view_ref("Even")]}) == ["n0", "n1", "n2"]


def test_values_in_other_units(models: Caller) -> None:
    pressure = {"type": "float64", "unit": {"externalId": "pressure:bar", "sourceUnit": "barg"}}
    many = {**pressure, "list": True}
    models.create("/models/containers", container("P", {"one": pressure, "many": many, "none": {"type": "float64"}}))
    models.create("/models/views", view("P", {name: mapped("P", name) for name in ("one", "many", "none")}))
    apply(models, node("n", (view_ref("P"), {"one": 2, "many": [1, 3]})))

    def shown(*units: dict[str, Any]) -> dict[str, Any]:
        source = {"source": view_ref("P"), "targetUnits": list(units)}
        answer: dict[str, Any] = models.post(PATH, {"sources": [source], "includeTyping": True})
        return answer

    answer = shown(
        {"property": "one", "unit": {"externalId": "pressure:pa"}},
        {"property": "many", "unit": {"unitSystemName": "SI"}},
    )
    assert answer["items"][0]["properties"][SPACE]["P/1"] == {"one": 200_000, "many": [100_000, 300_000]}
    assert answer["typing"][SPACE]["P/1"]["one"]["type"]["unit"]["externalId"] == "pressure:pa"
    for wrong in (
        {"property": "none", "unit": {"externalId": "pressure:pa"}},
        {"property": "gone", "unit": {"externalId": "pressure:pa"}},
        {"property": "one", "unit": {"externalId": "temperature:k"}},
        {"property": "one", "unit": {}},
    ):
        with pytest.raises(AnswerError):
            shown(wrong)


def test_inspect_says_where_an_instance_has_data(filled: Caller) -> None:
    operations: dict[str, Any] = {"involvedViews": {}, "involvedContainers": {}}
    found = filled.items(
        "/models/instances/inspect",
        {"items": [key("n0"), key("kind"), key("gone")], "inspectionOperations": operations},
    )
    assert [one["externalId"] for one in found] == ["n0", "kind"]
    assert found[0]["inspectionResults"]["involvedViews"] == [ALL, LISTS]
    assert found[0]["inspectionResults"]["involvedContainers"] == [container_ref("All"), container_ref("Lists")]
    assert found[1]["inspectionResults"] == {"involvedViews": [], "involvedContainers": []}


def test_units_are_nodes_of_a_global_space(models: Caller) -> None:
    unit = {"type": "view", "space": "cdf_cdm", "externalId": "CogniteUnit", "version": "v1"}
    assert names(models, sources=[{"source": unit}]) == []
    units = {"equals": {"property": ["node", "space"], "value": "cdf_cdm_units"}}
    assert "pressure:bar" in names(models, sources=[{"source": unit}], filter=units)


# -- filters ---------------------------------------------------------------------------------------------------------


def leaf(name: str, prop: Any, **more: Any) -> dict[str, Any]:
    return {name: {"property": prop, **more}}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (leaf("equals", at("text"), value="T1"), "14"),
        (leaf("equals", [SPACE, "All", "text"], value="T1"), "14"),
        (leaf("equals", at("i32"), value=3), "3"),
        (leaf("equals", at("i32"), value=3.5), ""),
        (leaf("equals", at("f64"), value=1), "2"),
        (leaf("equals", at("flag"), value=False), "135"),
        (leaf("equals", at("moment"), value="2024-01-02T01:00:00+01:00"), "1"),
        (leaf("equals", at("day"), value="2024-01-03"), "2"),
        (leaf("equals", at("to"), value={"space": SPACE, "externalId": "n0"}), "1"),
        (leaf("equals", at("json"), value={"n": 4}), "4"),
        (leaf("equals", at("colour"), value="red"), "0"),
        (leaf("equals", at("i32", "Lists/1"), value=[1, 2]), "1"),
        (leaf("equals", at("to"), value={"property": ["node", "type"]}), ""),
        (leaf("equals", ["node", "externalId"], value="n2"), "2"),
        (leaf("equals", ["node", "type"], value={"space": SPACE, "externalId": "kind"}), "0"),
        (leaf("in", at("i32"), values=[1, 4, 99]), "14"),
        (leaf("in", at("to"), values=[{"space": SPACE, "externalId": "n3"}]), "4"),
        (leaf("in", at("text"), values=[]), ""),
        (leaf("in", ["node", "space"], values=[SPACE, "x"]), "012345"),
        (leaf("range", at("i32"), gte=1, lt=3), "12"),
        (leaf("range", at("i32"), gt=1.5), "234"),
        (leaf("range", at("i32")), "01234"),
        (leaf("range", at("text"), lte="T1"), "0134"),
        (leaf("range", at("moment"), gt="2024-01-05T00:00:00.000+00:00"), "5"),
        (leaf("range", at("day"), lt="2024-01-02"), "0"),
        (leaf("range", at("f64"), gte={"property": at("i32")}), "0"),
        (leaf("range", ["node", "createdTime"], gt=0), "012345"),
        (leaf("prefix", at("text"), value="T2"), "25"),
        (leaf("prefix", at("text"), value=""), "012345"),
        (leaf("prefix", ["node", "externalId"], value="n"), "012345"),
        (leaf("prefix", at("i32", "Lists/1"), value=[2]), "2"),
        (leaf("exists", at("i32")), "01234"),
        (leaf("exists", at("to")), "12345"),
        (leaf("exists", at("text", "Lists/1")), "012"),
        (leaf("containsAny", at("text", "Lists/1"), values=["x0", "x2"]), "02"),
        (leaf("containsAll", at("text", "Lists/1"), values=["a", "x1"]), "1"),
        (leaf("containsAny", at("to", "Lists/1"), values=[{"space": SPACE, "externalId": "n0"}]), "012"),
        (leaf("containsAll", at("i32", "Lists/1"), values=[]), "012"),
        ({"hasData": [LISTS]}, "012"),
        ({"hasData": [container_ref("Lists"), ALL]}, "012"),
        ({"hasData": []}, "012345"),
        ({"matchAll": {}}, "012345"),
        ({"not": {"hasData": [LISTS]}}, "345"),
        ({"and": [leaf("exists", at("i32")), leaf("equals", at("flag"), value=True)]}, "024"),
        ({"or": [leaf("equals", at("i32"), value=1), leaf("equals", at("text"), value="T2")]}, "125"),
        ({"instanceReferences": [{"space": SPACE, "externalId": "n4"}, {"space": "x", "externalId": "n5"}]}, "4"),
        ({"nested": {"scope": at("to"), "filter": leaf("equals", at("text"), value="T0")}}, "14"),
        (
            {
                "nested": {
                    "scope": at("to"),
                    "filter": {"nested": {"scope": at("to"), "filter": leaf("equals", at("i32"), value=0)}},
                }
            },
            "2",
        ),
        ({"nested": {"scope": at("to", "Lists/1"), "filter": leaf("exists", ["node", "type"])}}, "012"),
        ({"nested": {"scope": ["node", "type"], "filter": {"matchAll": {}}}}, "0"),
        ({"overlaps": {"startProperty": at("f64"), "endProperty": at("i32"), "gte": 2, "lt": 3}}, "2345"),
        ({"overlaps": {"startProperty": at("f64"), "endProperty": at("i32"), "gt": 2, "lte": 1.5}}, "3"),
    ],
)
def test_filters(settled: Caller, condition: dict[str, Any], expected: str) -> None:
    found = names(settled, filter={"and": [condition, {"hasData": [ALL]}]})
    assert "".join(name.removeprefix("n") for name in found) == expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (leaf("equals", ["edge", "type"], value={"space": SPACE, "externalId": "other"}), ["e1"]),
        (leaf("in", ["edge", "startNode"], values=[{"space": SPACE, "externalId": "n0"}]), ["e0"]),
        ({"nested": {"scope": ["edge", "endNode"], "filter": leaf("equals", at("i32"), value=0)}}, ["e1"]),
        (leaf("equals", at("text"), value="edge"), ["e0"]),
    ],
)
def test_filters_of_edges(settled: Caller, condition: dict[str, Any], expected: list[str]) -> None:
    assert names(settled, instanceType="edge", filter=condition) == expected


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ({}, "exactly one filter"),
        ({"equals": {"property": at("text")}}, "`null` values"),
        ({"likes": {}}, "unknown filter 'likes'"),
        (leaf("equals", at("gone"), value=1), "Unknown property 'gone' in view 'sp:All/1'"),
        (leaf("equals", at("text", "Gone/1"), value=1), "One or more views do not exist: 'sp:Gone/1'"),
        (leaf("equals", at("text", "Gone"), value=1), "One or more containers do not exist: 'sp:Gone'"),
        (leaf("equals", ["node", "gone"], value=1), "Unknown property 'gone' of a node"),
        (leaf("equals", ["text"], value=1), "no reference to a property"),
        (leaf("equals", at("i32"), value="1"), "expected a number"),
        (leaf("equals", at("moment"), value="yesterday"), "expected a timestamp"),
        (leaf("range", at("flag"), gt=True), "has no order"),
        (leaf("prefix", at("i32"), value="1"), "only text has a prefix"),
        (leaf("containsAny", at("text"), values=["a"]), "is no list"),
        ({"and": []}, "size must be between"),
        ({"nested": {"scope": at("text"), "filter": {"matchAll": {}}}}, "is no direct relation"),
        (leaf("prefix", at("text"), value={"parameter": "p"}), "unknown parameter"),
    ],
)
def test_filters_that_mean_nothing_are_refused(settled: Caller, condition: dict[str, Any], message: str) -> None:
    with pytest.raises(AnswerError) as caught:
        names(settled, filter=condition)
    assert caught.value.status == 400
    assert message in caught.value.error["message"]


def test_filters_have_a_depth(settled: Caller) -> None:
    condition: dict[str, Any] = {"matchAll": {}}
    for _ in range(40):
        condition = {"not": condition}
    assert len(names(settled, filter=condition)) == 9
    for _ in range(100):
        condition = {"not": condition}
    with pytest.raises(AnswerError, match="nested too deeply"):
        names(settled, filter=condition)


def test_sources_that_mean_nothing_are_refused(settled: Caller) -> None:
    wrong: list[Any] = [
        [{"source": view_ref("Gone")}],
        [{"source": container_ref("All")}],
        [{}],
        "All",
        [{"source": ALL}] * 11,
    ]
    for sources in wrong:
        with pytest.raises(AnswerError):
            names(settled, sources=sources)


def test_an_instance_without_sources_has_no_properties(settled: Caller) -> None:
    found = read(settled, "n0")
    assert found is not None
    assert found["properties"] == {}
    assert found["type"] == node_ref("kind")
