# SPDX-License-Identifier: Apache-2.0
"""A database of CouchDB or Cloudant into a Delta table: the engine's entry point."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from airflow_provider_replicator.core.collector import seldom_collected
from airflow_provider_replicator.core.dead_letters import DeadLetters
from airflow_provider_replicator.core.report import Report
from airflow_provider_replicator.lake.documents.run import DatabaseRun
from airflow_provider_replicator.lake.documents.schema import layout_of
from airflow_provider_replicator.lake.feeds.counting import FeedCounts

if TYPE_CHECKING:
    from airflow_provider_replicator.core.progress import Progress
    from airflow_provider_replicator.couchdb.client import CouchClient
    from airflow_provider_replicator.lake.documents.options import DocumentsOptions
    from airflow_provider_replicator.lake.location import Lake


@seldom_collected
async def replicate_documents(
    *, source: CouchClient, lake: Lake, options: DocumentsOptions, progress: Progress | None = None
) -> Report:
    """Bring the table up to the database as it is at the start of the run, or later.

    Killed anywhere and run again, it goes on after the last commit; no row is there twice and none is missing. Two runs at once:
    one of them gets LakeConflictError, and nothing of that write is in the table. Raises PartialReplicationError when everything
    was written but documents with values that do not fit their declared columns. Needs an event loop.
    """
    database = f"{source.connection.name}/{options.database}"
    report = Report(resource="documents", source=database, target=lake.root, mode="full")
    requests = source.requests
    with DeadLetters(report, options.dead_letter_path, options.max_failed) as letters:
        path = layout_of(options.table_name).path
        counts = FeedCounts(path=path, report=report, letters=letters, progress=progress)
        run = DatabaseRun(source, lake, options, counts)
        await run.run()
        report.requests["source"] = source.requests - requests
        report.bytes = run.bytes
        report.seconds = time.monotonic() - report.started
        letters.raise_if_too_many()
    return report
