# SPDX-License-Identifier: Apache-2.0
"""How far a replication is, how fast it goes, and how long it still takes. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_replicator.core.progress import duration, thousands

if TYPE_CHECKING:
    from airflow_provider_replicator.couchdb.jobs.states import Counters, JobState


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One look. Counts are of this run where its baseline is known, else None; ``*_total`` are the server's, over all runs."""

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
        parts = [self.state]
        if self.docs_written is not None:
            parts.append(f"{thousands(self.docs_written)} written")
        elif self.docs_written_total is not None:
            parts.append(f"{thousands(self.docs_written_total)} written in all runs")
        if self.doc_write_failures:
            parts.append(f"{thousands(self.doc_write_failures)} refused by the target")
        if self.pending is not None:
            parts.append(f"{'' if self.exact else 'about '}{thousands(self.pending)} to go")
        if self.rate is not None:
            parts.append(f"{self.rate:.1f}/s" if self.rate < 10 else f"{thousands(round(self.rate))}/s")
        if self.eta is not None:
            parts.append(f"{duration(self.eta)} left")
        if self.error is not None:
            crash = f"crash {self.error_count}: " if self.error_count and self.state == "crashing" else ""
            parts.append(crash + self.error)
        return ", ".join(parts)


class Meter:
    """Makes :class:`Progress` of states. The rate is that of the last ``window`` seconds: what happens now, not on the whole."""

    def __init__(self, *, window: float = 60.0) -> None:
        self._window = window
        self._seen: deque[tuple[float, int]] = deque()
        self._begin: float | None = None

    def look(
        self, state: JobState, now: float, *, pending: int | None = None, baseline: Counters | None = None
    ) -> Progress:
        """``now`` in seconds of any clock that runs evenly; ``pending`` as the source says, if it was asked."""
        begin = self._begin = now if self._begin is None else self._begin
        total = state.counters
        rate = None if total is None else self._rate(total.docs_written, now)
        run = None
        if total is not None and baseline is not None and total.covers(baseline):
            run = total - baseline
        left = state.changes_pending if pending is None else pending
        left = None if state.terminal else left  # the server's last number is as old as it was then
        return Progress(
            state=state.state,
            docs_written=None if run is None else run.docs_written,
            docs_written_total=None if total is None else total.docs_written,
            doc_write_failures=None if run is None else run.doc_write_failures,
            pending=left,
            exact=pending is not None,
            rate=rate,
            eta=left / rate if left is not None and rate else None,
            seconds=now - begin,
            error=state.error,
            error_count=state.error_count,
        )

    def _rate(self, done: int, now: float) -> float | None:
        """Documents per second within the window; None until there are two looks to compare."""
        if self._seen and done < self._seen[-1][1]:
            self._seen.clear()  # the server has begun to count anew
        self._seen.append((now, done))
        while len(self._seen) > 2 and self._seen[1][0] <= now - self._window:
            self._seen.popleft()
        (then, before), (_, after) = self._seen[0], self._seen[-1]
        return (after - before) / (now - then) if now > then else None
