# SPDX-License-Identifier: Apache-2.0
"""Datapoints in memory: per series a list of sorted, disjoint blocks of numpy arrays."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 131_072
_END_OF_TIME = 1 << 62
SEVERITY = np.uint32(0xC000_0000)
UNCERTAIN, BAD = np.uint32(0x4000_0000), np.uint32(0x8000_0000)


@dataclass(frozen=True, slots=True)
class Points:
    """Columns of equal length. ``values`` is float64, or object (UTF-8 ``bytes``) for a string series. ``codes`` and
    ``nulls`` are None as long as every point is Good with a value, which is what most series hold."""

    times: NDArray[np.int64]
    values: NDArray[Any]
    codes: NDArray[np.uint32] | None = None
    nulls: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.times)

    def __getitem__(self, part: slice | NDArray[Any]) -> Points:
        return Points(
            self.times[part],
            self.values[part],
            None if self.codes is None else self.codes[part],
            None if self.nulls is None else self.nulls[part],
        )

    def ordered(self) -> Points:
        """Ascending, and of points with the same timestamp only the last."""
        if (self.times[1:] > self.times[:-1]).all():
            return self
        order = np.argsort(self.times, kind="stable")
        times = self.times[order]
        last = np.ones(len(times), dtype=np.bool_)
        last[:-1] = times[1:] != times[:-1]
        return self[order[last]]

    def usable(self, *, ignore_bad: bool, uncertain_as_bad: bool) -> Points:
        """Without the points that a reader does not want to see."""
        keep = self.good(uncertain_as_bad=uncertain_as_bad) if ignore_bad else None
        return self if keep is None or keep.all() else self[keep]

    def good(self, *, uncertain_as_bad: bool) -> NDArray[np.bool_] | None:
        """None: all of them."""
        if self.codes is None:
            return None
        severity = self.codes & SEVERITY
        return severity == 0 if uncertain_as_bad else severity < BAD


def empty(*, is_string: bool) -> Points:
    return Points(np.empty(0, np.int64), np.empty(0, object if is_string else np.float64))


def join(parts: list[Points], *, is_string: bool) -> Points:
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return empty(is_string=is_string)
    return Points(
        np.concatenate([part.times for part in parts]),
        np.concatenate([part.values for part in parts]),
        _join_optional([part.codes for part in parts], parts, np.uint32),
        _join_optional([part.nulls for part in parts], parts, np.bool_),
    )


def _join_optional(columns: list[Any], parts: list[Points], dtype: Any) -> Any:
    if all(column is None for column in columns):
        return None
    return np.concatenate(
        [np.zeros(len(part), dtype) if column is None else column for column, part in zip(columns, parts, strict=True)]
    )


class Series:
    """One time series' points. Inserting costs what the touched blocks hold, wherever in time they lie."""

    __slots__ = ("_firsts", "blocks", "is_string")

    def __init__(self, *, is_string: bool) -> None:
        self.is_string = is_string
        self.blocks: list[Points] = []
        self._firsts: list[int] = []

    def __len__(self) -> int:
        return sum(map(len, self.blocks))

    def insert(self, points: Points) -> None:
        """``points`` in any order; the same timestamp overwrites."""
        points = points.ordered()
        if not len(points):
            return
        low, high = self._touched(int(points.times[0]), int(points.times[-1]))
        if low == high and low > 0 and len(self.blocks[low - 1]) + len(points) <= BLOCK:
            low -= 1  # grow the block before rather than leave many small ones
        merged = join([*self.blocks[low:high], points], is_string=self.is_string).ordered()
        self._replace(low, high, merged)

    def delete(self, begin: int, end: int) -> None:
        """Points in ``[begin, end)``."""
        low, high = self._touched(begin, end - 1)
        kept = []
        for block in self.blocks[low:high]:
            first, last = np.searchsorted(block.times, (begin, end))
            kept += [block[:first], block[last:]]
        self._replace(low, high, join([part for part in kept if len(part)], is_string=self.is_string))

    def parts(self, start: int, end: int) -> Iterator[Points]:
        """The points in ``[start, end)`` as views, block by block, ascending."""
        for block in self.blocks[slice(*self._touched(start, end - 1))]:
            first, last = np.searchsorted(block.times, (start, end))
            if last > first:
                yield block[first:last]

    def parts_backwards(self, end: int) -> Iterator[Points]:
        """The points before ``end``, latest block first (ascending within each)."""
        for block in reversed(self.blocks[: bisect_left(self._firsts, end)]):
            yield block[: np.searchsorted(block.times, end)]

    def last_before(self, time: int, *, ignore_bad: bool, uncertain_as_bad: bool) -> Points:
        """The last usable point before ``time``: one point or none."""
        for part in self.parts_backwards(time):
            usable = part.usable(ignore_bad=ignore_bad, uncertain_as_bad=uncertain_as_bad)
            if len(usable):
                return usable[-1:]
        return empty(is_string=self.is_string)

    def first_from(self, time: int, *, ignore_bad: bool, uncertain_as_bad: bool) -> Points:
        """The first usable point at or after ``time``: one point or none."""
        for part in self.parts(time, _END_OF_TIME):
            usable = part.usable(ignore_bad=ignore_bad, uncertain_as_bad=uncertain_as_bad)
            if len(usable):
                return usable[:1]
        return empty(is_string=self.is_string)

    def _touched(self, first: int, last: int) -> tuple[int, int]:
        """The slice of blocks whose span meets ``[first, last]``."""
        low = bisect_right(self._firsts, first)
        if low and int(self.blocks[low - 1].times[-1]) >= first:
            low -= 1
        return low, max(low, bisect_right(self._firsts, last))

    def _replace(self, low: int, high: int, points: Points) -> None:
        size = len(points)
        count = -(-size // BLOCK)
        edges = [size * index // count for index in range(count + 1)] if count else [0]
        pieces = [points[a:b] for a, b in pairwise(edges)]
        self.blocks[low:high] = pieces
        self._firsts[low:high] = [int(piece.times[0]) for piece in pieces]


#: what one request changed: the documents of time series, each with inserted points or a deleted range ``[begin, end)``
Changes = list[tuple[dict[str, Any], Points | tuple[int, int]]]


class PointStore:
    """The points of all series of a project, by series id. ``watchers`` are told of every change afterwards; the arrays that they
    see are never written to again."""

    def __init__(self) -> None:
        self.watchers: list[Callable[[Changes], None]] = []
        self._series: dict[int, Series] = {}

    def of(self, identity: int, *, is_string: bool) -> Series:
        found = self._series.get(identity)
        if found is None:
            found = self._series[identity] = Series(is_string=is_string)
        return found

    def changed(self, changes: Changes) -> None:
        for watcher in self.watchers:
            watcher(changes)

    def forget(self, identity: int) -> None:
        self._series.pop(identity, None)
