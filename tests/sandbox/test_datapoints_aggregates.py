# SPDX-License-Identifier: Apache-2.0
"""Aggregates against a slow and obvious computation, and against figures that CDF itself has given."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import orjson
import pytest
from cognite.client._proto.data_point_list_response_pb2 import DataPointListResponse
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_replicator.sandbox.cdf import points as points_module
from airflow_provider_replicator.sandbox.cdf.http import Request
from airflow_provider_replicator.sandbox.cdf.server import CdfServer
from airflow_provider_replicator.sandbox.clock import Clock
from tests.sandbox.caller import AnswerError, Caller
from tests.sandbox.conftest import NOW

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
COUNTS = [["count"], ["countBad"], ["count", "countGood", "countUncertain", "countBad"]]
SYMBOLS = ("Good", "Uncertain", "Bad")
NUMERIC = ["count", "sum", "min", "max", "average", "totalVariation", "continuousVariance", "discreteVariance"]

#: time, value, status as index of SYMBOLS
Point = tuple[int, float, int]
Piece = tuple[int, int, float, float]


@pytest.fixture
def cdf(cdf: Caller) -> Caller:
    cdf.create("/timeseries", {"externalId": "n"}, {"externalId": "step", "isStep": True})
    return cdf


def insert(cdf: Caller, name: str, points: list[Point]) -> None:
    rows = [{"timestamp": t, "value": v, "status": {"symbol": SYMBOLS[s]}} for t, v, s in points]
    cdf.post("/timeseries/data", {"items": [{"externalId": name, "datapoints": rows}]})


def ask(cdf: Caller, name: str, aggregates: list[str], granularity: str, **query: Any) -> list[dict[str, Any]]:
    item = {"externalId": name, "aggregates": aggregates, "granularity": granularity, "limit": 10_000, **query}
    found: list[dict[str, Any]] = cdf.items("/timeseries/data/list", {"items": [item]})[0]["datapoints"]
    return found


def column(rows: list[dict[str, Any]], name: str) -> list[Any]:
    return [row.get(name) for row in rows]


# -- the obvious computation ---------------------------------------------------------------------------------------------


class Slow:
    def __init__(self, points: list[Point], *, is_step: bool, ignore_bad: bool, uncertain_as_bad: bool) -> None:
        self.points = sorted({point[0]: point for point in points}.values())
        self.is_step = is_step
        self.ignore_bad = ignore_bad
        self.is_good: Callable[[Point], bool] = lambda p: p[2] == 0 or (p[2] == 1 and not uncertain_as_bad)

    def inside(self, start: int, end: int) -> list[Point]:
        return [p for p in self.points if start <= p[0] < end and self.is_good(p)]

    def pieces(self, start: int, end: int) -> list[Piece]:
        """Of the line, in one bucket."""
        trace = [p for p in self.points if self.is_good(p)] if self.ignore_bad else self.points
        found = []
        for one, two in pairwise(trace):
            if not self.is_good(one):
                continue
            same = start <= one[0] and two[0] < end
            if not same and not self.is_step and two[0] - one[0] > HOUR:
                continue
            low, high = max(one[0], start), min(two[0], end)
            if low >= high:
                continue
            last = one[1] if self.is_step or not self.is_good(two) else two[1]
            slope = (last - one[1]) / (two[0] - one[0])
            found.append((low, high, one[1] + slope * (low - one[0]), one[1] + slope * (high - one[0])))
        return found

    def moments(self, start: int, end: int) -> tuple[float, float]:
        pieces = self.pieces(start, end)
        length = sum(high - low for low, high, _, _ in pieces)
        if not length:
            return self.inside(start, end)[-1][1], 0.0
        average = sum((high - low) * (a + b) / 2 for low, high, a, b in pieces) / length
        moved = [(high - low, a - average, b - average) for low, high, a, b in pieces]
        square = sum(size * (a * a + a * b + b * b) / 3 for size, a, b in moved)
        return average, square / length

    def row(self, start: int, end: int) -> dict[str, Any] | None:
        values = [p[1] for p in self.inside(start, end)]
        if not values:
            return None
        average, variance = self.moments(start, end)
        return {
            "timestamp": start,
            "count": len(values),
            "sum": sum(values),
            "min": min(values),
            "max": max(values),
            "average": average,
            "continuousVariance": variance,
            "discreteVariance": statistics.pvariance(values),
        }


POINTS = st.lists(
    st.tuples(
        st.integers(0, 40).map(lambda n: n * 11 * MINUTE),
        st.integers(-9, 9).map(float),
        st.sampled_from([0, 0, 0, 1, 2]),
    ),
    min_size=1,
    max_size=30,
    unique_by=lambda point: point[0],
)


@settings(max_examples=120, deadline=None)
@given(
    POINTS,
    st.sampled_from([("1h", HOUR), ("20m", 20 * MINUTE), ("3h", 3 * HOUR)]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_numeric_aggregates_are_what_their_definition_says(
    points: list[Point], granularity: tuple[str, int], is_step: bool, ignore_bad: bool, uncertain_as_bad: bool
) -> None:
    cdf = Caller(CdfServer(["p"], clock=Clock(at=NOW)), "p")
    cdf.create("/timeseries", {"externalId": "x", "isStep": is_step})
    insert(cdf, "x", points)
    text, width = granularity
    flags = {"ignoreBadDataPoints": ignore_bad, "treatUncertainAsBad": uncertain_as_bad}
    names = [name for name in NUMERIC if name != "totalVariation"]
    slow = Slow(points, is_step=is_step, ignore_bad=ignore_bad, uncertain_as_bad=uncertain_as_bad)
    expected = [row for start in range(0, 10 * HOUR, width) if (row := slow.row(start, start + width))]
    found = ask(cdf, "x", names, text, start=0, end=10 * HOUR, **flags)
    assert column(found, "timestamp") == column(expected, "timestamp")
    for name in names:
        assert column(found, name) == pytest.approx(column(expected, name), abs=1e-9), name


@settings(max_examples=60, deadline=None)
@given(POINTS, st.sampled_from(["1h", "7m", "2h"]), st.booleans(), st.integers(1, 4))
def test_pages_of_aggregates_add_up_to_the_whole(
    points: list[Point], granularity: str, is_step: bool, limit: int
) -> None:
    cdf = Caller(CdfServer(["p"], clock=Clock(at=NOW)), "p")
    cdf.create("/timeseries", {"externalId": "x", "isStep": is_step})
    insert(cdf, "x", points)
    item = {"externalId": "x", "aggregates": [*NUMERIC, "durationGood", "countBad"], "granularity": granularity}
    whole = cdf.items("/timeseries/data/list", {"items": [{**item, "limit": 10_000, "end": 9 * HOUR}]})[0]
    assert "nextCursor" not in whole
    rows: list[Any] = []
    cursor = None
    while cursor or not rows:
        page = cdf.items(
            "/timeseries/data/list", {"items": [{**item, "limit": limit, "end": 9 * HOUR, "cursor": cursor}]}
        )[0]
        assert len(page["datapoints"]) <= limit
        rows += page["datapoints"]
        cursor = page.get("nextCursor")
        if not page["datapoints"]:
            break
    assert rows == whole["datapoints"]


@settings(max_examples=100, deadline=None)
@given(
    POINTS,
    st.sampled_from(["1h", "13m", "1d"]),
    st.booleans(),
    st.integers(1, 5),
    st.sampled_from(COUNTS),
)
def test_counts_alone_are_the_counts_among_other_aggregates(
    points: list[Point], granularity: str, uncertain_as_bad: bool, limit: int, names: list[str]
) -> None:
    """Counts have a shorter way of their own, block by block; blocks are small here so that buckets span several."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(points_module, "BLOCK", 4)
        cdf = Caller(CdfServer(["p"], clock=Clock(at=NOW)), "p")
        cdf.create("/timeseries", {"externalId": "n"})
        insert(cdf, "n", points)
    flags = {"treatUncertainAsBad": uncertain_as_bad, "end": 8 * HOUR}
    other = "durationBad" if names != ["count"] else "sum"
    whole = [
        {key: row[key] for key in row if key != other} for row in ask(cdf, "n", [*names, other], granularity, **flags)
    ]
    expected = [row for row in whole if any(name.startswith("count") for name in row) or names == ["countBad"]]
    found: list[dict[str, Any]] = []
    item = {"externalId": "n", "aggregates": names, "granularity": granularity, "limit": limit, **flags}
    cursor = None
    while True:
        page = cdf.items("/timeseries/data/list", {"items": [{**item, "cursor": cursor}]})[0]
        assert len(page["datapoints"]) <= limit
        found += page["datapoints"]
        cursor = page.get("nextCursor")
        if cursor is None:
            break
    assert found == expected


