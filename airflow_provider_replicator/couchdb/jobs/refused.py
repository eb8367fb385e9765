# SPDX-License-Identifier: Apache-2.0
"""Which documents the target has refused: servers count them, and name none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_replicator.couchdb import databases
from airflow_provider_replicator.couchdb.jobs.history import first_sequence
from airflow_provider_replicator.couchdb.verify.run import verify
from airflow_provider_replicator.couchdb.verify.selection import Selection

if TYPE_CHECKING:
    from airflow_provider_replicator.couchdb.client import CouchClient
    from airflow_provider_replicator.couchdb.jobs.job import Job
    from airflow_provider_replicator.couchdb.jobs.options import ReplicationOptions
    from airflow_provider_replicator.couchdb.jobs.states import JobState

_NAMED = 20


async def refused_ids(
    source: CouchClient, target: CouchClient, job: Job, state: JobState, options: ReplicationOptions
) -> tuple[str, ...]:
    """The first documents that the target lacks, of those that this run has looked at: the revisions of both are compared.

    Where it is not known where the run began, the whole database is looked through.
    """
    since = options.since_seq
    if since is None and job.checkpoint_id is not None and job.submitted is not None:
        checkpoint = await databases.local_get(target, job.target_db, job.checkpoint_id)
        since = first_sequence(checkpoint or {}, job.submitted)
    found = await verify(
        source,
        job.source_db,
        target,
        job.target_db,
        level="revisions",
        selection=Selection.of(options),
        since=since,
        until=state.checkpointed_source_seq if job.checkpoints else None,
    )
    return found.missing_ids[:_NAMED]
