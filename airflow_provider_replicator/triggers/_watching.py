# SPDX-License-Identifier: Apache-2.0
"""What triggers, and the tasks that do not defer, have in common: lines in the log, and when a lag is small enough."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from airflow_provider_replicator.exceptions import ReplicationFailedError, ReplicationStalledError

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_replicator.couchdb.client import CouchClient
    from airflow_provider_replicator.couchdb.jobs.job import Job
    from airflow_provider_replicator.couchdb.jobs.lag import Lag
    from airflow_provider_replicator.couchdb.jobs.progress import Progress
    from airflow_provider_replicator.couchdb.jobs.states import JobState

    Log = Callable[..., None]

#: How often in a row a trigger may end with an error before its task gives up.
MAX_LOST = 3
#: Seconds after the end of a wait at which Airflow takes a task back from a triggerer that does not answer.
TRIGGER_GRACE_SECONDS = 300.0
#: Seconds between two lines of the log while nothing but the counts change.
LINE_SECONDS = 10.0
#: A job "runs" from the moment when it is told to: only after so many seconds without a crash does that mean something.
SETTLED_SECONDS = 15.0


class ProgressLog:
    """A line when a job's state changes, and, while it copies, one every few seconds. The newest numbers go to Airflow's metrics."""

    def __init__(
        self, log: Log, *, every_seconds: float = LINE_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._log = log
        self._every = every_seconds
        self._clock = clock
        self._shown: dict[str, tuple[str, int, str]] = {}
        self._shown_at: dict[str, float] = {}

    def __call__(self, job: Job, progress: Progress) -> None:
        key = (progress.state, progress.error_count, progress.line())
        before = self._shown.get(job.doc_id)
        now = self._clock()
        if key == before:
            return
        if before is not None and key[:2] == before[:2] and now - self._shown_at[job.doc_id] < self._every:
            return
        self._shown[job.doc_id], self._shown_at[job.doc_id] = key, now
        self._log("%s -> %s: %s", job.source_db or job.doc_id, job.target_db or job.doc_id, key[2])
        _measure(pending=progress.pending, crashes=progress.error_count or None)


def _measure(**values: float | None) -> None:
    """The newest numbers, to Airflow's metrics."""
    from airflow.sdk.observability import stats

    for name, value in values.items():
        if value is not None:
            stats.gauge(f"couchdb.replication.{name}", value)


@dataclass(frozen=True, slots=True, kw_only=True)
class LagLimits:
    """A target is near enough if so many looks in a row (``checks``) find at most ``max_pending`` changes that are not copied yet and,
    with ``max_seconds``, a heartbeat not older than that. ``max_crashes`` in a row are too many.
    """

    max_pending: int = 0
    checks: int = 3
    max_seconds: float | None = None
    max_crashes: int = 3

    def near(self, lag: Lag) -> bool:
        """Whether this look counts. A job that crashes is not near, whatever is pending."""
        if not lag.ok or lag.pending is None or lag.pending > self.max_pending:
            return False
        return self.max_seconds is None or (lag.seconds is not None and lag.seconds <= self.max_seconds)


@dataclass(slots=True)
class LagWatch:
    """Looks at a lag, one after the other. ``near`` of them in a row have been near enough."""

    limits: LagLimits
    near: int = 0

    def near_enough(self, lag: Lag, doc_id: str) -> bool:
        """Whether this look was the last that it takes. Raises what :func:`refuse_hopeless` raises."""
        refuse_hopeless(lag.state, doc_id, max_crashes=self.limits.max_crashes)
        self.near = self.near + 1 if self.limits.near(lag) else 0
        return self.near >= self.limits.checks


async def look(
    mediator: CouchClient, source: CouchClient, target: CouchClient | None, job: Job, limits: LagLimits
) -> Lag:
    """One look at a lag: two requests. With ``limits.max_seconds`` a heartbeat is written at the source, and sought in the target."""
    from airflow_provider_replicator.couchdb.jobs.lag import beat, heartbeat_age, lag

    found = await lag(mediator, source, job)
    if limits.max_seconds is not None and target is not None:
        now = time.time()
        await beat(source, job.source_db, job.doc_id, now)
        found = replace(found, seconds=await heartbeat_age(target, job.target_db, job.doc_id, now))
    _measure(pending=found.pending, lag_seconds=found.seconds)
    return found


def refuse_hopeless(state: JobState, doc_id: str, *, max_crashes: int) -> None:
    """Raises ReplicationFailedError for a job that nobody can wait for, ReplicationStalledError for one that keeps crashing."""
    why = f": {state.error}" if state.error else ""
    report = {"doc_id": doc_id, "state": state.state}
    if state.state == "gone":
        raise ReplicationFailedError(f"replication {doc_id}: there is no such document", report)
    if state.state == "failed" or (state.crashing and state.error_class == "fatal"):
        raise ReplicationFailedError(f"replication {doc_id}: it is {state.state}{why}", report)
    if state.crashing and state.error_count >= max_crashes:
        raise ReplicationStalledError(
            f"replication {doc_id} has crashed {state.error_count} times in a row{why}", report
        )


def reached(state: JobState, doc_id: str, *, until: str, max_crashes: int) -> bool:
    """Whether a job is as far as is waited for, which a job that has completed always is. Raises as above."""
    refuse_hopeless(state, doc_id, max_crashes=max_crashes)
    return state.state == "completed" or (until == state.state == "running" and _works(state))


def _works(state: JobState) -> bool:
    from airflow_provider_replicator.couchdb.jobs.reading import parse_moment

    since = parse_moment(state.last_updated or state.start_time)
    settled = since is not None and time.time() - since.timestamp() >= SETTLED_SECONDS
    return not state.error_count and (state.counters is not None or settled)


def stoppable(job: Job) -> bool:
    """Whether a task that is killed stops this job: not one that somebody else has made, nor a continuous one that ran before."""
    return job.own and not (job.continuous and job.adopted)


def sentence(lag: Lag) -> str:
    """A look at a lag, for the log."""
    pending = (
        "not known yet how much is pending" if lag.pending is None else f"{lag.pending:_} pending".replace("_", " ")
    )
    age = "" if lag.seconds is None else f", {lag.seconds:.0f} s behind"
    error = f": {lag.state.error}" if lag.state.error else ""
    return f"{lag.state.state}, {pending}{age}{error}"
