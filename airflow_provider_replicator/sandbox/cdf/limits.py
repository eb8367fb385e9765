# SPDX-License-Identifier: Apache-2.0
"""CDF's published request rates and concurrencies, per project and per identity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from airflow_provider_replicator.sandbox.cdf.http import ApiError
from airflow_provider_replicator.sandbox.cdf.settings import Settings
from airflow_provider_replicator.sandbox.clock import Clock


@dataclass(frozen=True, slots=True)
class Limit:
    """Requests per second and requests at a time, of the whole project and of one identity. None: not limited."""

    project_rate: float | None
    identity_rate: float | None
    project_concurrency: int | None = None
    identity_concurrency: int | None = None


#: requests at a time to the instances of a project
READS, WRITES, DELETES = 8, 4, 2

_EVENTS_LIKE: Mapping[str, Limit] = MappingProxyType(
    {
        "all": Limit(200, 150, 50, 40),
        "crud": Limit(170, 130, 40, 30),
        "analytical": Limit(30, 23),
    }
)

#: area (first path segment) -> category -> limit. Every request counts in "all" and in its own category.
LIMITS: Mapping[str, Mapping[str, Limit]] = MappingProxyType(
    {
        "assets": {
            "all": Limit(200, 150, 40, 30),
            "crud": Limit(170, 130, 30, 23),
            "analytical": Limit(30, 23, 15, 12),
            "aggregate": Limit(15, 12, 7, 5),
        },
        "events": _EVENTS_LIKE,
        "timeseries": _EVENTS_LIKE,
        "sequences": _EVENTS_LIKE,
        "relationships": _EVENTS_LIKE,
        "files": {"all": Limit(160, 120), "analytical": Limit(30, 23)},
        "raw": {"all": Limit(None, None, 64, 48)},
        # Instances have no rates, only so many requests at a time: /models/statistics answers these numbers.
        "models": {
            "read": Limit(None, None, READS),
            "write": Limit(None, None, WRITES),
            "delete": Limit(None, None, DELETES),
        },
    }
)

_ANALYTICAL = ("list", "search")


def categories(method: str, path: str) -> tuple[str, tuple[str, ...]]:
    """The area of a path and the categories that a request counts in."""
    segments = path.strip("/").split("/")
    area = segments[0]
    if area in ("timeseries", "sequences") and "data" in segments:
        return f"{area}/data", ()
    last = segments[-1]
    if area == "models":
        return area, _of_instances(segments)
    if last == "aggregate":
        return area, ("all", "aggregate")
    if last in _ANALYTICAL or (method == "GET" and len(segments) == 1):
        return area, ("all", "analytical")
    return area, ("all", "crud")


def _of_instances(segments: list[str]) -> tuple[str, ...]:
    """What a request to ``/models/instances`` counts in; spaces, containers, views and data models have no published limits."""
    if segments[1:2] != ["instances"]:
        return ()
    if len(segments) == 2:
        return ("write",)
    return ("delete",) if segments[-1] == "delete" else ("read",)


class Bucket:
    """A token bucket that holds one second's worth of requests."""

    __slots__ = ("rate", "time", "tokens")

    def __init__(self, rate: float, now_ms: int) -> None:
        self.rate = rate
        self.tokens = max(rate, 1.0)
        self.time = now_ms

    def available(self, now_ms: int) -> bool:
        self.tokens = min(max(self.rate, 1.0), self.tokens + (now_ms - self.time) * self.rate / 1000)
        self.time = now_ms
        return self.tokens >= 1


Gate = tuple[str, str, str, str]

VOLUME_WINDOW_MS = 600_000
#: (area, does it read) -> bytes in ten minutes, of the project and of one identity
VOLUMES: Mapping[tuple[str, bool], tuple[float, float]] = MappingProxyType(
    {("raw", True): (8.3e9, 6.6e9), ("raw", False): (1.6e9, 1.3e9)}
)


