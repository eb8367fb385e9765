# SPDX-License-Identifier: Apache-2.0
"""What was asked: requests by endpoint and status, bytes, and how many requests were in flight at once."""

from __future__ import annotations

from collections import Counter
from typing import Any


class Counters:
    """``requests`` counts by ``project method template`` (``source POST /assets/list``), ``statuses`` by ``project status``; the
    project of ``/oauth/token`` and ``/api/v1/token/inspect`` is ``-``.
    Peaks are of requests in flight, from the headers of the request to the last byte of the answer."""

    def __init__(self) -> None:
        self._in_flight: Counter[str] = Counter()
        self.reset()

    def reset(self) -> None:
        self.requests: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self.peaks: Counter[str] = Counter()
        self.bytes_received: Counter[str] = Counter()
        self.bytes_sent: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.throttled: Counter[str] = Counter()

    def enter(self, project: str, endpoint: str) -> None:
        self.requests[f"{project} {endpoint}"] += 1
        for key in (project, f"{project} {endpoint}"):
            self._in_flight[key] += 1
            if self._in_flight[key] > self.peaks[key]:
                self.peaks[key] = self._in_flight[key]

    def leave(self, project: str, endpoint: str) -> None:
        for key in (project, f"{project} {endpoint}"):
            self._in_flight[key] -= 1

    def describe(self) -> dict[str, Any]:
        return {
            "requests": dict(self.requests),
            "total": self.requests.total(),
            "statuses": dict(self.statuses),
            "peak_concurrency": dict(self.peaks),
            "bytes_received": dict(self.bytes_received),
            "bytes_sent": dict(self.bytes_sent),
            "faults": dict(self.faults),
            "throttled": dict(self.throttled),
        }
