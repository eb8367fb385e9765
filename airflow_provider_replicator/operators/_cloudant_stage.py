# SPDX-License-Identifier: Apache-2.0
"""Where a replicating task is: carried by its trigger while it is deferred, and kept by Airflow for the next try.

A stage is JSON without secrets. What is kept tells a retry, which goes on with the same jobs, from a task that was cleared, which
starts over.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_replicator.core.checkpoint import Checkpoint, fingerprint
from airflow_provider_replicator.operators._checkpoints import checkpoint_store

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Context

    from airflow_provider_replicator.couchdb.jobs.job import Job
    from airflow_provider_replicator.couchdb.jobs.windows import WindowRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """``jobs`` have been submitted and are waited for since ``started_at`` (seconds since 1970). None: there is nothing to wait for.

    ``report``: of the replication, once it has ended; jobs are then its repair. ``window``: what to record when a windowed run has
    succeeded. ``reached``: the sequences of the sources that the jobs came to. ``lost``: how often in a row the triggerer could not
    do its part.
    """

    jobs: tuple[Job, ...] = ()
    started_at: float = 0.0
    report: dict[str, Any] | None = field(default=None, repr=False)
    window: WindowRun | None = None
    reached: tuple[str | None, ...] = ()
    lost: int = 0

    def with_(self, **changes: Any) -> Stage:
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        return {
            "jobs": [job.to_dict() for job in self.jobs],
            "started_at": self.started_at,
            "report": self.report,
            "window": None if self.window is None else self.window.to_dict(),
            "reached": list(self.reached),
            "lost": self.lost,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        from airflow_provider_replicator.couchdb.jobs.job import Job
        from airflow_provider_replicator.couchdb.jobs.windows import WindowRun

        window = values.get("window")
        return cls(
            jobs=tuple(Job.from_dict(job) for job in values["jobs"]),
            started_at=float(values["started_at"]),
            report=values.get("report"),
            window=None if window is None else WindowRun.from_dict(window),
            reached=tuple(values.get("reached", ())),
            lost=int(values.get("lost", 0)),
        )


class StageStore:
    """The stage of one task instance, valid for exactly one choice of databases and options."""

    def __init__(self, context: Context, **identity: Any) -> None:
        # Clearing a task does not empty its state store, but raises the number of tries it may have; a retry leaves that as it is.
        named = fingerprint(kind="couchdb", max_tries=context["ti"].max_tries, **identity)
        self._checkpoint = Checkpoint(checkpoint_store(context), named)

    def load(self) -> Stage | None:
        """Where the try before this one was, or None: this is the first, or the task was cleared."""
        saved = self._checkpoint.load()
        return None if saved is None else Stage.from_dict(saved)

    def save(self, stage: Stage) -> None:
        self._checkpoint.save(stage.to_dict())

    def clear(self) -> None:
        self._checkpoint.clear()
