# SPDX-License-Identifier: Apache-2.0
"""CouchDB's times, made shorter: everything that waits here waits by this clock."""

from __future__ import annotations

import asyncio
import time
from email.utils import formatdate

from airflow_provider_replicator.sandbox.clock import Clock

#: The shortest read time-out that scaling gives: the other end is a real server, and it may be busy.
_PATIENCE = 2.0


class Pace:
    """``scale`` real seconds pass for one second of CouchDB's. Moments that are shown stay those of the server's clock."""

    def __init__(self, scale: float = 1.0, clock: Clock | None = None) -> None:
        if scale <= 0:
            raise ValueError("the time scale must be above 0")
        self.scale = scale
        self._clock = clock or Clock()

    def shown(self) -> float:
        """Now, in seconds since 1970."""
        return self._clock.now_ms() / 1000

    def real(self, seconds: float) -> float:
        return seconds * self.scale

    def now(self) -> float:
        """Seconds of CouchDB's time since some moment."""
        return time.monotonic() / self.scale

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(self.real(seconds))

    def timeout(self, seconds: float) -> float:
        """Real seconds to wait for bytes: scaled, but never so short that a busy machine would count as a dead one."""
        return max(self.real(seconds), min(seconds, _PATIENCE))


def iso8601(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def rfc1123(seconds: float) -> str:
    return formatdate(seconds, usegmt=True)
