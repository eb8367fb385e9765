# SPDX-License-Identifier: Apache-2.0
"""What a subscription tells its readers: per partition a log of groups, each what one request changed.

A group refers to the arrays that were inserted; nothing is made per point before a reader asks.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from airflow_provider_replicator.sandbox.cdf.points import Points

RETENTION_MS = 7 * 86_400_000

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Upsert:
    """``series`` is the time series as it was then."""

    series: Document
    points: Points

    def __len__(self) -> int:
        return len(self.points)


@dataclass(frozen=True, slots=True)
class Deletion:
    """Points of ``[begin, end)`` are gone."""

    series: Document
    begin: int
    end: int

    def __len__(self) -> int:
        return 1


@dataclass(frozen=True, slots=True)
class Membership:
    """The subscription begins or ceases to follow a time series."""

    series: Document
    added: bool

    def __len__(self) -> int:
        return 1


Change = Upsert | Deletion | Membership


@dataclass(frozen=True, slots=True)
class Group:
    """What one request changed in one partition. ``number`` ascends over all partitions, ``time`` is in ms."""

    number: int
    time: int
    changes: list[Change]

    def __len__(self) -> int:
        return sum(map(len, self.changes))


class PartitionLog:
    """Groups of the last seven days. A position counts from the first group ever: it stays valid when old ones are dropped."""

    def __init__(self) -> None:
        self._groups: list[Group] = []
        self._times: list[int] = []
        self._dropped = 0

    @property
    def end(self) -> int:
        return self._dropped + len(self._groups)

    def append(self, group: Group) -> None:
        self._groups.append(group)
        # A clock that was set back must not hide what comes from who searches by time.
        self._times.append(max(group.time, self._times[-1]) if self._times else group.time)

    def expire(self, now: int) -> None:
        count = bisect_left(self._times, now - RETENTION_MS)
        if count:
            del self._groups[:count], self._times[:count]
            self._dropped += count

    def position_at(self, time: int) -> int:
        """Of the first group written at ``time`` or later."""
        return self._dropped + bisect_left(self._times, time)

    def since(self, position: int) -> Iterator[Group]:
        for index in range(max(position - self._dropped, 0), len(self._groups)):
            yield self._groups[index]

    def clamp(self, position: int) -> int:
        return max(position, self._dropped)


def page(logs: list[tuple[PartitionLog, int]], limit: int) -> tuple[list[Group], list[int], bool]:
    """The next groups of several partitions in the order they were written, where each partition goes on, and whether there is
    more. Groups are never split: a first one larger than ``limit`` comes whole."""
    positions = [log.clamp(position) for log, position in logs]
    streams = (_tagged(index, log.since(position)) for index, (log, position) in enumerate(logs))
    taken: list[Group] = []
    count = 0
    for _, index, group in heapq.merge(*streams, key=lambda found: found[:2]):
        size = len(group)
        if taken and count + size > limit:
            return taken, positions, True
        taken.append(group)
        positions[index] += 1
        count += size
    return taken, positions, False


def _tagged(index: int, groups: Iterator[Group]) -> Iterator[tuple[int, int, Group]]:
    return ((group.number, index, group) for group in groups)
