# SPDX-License-Identifier: Apache-2.0
"""A server runs one job per pair and selection: what to do when another document has come first."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_provider_replicator.couchdb import databases
from airflow_provider_replicator.couchdb.jobs.document import marker_of
from airflow_provider_replicator.couchdb.jobs.states import read_state
from airflow_provider_replicator.couchdb.jobs.stop import ended, pause, stop, stop_and_forget
from airflow_provider_replicator.couchdb.jobs.submit import submit
from airflow_provider_replicator.couchdb.jobs.wait import wait
from airflow_provider_replicator.exceptions import (
    ConfigurationError,
    ReplicationFailedError,
    ReplicationStalledError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_replicator.couchdb.client import CouchClient
    from airflow_provider_replicator.couchdb.connection import CouchConnection
    from airflow_provider_replicator.couchdb.jobs.choices import Owner, Policies, WaitLimits
    from airflow_provider_replicator.couchdb.jobs.errors import Duplicate
    from airflow_provider_replicator.couchdb.jobs.job import Job
    from airflow_provider_replicator.couchdb.jobs.options import ReplicationOptions
    from airflow_provider_replicator.couchdb.jobs.outcome import Outcome
    from airflow_provider_replicator.couchdb.jobs.states import JobState

#: The attempt whose pause is long enough for the end of a job whose document is gone already.
_USUAL = 3
#: Seconds until a document that is not to be seen any more counts as deleted.
_GONE = 1.0


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

    "adopt": the other document's (ours, which has failed, is deleted; another's job is followed, never touched). "wait": ours
    again, once the other has ended (within ``limits``, reckoned from the start of the first wait). "replace": ours again, after the
    other, which must have our marker, was stopped. "fail": ReplicationFailedError, which names the other document; ours is deleted.
    If the other has ended meanwhile, it is ours again in any case but "fail". What the new job waits for may be a duplicate again.
    """
    other, job = outcome.duplicate, outcome.job
    if other is None:
        raise ValueError(f"the wait has ended with {outcome.kind}, not with a duplicate")
    if policies.on_duplicate == "fail":
        await stop(mediator, job.replicator_db, job.doc_id, owner=owner)
        raise ReplicationFailedError(
            f"{job.source_url} to {job.target_url}: {outcome.reason}, and a server runs only one: stop that one, or choose "
            'what to do with on_duplicate: "adopt", "wait" or "replace"',
            outcome.to_dict(),
        )
    state = await read_state(mediator, other.database, other.doc_id)
    if not state.terminal and state.state != "gone":
        if policies.on_duplicate == "adopt":
            await stop(mediator, job.replicator_db, job.doc_id, owner=owner)
            return _followed(job, other).seen(state)
        if policies.on_duplicate == "replace":
            await _replace(mediator, other, state)
        else:
            await _wait_for(mediator, _followed(job, other), limits, started_at, clock)
    else:
        await mediator.transport.sleep(pause(_USUAL))
    await ended(mediator, other.job_id, other.doc_id)
    again = await submit(
        mediator, source, target, options, owner=owner, policies=policies, doc_id=job.doc_id, clock=clock
    )
    return replace(again, submitted_at=job.submitted_at, requests=again.requests + job.requests)


def _followed(job: Job, other: Duplicate) -> Job:
    """The other document's job. Its counts are those since its own start."""
    return replace(
        job,
        doc_id=other.doc_id,
        replicator_db=other.database,
        fingerprint="",
        adopted=True,
        own=False,
        submitted=None,
        job_id=other.job_id,
    )


async def _replace(mediator: CouchClient, other: Duplicate, state: JobState) -> None:
    document = await databases.get_document(mediator, other.database, other.doc_id)
    if document is None:
        return
    if marker_of(document) is None:
        raise ReplicationFailedError(
            f"document {other.doc_id} in {other.database} replicates the same, and was not made by Airflow: it is left as it is "
            '(on_duplicate="replace" stops only what Airflow has made)'
        )
    await stop_and_forget(mediator, other.database, other.doc_id, state)


async def _wait_for(
    mediator: CouchClient, other: Job, limits: WaitLimits, started_at: float | None, clock: Callable[[], float]
) -> None:
    """Until the other has ended, whichever way. Raises ReplicationStalledError where it does not."""
    if other.continuous:
        raise ConfigurationError(
            f'document {other.doc_id} runs continuously, so there is no end to wait for: write on_duplicate="adopt"'
        )
    limits = replace(limits, gone_tolerance=min(limits.gone_tolerance, _GONE))  # it was seen just now
    outcome = await wait(mediator, other, limits, started_at=started_at, clock=clock)
    if outcome.kind == "stalled":
        raise ReplicationStalledError(
            f"document {other.doc_id} in {other.replicator_db} was waited for: {outcome.reason}", outcome.to_dict()
        )
