# SPDX-License-Identifier: Apache-2.0
"""What servers write about a job, as a :class:`~.states.JobState`. Lenient: CouchDB, Cloudant and PouchDB differ. Pure."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, cast, get_args

from airflow_provider_replicator.couchdb.jobs.errors import classify, duplicate_of, redacted
from airflow_provider_replicator.couchdb.jobs.states import Counters, JobState, State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_replicator.couchdb.connection import CouchConnection

#: Counters by our name, and what else servers, documents and checkpoints call them.
_COUNTERS = {
    "revisions_checked": ("revisions_checked", "missing_checked"),
    "missing_revisions_found": ("missing_revisions_found", "missing_found"),
    "docs_read": ("docs_read",),
    "docs_written": ("docs_written",),
    "doc_write_failures": ("doc_write_failures",),
}
#: States in the documents of v1 servers. None at all: not picked up.
_V1: dict[str, State] = {"triggered": "running", "completed": "completed", "error": "error", "failed": "failed"}
_STATES = frozenset(get_args(State))


def from_scheduler(answer: Mapping[str, Any], connection: CouchConnection | None = None) -> JobState:
    """An entry of ``_scheduler/docs``."""
    named = answer.get("state")
    state: State = cast("State", named) if named in _STATES else "unseen"
    return _state(
        state,
        answer.get("info"),
        connection,
        error_count=_integer(answer.get("error_count")) or 0,
        job_id=_text(answer.get("id")),
        start_time=iso_seconds(answer.get("start_time")),
        last_updated=iso_seconds(answer.get("last_updated")),
    )


def from_document(document: Mapping[str, Any], connection: CouchConnection | None = None) -> JobState:
    """A document of a v1 server. Only the server's own fields are looked at: the others hold credentials."""
    named = document.get("_replication_state")
    state: State = _V1.get(named, "running") if isinstance(named, str) else "unseen"
    reason = document.get("_replication_state_reason")
    return _state(
        state,
        reason if state in ("error", "failed") and reason else document.get("_replication_stats"),
        connection,
        job_id=_text(document.get("_replication_id")),
        last_updated=iso_seconds(document.get("_replication_state_time")),
    )


def _state(state: State, info: Any, connection: CouchConnection | None, **known: Any) -> JobState:
    details: Mapping[str, Any] = info if isinstance(info, dict) else {}
    said = details.get("error") if details else (info if state in ("crashing", "error", "failed") else None)
    text = None if said in (None, "") else str(said)
    error = None if text is None else redacted(text if connection is None else connection.redacted(text))
    return JobState(
        state=state,
        counters=counters(details),
        changes_pending=_integer(details.get("changes_pending")),
        source_seq=sequence(details.get("source_seq")),
        through_seq=sequence(details.get("through_seq")),
        checkpointed_source_seq=sequence(details.get("checkpointed_source_seq")),
        error=error,
        error_class=None if text is None else classify(text),
        duplicate=duplicate_of(text),
        **known,
    )


def counters(values: Mapping[str, Any]) -> Counters | None:
    """What was counted, by any of its names; None if nothing was."""
    found = {
        ours: number
        for ours, theirs in _COUNTERS.items()
        for number in [next((n for n in map(_integer, map(values.get, theirs)) if n is not None), None)]
        if number is not None
    }
    return Counters(**found) if found else None


def sequence(value: Any) -> str | None:
    """A sequence as text: old servers write numbers and arrays."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)


def iso_seconds(value: Any) -> str | None:
    """A moment as ISO 8601 in UTC, in whole seconds; None for nothing, and for what cannot be read."""
    moment = parse_moment(value)
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_moment(value: Any) -> datetime | None:
    """ISO 8601 (also with dashes in the time, as old texts have it), the form of HTTP headers, or seconds since 1970."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return datetime.fromtimestamp(value, UTC)
    if not isinstance(value, str) or not value:
        return None
    date, separator, rest = value.partition("T")
    for read, text in (
        (datetime.fromisoformat, value),
        (datetime.fromisoformat, date + separator + rest.replace("-", ":")),
        (parsedate_to_datetime, value),
    ):
        try:
            moment = read(text)
        except (ValueError, IndexError, TypeError):
            continue
        return moment.astimezone(UTC) if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return None


def _integer(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
