# SPDX-License-Identifier: Apache-2.0
"""How long a job pauses before its next request to a server that has answered 429: longer by a fifth each time, shorter by steps."""

from __future__ import annotations

from dataclasses import dataclass, field

from airflow_provider_replicator.sandbox.couchdb.replicator.pace import Pace

#: milliseconds of CouchDB's time; at the longest pause the job gives up
LONGEST = 25_000
_STEP = 20
_FACTOR = 1.2
#: what happens within this time counts once
_WINDOW = 80
#: after so long without news a pause is taken to be shorter
_STALE = 1000

Key = tuple[str, str]


@dataclass(slots=True)
class RateLimiter:
    """Shared by all jobs of a server; the keys are address and method."""

    pace: Pace
    _pauses: dict[Key, tuple[int, float]] = field(default_factory=dict)

    def pause(self, key: Key) -> int:
        return self._pauses.get(key, (0, 0.0))[0]

    def refused(self, key: Key) -> None:
        pause, at = self._pauses.get(key, (0, 0.0))
        now = self._now()
        if now - at > _WINDOW:
            self._pauses[key] = (min(round(max(pause, _STEP) * _FACTOR), LONGEST), now)

    def served(self, key: Key) -> None:
        if key not in self._pauses:
            return
        pause, at = self._pauses[key]
        quiet = self._now() - at
        if quiet <= _WINDOW:
            return
        if quiet > _STALE:
            pause = max(round(pause - 2 * quiet), 0)
        pause -= _relief(pause)
        if pause <= 0:
            del self._pauses[key]
        else:
            self._pauses[key] = (max(pause, _STEP), self._now())

    def _now(self) -> float:
        return self.pace.now() * 1000


def _relief(pause: int) -> int:
    for above, steps in ((10_000, 50), (1000, 5), (100, 2)):
        if pause > above:
            return _STEP * steps
    return _STEP
