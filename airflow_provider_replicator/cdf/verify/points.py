# SPDX-License-Identifier: Apache-2.0
"""Two series compared point by point: timestamps, values, status codes, strings. Memory: one page of each side.

Pages are read as protobuf and decoded by the vendor's own message classes, not by the code that copies datapoints: a fault in
that code must not be able to hide itself here.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.core.window import iso

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_replicator.cdf.http.client import CdfClient

#: Points of one page: the API's limit for one request.
PAGE = 100_000
#: What the API has to be told so that it hides no point.
EVERY_POINT = {"includeStatus": True, "ignoreBadDataPoints": False, "treatUncertainAsBad": False}

#: A point as compared: timestamp in ms, value (None if it has none), status code.
Point = tuple[int, Any, int]


@dataclass(slots=True)
class PointsFound:
    """``different`` counts timestamps; ``differences`` are the first of them in words."""

    source: int = 0
    target: int = 0
    different: int = 0
    differences: list[str] = field(default_factory=list)

    def differs(self, text: str, *, keep: int) -> None:
        self.different += 1
        if len(self.differences) < keep:
            self.differences.append(text)


class PointReader:
    """The pages of one series between ``start`` (inclusive) and ``end`` (exclusive), in ms."""

    def __init__(self, client: CdfClient, item: Mapping[str, Any], *, start: int, end: int, page: int = PAGE) -> None:
        self._client = client
        self._item = {**item, "start": start, "end": end, "limit": page, **EVERY_POINT}
        self._cursor: str | None = None
        self.exhausted = False

    async def next_page(self) -> Any:
        """The next page as the message that holds its points (numeric or string)."""
        from cognite.client._proto.data_point_list_response_pb2 import DataPointListResponse

        item = {**self._item, "cursor": self._cursor} if self._cursor else self._item
        body = await self._client.post_for_bytes(
            "/timeseries/data/list", {"items": [item]}, accept="application/protobuf"
        )
        found = DataPointListResponse.FromString(body).items[0]
        self._cursor = found.nextCursor or None
        self.exhausted = self._cursor is None
        return found.stringDatapoints if found.isString else found.numericDatapoints


async def compare_points(source: PointReader, target: PointReader, *, keep: int) -> PointsFound:
    """Read both series to the end and compare them. At most ``keep`` differences are put in words."""
    found = PointsFound()
    ours: list[Point] = []
    theirs: list[Point] = []
    while not (source.exhausted and target.exhausted and not ours and not theirs):
        if not ours and not theirs and not source.exhausted and not target.exhausted:
            left, right = await asyncio.gather(source.next_page(), target.next_page())
            if _same(left, right):
                found.source += len(left.datapoints)
                found.target += len(right.datapoints)
                continue
            ours, theirs = _decode(left), _decode(right)
        else:
            ours = ours or await _more(source)
            theirs = theirs or await _more(target)
        ours, theirs = _compare(ours, theirs, source, target, found, keep)
    return found


async def _more(reader: PointReader) -> list[Point]:
    return [] if reader.exhausted else _decode(await reader.next_page())


def _same(left: Any, right: Any) -> bool:
    if len(left.datapoints) != len(right.datapoints):
        return False
    return bool(left.SerializeToString(deterministic=True) == right.SerializeToString(deterministic=True))


def _decode(message: Any) -> list[Point]:
    return [
        (point.timestamp, None if point.nullValue else point.value, point.status.code) for point in message.datapoints
    ]


def _compare(
    ours: list[Point], theirs: list[Point], source: PointReader, target: PointReader, found: PointsFound, keep: int
) -> tuple[list[Point], list[Point]]:
    """Compare up to the last timestamp that both sides have read to; what is later is returned for the next round."""
    ends = [points[-1][0] for points, side in ((ours, source), (theirs, target)) if points and not side.exhausted]
    # A side that is exhausted has been read to the end of time; one that is not may have more up to any later timestamp.
    until = min(ends) if ends else None
    if (not ours and not source.exhausted) or (not theirs and not target.exhausted):
        return ours, theirs
    left, ours_rest = _split(ours, until)
    right, theirs_rest = _split(theirs, until)
    found.source += len(left)
    found.target += len(right)
    _compare_points({point[0]: point for point in left}, {point[0]: point for point in right}, found, keep)
    return ours_rest, theirs_rest


def _split(points: list[Point], until: int | None) -> tuple[list[Point], list[Point]]:
    if until is None:
        return points, []
    cut = next((i for i, point in enumerate(points) if point[0] > until), len(points))
    return points[:cut], points[cut:]


def _compare_points(left: dict[int, Point], right: dict[int, Point], found: PointsFound, keep: int) -> None:
    for timestamp in sorted(left.keys() | right.keys()):
        ours, theirs = left.get(timestamp), right.get(timestamp)
        if ours is None:
            found.differs(f"{iso(timestamp)}: only in the target ({_words(theirs)})", keep=keep)
        elif theirs is None:
            found.differs(f"{iso(timestamp)}: missing in the target ({_words(ours)})", keep=keep)
        elif not _equal(ours, theirs):
            found.differs(f"{iso(timestamp)}: source {_words(ours)}, target {_words(theirs)}", keep=keep)


def _equal(ours: Point, theirs: Point) -> bool:
    # NaN is the one value that does not equal itself.
    same_value = ours[1] == theirs[1] or (ours[1] != ours[1] and theirs[1] != theirs[1])
    return same_value and ours[2] == theirs[2]


def _words(point: Point | None) -> str:
    if point is None:
        return "nothing"
    _, value, code = point
    return repr(value) if code == 0 else f"{value!r} with status {code:#010x}"
