# SPDX-License-Identifier: Apache-2.0
"""Submit, wait, settle duplicates, finish: a whole replication in one call, for tasks that do not defer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_replicator.couchdb.client import CouchClient
    from airflow_provider_replicator.couchdb.jobs.choices import Owner, Policies, Until, WaitLimits
    from airflow_provider_replicator.couchdb.jobs.options import ReplicationOptions
    from airflow_provider_replicator.couchdb.jobs.progress import Progress


async def replicate(
    mediator: CouchClient,
    source: CouchClient,
    target: CouchClient,
    options: ReplicationOptions,
    *,
    owner: Owner,
    policies: Policies,
    limits: WaitLimits,
    until: Until | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> dict[str, Any]:
    """The report of :func:`finish.finish`. Raises what the parts raise."""
    raise NotImplementedError
