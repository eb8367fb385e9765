# SPDX-License-Identifier: Apache-2.0
"""The end of a job: what this run has copied, or an error that says why not."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.couchdb.jobs.history import counts
from airflow_provider_replicator.couchdb.jobs.refused import refused_ids
from airflow_provider_replicator.couchdb.jobs.report import fitted, report, warnings
from airflow_provider_replicator.couchdb.jobs.server_time import server_time
from airflow_provider_replicator.couchdb.jobs.states import state_of
from airflow_provider_replicator.couchdb.jobs.stop import stop
from airflow_provider_replicator.exceptions import (
    ReplicationFailedError,
    ReplicationStalledError,
    ReplicatorError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_replicator.couchdb.client import CouchClient
    from airflow_provider_replicator.couchdb.jobs.choices import Policies
    from airflow_provider_replicator.couchdb.jobs.history import Counts
    from airflow_provider_replicator.couchdb.jobs.job import Job
    from airflow_provider_replicator.couchdb.jobs.options import ReplicationOptions
    from airflow_provider_replicator.couchdb.jobs.outcome import Outcome
    from airflow_provider_replicator.couchdb.jobs.states import JobState

    Problem = type[ReplicationFailedError] | type[ReplicationStalledError]

#: Seconds after which a run can no longer be taken for the next one: histories have whole seconds.
_SHORT = 3.0
_TURNING = 0.2


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
    finds it, and fails too, instead of running again past what was refused. With ``options``, the refused documents are named.
    """
    clients = list({id(one): one for one in (mediator, source, target)}.values())
    sent = sum(one.requests for one in clients)
    job = outcome.job if outcome.job.doc_id == job.doc_id else job  # what the wait has learned of it
    began = job.submitted_at
    state = await state_of(mediator, job)
    counted = None if state.counters is None else await counts(mediator, source, target, job, state)
    values = report(outcome, state, counted, seconds=0.0 if began is None else clock() - began)
    try:
        problem = _problem(outcome, state)
        if problem is not None:
            if cancel_on_failure:
                values["stopped"] = await _stopped(mediator, job)
            _raise(*problem, values)
        if began is not None and clock() - began < _SHORT:
            await _next_second(mediator, state.start_time or job.submitted)
        if counted is not None:
            if _refused(counted) and options is not None and policies.on_write_failures != "ignore":
                values["refused_ids"] = await _names(source, target, job, state, options)
            _judge(counted, policies, values)
        if job.own and not job.continuous and not policies.keep_document:
            await stop(mediator, job.replicator_db, job.doc_id)
    finally:
        values["requests"]["finish"] = sum(one.requests for one in clients) - sent
    return fitted(values)


def _problem(outcome: Outcome, state: JobState) -> tuple[Problem, str] | None:
    """What is wrong, after another look at the job. Pure."""
    job = outcome.job
    if not outcome.ok:
        return (ReplicationStalledError if outcome.kind == "stalled" else ReplicationFailedError), outcome.reason
    if state.state == "gone":
        return ReplicationFailedError, "its document was deleted by somebody before its result was read"
    if state.state == "failed":
        return ReplicationFailedError, f"the server gave up: {state.error}"
    if state.crashing:
        return ReplicationStalledError, f"it is {state.state}: {state.error}"
    if not job.continuous and state.state != "completed":
        return (
            ReplicationStalledError,
            f"it had completed, and is {state.state} again: somebody has written its document",
        )
    return None


def _judge(counted: Counts, policies: Policies, values: dict[str, Any]) -> None:
    """Completed is not success while the target has refused something."""
    values["warnings"] = [] if policies.on_write_failures == "ignore" else warnings(counted)
    refused, names = _refused(counted), values.get("refused_ids")
    if not refused or policies.on_write_failures != "fail":
        return
    when = "in this run or before it, which cannot be told, " if counted.run is None else ""
    which = f" of {', '.join(names)}" if isinstance(names, list) and names else ""
    _raise(
        ReplicationFailedError,
        f"completed, but {when}the target refused {refused} revisions{which} (a validation function, a size limit, a design document "
        "written by somebody who is no admin): they are not there, and no later run brings them. When the reason is gone, "
        'repair: run once with since_seq "0"',
        values,
    )


def _refused(counted: Counts) -> int:
    """Revisions that the target refused in this run; in all runs, where that cannot be told."""
    return (counted.total if counted.run is None else counted.run).doc_write_failures


async def _names(
    source: CouchClient, target: CouchClient, job: Job, state: JobState, options: ReplicationOptions
) -> list[str] | str:
    """The refused documents; or why they cannot be named. That they were refused is more important."""
    try:
        return list(await refused_ids(source, target, job, state, options))
    except ReplicatorError as error:
        return f"not known: {error}"


def _raise(kind: Problem, reason: str, values: dict[str, Any]) -> None:
    raise kind(f"{values['source']} to {values['target']} ({values['doc_id']}): {reason}", fitted(values))


async def _stopped(mediator: CouchClient, job: Job) -> bool | str:
    """Whether the job was there and is stopped now; or why it could not be. What went wrong before is more important."""
    if not job.own:
        return False
    try:
        return await stop(mediator, job.replicator_db, job.doc_id)
    except ReplicatorError as error:
        return f"not stopped: {error}"


async def _next_second(mediator: CouchClient, start: str | None) -> None:
    """Until the server's clock shows a later second than that of the job's start.

    Sessions in a history are told apart by their start, in whole seconds: two runs of one pair must not begin in the same one.
    """
    for _ in range(round(1.4 / _TURNING)):
        now = await server_time(mediator)
        if now is None or start is None or now > start:
            return
        await mediator.transport.sleep(_TURNING)
