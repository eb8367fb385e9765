# SPDX-License-Identifier: Apache-2.0
"""From documents to jobs: each is parsed, gets its id, and goes to the scheduler; or it fails, or it is tried again later."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from airflow_provider_replicator.sandbox.couchdb.database import Database
from airflow_provider_replicator.sandbox.couchdb.replicator import filters, states
from airflow_provider_replicator.sandbox.couchdb.replicator.filter_code import fetch_code
from airflow_provider_replicator.sandbox.couchdb.replicator.job import Job
from airflow_provider_replicator.sandbox.couchdb.replicator.pace import iso8601
from airflow_provider_replicator.sandbox.couchdb.replicator.peer import Surroundings
from airflow_provider_replicator.sandbox.couchdb.replicator.replication import (
    Replication,
    checkpoint_id,
    read_replication,
)
from airflow_provider_replicator.sandbox.couchdb.replicator.run import Info
from airflow_provider_replicator.sandbox.couchdb.replicator.scheduler import Scheduler
from airflow_provider_replicator.sandbox.couchdb.replicator.texts import FilterFetchError, RejectedDocumentError

log = logging.getLogger(__name__)

#: seconds of CouchDB's time
_PATIENCE = 61.0
_FIRST_RETRY, _LARGEST_EXPONENT = 64, 12
_FILTER_CHECK, _DAY = 60.0, 86_400

Key = tuple[str, str]
Find = Callable[[str], Database | None]


@dataclass(slots=True, eq=False)
class Row:
    """A document that is not finished. ``started`` is when it was seen, in seconds since 1970."""

    database: str
    doc_id: str
    replication: Replication
    user: str | None
    started: float
    state: Literal["initializing", "error", "scheduled"] = "initializing"
    job_id: str | None = None
    error: str | None = None
    errors: int = 0
    updated: float = field(default_factory=time.time)
    task: asyncio.Task[None] | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """What a job's id is made with besides the document."""

    server: str
    since_counts: bool
    around: Surroundings

    async def of(self, replication: Replication) -> tuple[str, str]:
        """Id of the checkpoints and id of the job. Raises FilterFetchError."""
        code = None
        if filters.kind(replication.options) == "user":
            code = await fetch_code(replication, self.around)
        base = checkpoint_id(replication, server=self.server, filter_code=code, since_counts=self.since_counts)
        return base, base + replication.suffix


class Documents:
    """``rows`` are what ``_scheduler/docs`` knows of documents that are not finished."""

    def __init__(self, scheduler: Scheduler, identity: Identity, find: Find) -> None:
        self._scheduler = scheduler
        self._identity = identity
        self._find = find
        self._last_started: dict[str, float] = {}
        self.rows: dict[Key, Row] = {}

    async def changed(self, database: Database, doc_id: str, document: dict[str, Any] | None) -> None:
        """A document was written or (None) deleted."""
        state = document.get(states.STATE) if document is not None else None
        if document is None:
            await self._removed((database.name, doc_id))
        elif state == "completed":
            self._forget((database.name, doc_id))
        elif state != "failed":
            if state in ("triggered", "error"):
                states.remove_state(database, doc_id)
            await self._updated(database, doc_id, document)

    async def gone(self, database: Database) -> None:
        for key in [key for key in self.rows if key[0] == database.name]:
            self._forget(key)
        await self._scheduler.remove_of(database.name)

    def completed(self, job: Job, info: Info) -> None:
        """A one-shot job is done: its document says so for good."""
        if job.database is not None and job.doc_id is not None:
            stats = info | {"start_time": iso8601(job.started)}
            states.write_completed(self._find(job.database), job.doc_id, stats)

    def close(self) -> None:
        for key in list(self.rows):
            self._forget(key)

    async def _updated(self, database: Database, doc_id: str, document: dict[str, Any]) -> None:
        key = (database.name, doc_id)
        try:
            replication = read_replication(document, database.config)
        except RejectedDocumentError as error:  # it came by replication, unchecked
            states.write_failed(database, doc_id, error.reason)
            return
        current = self.rows.get(key)
        if current is not None and current.replication == replication:
            return
        await self._removed(key)
        row = self.rows[key] = Row(*key, replication, document.get("owner"), time.time())
        row.task = asyncio.create_task(self._schedule(row))

    async def _removed(self, key: Key) -> None:
        self._forget(key)
        await self._scheduler.remove_of(*key)

    def _forget(self, key: Key) -> None:
        row = self.rows.pop(key, None)
        if row is not None and row.task is not None and row.task is not asyncio.current_task():
            row.task.cancel()

    async def _schedule(self, row: Row) -> None:
        """Until the document is a job; with a filter for as long as it is there, because the code may change."""
        pace = self._identity.around.pace
        while self.rows.get((row.database, row.doc_id)) is row:
            try:
                async with asyncio.timeout(pace.real(_PATIENCE)):
                    found = await self._identity.of(row.replication)
            except FilterFetchError as error:
                self._failed(row, str(error))
            except TimeoutError:
                self._failed(row, _timed_out(row))
            else:
                await self._add(row, *found)
            if row.state == "scheduled" and filters.kind(row.replication.options) != "user":
                return
            await pace.sleep(self._wait(row))

    def _wait(self, row: Row) -> float:
        if row.state == "error":
            return random.randint(1, _FIRST_RETRY << min(row.errors, _LARGEST_EXPONENT))
        return _FILTER_CHECK + random.uniform(1, 1 + min(2 * len(self.rows) / 10, _DAY))

    def _failed(self, row: Row, reason: str) -> None:
        row.state, row.job_id, row.error = "error", None, reason
        row.errors += 1
        row.updated = time.time()

    async def _add(self, row: Row, base: str, job_id: str) -> None:
        other = self._scheduler.jobs.get(job_id)
        if other is not None and other.doc_id is None:
            self._failed(row, _transient(job_id, row.doc_id))
            return
        if other is not None and other.doc_id != row.doc_id:
            states.write_failed(self._find(row.database), row.doc_id, _duplicate(job_id, row.doc_id, other))
            self._forget((row.database, row.doc_id))
            return
        if row.job_id not in (None, job_id):
            await self._scheduler.remove(str(row.job_id))
        if other is None:
            await self._scheduler.add(self._job(row, base, job_id))
        row.state, row.job_id, row.error, row.errors = "scheduled", job_id, None, 0
        row.updated = time.time()

    def _job(self, row: Row, base: str, job_id: str) -> Job:
        """CouchDB takes seconds for what takes milliseconds here. Runs of one job still begin in different seconds: with them
        one tells whose counters are in the history of a checkpoint."""
        started = row.started
        if base in self._last_started:
            started = max(started, self._last_started[base] + 1)
        self._last_started[base] = row.started = started
        return Job(job_id, base, row.replication, started, row.database, row.doc_id, None)


def _duplicate(job_id: str, doc_id: str, other: Job) -> str:
    return (
        f"Replication `{job_id}` specified by document `{doc_id}` already started, "
        f"triggered by document `{other.doc_id}` from db `{other.database}`"
    )


def _transient(job_id: str, doc_id: str) -> str:
    return (
        f"Replication `{job_id}` specified by document `{doc_id}` already running as a transient replication, "
        "started via `_replicate` API endpoint"
    )


def _timed_out(row: Row) -> str:
    return (
        f'Replication for db <<"{row.database}">> doc <<"{row.doc_id}">> failed to start due to timeout after '
        f"{_PATIENCE:.0f} seconds"
    )
