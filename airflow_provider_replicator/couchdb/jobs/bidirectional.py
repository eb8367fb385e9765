# SPDX-License-Identifier: Apache-2.0
"""Both ways: two jobs, A to B and B to A. Conflicting edits are kept as branches on both sides; nothing is merged."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_replicator.couchdb.client import CouchClient
    from airflow_provider_replicator.couchdb.connection import CouchConnection
    from airflow_provider_replicator.couchdb.jobs.choices import Owner, Policies, Until, WaitLimits
    from airflow_provider_replicator.couchdb.jobs.job import Job
    from airflow_provider_replicator.couchdb.jobs.options import ReplicationOptions
    from airflow_provider_replicator.couchdb.jobs.outcome import Outcome
    from airflow_provider_replicator.couchdb.jobs.progress import Progress


def reversed_options(options: ReplicationOptions) -> ReplicationOptions:
    """The way back. Raises ConfigurationError for ``since_seq``, which belongs to one database, and ``create_target``."""
    raise NotImplementedError


async def submit_both(
    mediator: CouchClient,
    source: CouchConnection,
    target: CouchConnection,
    options: ReplicationOptions,
    *,
    owner: Owner,
    policies: Policies,
) -> tuple[Job, Job]:
    """Both jobs on one mediator: there and back."""
    raise NotImplementedError


async def wait_both(
    mediator: CouchClient,
    jobs: tuple[Job, Job],
    limits: WaitLimits,
    *,
    until: Until | None = None,
    started_at: float | None = None,
    source: CouchClient | None = None,
    target: CouchClient | None = None,
    on_progress: Callable[[Job, Progress], None] | None = None,
    clock: Callable[[], float] = time.time,
) -> tuple[Outcome, Outcome]:
    """Until both have drained, or one fails (the other is then left as it is, with its state so far)."""
    raise NotImplementedError
