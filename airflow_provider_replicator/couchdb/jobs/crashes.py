# SPDX-License-Identifier: Apache-2.0
"""Crashes in a row: those between which nothing was copied. Pure.

Servers count only crashes that follow soon upon each other (two minutes): a job that hangs for longer before it crashes has crashed
once for ever. Servers without a scheduler count none.
"""

from __future__ import annotations

from math import log2
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_replicator.couchdb.jobs.states import JobState

#: Seconds until a server tries again after the first crash; twice as many after each further one.
_BACK_OFF = 30.0
#: A job that has run so long without a crash is well, also if there was nothing to copy.
_WELL_AFTER = 600.0


class CrashRow:
    """Feed it every look with :meth:`observe`. Moments are seconds of one clock."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._seen: set[str | None] = set()
        self._copied: tuple[int, str | None] | None = None

    def observe(self, state: JobState, now: float, lasted: float) -> None:
        """``lasted``: seconds since the job was first seen in this state."""
        if state.crashing:
            self._since = now if self._since is None else self._since
            self._seen.add(state.last_updated)
        elif state.state == "running":
            self._ran(state, lasted)

    def count(self, state: JobState, now: float) -> int:
        """Crashes in a row, the one of ``state`` included."""
        counted = state.error_count or 1 + int(
            log2(1 + self.lasted(now) / _BACK_OFF)
        )  # as many as there must have been
        return max(counted, len(self._seen))

    def lasted(self, now: float) -> float:
        """Seconds since the first of them."""
        return 0.0 if self._since is None else now - self._since

    def _ran(self, state: JobState, lasted: float) -> None:
        copied = None if state.counters is None else (state.counters.docs_written, state.checkpointed_source_seq)
        before, self._copied = self._copied, copied or self._copied
        gets_on = copied is not None and before is not None and copied != before
        if gets_on or (state.error_count == 0 and lasted >= _WELL_AFTER):
            self._since = None
            self._seen.clear()
