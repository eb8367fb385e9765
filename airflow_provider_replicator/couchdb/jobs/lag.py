# SPDX-License-Identifier: Apache-2.0
"""How far a target is behind its source: changes not looked at yet, and, if asked for, seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.couchdb import databases
from airflow_provider_replicator.couchdb.jobs.states import state_of
from airflow_provider_replicator.exceptions import CouchConflictError

if TYPE_CHECKING:
    from airflow_provider_replicator.couchdb.client import CouchClient
    from airflow_provider_replicator.couchdb.jobs.job import Job
    from airflow_provider_replicator.couchdb.jobs.states import JobState

_HEARTBEAT = "replication-heartbeat:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """``pending`` as the source says; None: the job has not said yet where it is.

    ``seconds``: the age of the newest heartbeat that has arrived, where one was asked for.
    """

    state: JobState
    pending: int | None
    seconds: float | None = None

    @property
    def ok(self) -> bool:
        """The job gets on: it is not crashing, in error, failed or gone."""
        return not self.state.crashing and self.state.state not in ("failed", "gone")

    def as_dict(self) -> dict[str, Any]:
        """JSON values, without secrets."""
        values = {
            "state": self.state.state,
            "pending": self.pending,
            "seconds": self.seconds,
            "error": self.state.error,
        }
        return {name: value for name, value in values.items() if value is not None}


async def pending_of(source: CouchClient, source_db: str, state: JobState) -> int | None:
    """Changes of the source after what the job has done; None: nothing is known of that yet. One request.

    All changes count, also those that a filter or selector does not let pass.
    """
    live = state.through_seq if state.state == "running" else None
    since = live or state.checkpointed_source_seq
    return None if since is None else await databases.pending(source, source_db, since)


async def lag(mediator: CouchClient, source: CouchClient, job: Job) -> Lag:
    """The state and the true pending count: two requests."""
    state = await state_of(mediator, job)
    return Lag(state=state, pending=await pending_of(source, job.source_db, state))


async def beat(source: CouchClient, source_db: str, name: str, now: float) -> None:
    """Write a heartbeat document (``replication-heartbeat:name``) into the source, for :func:`heartbeat_age`. It is replicated.

    Several writers at once are fine: the newest one's moment stays.
    """
    for _ in range(5):
        document = await databases.get_document(source, source_db, _HEARTBEAT + name) or {}
        if float(document.get("at", 0)) >= now:
            return
        kept = {"_rev": document["_rev"]} if "_rev" in document else {}
        try:
            await databases.put_document(source, source_db, _HEARTBEAT + name, kept | {"at": now})
        except CouchConflictError:
            continue
        return


async def heartbeat_age(target: CouchClient, target_db: str, name: str, now: float) -> float | None:
    """Seconds since the newest heartbeat that has arrived was written; None: none has."""
    document = await databases.get_document(target, target_db, _HEARTBEAT + name)
    return None if document is None else max(0.0, now - float(document.get("at", 0)))
