# SPDX-License-Identifier: Apache-2.0
"""Stop a job: delete its document, against the server's own writes to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_replicator.couchdb.client import CouchClient
    from airflow_provider_replicator.couchdb.jobs.choices import Owner


async def stop(
    mediator: CouchClient,
    replicator_db: str,
    doc_id: str,
    *,
    owner: Owner | None = None,
    foreign: bool = False,
) -> bool:
    """Delete the document. False: there was none. The server writes a last checkpoint, so that a later job goes on from there.

    Documents without our marker are refused (ReplicationFailedError) unless ``foreign``; with ``owner``, so are those of another DAG or
    task. A conflict with the server's own write is tried again. Calling it twice is harmless.
    """
    raise NotImplementedError
