# SPDX-License-Identifier: Apache-2.0
"""One submitted job: all that is needed to follow it later, elsewhere, and nothing secret."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_replicator.couchdb.jobs.states import JobState


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A document in a replicator database. As a dictionary it is JSON without secrets: it may travel in a trigger's kwargs."""

    doc_id: str
    replicator_db: str
    source_db: str
    target_db: str
    #: Addresses as the server that runs the job sees them, without credentials.
    source_url: str = ""
    target_url: str = ""
    #: Hash of what the document says, without secrets. Empty for a job that somebody else has made.
    fingerprint: str = ""
    continuous: bool = False
    #: False: the job writes no checkpoints (``use_checkpoints`` is false).
    checkpoints: bool = True
    #: The server has a scheduler (since 2.1); else the states are in the document itself (v1).
    scheduler: bool = True
    #: It ran already when it was submitted: a retry, or somebody else's job that is followed.
    adopted: bool = False
    #: False: it is another task's, or somebody else has made it. Such a job is followed, but never changed, stopped or deleted.
    own: bool = True
    #: When it was submitted, by the server's clock, ISO 8601 in whole seconds. What has been counted before is not of this run.
    submitted: str | None = None
    #: When this client submitted it, in seconds since 1970: what waits are reckoned from.
    submitted_at: float | None = None
    #: The server's name of the running replication, known once it was seen live. Checkpoints are named after it.
    job_id: str | None = None
    #: HTTP requests that submitting has cost.
    requests: int = 0

    @property
    def checkpoint_id(self) -> str | None:
        """The job's id without ``+continuous`` and the like: the name of its checkpoint document in ``_local``."""
        return None if self.job_id is None else self.job_id.split("+", 1)[0]

    def seen(self, state: JobState) -> Job:
        """With what ``state`` tells: the job's id, and an earlier start than we thought, if clocks differ."""
        moments = [moment for moment in (self.submitted, state.start_time) if moment]
        return replace(self, job_id=state.job_id or self.job_id, submitted=min(moments, default=None))

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Job:
        """The job of :meth:`to_dict`, also if another version of this package has made it."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})
