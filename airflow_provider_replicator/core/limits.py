# SPDX-License-Identifier: Apache-2.0
"""Staying within published limits: requests per second, requests in flight, bytes per period; first come, first served.

Nothing here knows what is asked of whom. Time and sleep are given, so that it runs on a virtual clock.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

#: A bucket holds what may be asked in this many seconds. Servers count what arrives, within a second or so: half of that leaves
#: room for requests that a slow network or a busy machine bunches together.
_BURST_SECONDS = 0.5
#: Requests that wait for a byte quota go on together, each with a body of a few megabytes: the rest of the quota is for them.
_QUOTA_USED = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What one lane allows; None means no bound. ``quota_bytes`` is per ``quota_seconds``, over any stretch of that length."""

    per_second: float | None = None
    in_flight: int | None = None
    quota_bytes: float | None = None
    quota_seconds: float = 600.0

    def __post_init__(self) -> None:
        for name in ("per_second", "in_flight", "quota_bytes", "quota_seconds"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} is {value}: write a number > 0, or leave it out for no bound")

    def share(self, part: float) -> Limit:
        """The same limit for a client that is entitled to only a part of it (0 < part <= 1); at least one in flight."""
        return Limit(
            per_second=None if self.per_second is None else self.per_second * part,
            in_flight=None if self.in_flight is None else max(1, int(self.in_flight * part)),
            quota_bytes=None if self.quota_bytes is None else self.quota_bytes * part,
            quota_seconds=self.quota_seconds,
        )


class Pace:
    """A token bucket, kept as one number: the moment when it will be full again.

    Whoever comes reserves the next free moment and waits until then, once: nobody is overtaken and nothing is polled.
    """

    __slots__ = ("_burst", "_full_at", "_gap")

    def __init__(self, per_second: float) -> None:
        self._gap = 1.0 / per_second
        self._burst = max(self._gap, _BURST_SECONDS)
        self._full_at = float("-inf")

    def reserve(self, now: float) -> float:
        """Take one token and return the seconds to wait until it may be spent."""
        self._full_at = max(self._full_at, now) + self._gap
        return max(0.0, self._full_at - now - self._burst)


class Quota:
    """So many bytes in any stretch of so many seconds. Spending is never refused: it is the next one who waits."""

    __slots__ = ("_period", "_size", "_spent", "_total")

    def __init__(self, size: float, period: float) -> None:
        self._size = size * _QUOTA_USED
        self._period = period
        self._spent: deque[tuple[float, int]] = deque()
        self._total = 0

    def spend(self, now: float, size: int) -> None:
        self._spent.append((now, size))
        self._total += size

    def wait(self, now: float) -> float:
        """Seconds until less than the quota was spent in the period before."""
        spent = self._spent
        while spent and spent[0][0] <= now - self._period:
            self._total -= spent.popleft()[1]
        over = self._total - self._size
        for moment, size in spent:
            if over < 0:
                break
            over -= size
            wait = moment + self._period - now
            if over < 0:
                return wait
        return 0.0


class Lane:
    """One limit being kept: ``async with lane:`` around a request.

    A lane may lead into a wider one (``into``), which it then also obeys. The narrow one is passed first, so that its queue
    takes no place in the wide one.
    """

    __slots__ = ("_into", "_pace", "_paused_until", "_places", "_quota", "_sleep", "_time", "in_flight", "peak")

    def __init__(
        self,
        limit: Limit,
        *,
        time: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]],
        into: Lane | None = None,
    ) -> None:
        self._time = time
        self._sleep = sleep
        self._into = into
        self._places = None if limit.in_flight is None else asyncio.Semaphore(limit.in_flight)
        self._pace = None if limit.per_second is None else Pace(limit.per_second)
        self._quota = None if limit.quota_bytes is None else Quota(limit.quota_bytes, limit.quota_seconds)
        self._paused_until = float("-inf")
        self.in_flight = 0
        self.peak = 0

    async def __aenter__(self) -> None:
        places = self._places
        if places is not None:
            await places.acquire()
        try:
            wait = self._wait()
            if wait > 0.0:
                await self._sleep(wait)
            if self._into is not None:
                await self._into.__aenter__()
        except BaseException:  # a waiter that is cancelled gives its place back
            if places is not None:
                places.release()
            raise
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)

    async def __aexit__(self, *exc: object) -> None:
        self.in_flight -= 1
        if self._into is not None:
            await self._into.__aexit__(*exc)
        if self._places is not None:
            self._places.release()

    def _wait(self) -> float:
        now = self._time()
        wait = self._paused_until - now
        if self._pace is not None:
            wait = max(wait, self._pace.reserve(now))
        if self._quota is not None:
            wait = max(wait, self._quota.wait(now))
        return wait

    def spend(self, size: int) -> None:
        """Account for ``size`` bytes going through; if the lane bounds bytes, whoever comes next waits for it."""
        if self._quota is not None and size:
            self._quota.spend(self._time(), size)

    def pause(self, seconds: float) -> None:
        """The server asked for ``seconds`` of quiet: nobody who comes from now on passes earlier."""
        self._paused_until = max(self._paused_until, self._time() + seconds)
