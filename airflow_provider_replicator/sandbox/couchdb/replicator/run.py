# SPDX-License-Identifier: Apache-2.0
"""One run of a job, from opening both databases to the last checkpoint."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from airflow_provider_replicator.sandbox.couchdb.replicator.changes_reader import ChangeQueue, ChangesReader
from airflow_provider_replicator.sandbox.couchdb.replicator.checkpoints import Checkpoints
from airflow_provider_replicator.sandbox.couchdb.replicator.endpoint import Endpoint
from airflow_provider_replicator.sandbox.couchdb.replicator.erlang import Atom
from airflow_provider_replicator.sandbox.couchdb.replicator.options import MISSING, Options
from airflow_provider_replicator.sandbox.couchdb.replicator.peer import MAX_BACKOFF, Peer, Surroundings
from airflow_provider_replicator.sandbox.couchdb.replicator.progress import Progress, Reached
from airflow_provider_replicator.sandbox.couchdb.replicator.remote import RemoteDatabase, seq_text
from airflow_provider_replicator.sandbox.couchdb.replicator.replication import Replication
from airflow_provider_replicator.sandbox.couchdb.replicator.stats import Stats
from airflow_provider_replicator.sandbox.couchdb.replicator.texts import CrashError, StartError
from airflow_provider_replicator.sandbox.couchdb.replicator.worker import Batches, Worker

log = logging.getLogger(__name__)

Info = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run needs to know. ``started`` is when the job was asked for, in seconds since 1970."""

    replication: Replication
    checkpoint_id: str
    started: float
    #: a checkpoint counts more than ``since_seq`` (CouchDB 3.5.2 and later)
    checkpoint_first: bool = False
    #: counters go on from those of the runs before (CouchDB 3.0 and later)
    cumulative: bool = True
    #: seconds
    startup_jitter: float = 5.0


