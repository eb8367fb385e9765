# SPDX-License-Identifier: Apache-2.0
"""Which requests copy which points: pure functions from counts to plans.

The plan decides only how fast and in how many requests the points are copied. Every range is read to its end whatever the counts
said, so counts that are old or wrong cost requests, never points.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

T = TypeVar("T")

#: What the API allows in one request.
MAX_POINTS = 100_000
MAX_ITEMS = 100
MAX_INSERT_ITEMS = 10_000
MAX_AGGREGATES = 10_000
MAX_DELETES = 10_000
#: Where time begins and ends for a datapoint: 1900-01-01 and, exclusive, 2100-01-01; ms.
FIRST_MS = -2_208_988_800_000
END_MS = 4_102_444_800_000

#: A series is cut into segments from so many pages on. Below, one chain of pages is quick enough and fills its pages better.
SPLIT_FROM_PAGES = 5
#: A segment grows with its series up to so many pages: few enough to have many of them, enough to waste little of the last one.
SEGMENT_PAGES = 16
#: Buckets of counts per segment, or more: then a segment that is one page is seven eighths full, or more.
_FILL = 8
#: A request is as good as full from this share on.
_FULL = 0.85
#: Pages of a chain: its last one is half empty on average.
_CHAIN_PAGES = 4
_SECOND, _MINUTE, _HOUR = 1000, 60_000, 3_600_000
#: Multiples that the API accepts of a second or a minute; of an hour, up to 100 000.
_MAX_MULTIPLE = 120


@dataclass(frozen=True, slots=True)
class Bucket:
    """``count`` points in ``[start, end)``, ms."""

    start: int
    end: int
    count: int


def granularity(span: int, buckets: int) -> tuple[str, int]:
    """The finest granularity that covers ``span`` ms with at most about ``buckets`` buckets: its name, and its length in ms."""
    wanted = -(-span // max(1, buckets))
    for unit, name, most in ((_SECOND, "s", _MAX_MULTIPLE), (_MINUTE, "m", _MAX_MULTIPLE), (_HOUR, "h", 100_000)):
        multiple = max(1, -(-wanted // unit))
        if multiple <= most:
            return f"{multiple}{name}", multiple * unit
    return "100000h", 100_000 * _HOUR


def segment_points(total: int) -> int:
    """How many points one segment of a series of ``total`` points should hold: whole pages."""
    pages = -(-total // MAX_POINTS)
    return min(SEGMENT_PAGES, max(1, pages // _FILL)) * MAX_POINTS


def is_long(total: int) -> bool:
    """Whether a series of so many points is worth cutting into segments."""
    return total >= SPLIT_FROM_PAGES * MAX_POINTS


def fine_enough(buckets: Sequence[Bucket]) -> bool:
    """Whether segments made of these buckets come out nearly full."""
    total = sum(bucket.count for bucket in buckets)
    return max((bucket.count for bucket in buckets), default=0) * _FILL <= segment_points(total)


def extent(buckets: Sequence[Bucket], start: int, end: int) -> tuple[int, int]:
    """The part of ``[start, end)`` that holds all points."""
    filled = [bucket for bucket in buckets if bucket.count]
    if not filled:
        return start, end
    return max(start, filled[0].start), min(end, filled[-1].end)


def segments(start: int, end: int, buckets: Sequence[Bucket]) -> list[tuple[int, int]]:
    """``[start, end)`` cut at borders of buckets so that each part but an overfull bucket holds at most a segment's points.

    The parts are in order and cover the range without a gap. The first one is a page or less if the buckets allow it:
    it is the one that a first load keeps for the end.
    """
    size = segment_points(sum(bucket.count for bucket in buckets))
    cuts, held, room = [start], 0, MAX_POINTS
    for bucket in buckets:
        if held and held + bucket.count > room and bucket.start > cuts[-1]:
            if bucket.start >= end:
                break
            cuts.append(bucket.start)
            held, room = 0, size
        held += bucket.count
    return list(zip(cuts, [*cuts[1:], end], strict=True))


def subtract(start: int, end: int, done: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """What is left of ``[start, end)`` without the ranges in ``done``."""
    left, position = [], start
    for begin, finish in sorted(done):
        if begin > position:
            left.append((position, min(begin, end)))
        position = max(position, finish)
        if position >= end:
            break
    if position < end:
        left.append((position, end))
    return [part for part in left if part[0] < part[1]]


def merged(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same points of time in as few ranges as can be."""
    out: list[tuple[int, int]] = []
    for begin, end in sorted(ranges):
        if out and begin <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], end))
        else:
            out.append((begin, end))
    return out


def lanes(items: Iterable[tuple[T, int]], *, at_once: int) -> list[list[T]]:
    """Items with the points each is expected to have, as lanes: what a lane holds is read in one chain of requests, which are full
    but for the last. Requests that come out nearly full by themselves are lanes of their own, so that they can go at the same
    time; what is left is shared out among as many chains as pay, at most ``at_once``.
    """
    full: list[list[tuple[T, int]]] = []
    rest: list[list[tuple[T, int]]] = []
    for packed in _bins(items):
        (full if _is_full(packed) else rest).append(packed)
    left = [item for packed in rest for item in packed]
    pages = _requests(left)
    if sum(map(_requests, rest)) > pages + 0.1 * pages:
        rest = _shared_out(left, max(1, min(at_once, pages // _CHAIN_PAGES)))
    return [[item for item, _ in packed] for packed in full + rest]


def _requests(packed: Sequence[tuple[T, int]]) -> int:
    """How many requests it takes to read these in one chain."""
    return max(1, -(-sum(expected for _, expected in packed) // MAX_POINTS), -(-len(packed) // MAX_ITEMS))


def _is_full(packed: Sequence[tuple[T, int]]) -> bool:
    points, requests = sum(expected for _, expected in packed), _requests(packed)
    return points >= _FULL * requests * MAX_POINTS or len(packed) >= _FULL * requests * MAX_ITEMS


def _bins(items: Iterable[tuple[T, int]]) -> list[list[tuple[T, int]]]:
    """Requests of at most 100 items and 100 000 points; first fit, the largest first. What does not fit one is alone."""
    bins: list[list[tuple[T, int]]] = []
    room: list[int] = []
    for item, expected in sorted(items, key=lambda pair: -pair[1]):
        for at, left in enumerate(room):
            if max(1, expected) <= left and len(bins[at]) < MAX_ITEMS:
                bins[at].append((item, expected))
                room[at] -= max(1, expected)
                break
        else:
            bins.append([(item, expected)])
            room.append(MAX_POINTS - max(1, expected))
    return bins


def _shared_out(items: Iterable[tuple[T, int]], shares: int) -> list[list[tuple[T, int]]]:
    """Items in so many lists of about as many points."""
    loads = [0] * shares
    out: list[list[tuple[T, int]]] = [[] for _ in range(shares)]
    for item, expected in items:
        lightest = loads.index(min(loads))
        out[lightest].append((item, expected))
        loads[lightest] += expected
    return [share for share in out if share]


def fill_request(expected: Sequence[int]) -> list[int]:
    """The limits of one request for the first of these series, which fill it: the last one perhaps in part. What room is left
    is shared out, for series that have grown.
    """
    limits: list[int] = []
    room = MAX_POINTS
    for one in expected[:MAX_ITEMS]:
        if room <= 0:
            break
        limits.append(min(max(1, one), room))
        room -= limits[-1]
    return [limit + room // len(limits) for limit in limits]
