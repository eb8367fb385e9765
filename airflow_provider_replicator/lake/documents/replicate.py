# SPDX-License-Identifier: Apache-2.0
"""A database of CouchDB into a Delta table: the engine's entry point."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_replicator.core.progress import Progress
    from airflow_provider_replicator.core.report import Report
    from airflow_provider_replicator.couchdb.client import CouchClient
    from airflow_provider_replicator.lake.documents.options import DocumentsOptions
    from airflow_provider_replicator.lake.location import Lake


async def replicate_documents(
    *, source: CouchClient, lake: Lake, options: DocumentsOptions, progress: Progress | None = None
) -> Report:
    """Bring the table up to the database as it is at the start of the run, or later.

    Killed anywhere and run again, it goes on after the last commit; no row is there twice and none is missing. Two runs at once:
    one of them gets LakeConflictError, and nothing of that write is in the table. Raises PartialReplicationError when everything
    was written but documents with values that do not fit their declared columns.
    """
    raise NotImplementedError