class Run:
    """:meth:`execute` returns when a one-shot job is done, and raises CrashError when it fails. Cancelled, it writes a last
    checkpoint. ``report`` is told the job's counters whenever they change, ``opened`` once, when both databases are open."""

    def __init__(
        self,
        plan: Plan,
        around: Surroundings,
        *,
        before: Info | None,
        report: Callable[[Info], None],
        opened: Callable[[], None],
    ) -> None:
        options = plan.replication.options
        self._plan, self._around, self._report, self._opened = plan, around, report, opened
        self._stats = Stats.from_info(before if plan.cumulative else None)
        self._source = RemoteDatabase(_peer(plan.replication.source, around, options, at_least=2))
        self._target = RemoteDatabase(_peer(plan.replication.target, around, options))
        self._checkpoints = Checkpoints(
            self._source,
            self._target,
            plan.checkpoint_id,
            started=plan.started,
            by_ids=options.doc_ids is not None,
        )
        self._progress = Progress(0)
        self._pending: int | None = None
        self._pending_at: float | None = None
        self._asking = asyncio.Lock()
        self._saved = False
        #: set when the job listens: until then it cannot be stopped
        self.ready = asyncio.Event()
        #: when it began to copy (seconds since 1970), for ``_active_tasks``
        self.began: float | None = None
        self.updated = plan.started

    @property
    def _options(self) -> Options:
        return self._plan.replication.options

    @property
    def result(self) -> Info:
        """What ``POST /_replicate`` answers."""
        if self._options.use_checkpoints is False and not self._progress.nothing_done:
            return {"use_checkpoints": False}
        return self._checkpoints.body if self._saved else {"no_changes": True, **self._checkpoints.body}

    async def execute(self) -> None:
        try:
            await self._start()
            await self._copy()
            if not self._progress.nothing_done:
                self._progress.through = self._progress.highest
                await self._checkpoint()
        except asyncio.CancelledError:
            await self._last_checkpoint()
            raise
        finally:
            self.ready.set()
            if self.began is not None:
                await self._update()
            await self._source.peer.close()
            await self._target.peer.close()

    async def _start(self) -> None:
        """Raises StartError."""
        pace = self._around.pace
        await pace.sleep(random.uniform(0.001, max(self._plan.startup_jitter, 0.001)))
        try:
            await self._open()
        except CrashError as error:
            if error.reason[-1] == MAX_BACKOFF:
                raise CrashError(MAX_BACKOFF) from error
            raise StartError(start_reason(error.reason)) from error
        self._progress = Progress(self._start_seq())
        if self._plan.cumulative:
            self._stats = self._stats.at_least(self._checkpoints.stats)
        await self._refresh_pending()
        self.began = self._around.pace.shown()
        self._opened()
        self.ready.set()

    async def _open(self) -> None:
        await self._source.open()
        await self._target.open(create=self._options.create_target, parameters=self._options.create_target_params)
        await self._checkpoints.load()

    def _start_seq(self) -> Any:
        recorded, asked = self._checkpoints.start_seq, self._options.since_seq
        if asked is MISSING or (self._plan.checkpoint_first and recorded != 0):
            return recorded
        return asked

    async def _copy(self) -> None:
        options = self._options
        queue = ChangeQueue(options.worker_batch_size * options.worker_processes * 2)
        reader = ChangesReader(self._source.peer, options, queue, self._progress.through[1])
        batches = Batches(queue, options.worker_batch_size, self._progress.started)
        pace = self._around.pace
        workers = [
            Worker(self._source, self._target, batches, options, self._done, pace)
            for _ in range(options.worker_processes)
        ]
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(reader.run())
                timer = group.create_task(self._checkpoint_regularly())
                tasks = [group.create_task(worker.run()) for worker in workers]
                if not tasks:
                    await asyncio.Event().wait()  # nobody copies, nobody ends it
                await asyncio.wait(tasks)
                timer.cancel()
        except BaseExceptionGroup as errors:
            raise _first(errors) from errors

    async def _done(self, reached: Reached, stats: Stats) -> None:
        self._stats += stats
        self._progress.done(reached)
        await self._update()

    async def _checkpoint_regularly(self) -> None:
        while True:
            await self._around.pace.sleep(self._options.checkpoint_interval / 1000)
            await self._checkpoint()

    async def _checkpoint(self) -> None:
        """Raises CheckpointError."""
        if self._options.use_checkpoints is False:
            return
        reached = self._progress.through
        if reached != self._progress.committed:
            start_seq, now = self._start_seq(), self._around.pace.shown()
            await self._checkpoints.save(start_seq=start_seq, seq=reached[1], stats=self._stats, now=now)
            self._progress.committed, self._saved = reached, True
        await self._update()

    async def _last_checkpoint(self) -> None:
        if self.began is None:
            return
        try:
            await self._checkpoint()
        except CrashError as error:
            log.info("no last checkpoint: %s", error)

    async def _update(self) -> None:
        await self._refresh_pending()
        self.updated = self._around.pace.shown()
        self._report(self.info())

    def info(self) -> Info:
        """The counters as ``_scheduler`` shows them while the job lives."""
        positions = {"source_seq": self._progress.highest[1], "through_seq": self._progress.through[1]}
        return self.final_info() | {name: seq_text(seq) for name, seq in positions.items()}

    def final_info(self) -> Info:
        checkpointed = seq_text(self._progress.committed[1])
        return self._stats.info(changes_pending=self._pending, checkpointed=checkpointed)

    async def _refresh_pending(self) -> None:
        """Ask how much is left, but not again before ``connection_timeout`` is over: the number shown may be that old."""
        now, lasts = self._around.pace.now(), self._options.connection_timeout / 1000
        if self._asking.locked() or (self._pending_at is not None and now - self._pending_at <= lasts):
            return
        async with self._asking:
            self._pending_at = now
            try:
                self._pending = await self._source.pending(self._progress.highest[1])
            except CrashError:
                self._pending = None


def _peer(endpoint: Endpoint, around: Surroundings, options: Options, *, at_least: int = 0) -> Peer:
    connections = options.http_connections
    if connections > 0:
        connections = max(connections, at_least)
    return Peer(
        endpoint, around, connections=connections, timeout_ms=options.connection_timeout, retries=options.retries
    )


def _first(found: BaseException) -> BaseException:
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found


def start_reason(reason: Any) -> Any:
    """What CouchDB makes of the reasons why a job cannot begin."""
    name = reason[0] if isinstance(reason, tuple) else None
    if name == "unauthorized":
        return (name, f"unauthorized to access or create database {reason[1]}")
    if name == "db_not_found":
        return (name, f"could not open {reason[1]}")
    if name == "http_request_failed":
        method, url, cause = reason[1], reason[2], reason[3][-1]
        if cause == (Atom("error"), (Atom("conn_failed"), (Atom("error"), Atom("nxdomain")))):
            return (Atom("nxdomain"), f"could not resolve {url}")
        if isinstance(cause, tuple) and cause[0] == "code":
            return (Atom("http_error_code"), cause[1], f"{method} {url}")
    return reason


def slower(options: Options) -> Options:
    """For a job that was refused with 429 until it gave up."""
    return replace(
        options,
        checkpoint_interval=min(options.checkpoint_interval, 5000),
        worker_processes=min(options.worker_processes, 2),
        worker_batch_size=min(options.worker_batch_size, 100),
        http_connections=min(options.http_connections, 5),
    )
