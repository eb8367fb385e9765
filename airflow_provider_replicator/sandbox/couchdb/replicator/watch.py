# SPDX-License-Identifier: Apache-2.0
"""Noticing what is written to the server's replicator databases, with the delays that CouchDB has."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from airflow_provider_replicator.sandbox.couchdb.database import Database
from airflow_provider_replicator.sandbox.couchdb.drafts import DESIGN
from airflow_provider_replicator.sandbox.couchdb.replicator.ownership import is_replicator_database
from airflow_provider_replicator.sandbox.couchdb.replicator.pace import Pace
from airflow_provider_replicator.sandbox.couchdb.store import Commit, CouchInstance

log = logging.getLogger(__name__)

#: real seconds between a write and its notice (a deletion is noticed at once): shorter would never be seen
_NOTICE = 0.005

Kind = Literal["changed", "gone"]
#: called with a database, the id of a document in it, and the document (None: deleted)
Changed = Callable[[Database, str, dict[str, Any] | None], Awaitable[None]]
Gone = Callable[[Database], Awaitable[None]]


class Watch:
    """Databases that are there at the start are watched at once; a new one only after half an ``interval`` of the scheduler, and
    then from its beginning. One document after the other: what holds up one holds up all."""

    def __init__(self, instance: CouchInstance, pace: Pace, *, changed: Changed, gone: Gone) -> None:
        self._instance = instance
        self._pace = pace
        self._changed = changed
        self._gone = gone
        self._events: asyncio.Queue[tuple[Kind, Database]] = asyncio.Queue()
        self._read_up_to: dict[str, int] = {}
        self._noticed: set[str] = set()
        self._look_at: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        self._instance.listen(self._on_database)
        self._adopt()
        try:
            while True:
                await self._handle(*await self._events.get())
        finally:
            if self._look_at is not None:
                self._look_at.cancel()

    async def _handle(self, kind: Kind, database: Database) -> None:
        try:
            await (self._gone(database) if kind == "gone" else self._read(database))
        except Exception:
            log.exception("database %s", database.name)

    def _on_database(self, event: Literal["created", "deleted"], database: Database) -> None:
        if event == "deleted" and is_replicator_database(database.name):
            self._read_up_to.pop(database.name, None)
            self._events.put_nowait(("gone", database))
        if self._look_at is None:
            delay = self._pace.real(self._instance.config.integer("replicator", "interval", 60_000) / 2000)
            self._look_at = asyncio.get_running_loop().call_later(delay, self._look)

    def _look(self) -> None:
        self._look_at = None
        self._adopt()

    def _adopt(self) -> None:
        for name, database in self._instance.databases.items():
            if is_replicator_database(name) and name not in self._read_up_to:
                self._read_up_to[name] = 0
                database.listen(self._on_commit)
                self._notice(database)

    def _on_commit(self, commit: Commit) -> None:
        if any(document.deleted for document in commit.documents):
            self._events.put_nowait(("changed", commit.database))
        else:
            self._notice(commit.database)

    def _notice(self, database: Database) -> None:
        if database.name not in self._noticed:
            self._noticed.add(database.name)
            asyncio.get_running_loop().call_later(_NOTICE, self._events.put_nowait, ("changed", database))

    async def _read(self, database: Database) -> None:
        self._noticed.discard(database.name)
        if self._instance.databases.get(database.name) is not database:
            return
        for document in database.log.after(self._read_up_to.get(database.name, 0)):
            self._read_up_to[database.name] = max(self._read_up_to.get(database.name, 0), document.seq)
            if not document.doc_id.startswith(DESIGN):
                await self._changed(database, document.doc_id, database.get(document.doc_id))
