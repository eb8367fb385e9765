# SPDX-License-Identifier: Apache-2.0
"""The end of a job: what this run has copied, or an error that says why not."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.couchdb.jobs.history import counts
from airflow_provider_replicator.couchdb.jobs.judging import error, judge, problem
from airflow_provider_replicator.couchdb.jobs.report import fitted, report
from airflow_provider_replicator.couchdb.jobs.server_time import server_time
from airflow_provider_replicator.couchdb.jobs.states import Counters, state_of
from airflow_provider_replicator.couchdb.jobs.stop import stop
from airflow_provider_replicator.exceptions import ReplicatorError

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_replicator.couchdb.client import CouchClient
    from airflow_provider_replicator.couchdb.jobs.choices import Policies
    from airflow_provider_replicator.couchdb.jobs.job import Job
    from airflow_provider_replicator.couchdb.jobs.options import ReplicationOptions
    from airflow_provider_replicator.couchdb.jobs.outcome import Outcome

#: Seconds after which a run can no longer be taken for the next one: histories have whole seconds.
_SHORT = 3.0
_TURNING = 0.1


async def finish(
    mediator: CouchClient,
    source: CouchClient,
    target: CouchClient,
    job: Job,
    outcome: Outcome,
    policies: Policies,
    *,
    cancel_on_failure: bool = True,
    options: ReplicationOptions | None = None,
    clock: Callable[[], float] = time.time,
) -> dict[str, Any]:
    """The report (JSON, under 4 KB, no secrets); then, on success, the document is deleted unless it is to be kept.

    Never trusts the outcome alone: a completed job is looked at once more. Counts of this run are the job's totals less what its
    checkpoint's history had before; where that cannot be known there are only ``*_total``. Raises ReplicationFailedError (failed,
    deleted by somebody, write failures) and ReplicationStalledError (limits), each with the report; the job is stopped before
    (``cancel_on_failure``), so that nothing crashes on for ever. A completed job with write failures keeps its document: a retry
    finds it, and fails too, instead of running again past what was refused. With ``options``, the refused documents are named; if
    all of them are there by now, the run has succeeded.
    """
    clients = list({id(one): one for one in (mediator, source, target)}.values())
    sent = sum(one.requests for one in clients)
    job = outcome.job if outcome.job.doc_id == job.doc_id else job  # what the wait has learned of it
    began = clock() if job.submitted_at is None else job.submitted_at
    state = await state_of(mediator, job)
    counted = None if state.counters is None else await counts(mediator, source, target, job, state)
    values = report(outcome, state, counted, seconds=clock() - began)
    try:
        if (wrong := problem(outcome, state)) is not None:
            values["stopped"] = await _stopped(mediator, job) if cancel_on_failure else False
            raise error(*wrong, values)
        if counted is not None:
            if job.checkpoints and counted.run != Counters() and clock() - began < _SHORT:
                await _next_second(mediator, state.start_time or job.submitted)
            await judge(source, target, job, state, counted, policies, options, values)
        if job.own and not job.continuous and not policies.keep_document:
            await stop(mediator, job.replicator_db, job.doc_id)
    finally:
        values["requests"]["finish"] = sum(one.requests for one in clients) - sent
    return fitted(values)


async def _stopped(mediator: CouchClient, job: Job) -> bool | str:
    """Whether the job was there and is stopped now; or why it could not be. What went wrong before is more important."""
    if not job.own:
        return False
    try:
        return await stop(mediator, job.replicator_db, job.doc_id)
    except ReplicatorError as failed:
        return f"not stopped: {failed}"


async def _next_second(mediator: CouchClient, start: str | None) -> None:
    """Until the server's clock shows a later second than that of the job's start.

    Sessions in a history are told apart by their start, in whole seconds: two runs of one pair must not begin in the same one.
    """
    for _ in range(round(1.4 / _TURNING)):
        now = await server_time(mediator)
        if now is None or start is None or now > start:
            return
        await mediator.transport.sleep(_TURNING)
