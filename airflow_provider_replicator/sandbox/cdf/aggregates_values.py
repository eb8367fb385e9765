# SPDX-License-Identifier: Apache-2.0
"""The value of each aggregate in each bucket, in numpy passes over the points.

Continuous aggregates follow the line through the points. Inside a bucket the line is drawn between any two points; into a
bucket from outside of it only between points at most an hour apart, or where the series is a step series.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from airflow_provider_replicator.sandbox.cdf.points import BAD, SEVERITY, UNCERTAIN, Points, Series, join
from airflow_provider_replicator.sandbox.cdf.points_units import Conversion, convert

Floats = NDArray[np.float64]
Int64 = NDArray[np.int64]
Mask = NDArray[np.bool_]

REACH_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Flags:
    is_step: bool
    ignore_bad: bool
    uncertain_as_bad: bool


@dataclass(frozen=True)
class Frame:
    """The points that a page of aggregates is made of: ``inside`` its time span whatever their status, with the
    nearest ``before`` and ``after``, and the nearest good ones."""

    flags: Flags
    end: int
    inside: Points
    before: Points
    after: Points
    good_before: Points
    good_after: Points

    @classmethod
    def around(
        cls, series: Series, inside: Points, span: tuple[int, int], flags: Flags, unit: Conversion | None
    ) -> Frame:
        """``inside`` are the first points in the span, perhaps not all."""
        start, end = span
        rest = int(inside.times[-1]) + 1 if len(inside) else end
        strict = {"ignore_bad": True, "uncertain_as_bad": flags.uncertain_as_bad}
        lax = {"ignore_bad": False, "uncertain_as_bad": False}
        neighbours = (
            series.last_before(start, **lax),
            series.first_from(rest, **lax),
            series.last_before(start, **strict),
            series.first_from(rest, **strict),
        )
        return cls(flags, end, convert(inside, unit), *(convert(points, unit) for points in neighbours))

    def until(self, end: int) -> Frame:
        """The same frame with an earlier end: what was inside after it is just a neighbour."""
        inside, good = self.inside, self.good
        last, last_good = (int(np.searchsorted(points.times, end)) for points in (inside, good))
        return replace(
            self,
            inside=inside[:last],
            after=inside[last : last + 1] if last < len(inside) else self.after,
            good_after=good[last_good : last_good + 1] if last_good < len(good) else self.good_after,
        )

    @cached_property
    def good(self) -> Points:
        return self.inside.usable(ignore_bad=True, uncertain_as_bad=self.flags.uncertain_as_bad)

    @cached_property
    def known(self) -> Points:
        """The good points, and the good ones next to them outside."""
        return join([self.good_before, self.good, self.good_after], is_string=False)

    @cached_property
    def seen(self) -> Points:
        """What interpolation between points knows: unlike averages it does not look past the end of the query."""
        return self.known[: np.searchsorted(self.known.times, self.end)]

    @cached_property
    def every(self) -> Points:
        return join([self.before, self.inside, self.after], is_string=False)

    @cached_property
    def trace(self) -> tuple[Points, Mask]:
        """The points that the line goes through, and for each whether the line goes on from there."""
        if self.flags.ignore_bad or self.every.codes is None:
            return self.known, np.ones(len(self.known), np.bool_)
        good = self.every.good(uncertain_as_bad=self.flags.uncertain_as_bad)
        return self.every, np.ones(len(self.every), np.bool_) if good is None else good


@dataclass(frozen=True, slots=True)
class Spans:
    """The buckets of a page: ascending, disjoint, half-open."""

    starts: Int64
    ends: Int64

    def __len__(self) -> int:
        return len(self.starts)

    def index(self, times: Int64) -> Int64:
        """The span that each time is in, or -1."""
        index = np.searchsorted(self.starts, times, side="right") - 1
        return np.where((index >= 0) & (times < self.ends[index]), index, -1)


@dataclass(frozen=True, slots=True)
class Pieces:
    """Straight pieces of the line, each within one bucket; ``jumps``: what the value changed by over the piece."""

    bucket: Int64
    lengths: Floats
    first: Floats
    last: Floats
    jumps: Floats

    def total(self, values: Floats, count: int) -> Floats:
        return np.bincount(self.bucket, weights=values, minlength=count).astype(np.float64)


def _pieces(points: Points, goes_on: Mask, spans: Spans, *, is_step: bool) -> Pieces:
    times, values = points.times, points.values
    if len(points) < 2:
        nothing = np.empty(0)
        return Pieces(np.empty(0, np.int64), nothing, nothing, nothing, nothing)
    inside = spans.index(times)
    left, right = inside[:-1], inside[1:]
    bridged = (np.diff(times) <= REACH_MS) | is_step
    found = []
    for bucket, wanted in (
        (left, (left >= 0) & (left == right)),
        (right, (right >= 0) & (left != right) & bridged),
        (left, (left >= 0) & (left != right) & bridged),
    ):
        index = np.flatnonzero(wanted & goes_on[:-1])
        found.append((index, bucket[index]))
    segments = np.concatenate([index for index, _ in found])
    buckets = np.concatenate([bucket for _, bucket in found])
    begin, end = times[segments], times[segments + 1]
    low, high = values[segments], np.where(goes_on[segments + 1], values[segments + 1], values[segments])
    from_, to = np.maximum(begin, spans.starts[buckets]), np.minimum(end, spans.ends[buckets])
    slope = np.zeros(len(segments)) if is_step else (high - low) / (end - begin)
    first, last = low + slope * (from_ - begin), low + slope * (to - begin)
    jumps = np.where(to == end, high - low, 0.0) if is_step else last - first
    return Pieces(buckets, (to - from_).astype(np.float64), first, last, np.abs(jumps))


# -- one function per aggregate -----------------------------------------------------------------------------------------


def _count(frame: Frame, spans: Spans) -> Floats:
    return _counted(spans.index(frame.good.times), spans)


def _counted(index: Int64, spans: Spans) -> Floats:
    """NaN where there is nothing to count."""
    counts = np.bincount(index[index >= 0], minlength=len(spans)).astype(np.float64)
    counts[counts == 0] = np.nan
    return counts


def _of_status(severity: int) -> Callable[[Frame, Spans], Floats]:
    def count(frame: Frame, spans: Spans) -> Floats:
        return _counted(spans.index(frame.inside.times[_severity(frame.inside) == severity]), spans)

    return count


def _severity(points: Points) -> NDArray[np.uint32]:
    return np.zeros(len(points), np.uint32) if points.codes is None else points.codes & SEVERITY


def _duration_of(severity: int) -> Callable[[Frame, Spans], Floats]:
    """Milliseconds between a point of that status and the next point."""

    def duration(frame: Frame, spans: Spans) -> Floats:
        every = frame.every
        has_status = _severity(every) == severity
        marks = Points(every.times, np.zeros(len(every)))
        pieces = _pieces(marks, has_status, spans, is_step=True)
        lengths = pieces.total(pieces.lengths, len(spans))
        lengths[lengths == 0] = np.nan
        return lengths

    return duration


def _reduced(ufunc: np.ufunc) -> Callable[[Frame, Spans], Floats]:
    def reduce(frame: Frame, spans: Spans) -> Floats:
        values = frame.good.values
        low, some = _runs(frame.good, spans)
        out = np.full(len(spans), np.nan)
        if some.any():
            out[some] = ufunc.reduceat(values, low[some])
        return out

    return reduce


def _runs(points: Points, spans: Spans) -> tuple[Int64, Mask]:
    """Where the points of each span begin, and whether it has any. Points after the last span have to be cut off before."""
    low, high = np.searchsorted(points.times, spans.starts), np.searchsorted(points.times, spans.ends)
    return low, high > low


def _average(frame: Frame, spans: Spans) -> Floats:
    return _moments(frame, spans)[0]


def _continuous_variance(frame: Frame, spans: Spans) -> Floats:
    return _moments(frame, spans)[1]


def _moments(frame: Frame, spans: Spans) -> tuple[Floats, Floats]:
    """Average and variance of the line; where it has no length, of the only point."""
    count = len(spans)
    pieces = _pieces(*frame.trace, spans, is_step=frame.flags.is_step)
    length = pieces.total(pieces.lengths, count)
    has_line = (length > 0) & ~np.isnan(_count(frame, spans))
    with np.errstate(invalid="ignore", divide="ignore"):
        average = pieces.total(pieces.lengths * (pieces.first + pieces.last) / 2, count) / length
        first, last = pieces.first - average[pieces.bucket], pieces.last - average[pieces.bucket]
        square = pieces.total(pieces.lengths * (first * first + first * last + last * last) / 3, count) / length
    lonely = _reduced(np.maximum)(frame, spans)
    return np.where(has_line, average, lonely), np.where(has_line, square, lonely * 0)


def _total_variation(frame: Frame, spans: Spans) -> Floats:
    known = frame.known
    pieces = _pieces(known, np.ones(len(known), np.bool_), spans, is_step=frame.flags.is_step)
    out = pieces.total(pieces.jumps, len(spans))
    out[np.isnan(_count(frame, spans))] = np.nan
    return out


def _discrete_variance(frame: Frame, spans: Spans) -> Floats:
    bucket, count = spans.index(frame.good.times), _count(frame, spans)
    mean = np.bincount(bucket, weights=frame.good.values, minlength=len(spans)) / count
    deviation = frame.good.values - mean[bucket]
    out: Floats = np.bincount(bucket, weights=deviation * deviation, minlength=len(spans)) / count
    return out


def _step_interpolation(frame: Frame, spans: Spans) -> Floats:
    """The value of the last point at or before the start of the bucket."""
    points, goes_on = frame.trace
    return _held(points, goes_on, spans.starts)


def _held(points: Points, goes_on: Mask, times: Int64) -> Floats:
    last = np.searchsorted(points.times, times, side="right") - 1
    if not len(points):
        return np.full(len(times), np.nan)
    return np.where((last >= 0) & goes_on[last], points.values[last], np.nan)


def _interpolation(frame: Frame, spans: Spans) -> Floats:
    known = frame.known if frame.flags.is_step else frame.seen
    if frame.flags.is_step or not len(known):
        return _held(known, np.ones(len(known), np.bool_), spans.starts)
    after = np.searchsorted(known.times, spans.starts)
    right = np.minimum(after, len(known) - 1)
    left = np.maximum(right - 1, 0)
    exact = known.times[right] == spans.starts
    gap = known.times[right] - known.times[left]
    between = (after > 0) & (after < len(known)) & (gap > 0) & (gap <= REACH_MS)
    share = (spans.starts - known.times[left]) / np.where(gap > 0, gap, 1)
    line = known.values[left] + (known.values[right] - known.values[left]) * share
    return np.where(exact, known.values[right], np.where(between, line, np.nan))


_FUNCTIONS: dict[str, Callable[[Frame, Spans], Floats]] = {
    "average": _average,
    "max": _reduced(np.maximum),
    "min": _reduced(np.minimum),
    "count": _count,
    "sum": _reduced(np.add),
    "interpolation": _interpolation,
    "stepInterpolation": _step_interpolation,
    "continuousVariance": _continuous_variance,
    "discreteVariance": _discrete_variance,
    "totalVariation": _total_variation,
    "countGood": _of_status(0),
    "countUncertain": _of_status(int(UNCERTAIN)),
    "countBad": _of_status(int(BAD)),
    "durationGood": _duration_of(0),
    "durationUncertain": _duration_of(int(UNCERTAIN)),
    "durationBad": _duration_of(int(BAD)),
}
_EXTREMES = {"maxDatapoint": np.maximum, "minDatapoint": np.minimum}


def values_of(name: str, frame: Frame, spans: Spans) -> Floats | Points:
    """NaN, or a null point, where a bucket has no such value."""
    if name in _EXTREMES:
        return _extreme(_EXTREMES[name], frame, spans)
    return _FUNCTIONS[name](frame, spans)


def _extreme(ufunc: np.ufunc, frame: Frame, spans: Spans) -> Points:
    """The first point of each bucket that has its smallest or largest value."""
    good, limits = frame.good, _reduced(ufunc)(frame, spans)
    bucket = spans.index(good.times)
    hits = np.flatnonzero(good.values == limits[bucket])
    which, first = np.unique(bucket[hits], return_index=True)
    chosen = np.zeros(len(spans), np.int64)
    chosen[which] = hits[first]
    absent = np.ones(len(spans), np.bool_)
    absent[which] = False
    if not len(good):
        return Points(spans.starts, np.zeros(len(spans)), None, absent)
    points = good[chosen]
    return Points(points.times, points.values, points.codes, absent)
