# SPDX-License-Identifier: Apache-2.0
"""Which jobs run: at once while there is room, again after a crash and its back-off, in turns when there are too many."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from typing import Any, Protocol

from airflow_provider_replicator.sandbox.couchdb.config import Config
from airflow_provider_replicator.sandbox.couchdb.replicator.job import Event, Job, Kind, may_start
from airflow_provider_replicator.sandbox.couchdb.replicator.peer import MAX_BACKOFF, Surroundings
from airflow_provider_replicator.sandbox.couchdb.replicator.run import Info, Plan, Run, slower
from airflow_provider_replicator.sandbox.couchdb.replicator.texts import CrashError

log = logging.getLogger(__name__)

#: seconds that CouchDB 3.5.2 and later give a job to stop
_STOP_PATIENCE = 5.0


class Events(Protocol):
    """What is told of jobs that have a document."""

    def opened(self, job: Job) -> None:
        """It has opened both databases."""

    def completed(self, job: Job, info: Info) -> None:
        """A one-shot job is done; these are its counters."""

    def crashed(self, job: Job, reason: Any) -> None:
        """It will be tried again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Where versions differ. ``patient``: a job that does not stop is waited for, for ever if need be (up to 3.5.1). Times are in
    seconds of CouchDB's; ``interval`` is between looks at all jobs, None: what the configuration says."""

    patient: bool = True
    checkpoint_first: bool = False
    cumulative: bool = True
    first_backoff: float = 30.0
    interval: float | None = None


class _Nobody:
    def opened(self, job: Job) -> None: ...
    def completed(self, job: Job, info: Info) -> None: ...
    def crashed(self, job: Job, reason: Any) -> None: ...


_NOBODY = _Nobody()


