# SPDX-License-Identifier: Apache-2.0
"""Numeric series compared by aggregates per period: a hundred series a request and side, without reading a point."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from airflow_provider_replicator.cdf.http.client import CdfClient

#: Series of one request, and periods of one series: together the API's limit of 10 000 aggregate points.
SERIES_PER_REQUEST = 100
PERIODS_PER_SERIES = 100
HOUR_MS = 3_600_000

COUNTS = ("countGood", "countUncertain", "countBad")
CHECKSUMS = ("sum", "min", "max", "totalVariation")
#: Two sums of the same numbers may be added in another order by another server.
TOLERANCE = 1e-9

#: start of a period in ms -> aggregate -> value
Periods = dict[int, dict[str, float]]


@dataclass(frozen=True, slots=True)
class Grid:
    """Periods of ``hours`` each, which fill ``[start, end)`` (ms, on the hour) exactly; at most 100 of them."""

    start: int
    end: int
    hours: int


def grids(start: int, end: int) -> Iterator[Grid]:
    """Fill ``[start, end)``, both on the hour: a coarse grid, then finer ones for what the coarse one leaves at the end.

    A period must not reach beyond the end: there the source and the target of a window may differ.
    """
    while start < end:
        hours = (end - start) // HOUR_MS
        step = math.ceil(hours / PERIODS_PER_SERIES)
        middle = start + hours // step * step * HOUR_MS
        yield Grid(start, middle, step)
        start = middle


def whole_hours(start: int, end: int) -> tuple[tuple[int, int], list[tuple[int, int]]]:
    """The whole hours inside ``[start, end)``, and the edges that are left over (which have to be read point by point)."""
    first, last = -(-start // HOUR_MS) * HOUR_MS, end // HOUR_MS * HOUR_MS
    if first >= last:
        return (start, start), [(start, end)]
    return (first, last), [edge for edge in ((start, first), (last, end)) if edge[0] < edge[1]]


async def periods_of(
    client: CdfClient, items: Sequence[Mapping[str, Any]], grid: Grid, aggregates: Sequence[str]
) -> list[Periods]:
    """The aggregates of up to 100 series, in the order of ``items``. A series that is not there has no periods."""
    query = {
        "items": [dict(item) for item in items],
        "start": grid.start,
        "end": grid.end,
        "limit": PERIODS_PER_SERIES,
        "granularity": f"{grid.hours}h",
        "aggregates": list(aggregates),
        "treatUncertainAsBad": False,
        "ignoreUnknownIds": False,
    }
    answer = await client.post_json("/timeseries/data/list", query)
    return [_periods(found["datapoints"]) for found in answer["items"]]


def _periods(points: list[dict[str, Any]]) -> Periods:
    """Periods without a point are dropped: servers may or may not send them."""
    periods = {}
    for point in points:
        values = {name: value for name, value in point.items() if name != "timestamp"}
        if any(values.get(name) for name in COUNTS):
            periods[point["timestamp"]] = values
    return periods


def points_in(periods: Periods) -> int:
    """All points, whatever their status."""
    return int(sum(values.get(name, 0) for values in periods.values() for name in COUNTS))


def differences(source: Periods, target: Periods) -> Iterator[tuple[int, str, float | None, float | None]]:
    """``(start of the period, aggregate, source value, target value)`` of what differs, by time."""
    for start in sorted(source.keys() | target.keys()):
        ours, theirs = source.get(start, {}), target.get(start, {})
        for name in sorted(ours.keys() | theirs.keys()):
            left, right = ours.get(name), theirs.get(name)
            if not _close(left or 0 if name in COUNTS else left, right or 0 if name in COUNTS else right):
                yield start, name, left, right


def _close(left: float | None, right: float | None) -> bool:
    if left is None or right is None:
        return left is right
    return math.isclose(left, right, rel_tol=TOLERANCE, abs_tol=0.0) or left == right
