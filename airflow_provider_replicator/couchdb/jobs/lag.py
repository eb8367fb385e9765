# SPDX-License-Identifier: Apache-2.0
"""How far a target is behind its source: changes not looked at yet, and, if asked for, seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_replicator.couchdb.client import CouchClient
    from airflow_provider_replicator.couchdb.jobs.job import Job
    from airflow_provider_replicator.couchdb.jobs.states import JobState


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """``pending`` as the source says; None: the job has not said yet where it is. ``seconds``: age of the newest heartbeat that arrived."""

    state: JobState
    pending: int | None
    seconds: float | None = None

    @property
    def ok(self) -> bool:
        """The job gets on: it is not crashing, in error, failed or gone."""
        return self.state.state not in ("crashing", "error", "failed", "gone")

    def as_dict(self) -> dict[str, Any]:
        raise NotImplementedError


async def pending_of(source: CouchClient, source_db: str, state: JobState) -> int | None:
    """Changes of the source after what the job has done; None: nothing is known of that yet. One request."""
    raise NotImplementedError


async def lag(mediator: CouchClient, source: CouchClient, job: Job) -> Lag:
    """The state and the true pending count: two requests."""
    raise NotImplementedError


async def beat(source: CouchClient, source_db: str, name: str, now: float) -> None:
    """Write a heartbeat document (``replication-heartbeat:name``) into the source, for :func:`heartbeat_age`."""
    raise NotImplementedError


async def heartbeat_age(target: CouchClient, target_db: str, name: str, now: float) -> float | None:
    """Seconds since the newest heartbeat that has arrived was written; None: none has."""
    raise NotImplementedError
