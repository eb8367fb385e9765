# SPDX-License-Identifier: Apache-2.0
"""What the server says of a job, in one request: from the scheduler, or (v1 servers) from the document itself."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_replicator.couchdb.jobs.errors import Duplicate, ErrorClass
from airflow_provider_replicator.exceptions import CouchNotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_replicator.couchdb.client import CouchClient
    from airflow_provider_replicator.couchdb.jobs.job import Job

#: ``unseen``: the server's null, the document is known but nothing has been done with it yet. ``gone``: there is no document.
State = Literal["unseen", "initializing", "pending", "running", "crashing", "error", "completed", "failed", "gone"]
TERMINAL = frozenset({"completed", "failed"})
LIVE = frozenset({"unseen", "initializing", "pending", "running", "crashing", "error"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """Cumulative over the whole history of a pair of databases, not of one run. See :mod:`history` for what one run did."""

    revisions_checked: int = 0
    missing_revisions_found: int = 0
    docs_read: int = 0
    docs_written: int = 0
    doc_write_failures: int = 0

    def __sub__(self, other: Counters) -> Counters:
        return Counters(**{name: value - getattr(other, name) for name, value in self.as_dict().items()})

    def covers(self, other: Counters) -> bool:
        """Nothing was counted less often than in ``other``."""
        return all(value >= getattr(other, name) for name, value in self.as_dict().items())

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    """One look at a job. Texts hold no credentials."""

    state: State
    #: None until the server has counted anything.
    counters: Counters | None = None
    #: The server's own idea of what is left to copy: up to half a minute old. None: it has not looked yet.
    changes_pending: int | None = None
    #: Opaque; read up to / complete up to / in the last checkpoint.
    source_seq: str | None = None
    through_seq: str | None = None
    checkpointed_source_seq: str | None = None
    error: str | None = None
    error_class: ErrorClass | None = None
    #: The other document, where there is one that does the same.
    duplicate: Duplicate | None = None
    #: Crashes in a row; 0 also where the server does not count them (v1).
    error_count: int = 0
    job_id: str | None = None
    #: ISO 8601, whole seconds, by the server's clock.
    start_time: str | None = None
    last_updated: str | None = None

    @property
    def terminal(self) -> bool:
        return self.state in TERMINAL

    @property
    def crashing(self) -> bool:
        """The server tries again, later and later."""
        return self.state in ("crashing", "error")

    def to_dict(self) -> dict[str, Any]:
        """JSON values without those that are not known."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> JobState:
        known = {field.name for field in fields(cls)}
        kept = {name: value for name, value in values.items() if name in known}
        if kept.get("counters") is not None:
            kept["counters"] = Counters(**kept["counters"])
        if kept.get("duplicate") is not None:
            kept["duplicate"] = Duplicate(**kept["duplicate"])
        return cls(**kept)


async def read_state(mediator: CouchClient, replicator_db: str, doc_id: str) -> JobState:
    """One look, one request (and one more, once per client, to learn what kind of server it is).

    A document that does not exist is state ``gone``, not an error. Raises what the client raises otherwise.
    """
    info = await mediator.features()
    return await _look(mediator, replicator_db, doc_id, scheduler=info.scheduler)


async def state_of(mediator: CouchClient, job: Job) -> JobState:
    """:func:`read_state` of a job: always one request."""
    return await _look(mediator, job.replicator_db, job.doc_id, scheduler=job.scheduler)


async def _look(mediator: CouchClient, replicator_db: str, doc_id: str, *, scheduler: bool) -> JobState:
    from airflow_provider_replicator.couchdb.jobs.reading import from_document, from_scheduler

    try:
        if scheduler:
            return from_scheduler(await mediator.get("_scheduler", "docs", replicator_db, doc_id), mediator.connection)
        return from_document(await mediator.get(replicator_db, doc_id), mediator.connection)
    except CouchNotFoundError:
        return JobState(state="gone")
