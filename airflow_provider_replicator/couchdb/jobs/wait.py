# SPDX-License-Identifier: Apache-2.0
"""Wait for a job: one request a look, looks that grow rare, and never without bound."""

from __future__ import annotations

import time
from random import Random
from typing import TYPE_CHECKING

from airflow_provider_replicator.couchdb.jobs import lag
from airflow_provider_replicator.couchdb.jobs.errors import end_of
from airflow_provider_replicator.couchdb.jobs.history import baseline
from airflow_provider_replicator.couchdb.jobs.outcome import Outcome
from airflow_provider_replicator.couchdb.jobs.progress import Meter, Progress
from airflow_provider_replicator.couchdb.jobs.states import JobState, state_of
from airflow_provider_replicator.couchdb.jobs.waiting import Ended, Waiting
from airflow_provider_replicator.exceptions import (
    ConfigurationError,
    CouchAccessError,
    CouchConnectionError,
    CouchRequestError,
    CouchUnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_replicator.couchdb.client import CouchClient
    from airflow_provider_replicator.couchdb.jobs.choices import Until, WaitLimits
    from airflow_provider_replicator.couchdb.jobs.job import Job
    from airflow_provider_replicator.couchdb.jobs.states import Counters

#: Seconds between two questions to the source how much is left, and before the first: short jobs need none.
_ASK_EVERY = 120.0
_ASK_FIRST = 10.0


async def wait(
    mediator: CouchClient,
    job: Job,
    limits: WaitLimits,
    *,
    until: Until | None = None,
    started_at: float | None = None,
    source: CouchClient | None = None,
    target: CouchClient | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    clock: Callable[[], float] = time.time,
) -> Outcome:
    """Until the job ends, or the limits do. Every end is an :class:`Outcome`: nothing about the job is raised.

    ``until``: default "completed", for a continuous job "running"; "drained" needs ``source``. ``started_at``: when the waiting for
    this job began, in seconds since 1970: a trigger that is restarted passes the same moment again (default: ``job.submitted_at``).
    With ``source``, progress has the true pending count (asked at most every two minutes); with ``target``, what this run has written.
    ``on_progress`` is called whenever something has changed.
    Raises CouchAccessError and CouchRequestError of the mediator (somebody has to change something), CouchUnavailableError and
    CouchConnectionError after ``error_tolerance`` seconds.
    """
    follower = Follower(
        mediator,
        job,
        limits,
        until=until,
        started_at=started_at,
        source=source,
        target=target,
        on_progress=on_progress,
        clock=clock,
    )
    while (outcome := await follower.look()) is None:
        await mediator.transport.sleep(follower.pause())
    return outcome


class Follower:
    """Follows one job: :meth:`look`, :meth:`pause`, and again, until there is an outcome."""

    def __init__(
        self,
        mediator: CouchClient,
        job: Job,
        limits: WaitLimits,
        *,
        until: Until | None = None,
        started_at: float | None = None,
        source: CouchClient | None = None,
        target: CouchClient | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        clock: Callable[[], float] = time.time,
        random: Random | None = None,
    ) -> None:
        self._until: Until = until or ("running" if job.continuous else "completed")
        if self._until == "drained" and source is None:
            raise ConfigurationError('until="drained" needs the source: only it knows what is left to copy')
        if started_at is None:
            started_at = clock() if job.submitted_at is None else job.submitted_at
        self.job = job
        self.started_at = started_at
        self._mediator, self._source, self._target = mediator, source, target
        self._clients = list({id(one): one for one in (mediator, source, target) if one is not None}.values())
        self._requests_before = sum(one.requests for one in self._clients)
        self._waiting = Waiting(limits, until=self._until, started=started_at)
        self._on_progress = on_progress
        self._meter = Meter()
        self._clock = clock
        self._random = random or Random()
        self._baseline: Counters | None = None
        self._asked_baseline = False
        self._ask_at = started_at + _ASK_FIRST
        self._shown: str | None = None
        self._last = JobState(state="unseen")
        self._polls = 0
        self._cost = 1

    async def look(self) -> Outcome | None:
        """One look; None: not yet. What the docstring of :func:`wait` says about errors holds here."""
        before = self._requests()
        self._polls += 1
        try:
            state = await state_of(self._mediator, self.job)
        except (CouchUnavailableError, CouchConnectionError) as error:
            self._cost = 1  # the client has paused itself
            ended = self._waiting.unreachable(self._clock(), str(error))
            if ended is None:
                return None
            raise
        self._last = state
        self.job = self.job.seen(state)
        pending = await self._pending(state)
        if self._on_progress is not None:
            await self._report(state, pending)
        self._cost = self._requests() - before
        ended = self._waiting.observe(state, self._clock(), pending=pending)
        return None if ended is None else self.outcome(ended)

    def pause(self) -> float:
        """Seconds until the next look."""
        return self._waiting.pause(self._clock(), self._random, requests=self._cost)

    def outcome(self, ended: Ended) -> Outcome:
        """The outcome, as far as was seen."""
        end = None if ended.kind == "completed" else end_of(self._last.error, self.job.source_url, self.job.target_url)
        return Outcome(
            kind=ended.kind,
            job=self.job,
            state=self._last,
            reason=ended.reason if end is None else f"at the {end}, {ended.reason}",
            states=tuple(self._waiting.states),
            crashes=self._waiting.crashes,
            seconds=round(self._clock() - self.started_at, 3),
            polls=self._polls,
            requests=self._requests() - self._requests_before,
        )

    def _requests(self) -> int:
        return sum(one.requests for one in self._clients)

    async def _pending(self, state: JobState) -> int | None:
        """Asked when the server's own number may be 0 and the end hangs on it, else seldom, for the log."""
        if self._source is None or state.state != "running":
            return None
        deciding = self._until == "drained" and not state.changes_pending
        now = self._clock()
        if not deciding and (self._on_progress is None or now < self._ask_at):
            return None
        self._ask_at = now + _ASK_EVERY
        try:
            return await lag.pending_of(self._source, self.job.source_db, state)
        except (CouchRequestError, CouchAccessError):
            if deciding:
                raise
        except (CouchUnavailableError, CouchConnectionError) as error:
            if deciding and self._waiting.source_unreachable(now, str(error)):
                raise
        return None

    async def _report(self, state: JobState, pending: int | None) -> None:
        assert self._on_progress is not None
        if not self._asked_baseline and self._target is not None and self.job.job_id and state.counters is not None:
            self._asked_baseline = True
            try:
                self._baseline = await baseline(self._mediator, None, self._target, self.job, state)
            except (CouchUnavailableError, CouchConnectionError):
                self._asked_baseline = False
        progress = self._meter.look(state, self._clock(), pending=pending, baseline=self._baseline)
        line = f"{progress.state} {progress.docs_written_total} {progress.doc_write_failures} {progress.error}"
        if line != self._shown or pending is not None:
            self._shown = line
            self._on_progress(progress)
