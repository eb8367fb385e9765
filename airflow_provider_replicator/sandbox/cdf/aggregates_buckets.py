# SPDX-License-Identifier: Apache-2.0
"""Granularities: how time is cut into the buckets that aggregates describe."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from airflow_provider_replicator.sandbox.cdf.http import ApiError

Int64 = NDArray[np.int64]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_FIXED_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_MONTHS = {"mo": 1, "q": 3, "y": 12}
_MAX_AMOUNT = 100_000
_UNITS = {
    "s": ("s", "second", "seconds"),
    "m": ("m", "minute", "minutes"),
    "h": ("h", "hour", "hours"),
    "d": ("d", "day", "days"),
    "w": ("w", "week", "weeks"),
    "mo": ("mo", "month", "months"),
    "q": ("q", "quarter", "quarters"),
    "y": ("y", "year", "years"),
}
_CANONICAL = {word: unit for unit, words in _UNITS.items() for word in words}


class Buckets(Protocol):
    """Consecutive, half-open spans of time, numbered from 0."""

    @property
    def count(self) -> int: ...

    def index(self, times: Int64) -> Int64:
        """The bucket that each time is in; 0 … count - 1 for times inside."""

    def starts(self, indices: Int64) -> Int64:
        """When the buckets begin; ``starts(index + 1)`` is when they end."""


@dataclass(frozen=True, slots=True)
class EvenBuckets:
    first: int
    width: int
    count: int

    def index(self, times: Int64) -> Int64:
        return (times - self.first) // self.width

    def starts(self, indices: Int64) -> Int64:
        return self.first + indices * self.width


class CalendarBuckets:
    """Buckets between explicit edges: months, and everything that follows the clock of a place."""

    def __init__(self, edges: list[int]) -> None:
        self._edges = np.array(edges, np.int64)
        self.count = len(edges) - 1

    def index(self, times: Int64) -> Int64:
        return np.searchsorted(self._edges, times, side="right") - 1

    def starts(self, indices: Int64) -> Int64:
        return self._edges[indices]


@dataclass(frozen=True, slots=True)
class Granularity:
    """``amount`` of ``unit``, which is s, m, h, d or mo; ``zone`` None is UTC."""

    text: str
    amount: int
    unit: str
    zone: tzinfo | None

    @classmethod
    def parse(cls, text: Any, zone: Any) -> Granularity:
        match = re.fullmatch(r"(\d*)([a-z]+)", text) if isinstance(text, str) else None
        unit = _CANONICAL.get(match[2]) if match else None
        if match is None or unit is None:
            raise ApiError(400, f"Invalid granularity: {text!r}")
        amount = int(match[1] or 1)
        if not 1 <= amount <= _MAX_AMOUNT:
            raise ApiError(400, f"Granularity must be 1 to {_MAX_AMOUNT} units, is {amount}")
        if unit == "w":
            unit, amount = "d", amount * 7
        if unit in _MONTHS:
            unit, amount = "mo", amount * _MONTHS[unit]
        return cls(f"{text}@{zone or 'UTC'}", amount, unit, _zone(zone))

    def buckets(self, start: int, end: int) -> Buckets:
        """From ``start``, rounded down to a whole unit, on; enough of them to reach ``end``."""
        if self.unit == "mo" or (self.unit == "d" and self.zone is not None):
            return CalendarBuckets(self._edges(start, end))
        unit = _FIXED_MS[self.unit]
        shift = 0 if self.zone is None else _offset(self.zone, start)
        first = (start + shift) // unit * unit - shift
        width = unit * self.amount
        return EvenBuckets(first, width, max(0, -(-(end - first) // width)))

    def _edges(self, start: int, end: int) -> list[int]:
        zone = self.zone or UTC
        local = (
            (_EPOCH + start * _MILLISECOND)
            .astimezone(zone)
            .replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        )
        if self.unit == "mo":
            local = local.replace(day=1)
        edges = [_milliseconds(local, zone)]
        while edges[-1] < end:
            local = self._next(local)
            edges.append(_milliseconds(local, zone))
        return edges

    def _next(self, local: datetime) -> datetime:
        if self.unit == "d":
            return local + timedelta(days=self.amount)
        months = local.year * 12 + local.month - 1 + self.amount
        return local.replace(year=months // 12, month=months % 12 + 1)


def _milliseconds(local: datetime, zone: tzinfo) -> int:
    return (local.replace(tzinfo=zone) - _EPOCH) // _MILLISECOND


def _offset(zone: tzinfo, at: int) -> int:
    offset = (_EPOCH + at * _MILLISECOND).astimezone(zone).utcoffset()
    return 0 if offset is None else offset // _MILLISECOND


def _zone(name: Any) -> tzinfo | None:
    """None for UTC. Names of the tz database and offsets such as ``UTC+05:30``."""
    if name is None or name in ("UTC", "Z", "Etc/UTC", "GMT"):
        return None
    if not isinstance(name, str):
        raise ApiError(400, f"Invalid time zone: {name!r}")
    if match := re.fullmatch(r"(?:UTC)?([+-])(\d{1,2})(?::?(\d{2}))?", name):
        offset = timedelta(hours=int(match[2]), minutes=int(match[3] or 0))
        if offset < timedelta(hours=24):
            return timezone(-offset if match[1] == "-" else offset)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ApiError(400, f"Invalid time zone: {name!r}") from error
