# SPDX-License-Identifier: Apache-2.0
"""The replicator of a server: put together, and hung into the server's databases, routes and event loop."""

from __future__ import annotations

import asyncio

from airflow_provider_replicator.sandbox.couchdb.database import Database
from airflow_provider_replicator.sandbox.couchdb.replicator.documents import Documents, Identity
from airflow_provider_replicator.sandbox.couchdb.replicator.endpoints import ReplicateEndpoint, SchedulerEndpoints
from airflow_provider_replicator.sandbox.couchdb.replicator.job import Job
from airflow_provider_replicator.sandbox.couchdb.replicator.ownership import guard, is_replicator_database
from airflow_provider_replicator.sandbox.couchdb.replicator.pace import Pace
from airflow_provider_replicator.sandbox.couchdb.replicator.peer import Surroundings
from airflow_provider_replicator.sandbox.couchdb.replicator.rate_limit import RateLimiter
from airflow_provider_replicator.sandbox.couchdb.replicator.run import Info
from airflow_provider_replicator.sandbox.couchdb.replicator.scheduler import Rules, Scheduler
from airflow_provider_replicator.sandbox.couchdb.replicator.views import Views
from airflow_provider_replicator.sandbox.couchdb.replicator.watch import Watch
from airflow_provider_replicator.sandbox.couchdb.store import CouchInstance, Event

#: from here on ``since_seq`` tells jobs apart, a checkpoint counts more, and a job that does not stop is killed
_CHANGED_IN = (3, 5, 2)


class Replicator:
    """``install`` before the server listens. It runs for as long as the server does; what it has not finished then is lost, as
    after a kill, and goes on from its checkpoints when somebody asks for the same again."""

    def __init__(self, instance: CouchInstance) -> None:
        new = instance.options.release >= _CHANGED_IN
        pace = Pace(instance.options.time_scale)
        around = Surroundings(pace, RateLimiter(pace), f"CouchDB-Replicator/{instance.options.version}")
        rules = Rules(patient=not new, checkpoint_first=new)
        identity = Identity(instance.uuid, new, around)
        self._instance = instance
        self.scheduler = Scheduler(instance.config, around, rules, self._completed)
        self.documents = Documents(self.scheduler, identity, instance.databases.get)
        self.watch = Watch(instance, pace, changed=self.documents.changed, gone=self.documents.gone)
        self.views = Views(self.documents, self.scheduler)
        self._replicate = ReplicateEndpoint(self.scheduler, identity)

    def _completed(self, job: Job, info: Info) -> None:
        self.documents.completed(job, info)

    def install(self) -> None:
        endpoints = SchedulerEndpoints(self.views)
        self._instance.routes.server |= {
            "_scheduler": endpoints.scheduler,
            "_active_tasks": endpoints.tasks,
            "_replicate": self._replicate.replicate,
        }
        self._instance.background.append(self.run)
        self._instance.listen(_guard_new)
        for database in self._instance.databases.values():
            _guard_new("created", database)

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.watch.run())
                group.create_task(self.scheduler.follow())
        finally:
            self.documents.close()
            await self.scheduler.close()


def _guard_new(event: Event, database: Database) -> None:
    if event == "created" and is_replicator_database(database.name):
        guard(database, validate=True)
