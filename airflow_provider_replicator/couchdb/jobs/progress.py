# SPDX-License-Identifier: Apache-2.0
"""How far a replication is, how fast it goes, and how long it still takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_replicator.couchdb.jobs.states import Counters, JobState


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One look. Counts are of this run where ``baseline`` is known, else None; ``*_total`` are the server's, over all runs."""

    state: str
    docs_written: int | None = None
    docs_written_total: int | None = None
    doc_write_failures: int | None = None
    #: Changes of the source that the job has not looked at yet. ``exact``: asked of the source just now; else the server's old number.
    pending: int | None = None
    exact: bool = False
    #: Documents per second over the last minute, and seconds until ``pending`` is done; None: unknown.
    rate: float | None = None
    eta: float | None = None
    #: Seconds since the wait began.
    seconds: float = 0.0
    error: str | None = None
    error_count: int = 0

    def line(self) -> str:
        """For the log: one line, without secrets."""
        raise NotImplementedError


class Meter:
    """Makes :class:`Progress` of states. The rate is that of a sliding window."""

    def __init__(self, *, window: float = 60.0) -> None:
        raise NotImplementedError

    def look(
        self, state: JobState, now: float, *, pending: int | None = None, baseline: Counters | None = None
    ) -> Progress:
        """``now`` in seconds of any clock that runs evenly; ``pending`` as the source says, if it was asked."""
        raise NotImplementedError
