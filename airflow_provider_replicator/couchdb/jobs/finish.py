# SPDX-License-Identifier: Apache-2.0
"""The end of a job: what this run has copied, or an error that says why not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_replicator.couchdb.client import CouchClient
    from airflow_provider_replicator.couchdb.jobs.choices import Policies
    from airflow_provider_replicator.couchdb.jobs.job import Job
    from airflow_provider_replicator.couchdb.jobs.outcome import Outcome


async def finish(
    mediator: CouchClient,
    source: CouchClient,
    target: CouchClient,
    job: Job,
    outcome: Outcome,
    policies: Policies,
    *,
    cancel_on_failure: bool = True,
) -> dict[str, Any]:
    """The report (JSON, under 4 KB, no secrets); then, on success, the document is deleted unless it is to be kept.

    Never trusts the outcome alone: a completed job is looked at once more. Counts of this run are the job's totals less what its
    checkpoint's history had before; where that cannot be known there are only ``*_total``. Raises ReplicationFailedError (failed,
    deleted by somebody, write failures), ReplicationStalledError (limits), each with the report; the job is stopped before
    (``cancel_on_failure``), so that nothing crashes on for ever. A job with write failures keeps its document: the retry finds it, and fails too.
    """
    raise NotImplementedError
