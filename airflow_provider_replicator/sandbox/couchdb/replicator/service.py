# SPDX-License-Identifier: Apache-2.0
"""The replicator of a server: put together, and hung into the server's databases, routes and event loop."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from airflow_provider_replicator.sandbox.couchdb.database import Database
from airflow_provider_replicator.sandbox.couchdb.replicator.documents import Documents, Habits, Identity
from airflow_provider_replicator.sandbox.couchdb.replicator.endpoints import ReplicateEndpoint, SchedulerEndpoints
from airflow_provider_replicator.sandbox.couchdb.replicator.legacy import check_legacy
from airflow_provider_replicator.sandbox.couchdb.replicator.ownership import guard, is_replicator_database
from airflow_provider_replicator.sandbox.couchdb.replicator.pace import Pace
from airflow_provider_replicator.sandbox.couchdb.replicator.peer import Surroundings
from airflow_provider_replicator.sandbox.couchdb.replicator.rate_limit import RateLimiter
from airflow_provider_replicator.sandbox.couchdb.replicator.replication import read_replication
from airflow_provider_replicator.sandbox.couchdb.replicator.scheduler import Rules, Scheduler
from airflow_provider_replicator.sandbox.couchdb.replicator.views import Views
from airflow_provider_replicator.sandbox.couchdb.replicator.watch import Watch
from airflow_provider_replicator.sandbox.couchdb.store import CouchInstance, Event
from airflow_provider_replicator.sandbox.couchdb.users import SERVER, User

#: from here on ``since_seq`` tells jobs apart, a checkpoint counts more, and a job that does not stop is killed
_CHANGED_IN = (3, 5, 2)

#: lets the bearer of a token be a user
Grant = Callable[[str, User], None]


class Replicator:
    """``install`` before the server listens. It runs for as long as the server does; what it has not finished then is lost, as
    after a kill, and goes on from its checkpoints when somebody asks for the same again.

    ``grant`` is needed for the legacy mode alone, where jobs may name databases of the server itself."""

    def __init__(self, instance: CouchInstance, *, grant: Grant | None = None) -> None:
        self._instance = instance
        self._token = secrets.token_urlsafe(24)
        self._legacy = instance.options.legacy
        new = instance.options.release >= _CHANGED_IN
        pace = Pace(instance.options.time_scale, instance.clock)
        around = Surroundings(pace, RateLimiter(pace), f"CouchDB-Replicator/{instance.options.version}")
        identity = Identity(lambda: instance.uuid, new, around)
        self.scheduler = Scheduler(instance.config, around, _rules(legacy=self._legacy, new=new))
        self.documents = Documents(self.scheduler, identity, instance.databases.get, self._habits())
        self.scheduler.events = self.documents
        self.watch = Watch(instance, pace, changed=self.documents.changed, gone=self.documents.gone)
        self.views = Views(self.documents, self.scheduler)
        self._replicate = ReplicateEndpoint(self.scheduler, identity)
        if grant is not None:
            grant(self._token, SERVER)

    def install(self) -> None:
        endpoints = SchedulerEndpoints(self.views)
        routes = self._instance.routes.server
        routes |= {"_active_tasks": endpoints.tasks, "_replicate": self._replicate.replicate}
        if not self._legacy:
            routes["_scheduler"] = endpoints.scheduler
        self._instance.background.append(self.run)
        self._instance.listen(self._guard)
        for database in self._instance.databases.values():
            self._guard("created", database)

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.watch.run())
                group.create_task(self.scheduler.follow())
        finally:
            self.documents.close()
            await self.scheduler.close()

    def _guard(self, event: Event, database: Database) -> None:
        if event == "created" and is_replicator_database(database.name):
            guard(database, check_legacy if self._legacy else self._check)

    def _check(self, document: Mapping[str, Any]) -> None:
        read_replication(document, self._instance.config)

    def _habits(self) -> Habits:
        if self._legacy:
            return Habits(keep_states=lambda: True, legacy=True, resolve=self._resolve)
        config = self._instance.config
        return Habits(keep_states=lambda: config.boolean("replicator", "update_docs"))

    def _resolve(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """CouchDB 1 takes the name of a database for one of its own, and asks itself without a password."""
        resolved = dict(document)
        for side in ("source", "target"):
            value = document.get(side)
            name = value.get("url") if isinstance(value, Mapping) else value
            if isinstance(name, str) and "://" not in name:
                url = f"{self._instance.url}/{quote(name, safe='')}"
                resolved[side] = {"url": url, "headers": {"Authorization": f"Bearer {self._token}"}}
        return resolved


def _rules(*, legacy: bool, new: bool) -> Rules:
    if legacy:
        return Rules(patient=False, cumulative=False, first_backoff=2.5, interval=1.0)
    return Rules(patient=not new, checkpoint_first=new)