# -- by hand -------------------------------------------------------------------------------------------------------------


def test_the_line_is_drawn_over_the_border_only_between_near_points(cdf: Caller) -> None:
    near = [(0, 0.0, 0), (30 * MINUTE, 6.0, 0), (90 * MINUTE, 12.0, 0)]
    insert(cdf, "n", near)
    rows = ask(cdf, "n", ["average", "totalVariation"], "1h", end=2 * HOUR)
    assert column(rows, "average") == pytest.approx([(3 * 30 + 7.5 * 30) / 60, 10.5])
    assert column(rows, "totalVariation") == pytest.approx([9, 3])
    insert(cdf, "n", [(90 * MINUTE + 1, 12.0, 2), (151 * MINUTE, 0.0, 0)])
    assert column(ask(cdf, "n", ["average"], "1h", end=3 * HOUR), "average") == pytest.approx([5.25, 10.5, 0])


def test_a_step_series_holds_its_value_across_any_gap(cdf: Caller) -> None:
    insert(cdf, "step", [(0, 2.0, 0), (90 * MINUTE, 4.0, 0), (5 * HOUR, 0.0, 0)])
    rows = ask(cdf, "step", ["average", "totalVariation"], "1h", end=6 * HOUR)
    assert column(rows, "timestamp") == [0, HOUR, 5 * HOUR]
    assert column(rows, "average") == pytest.approx([2, 3, 0])
    assert column(rows, "totalVariation") == [0.0, 2.0, 4.0]


