# SPDX-License-Identifier: Apache-2.0
"""Submit, wait, settle duplicates, finish: a whole replication in one call, for tasks that do not defer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.couchdb.jobs.duplicates import settle
from airflow_provider_replicator.couchdb.jobs.finish import finish
from airflow_provider_replicator.couchdb.jobs.submit import submit
from airflow_provider_replicator.couchdb.jobs.wait import wait

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_replicator.couchdb.client import CouchClient
    from airflow_provider_replicator.couchdb.jobs.choices import Owner, Policies, Until, WaitLimits
    from airflow_provider_replicator.couchdb.jobs.options import ReplicationOptions
    from airflow_provider_replicator.couchdb.jobs.progress import Progress

#: So often another document may come first; with "wait" and many of them, each one's end lets only one go on.
_SETTLED = 20


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
    doc_id: str | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> dict[str, Any]:
    """The report of :func:`~.finish.finish`. Raises what the parts raise. Killed at any point and called again, it goes on."""
    job = await submit(
        mediator,
        source.connection,
        target.connection,
        options,
        owner=owner,
        policies=policies,
        doc_id=doc_id,
        source_client=source,
    )
    for _ in range(_SETTLED):
        outcome = await wait(mediator, job, limits, until=until, source=source, target=target, on_progress=on_progress)
        if outcome.kind != "duplicate":
            break
        job = await settle(
            mediator,
            source.connection,
            target.connection,
            options,
            outcome,
            owner=owner,
            policies=policies,
            limits=limits,
        )
    return await finish(mediator, source, target, job, outcome, policies, options=options)
