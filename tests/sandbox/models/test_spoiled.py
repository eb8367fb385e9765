# SPDX-License-Identifier: Apache-2.0
"""Good requests with one or two things spoiled: whatever is sent, no answer is a 500 or breaks the vendor's document."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from typing import Any

import pytest

from tests.sandbox.caller import AnswerError, Caller
from tests.sandbox.models import plant
from tests.sandbox.models.plant import CONTAINER, PUMP, TAG, of_pump, pipe, pump, reference, shown
from tests.sandbox.spoiling import spoil

_SIZE = {"range": {"property": of_pump("size"), "gte": {"parameter": "least"}, "lt": 99}}
_SORT = [{"property": of_pump("size"), "direction": "descending", "nullsFirst": True}, {"property": ["node", "space"]}]
_UNITS = [{"property": "power", "unit": {"externalId": "pressure:pa"}}]
_FILTERS: list[dict[str, Any]] = [
    {"and": [{"hasData": [PUMP, CONTAINER]}, {"not": {"exists": {"property": of_pump("parent")}}}]},
    {"or": [_SIZE, {"prefix": {"property": of_pump("name"), "value": "P"}}]},
    {"in": {"property": ["node", "externalId"], "values": ["p0", "p1"]}},
    {"containsAny": {"property": of_pump("aliases"), "values": ["x", "y"]}},
    {"nested": {"scope": of_pump("parent"), "filter": {"equals": {"property": of_pump("running"), "value": True}}}},
    {"overlaps": {"startProperty": of_pump("size"), "endProperty": of_pump("power"), "gt": 1, "lte": 5}},
    {"instanceReferences": [reference("p0")]},
    {"equals": {"property": of_pump("parent"), "value": {"property": of_pump("parent")}}},
]
_CHAIN: dict[str, Any] = {
    "nodes": {"from": "a", "through": {"source": PUMP, "identifier": "parent"}, "direction": "outwards"},
    "limit": 10,
}
_EDGES: dict[str, Any] = {
    "edges": {
        "from": "a",
        "maxDistance": 2,
        "direction": "inwards",
        "limitEach": 5,
        "nodeFilter": _SIZE,
        "chainTo": "source",
    },
    "limit": 5,
}
_SELECT = {"sources": [{"source": PUMP, "properties": ["size", "power"], "targetUnits": _UNITS}]}
_SETS = {"union": ["a", {"intersection": ["a", "b"]}], "except": ["c"], "limit": 3}


def requests() -> Iterator[tuple[str, dict[str, Any]]]:
    for condition in _FILTERS:
        common = {"parameters": {"least": 1}, "includeTyping": True, "debug": {"emitResults": True, "timeout": 5}}
        first: dict[str, Any] = {"nodes": {"filter": condition}, "limit": 4}
        expressions = {"a": {**first, "sort": _SORT}, "b": _CHAIN, "c": _EDGES, "d": _SETS}
        selects = {"a": {**_SELECT, "sort": _SORT, "limit": 3}, "b": shown(), "c": {}, "d": {}}
        yield "query", {"with": expressions, "select": selects, "cursors": {"a": None}, **common}
        two = {**first, "mode": "twoPhase", "backfillSort": _SORT[:1], "skipAlreadyDeleted": False}
        edges = {"edges": {"from": "a", "filter": {"hasData": [TAG]}}, "limit": 7}
        yield (
            "sync",
            {"with": {"a": two, "b": _CHAIN, "c": edges}, "select": {"a": _SELECT, "b": {}, "c": {}}, **common},
        )
        narrow: dict[str, Any] = {"view": PUMP, "filter": {"not": {"hasData": [TAG]}}, "instanceType": "node"}
        yield (
            "search",
            {**narrow, "query": "pump", "properties": ["name"], "sort": _SORT, "limit": 9, "operator": "AND"},
        )
        numbers = [{"avg": {"property": "size"}}, {"histogram": {"property": "power", "interval": 2}}, {"count": {}}]
        yield "aggregate", {**narrow, "aggregates": numbers, "groupBy": ["running"], "targetUnits": _UNITS, "limit": 9}
        if condition is not _FILTERS[1]:  # lists know no parameters
            yield "list", {"sources": [{"source": PUMP}], "filter": condition, "sort": _SORT, "instanceType": "node"}


@pytest.fixture
def cdf(cdf: Caller) -> Caller:
    plant.build(cdf)
    plant.apply(
        cdf,
        *(pump(f"p{n}", name=f"Pump {n}", size=n, power=n / 2, aliases=["x"], running=n % 2 == 0) for n in range(8)),
        pump("q", parent=reference("p0")),
    )
    plant.apply(cdf, pipe("p0", "p1", label="x"), pipe("p1", "q"))
    plant.delete(cdf, "p7")
    return cdf


@pytest.mark.parametrize("name", ["query", "sync", "search", "aggregate", "list"])
def test_spoiled_requests(cdf: Caller, name: str) -> None:
    rng = random.Random(name)
    good = [request for path, request in requests() if path == name]
    outcomes = {200: 0, 400: 0}
    for request in good:
        cdf.post(f"/models/instances/{name}", request)
    for _ in range(400):
        request = spoil(rng.choice(good), rng)
        if rng.random() < 0.3:
            request = spoil(request, rng)
        with contextlib.suppress(AnswerError):
            cdf.post(f"/models/instances/{name}", request)
        outcomes[cdf.status] += 1  # a KeyError for whatever else it is
    assert min(outcomes.values()) > 40, outcomes


def test_spoiled_cursors(cdf: Caller) -> None:
    rng = random.Random(0)
    asked = {"with": {"a": {"nodes": {}, "limit": 2}}, "select": {"a": {}}}
    for name in ("query", "sync"):
        cursor = cdf.post(f"/models/instances/{name}", asked)["nextCursor"]["a"]
        for _ in range(100):
            where = rng.randrange(len(cursor))
            spoiled = cursor[:where] + rng.choice(["", "A", "-", "å", cursor]) + cursor[where + 1 :]
            if spoiled == cursor:
                continue
            with pytest.raises(AnswerError) as refused:
                cdf.post(f"/models/instances/{name}", {**asked, "cursors": {"a": spoiled}})
            assert refused.value.status == 400
