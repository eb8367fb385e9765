# SPDX-License-Identifier: Apache-2.0
"""When a wait is over, decided look by look. Pure: no clock, no server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_replicator.core.progress import duration
from airflow_provider_replicator.couchdb.jobs.crashes import CrashRow
from airflow_provider_replicator.couchdb.jobs.errors import advice

if TYPE_CHECKING:
    from random import Random

    from airflow_provider_replicator.couchdb.jobs.choices import Until, WaitLimits
    from airflow_provider_replicator.couchdb.jobs.outcome import Kind
    from airflow_provider_replicator.couchdb.jobs.states import JobState

#: For the first seconds looks are close, for jobs that take no longer; then the pause grows with the time waited already.
_CLOSE = 0.5
_CLOSE_FOR = 5.0
_GROWTH = 0.2
_JITTER = 0.1
#: A job "runs" from the moment when it is told to: only after so many seconds without a crash does that mean something.
_SETTLED = 15.0


@dataclass(frozen=True, slots=True)
class Ended:
    """The wait is over."""

    kind: Kind
    reason: str


class Waiting:
    """Feed it every look with :meth:`observe`; it says when the wait is over. Moments are seconds of one clock.

    Limits of one state (the queue, crashing …) are reckoned from when that state was first seen in this wait.
    """

    def __init__(self, limits: WaitLimits, *, until: Until, started: float) -> None:
        self._limits = limits
        self._until = until
        self._started = started
        self._since: dict[str, float] = {}
        self._row = CrashRow()
        self._drained = 0
        self.states: list[str] = []
        self.crashes = 0

    def observe(self, state: JobState, now: float, *, pending: int | None = None) -> Ended | None:
        """None: go on waiting. ``pending``: what is left to copy, as the source says, if it was asked."""
        if pending is not None:
            self._since.pop("source", None)
        if state.state not in self.states:
            self.states.append(state.state)
        self._keep_times(state, now)
        return self._end(state, now, pending) or self._out_of_time(now, state.state, state.error)

    def unreachable(self, now: float, error: str) -> Ended | None:
        """The server did not answer this time. A wait that ends so is over because of the server, not of the job."""
        silent = now - self._since.setdefault("silent", now)
        if silent >= self._limits.error_tolerance:
            return Ended("stalled", f"the server has not answered for {duration(silent)}: {error}")
        return self._out_of_time(now, "silent", error)

    def source_unreachable(self, now: float, error: str) -> Ended | None:
        """The same for the source, where the end hangs on what it says."""
        silent = now - self._since.setdefault("source", now)
        if silent < self._limits.error_tolerance:
            return None
        return Ended("stalled", f"the source has not answered for {duration(silent)}: {error}")

    def pause(self, now: float, random: Random, *, requests: int = 1) -> float:
        """Seconds until the next look: longer after a look that has cost several ``requests``, never past the time-out."""
        elapsed = max(0.0, now - self._started)
        grown = _CLOSE if elapsed < _CLOSE_FOR else max(_CLOSE, elapsed * _GROWTH)
        pause = min(grown, self._limits.poll_interval) * random.uniform(1 - _JITTER, 1 + _JITTER) * max(1, requests)
        timeout = self._limits.timeout
        return pause if timeout is None else max(0.01, min(pause, self._started + timeout - now))

    def _keep_times(self, state: JobState, now: float) -> None:
        """Since when the job is in this state; what else is waited for goes on."""
        kept = {state.state, "source"}
        self._since = {name: moment for name, moment in self._since.items() if name in kept}
        since = self._since.setdefault(state.state, now)
        self._row.observe(state, now, now - since)
        if state.crashing:
            self.crashes = max(self.crashes, self._row.count(state, now))

    def _end(self, state: JobState, now: float, pending: int | None) -> Ended | None:
        waited = now - self._since[state.state]
        limits = self._limits
        match state.state:
            case "completed":
                return Ended("completed", "completed")
            case "failed":
                return self._failed(state)
            case "gone":
                return _late(waited, limits.gone_tolerance, "gone", "its document was deleted by somebody")
            case "unseen" | "initializing":
                reason = f"the server has not picked it up ({state.state}): is its replicator running?"
                return _late(waited, limits.not_picked_up_timeout, "stalled", reason)
            case "pending":
                reason = "in the server's queue, behind other jobs (replicator/max_jobs)"
                return _late(waited, limits.pending_timeout, "stalled", reason)
            case "crashing" | "error":
                return self._crashing(state, now)
        return self._running(state, waited, pending)

    def _failed(self, state: JobState) -> Ended:
        if state.duplicate is not None:
            other = state.duplicate
            return Ended("duplicate", f"document {other.doc_id} in {other.database} runs the same replication already")
        return Ended("failed", _sentence("the server gave up", state))

    def _crashing(self, state: JobState, now: float) -> Ended | None:
        crashes, limits = self._row.count(state, now), self._limits
        if state.error_class == "fatal":
            return Ended("failed", _sentence("it cannot work like this", state))
        if state.error_class == "grace" and crashes > limits.grace_crashes:
            return Ended("failed", _sentence(f"crashed {crashes} times", state))
        if crashes >= limits.max_crashes:
            return Ended("stalled", _sentence(f"crashed {crashes} times in a row (max_crashes)", state))
        lasted = self._row.lasted(now)
        if limits.crash_timeout is not None and lasted >= limits.crash_timeout:
            return Ended("stalled", _sentence(f"crashing for {duration(lasted)} (crash_timeout)", state))
        return None

    def _running(self, state: JobState, waited: float, pending: int | None) -> Ended | None:
        if self._until == "completed" or state.error_count:
            return None
        if self._until == "running":
            works = state.counters is not None or waited >= _SETTLED
            return Ended("completed", "running") if works else None
        if pending == 0:
            self._drained += 1
        elif pending or state.changes_pending:
            self._drained = 0
        enough = self._drained >= self._limits.drained_checks
        return Ended("completed", "running, and nothing is left to copy") if enough else None

    def _out_of_time(self, now: float, state: str, error: str | None) -> Ended | None:
        timeout = self._limits.timeout
        if timeout is None or now - self._started < timeout:
            return None
        what = f"no end within {duration(timeout)} (timeout), last seen {state}"
        return Ended("stalled", f"{what}: {error}" if error else what)


def _late(waited: float, limit: float | None, kind: Kind, reason: str) -> Ended | None:
    if limit is None or waited < limit:
        return None
    return Ended(kind, f"{reason}, for {duration(waited)}")


def _sentence(what: str, state: JobState) -> str:
    """``what: the server's text (what to do)``."""
    text = what if state.error is None else f"{what}: {state.error}"
    hint = advice(state.error)
    return f"{text} ({hint})" if hint else text
