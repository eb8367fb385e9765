# SPDX-License-Identifier: Apache-2.0
"""From documents to jobs: each is parsed, gets its id, and goes to the scheduler; or it fails, or it is tried again later."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from airflow_provider_replicator.sandbox.couchdb.database import Database
from airflow_provider_replicator.sandbox.couchdb.replicator import filters
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
from airflow_provider_replicator.sandbox.couchdb.replicator.states import STATE, States
from airflow_provider_replicator.sandbox.couchdb.replicator.texts import (
    FilterFetchError,
    RejectedDocumentError,
    reason_text,
)

log = logging.getLogger(__name__)

#: seconds of CouchDB's time
_PATIENCE = 61.0
_FIRST_RETRY, _LARGEST_EXPONENT = 64, 12
_FILTER_CHECK, _DAY = 60.0, 86_400

Key = tuple[str, str]
Find = Callable[[str], Database | None]
Document = dict[str, Any]


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
    updated: float = 0.0
    task: asyncio.Task[None] | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """What a job's id is made with besides the document. ``server`` is the UUID of the server that runs it."""

    server: Callable[[], str]
    since_counts: bool
    around: Surroundings

    async def of(self, replication: Replication) -> tuple[str, str]:
        """Id of the checkpoints and id of the job. Raises FilterFetchError."""
        code = None
        if filters.kind(replication.options) == "user":
            code = await fetch_code(replication, self.around)
        base = checkpoint_id(replication, server=self.server(), filter_code=code, since_counts=self.since_counts)
        return base, base + replication.suffix


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What differs between servers. ``keep_states``: every state is written into the document. ``legacy``: as CouchDB 1 did; a
    document that asks for what another one has started is left alone, and ``resolve`` makes addresses of mere names."""

    keep_states: Callable[[], bool]
    legacy: bool = False
    resolve: Callable[[Document], Document] = dict


class Documents:
    """``rows`` are what ``_scheduler/docs`` knows of documents that are not finished."""

    def __init__(self, scheduler: Scheduler, identity: Identity, find: Find, habits: Habits) -> None:
        self._scheduler = scheduler
        self._identity = identity
        self._find = find
        self._habits = habits
        self._pace = identity.around.pace
        self._states = States(self._pace)
        self._last_started: dict[str, float] = {}
        self.rows: dict[Key, Row] = {}

    async def changed(self, database: Database, doc_id: str, document: Document | None) -> None:
        """A document was written or (None) deleted."""
        state = document.get(STATE) if document is not None else None
        if document is None:
            await self._removed((database.name, doc_id))
        elif state == "completed":
            self._forget((database.name, doc_id))
        elif state != "failed":
            if state in ("triggered", "error") and not self._habits.keep_states():
                self._states.removed(database, doc_id)
            await self._updated(database, doc_id, document)

    async def gone(self, database: Database) -> None:
        for key in [key for key in self.rows if key[0] == database.name]:
            self._forget(key)
        await self._scheduler.remove_of(database.name)

    # told by the scheduler

    def completed(self, job: Job, info: Info) -> None:
        """The document says so for good."""
        stats = info | {"start_time": iso8601(job.started)}
        self._states.completed(self._database(job), str(job.doc_id), stats)

    def opened(self, job: Job) -> None:
        if self._habits.keep_states():
            self._states.triggered(self._database(job), str(job.doc_id), job.id)

    def crashed(self, job: Job, reason: Any) -> None:
        if self._habits.keep_states():
            self._states.error(self._database(job), str(job.doc_id), reason_text(reason), job.id)

    def _database(self, job: Job) -> Database | None:
        return self._find(str(job.database))

    def close(self) -> None:
        for key in list(self.rows):
            self._forget(key)

    async def _updated(self, database: Database, doc_id: str, document: Document) -> None:
        key = (database.name, doc_id)
        try:
            replication = read_replication(self._habits.resolve(document), database.config)
        except RejectedDocumentError as error:  # it came by replication, or was not checked
            if self._habits.legacy:
                self._states.error(database, doc_id, error.reason, None)
            else:
                self._states.failed(database, doc_id, error.reason)
            return
        current = self.rows.get(key)
        if current is not None and current.replication == replication:
            return
        await self._removed(key)
        row = self.rows[key] = self._row(key, replication, document)
        row.task = asyncio.create_task(self._schedule(row))

    def _row(self, key: Key, replication: Replication, document: Document) -> Row:
        now = self._pace.shown()
        return Row(*key, replication, document.get("owner"), started=now, updated=now)

    async def _removed(self, key: Key) -> None:
        self._forget(key)
        await self._scheduler.remove_of(*key)

    def _forget(self, key: Key) -> None:
        row = self.rows.pop(key, None)
        if row is not None and row.task is not None and row.task is not asyncio.current_task():
            row.task.cancel()

    async def _schedule(self, row: Row) -> None:
        try:
            await self._keep_scheduled(row)
        except Exception:
            log.exception("document %s", row.doc_id)

    async def _keep_scheduled(self, row: Row) -> None:
        """Until the document is a job; with a filter for as long as it is there, because the code may change."""
        pace = self._pace
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
        row.updated = self._pace.shown()
        if self._habits.keep_states():
            self._states.error(self._find(row.database), row.doc_id, reason, None)

    async def _add(self, row: Row, base: str, job_id: str) -> None:
        other = self._scheduler.jobs.get(job_id)
        if other is not None and other.doc_id is None:
            self._failed(row, _transient(job_id, row.doc_id))
            return
        if other is not None and other.doc_id != row.doc_id:
            self._is_duplicate(row, job_id, other)
            return
        if row.job_id not in (None, job_id):
            await self._scheduler.remove(str(row.job_id))
        if other is None:
            await self._scheduler.add(self._job(row, base, job_id))
        row.state, row.job_id, row.error, row.errors = "scheduled", job_id, None, 0
        row.updated = self._pace.shown()
        if self._habits.keep_states() and not self._habits.legacy:
            self._states.triggered(self._find(row.database), row.doc_id, job_id)

    def _is_duplicate(self, row: Row, job_id: str, other: Job) -> None:
        database = self._find(row.database)
        if self._habits.legacy:
            self._states.tagged(database, row.doc_id, job_id)
        else:
            self._states.failed(database, row.doc_id, _duplicate(job_id, row.doc_id, other))
        self._forget((row.database, row.doc_id))

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
