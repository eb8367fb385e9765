# SPDX-License-Identifier: Apache-2.0
"""A server runs one job per pair and selection: what to do when another document has come first."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_replicator.couchdb.client import CouchClient
    from airflow_provider_replicator.couchdb.connection import CouchConnection
    from airflow_provider_replicator.couchdb.jobs.choices import Owner, Policies, WaitLimits
    from airflow_provider_replicator.couchdb.jobs.job import Job
    from airflow_provider_replicator.couchdb.jobs.options import ReplicationOptions
    from airflow_provider_replicator.couchdb.jobs.outcome import Outcome


async def settle(
    mediator: CouchClient,
    source: CouchConnection,
    target: CouchConnection,
    options: ReplicationOptions,
    outcome: Outcome,
    *,
    owner: Owner,
    policies: Policies,
    limits: WaitLimits,
    started_at: float | None = None,
    clock: Callable[[], float] = time.time,
) -> Job:
    """After a wait that ended with ``duplicate``: the job to wait for next, by ``policies.on_duplicate``.

    "adopt": the other document's (ours, which has failed, is deleted; a job somebody else has made is followed, never touched).
    "wait": ours again, once the other has ended (within ``limits.timeout``). "replace": ours again, after the other, which must have
    our marker, was stopped. "fail": ReplicationFailedError, which names the other document.
    """
    raise NotImplementedError