class Scheduler:
    """Does one thing at a time: whatever holds it up, such as a job that cannot be stopped, holds up everything."""

    def __init__(self, config: Config, around: Surroundings, rules: Rules) -> None:
        self._config = config
        self._around = around
        self._rules = rules
        #: set before the first job is added
        self.events: Events | None = None
        self._busy = asyncio.Lock()
        self.jobs: dict[str, Job] = {}

    def number(self, key: str, default: int) -> int:
        return self._config.integer("replicator", key, default)

    @property
    def health_threshold(self) -> float:
        """Seconds a job has to run before its crashes are forgotten."""
        return self.number("health_threshold", 120)

    @property
    def interval(self) -> float:
        """Seconds from one look at all jobs to the next."""
        return self._rules.interval or self.number("interval", 60_000) / 1000

    async def add(self, job: Job) -> None:
        """Nothing happens if there is a job that asks for the same."""
        async with self._busy:
            existing = self.jobs.get(job.id)
            if existing is not None:
                same = (existing.replication, existing.doc_id, existing.database)
                if same == (job.replication, job.doc_id, job.database):
                    return
                await self._remove(existing)
            self.jobs[job.id] = job
            self._note(job, "added")
            room = self.number("max_jobs", 500)
            if len(self.jobs) < room and self._running() < room:
                self._start(job)

    async def remove(self, job_id: str) -> bool:
        """Stop a job, which writes a last checkpoint, and forget it."""
        async with self._busy:
            job = self.jobs.get(job_id)
            if job is not None:
                await self._remove(job)
            return job is not None

    async def remove_of(self, database: str, doc_id: str | None = None) -> None:
        """The jobs of a document, or of all documents of a database."""
        found = [job for job in self.jobs.values() if job.database == database and doc_id in (None, job.doc_id)]
        for job in found:
            await self.remove(job.id)

    async def follow(self) -> None:
        """Look at all jobs again and again."""
        while True:
            await self._around.pace.sleep(self.interval)
            async with self._busy:
                await self._reschedule()

    async def close(self) -> None:
        """Stop everything at once, without a word to the servers."""
        tasks = [job.task for job in self.jobs.values() if job.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # one at a time from here

    def _running(self) -> int:
        return sum(job.running for job in self.jobs.values())

    def _note(self, job: Job, kind: Kind, reason: Any = None) -> None:
        event = Event(kind, self._around.pace.now(), self._around.pace.shown(), reason)
        job.history = [event, *job.history][: self.number("max_history", 20)]

    def _start(self, job: Job) -> None:
        if job.history[0].kind == "crashed" and job.history[0].reason == MAX_BACKOFF:
            job.replication = replace(job.replication, options=slower(job.replication.options))
        plan = Plan(
            replication=job.replication,
            checkpoint_id=job.checkpoint_id,
            started=job.started,
            checkpoint_first=self._rules.checkpoint_first,
            cumulative=self._rules.cumulative,
            startup_jitter=self.number("startup_jitter", 5000) / 1000,
        )
        around = replace(self._around, health_threshold=self.health_threshold)
        job.run = Run(
            plan,
            around,
            before=job.info,
            report=lambda info: setattr(job, "info", info),
            opened=lambda: self._tell(job).opened(job),
        )
        job.task = asyncio.create_task(self._execute(job, job.run))
        self._note(job, "started")

    async def _execute(self, job: Job, run: Run) -> None:
        try:
            await run.execute()
        except CrashError as error:
            await self._ended(job, error.reason)
        except Exception as error:
            log.exception("job %s", job.id)
            await self._ended(job, f"{type(error).__name__}: {error}")
        else:
            self._tell(job).completed(job, run.final_info())
            await self._ended(job, None, run.result)

    def _tell(self, job: Job) -> Events:
        return _NOBODY if self.events is None or job.database is None else self.events

    async def _ended(self, job: Job, reason: Any, result: Info | None = None) -> None:
        task = job.task
        async with self._busy:
            if job.task is not task or self.jobs.get(job.id) is not job:
                return  # it was stopped in the meantime
            job.task = job.run = None
            if job.ended is not None and not job.ended.done():
                job.ended.set_result(result if reason is None else CrashError(reason))
            if reason is None or job.database is None:
                del self.jobs[job.id]
                return
            self._note(job, "crashed", reason)
            self._tell(job).crashed(job, reason)
            if len(self.jobs) < self.number("max_jobs", 500):
                self._start_pending(self.number("max_jobs", 500) - self._running())

    async def _remove(self, job: Job) -> None:
        await self._stop(job)
        self.jobs.pop(job.id, None)

    async def _stop(self, job: Job) -> None:
        task, run = job.task, job.run
        if task is None or run is None:
            return
        if self._rules.patient:
            await run.ready.wait()
        else:
            await self._wait_for_start(run)
        task.cancel()
        await asyncio.wait([task])
        job.task = job.run = None
        self._note(job, "stopped")

    async def _wait_for_start(self, run: Run) -> None:
        try:
            async with asyncio.timeout(self._around.pace.real(_STOP_PATIENCE)):
                await run.ready.wait()
        except TimeoutError:
            pass

    def _start_pending(self, count: int) -> None:
        if count <= 0:
            return
        now, times = self._around.pace.now(), {"health_threshold": self.health_threshold}
        times["first_backoff"] = self._rules.first_backoff
        waiting = [job for job in self.jobs.values() if not job.running and may_start(job.history, now, **times)]
        for job in sorted(waiting, key=lambda one: one.last_started)[:count]:
            self._start(job)

    async def _stop_some(self, count: int, *, continuous: bool) -> int:
        """The ones that have run longest; how many."""
        running = [job for job in self.jobs.values() if job.running and job.continuous is continuous]
        chosen = sorted(running, key=lambda one: one.last_started)[: max(count, 0)]
        for job in chosen:
            await self._stop(job)
        return len(chosen)

    async def _reschedule(self) -> None:
        room = self.number("max_jobs", 500)
        excess = max(0, self._running() - room)
        stopped = await self._stop_some(excess, continuous=True)
        await self._stop_some(excess - stopped, continuous=False)
        running = self._running()
        pending, free = len(self.jobs) - running, room - running
        if free >= 0:
            churn = max(0, self.number("max_churn", 20) - excess)
            await self._stop_some(min(pending - free, running, churn), continuous=True)
            self._start_pending(room - self._running())
