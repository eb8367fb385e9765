# SPDX-License-Identifier: Apache-2.0
"""How a wait ended: JSON without secrets, so that it may travel as the event of a trigger."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_replicator.couchdb.jobs.job import Job
from airflow_provider_replicator.couchdb.jobs.states import JobState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_replicator.couchdb.jobs.errors import Duplicate

#: ``completed``: what was waited for is reached (for a continuous job: it runs, or has drained). ``failed``: somebody has to
#: change something. ``stalled``: no end within the limits. ``duplicate``: another document runs the same. ``gone``: somebody
#: deleted the document.
Kind = Literal["completed", "failed", "stalled", "duplicate", "gone"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The end of one wait. ``job`` is the job with what was learned meanwhile (its id); ``reason`` is a sentence for people."""

    kind: Kind
    job: Job
    state: JobState
    reason: str
    #: States in the order in which they were first seen, and the most crashes in a row.
    states: tuple[str, ...] = ()
    crashes: int = 0
    #: Wall time since the wait began, in seconds, and looks at the state.
    seconds: float = 0.0
    polls: int = 0
    #: HTTP requests that the wait has cost, all clients together.
    requests: int = 0

    @property
    def ok(self) -> bool:
        return self.kind == "completed"

    @property
    def duplicate(self) -> Duplicate | None:
        """The other document, for ``duplicate``."""
        return self.state.duplicate

    def to_dict(self) -> dict[str, Any]:
        """JSON values, without secrets."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return values | {"job": self.job.to_dict(), "state": self.state.to_dict(), "states": list(self.states)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Outcome:
        """The outcome of :meth:`to_dict`, also if another version of this package has made it."""
        known = {field.name: values[field.name] for field in fields(cls) if field.name in values}
        return cls(
            **known
            | {
                "job": Job.from_dict(values["job"]),
                "state": JobState.from_dict(values["state"]),
                "states": tuple(values.get("states", ())),
            }
        )
