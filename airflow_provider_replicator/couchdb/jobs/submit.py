# SPDX-License-Identifier: Apache-2.0
"""Put the document of a job where the server finds it: once, whatever happens in between."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_replicator.couchdb.client import CouchClient
    from airflow_provider_replicator.couchdb.connection import CouchConnection
    from airflow_provider_replicator.couchdb.jobs.choices import Owner, Policies
    from airflow_provider_replicator.couchdb.jobs.job import Job
    from airflow_provider_replicator.couchdb.jobs.options import ReplicationOptions


async def submit(
    mediator: CouchClient,
    source: CouchConnection,
    target: CouchConnection,
    options: ReplicationOptions,
    *,
    owner: Owner,
    policies: Policies,
    doc_id: str | None = None,
) -> Job:
    """Make the job, or find the one that a try before this has made (by a document id that follows from owner and endpoints).

    There already, with the same fingerprint: live is adopted; completed is reused or rerun (``if_completed``); failed or crashing is
    started again. Another fingerprint: ``on_mismatch``. Without our marker: ReplicationFailedError, and the document is left as it is.
    For a continuous job the run is no part of the id: every run of the DAG adopts the one job.
    The mediator's ``connection.replicator_db`` says where (``_replicator``, or one of its own that ends in ``/_replicator``).
    After a crash at any point the same call finds what is there. Raises ConfigurationError and what the client raises.
    """
    raise NotImplementedError
