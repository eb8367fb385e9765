# SPDX-License-Identifier: Apache-2.0
"""What one run has copied. Servers since 3.0 count over the whole history of a pair of databases, so what was before is taken off.

A job keeps a document ``_local/<job id>`` in both databases, with an entry for each session, newest first; a session goes on
counting where the entry before it ended. The entry before those of this run is its baseline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.couchdb import databases
from airflow_provider_replicator.couchdb.jobs.reading import counters, parse_moment, sequence
from airflow_provider_replicator.couchdb.jobs.states import Counters
from airflow_provider_replicator.exceptions import CouchAccessError, CouchRequestError

if TYPE_CHECKING:
    from airflow_provider_replicator.couchdb.client import CouchClient
    from airflow_provider_replicator.couchdb.jobs.job import Job
    from airflow_provider_replicator.couchdb.jobs.states import JobState

#: Since this version sessions go on counting where the last one ended.
_CUMULATIVE_SINCE = (3, 0)
#: Checkpoint documents looked through where the job was never seen live, so that its id is not known.
_SEARCHED = 500
_NOTHING = Counters()

History = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """``run`` and ``before`` are None where no baseline is to be had: totals are never passed off as this run's."""

    total: Counters
    before: Counters | None

    @property
    def run(self) -> Counters | None:
        if self.before is None or not self.total.covers(self.before):
            return None
        return self.total - self.before


async def counts(
    mediator: CouchClient, source: CouchClient | None, target: CouchClient, job: Job, state: JobState
) -> Counts:
    """What this run has counted, at most three requests."""
    total = state.counters or _NOTHING
    before = await baseline(mediator, source, target, job, state)
    if before is not None and not total.covers(before):
        before = None  # the history is another's, or the server counts otherwise
    return Counts(total=total, before=before)


async def baseline(
    mediator: CouchClient, source: CouchClient | None, target: CouchClient, job: Job, state: JobState
) -> Counters | None:
    """What had been counted when the run began; None: unknown. Without ``source``, the target's word is taken for both."""
    server = await mediator.features()
    if not server.scheduler or server.version < _CUMULATIVE_SINCE:
        return _NOTHING
    if job.submitted is None:
        return None
    try:
        if job.checkpoint_id is None:
            return await _unnamed(target, job, state)
        there = await databases.local_get(target, job.target_db, job.checkpoint_id)
        if there is None:
            return _NOTHING
        here = there if source is None else await databases.local_get(source, job.source_db, job.checkpoint_id)
    except (CouchRequestError, CouchAccessError):
        return None  # somebody who may replicate, but not look
    return before(common_history(here or {}, there), job.submitted)


def before(history: History, submitted: str) -> Counters:
    """The newest entry of a session from before ``submitted`` (ISO 8601, by the clock of the server that ran it)."""
    began = parse_moment(submitted)
    for entry in history:
        start = parse_moment(entry.get("start_time"))
        if began is None or start is None or start < began:
            return counters(entry) or _NOTHING
    return _NOTHING


def first_sequence(checkpoint: Mapping[str, Any], submitted: str) -> str | None:
    """Where the first session since ``submitted`` began to read the source; None: at its beginning, or not known."""
    began = parse_moment(submitted)
    found = None
    for entry in _entries(checkpoint):
        start = parse_moment(entry.get("start_time"))
        if began is None or start is None or start < began:
            break
        found = sequence(entry.get("start_last_seq"))
    return None if found in (None, "0") else found


def common_history(here: Mapping[str, Any], there: Mapping[str, Any]) -> History:
    """What a session that starts now would go on from: the server compares both documents in this way."""
    mine, theirs = _entries(here), _entries(there)
    if here.get("session_id") == there.get("session_id"):
        return mine
    while mine and theirs:
        if any(entry.get("session_id") == mine[0].get("session_id") for entry in theirs):
            return mine[1:]
        if any(entry.get("session_id") == theirs[0].get("session_id") for entry in mine[1:]):
            return theirs[1:]
        mine, theirs = mine[1:], theirs[1:]
    return ()


async def _unnamed(target: CouchClient, job: Job, state: JobState) -> Counters | None:
    """The baseline of a job too short to be seen live: of the checkpoint that has its sequence and its counts."""
    answer = await target.get(job.target_db, "_local_docs", params={"include_docs": True, "limit": _SEARCHED})
    documents = [row.get("doc") or {} for row in answer["rows"]]
    checkpoints = [document for document in documents if _entries(document)]
    total = state.counters or _NOTHING
    if total == _NOTHING or (not checkpoints and len(documents) < _SEARCHED):
        return _NOTHING
    if not job.checkpoints or job.submitted is None:
        return None  # it has left no trace to know it by
    found = {
        before(_entries(document), job.submitted)
        for document in checkpoints
        if sequence(document.get("source_last_seq")) == state.checkpointed_source_seq
        and counters(_entries(document)[0]) == total
    }
    return found.pop() if len(found) == 1 else None


def _entries(document: Mapping[str, Any]) -> History:
    entries = document.get("history")
    return [entry for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []
