# SPDX-License-Identifier: Apache-2.0
"""Stop the jobs of a task that is told to stop.

This is called by a signal handler, perhaps in the middle of an import: all that it needs is imported with this module, which has to be
imported before there is a job. What is half imported cannot be imported by the handler.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_replicator.couchdb.jobs.stop import stop
from airflow_provider_replicator.exceptions import ReplicatorError
from airflow_provider_replicator.operators._cloudant_base import blocking
from airflow_provider_replicator.operators._cloudant_clients import hurried
from airflow_provider_replicator.triggers._watching import stoppable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow.sdk.types import Logger

    from airflow_provider_replicator.couchdb.connection import CouchConnection
    from airflow_provider_replicator.couchdb.jobs.choices import Owner
    from airflow_provider_replicator.couchdb.jobs.job import Job


def stop_jobs(mediator: CouchConnection, owner: Owner, jobs: Iterable[Job], log: Logger) -> None:
    """Within the few seconds that Airflow leaves a task. A job that cannot be stopped is a warning; the others are stopped."""
    with hurried(mediator).blocking() as client:
        for job in filter(stoppable, jobs):
            try:
                if blocking(stop(client, job.replicator_db, job.doc_id, owner=owner)):
                    log.info("stopped replication %s", job.doc_id)
            except ReplicatorError as error:
                log.warning("replication %s could not be stopped: %s", job.doc_id, error)
