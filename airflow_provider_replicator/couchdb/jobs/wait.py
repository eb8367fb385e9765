# SPDX-License-Identifier: Apache-2.0
"""Wait for a job: one request a look, looks that grow rare, and never without bound."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_replicator.couchdb.client import CouchClient
    from airflow_provider_replicator.couchdb.jobs.choices import Until, WaitLimits
    from airflow_provider_replicator.couchdb.jobs.job import Job
    from airflow_provider_replicator.couchdb.jobs.outcome import Outcome
    from airflow_provider_replicator.couchdb.jobs.progress import Progress


async def wait(
    mediator: CouchClient,
    job: Job,
    limits: WaitLimits,
    *,
    until: Until | None = None,
    started_at: float | None = None,
    source: CouchClient | None = None,
    target: CouchClient | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    clock: Callable[[], float] = time.time,
) -> Outcome:
    """Until the job ends, or the limits do. Every end is an :class:`Outcome`: nothing about the job is raised.

    ``until``: default "completed", for a continuous job "running"; "drained" needs ``source``. ``started_at``: when the waiting for this
    job began, in seconds since 1970: a trigger that is restarted passes the same moment again (default: now). With ``source``,
    progress has the true pending count (asked at most every two minutes); with ``target``, what this run has written.
    Raises CouchAccessError and CouchRequestError of the mediator (somebody has to change something), CouchUnavailableError and
    CouchConnectionError after ``error_tolerance`` seconds.
    """
    raise NotImplementedError
