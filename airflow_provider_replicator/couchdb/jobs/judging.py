# SPDX-License-Identifier: Apache-2.0
"""Whether a job that has ended has done what it was for. Completed is not success: what a target refuses is only counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.couchdb.jobs.refused import refused_ids
from airflow_provider_replicator.couchdb.jobs.report import fitted, warnings
from airflow_provider_replicator.exceptions import ReplicationFailedError, ReplicationStalledError, ReplicatorError

if TYPE_CHECKING:
    from airflow_provider_replicator.couchdb.client import CouchClient
    from airflow_provider_replicator.couchdb.jobs.choices import Policies
    from airflow_provider_replicator.couchdb.jobs.history import Counts
    from airflow_provider_replicator.couchdb.jobs.job import Job
    from airflow_provider_replicator.couchdb.jobs.options import ReplicationOptions
    from airflow_provider_replicator.couchdb.jobs.outcome import Outcome
    from airflow_provider_replicator.couchdb.jobs.states import JobState

    Problem = type[ReplicationFailedError] | type[ReplicationStalledError]


def problem(outcome: Outcome, state: JobState) -> tuple[Problem, str] | None:
    """What is wrong with a job whose wait has ended so, after another look at it. Pure."""
    if not outcome.ok:
        return (ReplicationStalledError if outcome.kind == "stalled" else ReplicationFailedError), outcome.reason
    if state.state == "gone":
        return ReplicationFailedError, "its document was deleted by somebody before its result was read"
    if state.state == "failed":
        return ReplicationFailedError, f"the server gave up: {state.error}"
    if state.crashing:
        return ReplicationStalledError, f"it is {state.state}: {state.error}"
    if not outcome.job.continuous and state.state != "completed":
        again = f"it had completed, and is {state.state} again: somebody has written its document"
        return ReplicationStalledError, again
    return None


async def judge(
    source: CouchClient,
    target: CouchClient,
    job: Job,
    state: JobState,
    counted: Counts,
    policies: Policies,
    options: ReplicationOptions | None,
    values: dict[str, Any],
) -> None:
    """Warnings for the report ``values``; ReplicationFailedError for what the target has refused in this run.

    With ``options`` it is looked up which documents these are; where all are there by now (repaired meanwhile, or refused in an
    earlier run, which the counts do not always tell), that is no failure.
    """
    if policies.on_write_failures == "ignore":
        return
    values["warnings"] = warnings(counted)
    refused = (counted.total if counted.run is None else counted.run).doc_write_failures
    if not refused:
        return
    names = None if options is None else await _names(source, target, job, state, options)
    values["refused_ids"] = names
    if names == []:
        values["warnings"].append("all that the target has refused is there by now")
    elif policies.on_write_failures == "fail":
        raise error(ReplicationFailedError, _sentence(refused, names, counted), values)


def error(kind: Problem, reason: str, values: dict[str, Any]) -> ReplicationFailedError | ReplicationStalledError:
    """The error of a job, with its report."""
    return kind(f"{values['source']} to {values['target']} ({values['doc_id']}): {reason}", fitted(values))


def _sentence(refused: int, names: list[str] | str | None, counted: Counts) -> str:
    when = "in this run or before it, which cannot be told, " if counted.run is None else ""
    which = f" of {', '.join(names)}" if isinstance(names, list) else ""
    return (
        f"completed, but {when}the target refused {refused} revisions{which} (a validation function, a size limit, a design "
        "document written by somebody who is no admin): they are not there, and no later run brings them. When the reason is "
        'gone, repair: run once with since_seq "0"'
    )


async def _names(
    source: CouchClient, target: CouchClient, job: Job, state: JobState, options: ReplicationOptions
) -> list[str] | str:
    """The refused documents; or why they cannot be named. That they were refused is more important."""
    try:
        return list(await refused_ids(source, target, job, state, options))
    except ReplicatorError as problem:
        return f"not known: {problem}"