def test_interpolation_is_given_where_the_line_is(cdf: Caller) -> None:
    insert(cdf, "n", [(30 * MINUTE, 0.0, 0), (80 * MINUTE, 5.0, 0), (200 * MINUTE, 8.0, 0)])
    rows = ask(cdf, "n", ["interpolation"], "10m", end=4 * HOUR)
    assert column(rows, "timestamp") == [minute * MINUTE for minute in (30, 40, 50, 60, 70, 80, 200)]
    assert column(rows, "interpolation") == pytest.approx([0, 1, 2, 3, 4, 5, 8])


def test_step_interpolation_goes_on_into_the_first_empty_bucket_only(cdf: Caller) -> None:
    insert(cdf, "n", [(30 * MINUTE, 1.0, 0), (5 * HOUR, 2.0, 0)])
    rows = ask(cdf, "n", ["stepInterpolation"], "1h", end=9 * HOUR)
    assert [(row["timestamp"] // HOUR, row["stepInterpolation"]) for row in rows] == [(1, 1.0), (5, 2.0), (6, 2.0)]
    later = ask(cdf, "n", ["stepInterpolation", "count"], "1h", start=8 * HOUR, end=30 * HOUR)
    assert later == [{"timestamp": 8 * HOUR, "stepInterpolation": 2.0}]


def test_counts_and_durations_of_a_status_do_not_depend_on_how_it_is_treated(cdf: Caller) -> None:
    insert(cdf, "n", [(0, 1.0, 0), (10 * MINUTE, 1.0, 1), (30 * MINUTE, 1.0, 2), (70 * MINUTE, 1.0, 0)])
    names = ["countGood", "countUncertain", "countBad", "durationGood", "durationUncertain", "durationBad"]
    for flags in ({}, {"ignoreBadDataPoints": False}, {"treatUncertainAsBad": False}):
        first, second = ask(cdf, "n", names, "1h", end=2 * HOUR, **flags)
        assert [first[name] for name in names] == [1, 1, 1, 10 * MINUTE, 20 * MINUTE, 30 * MINUTE]
        assert second == {"timestamp": HOUR, "countGood": 1, "durationBad": 10 * MINUTE}


def test_extreme_points_come_with_their_time_and_status(cdf: Caller) -> None:
    insert(cdf, "n", [(1, 5.0, 0), (2, -1.0, 1), (3, 5.0, 0)])
    (row,) = ask(cdf, "n", ["minDatapoint", "maxDatapoint"], "1s", treatUncertainAsBad=False, includeStatus=True)
    assert row["maxDatapoint"] == {"timestamp": 1, "value": 5.0}
    assert row["minDatapoint"] == {
        "timestamp": 2,
        "value": -1.0,
        "status": {"code": 0x4000_0000, "symbol": "Uncertain"},
    }


def test_protobuf_carries_every_aggregate_and_nan_for_what_is_not_there(cdf: Caller) -> None:
    insert(cdf, "n", [(HOUR + 5, 0.0, 0), (HOUR + 9, 4.0, 1)])
    names = [*NUMERIC, "interpolation", "stepInterpolation", "durationGood", "minDatapoint", "maxDatapoint"]
    item = {
        "externalId": "n",
        "aggregates": names,
        "granularity": "1h",
        "includeStatus": True,
        "treatUncertainAsBad": False,
    }
    request = Request(
        "POST", "/timeseries/data/list", {}, {"accept": "application/protobuf"}, orjson.dumps({"items": [item]})
    )
    response = DataPointListResponse.FromString(cdf.server.handle(request, "source").body)
    (point, carried) = response.items[0].aggregateDatapoints.datapoints
    assert (point.timestamp, point.count, point.sum, point.min, point.average, point.durationGood) == (
        HOUR,
        2,
        4,
        0,
        2,
        4,
    )
    assert point.interpolation != point.interpolation  # NaN
    assert (point.minDatapoint.timestamp, point.minDatapoint.value) == (HOUR + 5, 0)
    assert (point.maxDatapoint.value, point.maxDatapoint.status.symbol) == (4, "Uncertain")
    assert (carried.timestamp, carried.stepInterpolation, carried.HasField("minDatapoint")) == (2 * HOUR, 4, False)


def test_buckets_begin_at_whole_units_before_the_start(cdf: Caller) -> None:
    insert(cdf, "n", [(minute * MINUTE, 1.0, 0) for minute in range(180)])
    start = 61 * MINUTE + 5 * SECOND
    by_minutes = ask(cdf, "n", ["count"], "60m", start=start, end=2 * HOUR)
    assert by_minutes == [{"timestamp": 61 * MINUTE, "count": 60}]
    by_hours = ask(cdf, "n", ["count"], "1h", start=start, end=2 * HOUR)
    assert by_hours == [{"timestamp": HOUR, "count": 60}]


@pytest.mark.parametrize(
    ("granularity", "zone", "expected"),
    [
        ("1month", None, [(0, 31), (31 * DAY, 28), (59 * DAY, 31)]),
        ("1mo", "Europe/Oslo", [(-HOUR, 31), (31 * DAY - HOUR, 28), (59 * DAY - HOUR, 31)]),
        ("1q", None, [(0, 90)]),
        ("1year", None, [(0, 90)]),
        ("2w", "UTC", [(14 * n * DAY, 14) for n in range(6)] + [(84 * DAY, 6)]),
        ("30d", "UTC+05:30", [(DAY * 30 * n - 5 * HOUR - 30 * MINUTE, 30) for n in range(3)]),
    ],
)
def test_calendar_granularities_follow_the_calendar_of_the_zone(
    cdf: Caller, granularity: str, zone: str | None, expected: list[tuple[int, int]]
) -> None:
    insert(cdf, "n", [(day * DAY, 1.0, 0) for day in range(90)])
    rows = ask(cdf, "n", ["count"], granularity, timeZone=zone, start=0, end=90 * DAY)
    assert [(row["timestamp"], row["count"]) for row in rows] == expected


def test_days_of_a_zone_are_longer_and_shorter_when_its_clocks_change(cdf: Caller) -> None:
    first_day = 1_679_612_400_000  # 2023-03-24 00:00 in Oslo; summer time begins on the 26th
    insert(cdf, "n", [(first_day + n * HOUR, 1.0, 0) for n in range(24 * 4)])
    rows = ask(cdf, "n", ["count"], "1d", timeZone="Europe/Oslo", start=first_day, end=first_day + 4 * DAY)
    assert column(rows, "count")[:3] == [24, 24, 23]


def test_what_cannot_be_aggregated_is_refused_with_the_words_of_the_service(cdf: Caller) -> None:
    cdf.create("/timeseries", {"externalId": "s", "isString": True})
    for name, aggregate, granularity, message in (
        ("n", "min-max-lol", "1h", "Could not recognize aggregation value: 'min-max-lol'."),
        ("s", "count", "1h", "Aggregates are not supported for string time series"),
        ("n", "count", "1fortnight", "Invalid granularity"),
        ("n", "count", "100001s", "Granularity must be"),
        ("n", "count", "", "Invalid granularity"),
    ):
        with pytest.raises(AnswerError) as error:
            ask(cdf, name, [aggregate], granularity)
        assert error.value.status == 400
        assert message in error.value.error["message"]
    with pytest.raises(AnswerError, match="time zone"):
        ask(cdf, "n", ["count"], "1h", timeZone="Mars/Olympus")
    with pytest.raises(AnswerError, match="10000"):
        ask(cdf, "n", ["count"], "1h", limit=10_001)
