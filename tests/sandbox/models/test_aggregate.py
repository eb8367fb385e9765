# SPDX-License-Identifier: Apache-2.0
"""``/models/instances/aggregate`` and ``/search``."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.caller import AnswerError, Caller
from tests.sandbox.models import plant
from tests.sandbox.models.plant import PUMP, SPACE, TAG, names, of_pump, pipe, pump, reference


@pytest.fixture
def cdf(cdf: Caller) -> Caller:
    """Pumps of sizes 1, 2, 4 and 7 (running, running, not, unknown), one without size, one without data."""
    plant.build(cdf)
    plant.apply(
        cdf,
        pump("a", name="Feed water pump", size=1, running=True, parent=reference("b")),
        pump("b", name="Water injection pump", size=2, running=True, power=1.5),
        pump("c", name="Feed gas compressor", size=4, running=False, power=-2, aliases=["Turbo", "blower"]),
        pump("d", name="spare", size=7),
        pump("e", name="spare pump"),
        pump("nothing"),
    )
    plant.apply(cdf, pipe("a", "b", label="hot water"), pipe("b", "c"))
    return cdf


def aggregate(cdf: Caller, *aggregates: dict[str, Any], **options: Any) -> list[dict[str, Any]]:
    asked = {"view": PUMP, **({"aggregates": list(aggregates)} if aggregates else {}), **options}
    found: list[dict[str, Any]] = cdf.post("/models/instances/aggregate", asked)["items"]
    return found


def values(cdf: Caller, *aggregates: dict[str, Any], **options: Any) -> list[Any]:
    (item,) = aggregate(cdf, *aggregates, **options)
    return [one.get("value") for one in item["aggregates"]]


def search(cdf: Caller, query: Any = None, **options: Any) -> list[str]:
    asked = {"view": PUMP, **options, **({} if query is None else {"query": query})}
    return names(cdf.items("/models/instances/search", asked))


# -- aggregates ------------------------------------------------------------------------------------------------------------


def test_numbers(cdf: Caller) -> None:
    size = {"property": "size"}
    every: list[dict[str, Any]] = [{"count": {}}, {"count": size}, {"sum": size}, {"avg": size}, {"max": size}]
    (item,) = aggregate(cdf, *every)
    assert item == {
        "instanceType": "node",
        "aggregates": [
            {"aggregate": "count", "value": 5},
            {"aggregate": "count", "property": "size", "value": 4},
            {"aggregate": "sum", "property": "size", "value": 14.0},
            {"aggregate": "avg", "property": "size", "value": 3.5},
            {"aggregate": "max", "property": "size", "value": 7.0},
        ],
    }
    assert values(cdf, {"min": {"property": "power"}}, {"count": {"property": "externalId"}}) == [-2.0, 5]


def test_of_nothing_there_is_no_average(cdf: Caller) -> None:
    nobody = {"equals": {"property": of_pump("name"), "value": "nobody"}}
    assert values(cdf, {"count": {}}, {"avg": {"property": "size"}}, {"sum": {"property": "size"}}, filter=nobody) == [
        0,
        None,
        None,
    ]


def test_filters_and_words_narrow_what_is_counted(cdf: Caller) -> None:
    big = {"range": {"property": of_pump("size"), "gte": 2}}
    assert values(cdf, {"count": {}}, filter=big) == [3]
    assert values(cdf, {"count": {}}, filter={"range": {"property": ["size"], "gte": 2}}) == [3]
    assert values(cdf, {"count": {}}, query="feed pump") == [4]
    assert values(cdf, {"count": {}}, query="feed pump", operator="AND") == [1]
    assert values(cdf, {"count": {}}, view=TAG, instanceType="edge") == [1]


def test_histograms(cdf: Caller) -> None:
    (item,) = aggregate(
        cdf, {"histogram": {"property": "size", "interval": 3}}, {"histogram": {"property": "power", "interval": 0.5}}
    )
    assert item["aggregates"] == [
        {
            "aggregate": "histogram",
            "property": "size",
            "interval": 3,
            "buckets": [{"start": 0.0, "count": 2}, {"start": 3.0, "count": 1}, {"start": 6.0, "count": 1}],
        },
        {
            "aggregate": "histogram",
            "property": "power",
            "interval": 0.5,
            "buckets": [{"start": -2.0, "count": 1}, {"start": 1.5, "count": 1}],
        },
    ]


def test_groups(cdf: Caller) -> None:
    by_running = aggregate(cdf, {"count": {}}, {"max": {"property": "size"}}, groupBy=["running"])
    assert [(item["group"], [one["value"] for one in item["aggregates"]]) for item in by_running] == [
        ({"running": False}, [1, 4.0]),
        ({"running": True}, [2, 2.0]),
    ]
    assert aggregate(cdf, groupBy=["name"], limit=2) == [
        {"instanceType": "node", "group": {"name": "Feed gas compressor"}, "aggregates": []},
        {"instanceType": "node", "group": {"name": "Feed water pump"}, "aggregates": []},
    ]
    (by_parent,) = aggregate(cdf, {"count": {}}, groupBy=["running", "parent"])
    assert by_parent["group"] == {"running": True, "parent": reference("b")}


def test_units_and_typing(cdf: Caller) -> None:
    units = [{"property": "power", "unit": {"externalId": "pressure:pa"}}]
    asked = {"view": PUMP, "aggregates": [{"max": {"property": "power"}}], "targetUnits": units, "includeTyping": True}
    answer = cdf.post("/models/instances/aggregate", asked)
    assert answer["items"][0]["aggregates"][0]["value"] == 150_000.0
    assert list(answer["typing"][SPACE]["Pump/v1"]) == ["power"]


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"aggregates": [{"median": {"property": "size"}}]},
        {"aggregates": [{"avg": {"property": "name"}}]},
        {"aggregates": [{"avg": {"property": "nothing"}}]},
        {"aggregates": [{"avg": {}}]},
        {"aggregates": [{"count": {}}] * 6},
        {"aggregates": [{"histogram": {"property": "size", "interval": 0}}]},
        {"groupBy": ["aliases"]},
        {"groupBy": []},
        {"aggregates": [{"count": {}}], "limit": 1001},
    ],
)
def test_what_cannot_be_aggregated_is_refused(cdf: Caller, wrong: dict[str, Any]) -> None:
    with pytest.raises(AnswerError) as refused:
        cdf.post("/models/instances/aggregate", {"view": PUMP, **wrong})
    assert refused.value.status == 400


def test_unknown_views_are_named(cdf: Caller) -> None:
    for path in ("aggregate", "search"):
        with pytest.raises(AnswerError, match=r"One or more views do not exist: .*Pump/v9"):
            cdf.post(f"/models/instances/{path}", {"view": {**PUMP, "version": "v9"}, "aggregates": [{"count": {}}]})


# -- search ----------------------------------------------------------------------------------------------------------------


def test_words_match_by_their_beginnings_best_first(cdf: Caller) -> None:
    assert search(cdf, "pump wat") == ["a", "b", "e"]
    assert search(cdf, "SPARE pump") == ["e", "a", "b", "d"]
    assert search(cdf, "spare pump", operator="AND") == ["e"]
    assert search(cdf, "turbo") == ["c"]
    assert search(cdf, "turbo", properties=["name"]) == []
    assert search(cdf, "nobody") == []


def test_without_words_everything_in_the_view_matches(cdf: Caller) -> None:
    assert search(cdf) == search(cdf, "") == ["a", "b", "c", "d", "e"]
    assert search(cdf, limit=2) == ["a", "b"]
    assert search(cdf, filter={"exists": {"property": of_pump("power")}}) == ["b", "c"]
    assert search(cdf, view=TAG, instanceType="edge") == ["a-b"]


def test_a_search_may_be_sorted(cdf: Caller) -> None:
    down = [{"property": of_pump("size"), "direction": "descending"}]
    assert search(cdf, "pump", sort=down) == ["b", "a", "e"]
    assert search(cdf, sort=[{"property": ["node", "externalId"], "direction": "descending"}], limit=2) == ["e", "d"]


def test_a_search_shows_all_of_the_view(cdf: Caller) -> None:
    units = [{"property": "power", "unit": {"externalId": "pressure:pa"}}]
    answer = cdf.post(
        "/models/instances/search", {"view": PUMP, "query": "injection", "targetUnits": units, "includeTyping": True}
    )
    assert answer["items"][0]["properties"] == {
        SPACE: {"Pump/v1": {"name": "Water injection pump", "size": 2, "running": True, "power": 150_000.0}}
    }
    assert set(answer["typing"][SPACE]["Pump/v1"]) == {"name", "size", "power", "running", "aliases", "parent"}


@pytest.mark.parametrize("wrong", [{"properties": ["nothing"]}, {"properties": ["size"]}, {"query": 1}, {"limit": 0}])
def test_what_cannot_be_searched_is_refused(cdf: Caller, wrong: dict[str, Any]) -> None:
    with pytest.raises(AnswerError) as refused:
        search(cdf, **wrong)
    assert refused.value.status == 400
