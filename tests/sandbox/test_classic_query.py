# SPDX-License-Identifier: Apache-2.0
"""Asking: sorting, advanced filters, search, aggregates, places."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.caller import AnswerError, Caller, names


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ([{"property": ["startTime"], "order": "desc"}], [24, 23, 22]),
        (["startTime:desc"], [24, 23, 22]),
        (["type:desc", "startTime:asc"], [2, 5, 8]),
        ([{"property": ["metadata", "Key"]}, {"property": ["startTime"]}], [0, 4, 8]),
        ([{"property": ["metadata", "Key"], "nulls": "first"}], [1, 3, 5]),
        ([{"property": ["metadata", "Key"], "order": "desc"}], [1, 3, 5]),
        ([{"property": ["metadata", "Key"], "order": "desc", "nulls": "last"}], [2, 6, 10]),
    ],
)
def test_sorting(events: Caller, sort: list[Any], expected: list[int]) -> None:
    assert names(events.all("/events", sort=sort, limit=2))[:3] == [f"e{n}" for n in expected]
    assert len(events.all("/events", sort=sort, limit=2)) == 25


def test_a_sort_cursor_goes_on_after_the_last_document_even_if_that_is_gone(events: Caller) -> None:
    sort = [{"property": ["startTime"], "order": "desc"}]
    first = events.post("/events/list", {"sort": sort, "limit": 3})
    assert names(first["items"]) == ["e24", "e23", "e22"]
    events.post("/events/delete", {"items": [{"externalId": "e22"}]})
    second = events.post("/events/list", {"sort": sort, "limit": 3, "cursor": first["nextCursor"]})
    assert names(second["items"]) == ["e21", "e20", "e19"]


def _leaf(operator: str, name: Any, **operands: Any) -> dict[str, Any]:
    return {operator: {"property": [name] if isinstance(name, str) else name, **operands}}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (_leaf("equals", "type", value="t1"), [1, 4, 7, 10, 13, 16, 19, 22]),
        (_leaf("in", "startTime", values=[3, 5, 99]), [3, 5]),
        (_leaf("range", "startTime", gt=21, lte=23), [22, 23]),
        (_leaf("prefix", "externalId", value="E2"), [2, 20, 21, 22, 23, 24]),
        ({"and": [_leaf("exists", "metadata"), _leaf("range", "startTime", lt=4)]}, [0, 2]),
        ({"and": [{"not": _leaf("exists", ["metadata", "key"])}, _leaf("range", "startTime", lt=4)]}, [1, 3]),
        ({"or": [_leaf("equals", "startTime", value=1), _leaf("equals", ["metadata", "n"], value="4")]}, [1, 4]),
        (_leaf("search", "description", value="24"), [24]),
        (_leaf("equals", "startTime", value=True), []),
    ],
)
def test_advanced_filters(events: Caller, condition: dict[str, Any], expected: list[int]) -> None:
    assert names(events.all("/events", advancedFilter=condition)) == [f"e{n}" for n in expected]


@pytest.mark.parametrize(
    "condition",
    [
        {},
        {"and": []},
        {"equals": {"property": ["nothing"], "value": 1}},
        {"equals": {"property": ["type"]}},
        {"in": {"property": ["type"], "values": []}},
        {"range": {"property": ["startTime"], "gt": 1, "gte": 1}},
        {"range": {"property": ["startTime"]}},
        {"like": {"property": ["type"], "value": "x"}},
        {"equals": {"property": ["type"], "value": "x"}, "exists": {"property": ["type"]}},
        {"or": [{"exists": {"property": ["type"]}}] * 101},
    ],
)
def test_advanced_filters_of_the_wrong_shape(events: Caller, condition: dict[str, Any]) -> None:
    with pytest.raises(AnswerError) as caught:
        events.post("/events/list", {"advancedFilter": condition})
    assert caught.value.status == 400


def test_contains_and_subtree_in_advanced_filters(cdf: Caller) -> None:
    cdf.create("/labels", *({"externalId": name, "name": name} for name in ("red", "hot")))
    root, pump, other = cdf.create(
        "/assets",
        {"name": "r", "externalId": "r", "labels": [{"externalId": "red"}]},
        {
            "name": "p",
            "externalId": "p",
            "parentExternalId": "r",
            "labels": [{"externalId": "red"}, {"externalId": "hot"}],
        },
        {"name": "o", "externalId": "o"},
    )
    cdf.create(
        "/events", {"externalId": "e1", "assetIds": [pump["id"]]}, {"externalId": "e2", "assetIds": [other["id"]]}
    )
    both = {"containsAll": {"property": ["labels"], "values": ["red", "hot"]}}
    some = {"containsAny": {"property": ["labels"], "values": ["red", "hot"]}}
    assert names(cdf.all("/assets", advancedFilter=both)) == ["p"]
    assert names(cdf.all("/assets", advancedFilter=some)) == ["r", "p"]
    below = {"inAssetSubtree": {"property": ["assetIds"], "values": [root["id"]]}}
    assert names(cdf.all("/events", advancedFilter=below)) == ["e1"]


def test_search_finds_words_and_puts_the_best_first(events: Caller) -> None:
    assert names(events.items("/events/search", {"search": {"description": "number 7"}, "limit": 1})) == ["e7"]
    found = events.items("/events/search", {"search": {"description": "pump"}, "filter": {"type": "T1"}})
    assert len(found) == 8
    assert events.items("/events/search", {"search": {"description": "valve"}}) == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, [{"count": 25}]),
        ({"filter": {"type": "T1"}}, [{"count": 8}]),
        ({"aggregate": "count", "properties": [{"property": ["metadata"]}]}, [{"count": 13}]),
        (
            {"aggregate": "uniqueValues", "properties": [{"property": ["type"]}]},
            [{"count": 9, "values": ["t0"]}, {"count": 8, "values": ["t1"]}, {"count": 8, "values": ["t2"]}],
        ),
        (
            {
                "aggregate": "uniqueValues",
                "properties": [{"property": ["type"]}],
                "aggregateFilter": {"not": {"prefix": {"value": "T1"}}},
            },
            [{"count": 9, "values": ["t0"]}, {"count": 8, "values": ["t2"]}],
        ),
        ({"aggregate": "cardinalityValues", "properties": [{"property": ["metadata", "key"]}]}, [{"count": 2}]),
        ({"aggregate": "cardinalityProperties", "path": ["metadata"]}, [{"count": 2}]),
        (
            {"aggregate": "uniqueProperties", "path": ["metadata"], "aggregateFilter": {"in": {"values": ["KEY"]}}},
            [{"count": 13, "values": [{"property": ["metadata", "key"]}]}],
        ),
    ],
)
def test_aggregates(events: Caller, body: dict[str, Any], expected: list[Any]) -> None:
    assert events.items("/events/aggregate", body) == expected


def test_documents_at_a_place(cdf: Caller) -> None:
    line = {"type": "LineString", "coordinates": [[30, 10], [10, 30], [40, 40]]}
    cdf.create("/assets", {"name": "a", "externalId": "a", "geoLocation": {"type": "Feature", "geometry": line}})
    cdf.create("/assets", {"name": "b", "externalId": "b"})

    def found(relation: str, kind: str, coordinates: Any) -> list[str]:
        shape = {"type": kind, "coordinates": coordinates}
        return names(cdf.all("/assets", filter={"geoLocation": {"relation": relation, "shape": shape}}))

    around = [[[0, 0], [50, 0], [50, 50], [0, 50], [0, 0]]]
    hole = [*around, [[5, 5], [45, 5], [45, 45], [5, 45], [5, 5]]]
    assert found("intersects", "Point", [20, 20]) == ["a"]
    assert found("INTERSECTS", "Point", [0, 0]) == []
    assert found("WITHIN", "Polygon", around) == ["a"]
    assert found("WITHIN", "Polygon", hole) == []
    assert found("DISJOINT", "Polygon", hole) == ["a"]
    assert found("INTERSECTS", "LineString", [[10, 10], [40, 50]]) == ["a"]