class Limiter:
    """Asks before a request begins, is told when it ended. A request refused for concurrency has still used its rate budget."""

    def __init__(self, clock: Clock, settings: Settings) -> None:
        self._clock = clock
        self._settings = settings
        self._buckets: dict[Gate, Bucket] = {}
        self._running: Counter[Gate] = Counter()
        self._volumes: dict[Gate, tuple[int, float]] = {}

    def enter(self, project: str, identity: str, method: str, path: str) -> list[Gate]:
        """What to hand to :meth:`leave`. Raises 429."""
        area, names = categories(method, path)
        table = LIMITS.get(area, {})
        gates: list[tuple[Gate, float | None, int | None]] = []
        for name in names:
            limit = table.get(name)
            if limit is not None:
                gates.append((("project", project, area, name), limit.project_rate, limit.project_concurrency))
                who = f"{project}/{identity}"
                gates.append((("identity", who, area, name), limit.identity_rate, limit.identity_concurrency))
        self._check_volume(project, identity, area, reads=method == "GET")
        self._check_rate(gates)
        self._check_concurrency(gates)
        taken = [gate for gate, _, _ in gates]
        self._running.update(taken)
        return taken

    def leave(self, gates: list[Gate]) -> None:
        self._running.subtract(gates)

    def spend(self, project: str, identity: str, method: str, path: str, *, received: int, sent: int) -> None:
        """Count the bytes of an answered request: what was read, or what was written."""
        area, reads = categories(method, path)[0], method == "GET"
        for gate, _ in self._volume_gates(project, identity, area, reads):
            begun, spent = self._volume(gate)
            self._volumes[gate] = begun, spent + (sent if reads else received)

    def _check_volume(self, project: str, identity: str, area: str, *, reads: bool) -> None:
        for gate, maximum in self._volume_gates(project, identity, area, reads):
            if self._volume(gate)[1] >= maximum * self._settings.rate_factor:
                raise ApiError(429, f"{gate[0].capitalize()} exceeded its data rate. Please try again later.")

    def _volume_gates(self, project: str, identity: str, area: str, reads: bool) -> list[tuple[Gate, float]]:
        if (area, reads) not in VOLUMES:
            return []
        of_project, of_identity = VOLUMES[(area, reads)]
        way = "read" if reads else "write"
        return [
            (("project", project, area, way), of_project),
            (("identity", f"{project}/{identity}", area, way), of_identity),
        ]

    def _volume(self, gate: Gate) -> tuple[int, float]:
        """When this window of ten minutes began, and the bytes in it."""
        now = self._clock.now_ms()
        begun, spent = self._volumes.get(gate, (now, 0.0))
        return (now, 0.0) if now - begun >= VOLUME_WINDOW_MS else (begun, spent)

    def _check_rate(self, gates: list[tuple[Gate, float | None, int | None]]) -> None:
        """A request refused for its rate uses no budget of anybody: one greedy identity cannot starve the others."""
        now = self._clock.now_ms()
        buckets = []
        for gate, rate, _ in gates:
            if rate is None:
                continue
            bucket = self._bucket(gate, rate * self._settings.rate_factor, now)
            if not bucket.available(now):
                raise ApiError(
                    429,
                    f"{gate[0].capitalize()} exceeded maximum number='{bucket.rate:g}' of requests per second. "
                    "Please try again later.",
                )
            buckets.append(bucket)
        for bucket in buckets:
            bucket.tokens -= 1

    def _bucket(self, gate: Gate, rate: float, now: int) -> Bucket:
        bucket = self._buckets.get(gate)
        if bucket is None or bucket.rate != rate:
            bucket = self._buckets[gate] = Bucket(rate, now)
        return bucket

    def _check_concurrency(self, gates: list[tuple[Gate, float | None, int | None]]) -> None:
        for gate, _, concurrency in gates:
            if concurrency is None:
                continue
            maximum = max(1, int(concurrency * self._settings.rate_factor))
            if self._running[gate] >= maximum:
                raise ApiError(
                    429,
                    f"{gate[0].capitalize()} exceeded maximum number='{maximum}' of concurrent requests. "
                    "Please try again later.",
                )
