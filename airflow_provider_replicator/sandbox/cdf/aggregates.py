# SPDX-License-Identifier: Apache-2.0
"""Aggregates of one series: which buckets an answer holds, and their values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from airflow_provider_replicator.sandbox.cdf import protobuf as wire
from airflow_provider_replicator.sandbox.cdf.aggregates_buckets import Buckets, Granularity
from airflow_provider_replicator.sandbox.cdf.aggregates_counts import counts_of, is_only_counts
from airflow_provider_replicator.sandbox.cdf.aggregates_values import REACH_MS, Flags, Frame, Spans, values_of
from airflow_provider_replicator.sandbox.cdf.points import Points, Series, empty, join
from airflow_provider_replicator.sandbox.cdf.points_units import Conversion
from airflow_provider_replicator.sandbox.cdf.protobuf_points import add_numeric

#: name -> field number of AggregateDatapoint
AGGREGATES = {
    "average": 2,
    "max": 3,
    "min": 4,
    "count": 5,
    "sum": 6,
    "interpolation": 7,
    "stepInterpolation": 8,
    "continuousVariance": 9,
    "discreteVariance": 10,
    "totalVariation": 11,
    "countGood": 12,
    "countUncertain": 13,
    "countBad": 14,
    "durationGood": 15,
    "durationUncertain": 16,
    "durationBad": 17,
    "maxDatapoint": 18,
    "minDatapoint": 19,
}
_OF_ALL_POINTS = {name for name in AGGREGATES if name.startswith(("countG", "countU", "countB", "duration"))}
_INTERPOLATED = {"interpolation", "stepInterpolation"}

Floats = NDArray[np.float64]
Int64 = NDArray[np.int64]


class Request(Protocol):
    """What of a query matters here."""

    @property
    def end(self) -> int: ...
    @property
    def limit(self) -> int: ...
    @property
    def aggregates(self) -> tuple[str, ...]: ...
    @property
    def granularity(self) -> Granularity | None: ...
    @property
    def ignore_bad(self) -> bool: ...
    @property
    def uncertain_as_bad(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Aggregated:
    """Columns by name of the aggregate: numbers (NaN: none), or `Points` (one per bucket, nulls where none)."""

    times: Int64
    columns: dict[str, Floats | Points]

    def __len__(self) -> int:
        return len(self.times)

    def to_protobuf(self, *, include_status: bool) -> bytes:
        """The body of an AggregateDatapoints message. A value that does not exist is NaN: proto3 has no absent numbers."""
        if not len(self):
            return b""
        rows = wire.Columns(len(self))
        rows.varint(b"\x08", self.times)
        everywhere = np.ones(len(self), np.bool_)
        for name in sorted(self.columns, key=AGGREGATES.__getitem__):
            column = self.columns[name]
            number = AGGREGATES[name]
            if isinstance(column, Points):
                inner = wire.Columns(len(self))
                present = np.ones(len(self), np.bool_) if column.nulls is None else ~column.nulls
                add_numeric(inner, Points(column.times, column.values, column.codes), with_status=include_status)
                rows.nested(wire.varint(number << 3 | wire.LENGTH), inner, present)
            else:
                rows.double(wire.varint(number << 3 | wire.FIXED64), column, everywhere)
        return rows.repeated(0x0A)

    def to_json(
        self, point: Callable[[int, Any, int], dict[str, Any]], *, include_status: bool
    ) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = [{"timestamp": time} for time in self.times.tolist()]
        for name, column in self.columns.items():
            if isinstance(column, Points):
                for row, element in zip(rows, _json_points(column, point, include_status), strict=True):
                    if element is not None:
                        row[name] = element
                continue
            whole = name.startswith(("count", "duration"))
            for row, value in zip(rows, column.tolist(), strict=True):
                if value == value:  # not NaN
                    row[name] = int(value) if whole else value
        return rows


def _json_points(
    column: Points, point: Callable[[int, Any, int], dict[str, Any]], include_status: bool
) -> list[dict[str, Any] | None]:
    codes = column.codes if column.codes is not None and include_status else np.zeros(len(column), np.uint32)
    nulls = np.zeros(len(column), np.bool_) if column.nulls is None else column.nulls
    return [
        None if null else point(time, value, code)
        for time, value, code, null in zip(
            column.times.tolist(), column.values.tolist(), codes.tolist(), nulls.tolist(), strict=True
        )
    ]


def aggregate(
    series: Series, query: Request, start: int, *, is_step: bool, unit: Conversion | None
) -> tuple[Aggregated, int | None]:
    """One page of aggregates from ``start`` on, and where the next page begins."""
    if query.granularity is None:
        raise ValueError("aggregates need a granularity")
    nothing = Aggregated(np.empty(0, np.int64), {name: np.empty(0) for name in query.aggregates})
    buckets = query.granularity.buckets(start, query.end)
    if not buckets.count or not query.limit:
        return nothing, None
    if is_only_counts(query.aggregates):
        return _counted(series, buckets, query)
    inside = _load(series, buckets, query)
    first, end = (int(time) for time in buckets.starts(np.array([0, buckets.count])))
    flags = Flags(is_step=is_step, ignore_bad=query.ignore_bad, uncertain_as_bad=query.uncertain_as_bad)
    frame = Frame.around(series, inside, (first, end), flags, unit)
    shown = _shown(frame, buckets, query)
    if not len(shown):
        return nothing, None
    following = _following(shown, buckets, query.limit)
    shown = shown[: query.limit]
    spans = Spans(buckets.starts(shown), buckets.starts(shown + 1))
    if following is not None:
        frame = frame.until(following)
    return Aggregated(spans.starts, {name: values_of(name, frame, spans) for name in query.aggregates}), following


def _counted(series: Series, buckets: Buckets, query: Request) -> tuple[Aggregated, int | None]:
    limit = query.limit
    shown, columns = counts_of(
        series, buckets, query.aggregates, limit=limit + 1, uncertain_as_bad=query.uncertain_as_bad
    )
    page = Aggregated(buckets.starts(shown[:limit]), {name: column[:limit] for name, column in columns.items()})
    return page, _following(shown, buckets, limit)


def _following(shown: Int64, buckets: Buckets, limit: int) -> int | None:
    """When the first bucket begins that is left over."""
    return int(buckets.starts(shown[limit : limit + 1])[0]) if len(shown) > limit else None


def _load(series: Series, buckets: Buckets, query: Request) -> Points:
    """The points of the first ``limit`` + 1 buckets that have any, and perhaps more."""
    first, last = (int(time) for time in buckets.starts(np.array([0, buckets.count])))
    parts: list[Points] = []
    seen, previous = 0, -1
    for part in series.parts(first, last):
        parts.append(part)
        good = part.usable(ignore_bad=True, uncertain_as_bad=query.uncertain_as_bad)
        if not len(good):
            continue
        indices = buckets.index(good.times)
        seen += int(np.count_nonzero(np.diff(indices))) + (int(indices[0]) != previous)
        previous = int(indices[-1])
        if seen > query.limit + 1:
            break
    return join(parts, is_string=False) if parts else empty(is_string=False)


def _shown(frame: Frame, buckets: Buckets, query: Request) -> Int64:
    """The buckets that the answer holds, ascending; a few more than the limit tell that there is a next page."""
    names = set(query.aggregates)
    enough, is_step = query.limit + 1, frame.flags.is_step
    found = [np.empty(0, np.int64)]
    if names - _INTERPOLATED - _OF_ALL_POINTS:
        found.append(_first_unique(buckets.index(frame.good.times), enough))
    if names & _OF_ALL_POINTS:
        found.append(_first_unique(buckets.index(frame.inside.times), enough))
    if "interpolation" in names and not is_step:
        found.append(_between(frame, buckets, enough))
    if "stepInterpolation" in names or (is_step and "interpolation" in names):
        found.append(_held(frame, buckets, enough))
    return np.unique(np.concatenate(found))[:enough]


def _first_unique(indices: Int64, count: int) -> Int64:
    if not len(indices):
        return indices
    return indices[np.flatnonzero(np.diff(indices, prepend=indices[0] - 1))][:count]


def _held(frame: Frame, buckets: Buckets, count: int) -> Int64:
    """Buckets to which a value is carried over: the first of all, those with points, and of the empty ones between
    them only the first. That is what CDF does, however odd it looks."""
    times = frame.known.times
    if not len(times):
        return np.empty(0, np.int64)
    filled = _first_unique(buckets.index(frame.good.times), count)
    candidates = np.unique(np.concatenate([np.zeros(1, np.int64), filled, filled + 1]))
    candidates = candidates[candidates < buckets.count]
    shown: Int64 = candidates[buckets.starts(candidates) >= times[0]]
    return shown[:count]


def _first_at_or_after(buckets: Buckets, times: Int64) -> Int64:
    indices = np.clip(buckets.index(times), -1, buckets.count)
    known = np.maximum(indices, 0)
    return known + ((indices >= 0) & (buckets.starts(known) < times))


def _between(frame: Frame, buckets: Buckets, count: int) -> Int64:
    """Buckets that begin on a point, or between two points that are close enough to interpolate."""
    times = frame.seen.times
    if not len(times):
        return np.empty(0, np.int64)
    low = _first_at_or_after(buckets, times)
    close = np.append(np.diff(times) <= REACH_MS, False)
    reach = np.where(close, np.append(times[1:], times[-1]), times)
    high = np.minimum(buckets.index(reach), buckets.count - 1)
    lengths = np.maximum(high - low + 1, 0)
    needed = int(np.searchsorted(np.cumsum(lengths), 2 * count)) + 1
    low, lengths = low[:needed], lengths[:needed]
    offsets = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return np.unique(np.repeat(low, lengths) + offsets)[:count]
