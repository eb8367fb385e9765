# SPDX-License-Identifier: Apache-2.0
"""What a task returns: JSON under 4 KB, without secrets. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_replicator.couchdb.jobs.history import Counts
    from airflow_provider_replicator.couchdb.jobs.outcome import Outcome
    from airflow_provider_replicator.couchdb.jobs.states import JobState

#: Bytes of a report as JSON: it travels through XCom.
MAX_BYTES = 4000
#: A sequence names every shard of its database: of a big one, it would not fit.
_SEQUENCE = 1200
#: Characters of one text, tried one after the other until everything fits.
_LONGEST = (600, 300, 150, 80)


def report(outcome: Outcome, state: JobState, counted: Counts | None, *, seconds: float) -> dict[str, Any]:
    """``docs_written`` and its like are of this run, and absent where that is not known; ``*_total`` are the server's, over all runs.

    ``requests`` are the HTTP requests of submitting and of waiting; those of finishing are added when it is done.
    """
    job = outcome.job
    values: dict[str, Any] = {
        "source": job.source_url,
        "target": job.target_url,
        "doc_id": job.doc_id,
        "replicator_db": job.replicator_db,
        "job_id": job.job_id,
        "state": state.state,
        "outcome": outcome.kind,
        "continuous": job.continuous,
        "adopted": job.adopted,
        **_counted(counted),
        "changes_pending": None if state.terminal else state.changes_pending,
        "checkpoint_seq": state.checkpointed_source_seq,
        "started": job.submitted,
        "ended": state.last_updated if state.terminal else None,
        "seconds": round(seconds, 3),
        "states": list(outcome.states),
        "crashes": outcome.crashes,
        "polls": outcome.polls,
        "requests": {"submit": job.requests, "wait": outcome.requests, "finish": 0},
        "warnings": [],
    }
    if state.error is not None:
        values["error"] = state.error
        values["error_class"] = state.error_class
    return values


def warnings(counted: Counts) -> list[str]:
    """What somebody should know although the job has completed."""
    found = []
    run, before = counted.run, counted.before
    if run is None and counted.total != type(counted.total)():
        found.append("what this run alone has copied cannot be told: there are totals of all runs only")
    if run is not None and run.doc_write_failures:
        found.append(
            f"the target refused {run.doc_write_failures} revisions; they are not there, and no later run brings them"
        )
    if before is not None and before.doc_write_failures:
        found.append(
            f"the target refused {before.doc_write_failures} revisions in earlier runs, which this run did not try again: "
            "verify, with repair, if they are not there"
        )
    return found


def fitted(values: dict[str, Any]) -> dict[str, Any]:
    """In place: long texts are cut, so that the whole is under 4 KB. Counts are never cut, half sequences are left out."""
    values["checkpoint_seq"] = _fitting(values.get("checkpoint_seq"))
    for longest in _LONGEST:
        if len(json.dumps(values)) <= MAX_BYTES:
            break
        for name, value in values.items():
            if isinstance(value, list):
                values[name] = [_short(one, longest) for one in value]
            elif name != "checkpoint_seq":
                values[name] = _short(value, longest)
    while len(json.dumps(values)) > MAX_BYTES and values.get("refused_ids"):
        values["refused_ids"] = values["refused_ids"][:-1]
    return values


def _short(value: Any, longest: int) -> Any:
    return value if not isinstance(value, str) or len(value) <= longest else value[: longest - 1] + "…"


def _counted(counted: Counts | None) -> dict[str, int]:
    if counted is None:
        return {}
    run = {} if counted.run is None else counted.run.as_dict()
    return run | {f"{name}_total": value for name, value in counted.total.as_dict().items()}


def _fitting(sequence: str | None) -> str | None:
    """Whole, or only its number: half of a sequence is good for nothing."""
    if sequence is None or len(sequence) <= _SEQUENCE:
        return sequence
    return sequence.partition("-")[0] + "-…"
