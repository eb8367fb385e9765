# SPDX-License-Identifier: Apache-2.0
"""Which tables are done, and where the chains of pages of those in work are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.cdf.raw.tables import Table
from airflow_provider_replicator.cdf.stream_progress import StreamProgress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from airflow_provider_replicator.cdf.raw.write import Position
    from airflow_provider_replicator.core.checkpoint import Checkpoint
    from airflow_provider_replicator.core.progress import Progress
    from airflow_provider_replicator.core.report import Report

#: Characters of JSON that cursors may take. Tables that do not fit are compared with the target after a crash.
_MAX_JSON = 32_000


class RowsProgressed:
    """Tables begin in their order, so that everything up to one table is done, and little beyond it."""

    def __init__(
        self,
        report: Report,
        clock: Callable[[], int],
        checkpoint: Checkpoint | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._stream = StreamProgress(report, clock, checkpoint, progress, self._describe)
        self._open: list[Table] = []
        self._finished: set[Table] = set()
        self._positions: dict[Table, Sequence[Position]] = {}
        done = self._stream.load() or {"after": None, "cursors": []}
        self._after = Table(*done["after"]) if done["after"] else None
        self._saved = {Table(database, name): list(cursors) for database, name, cursors in done["cursors"]}

    def remaining(self, tables: Iterable[Table]) -> list[Table]:
        """The tables that are not finished, in their order."""
        return [table for table in tables if self._after is None or table > self._after]

    def saved_cursors(self, table: Table) -> list[str] | None:
        """Where an earlier try of this run was in a table that was empty before; None if nothing is known."""
        return self._saved.pop(table, None)

    def begin(self, table: Table) -> None:
        self._open.append(table)

    def follow(self, table: Table, positions: Sequence[Position]) -> None:
        """Remember these positions: together they are all that is left to copy of the table."""
        self._positions[table] = positions

    def finished(self, table: Table) -> None:
        """Every row of the table is in the target."""
        self._positions.pop(table, None)
        self._finished.add(table)
        while self._open and self._open[0] in self._finished:
            self._after = self._open.pop(0)
            self._finished.discard(self._after)
        self.tick()

    def tick(self) -> None:
        """Log and save, if it is time."""
        self._stream.tick()

    def save(self) -> None:
        self._stream.save()

    def clear(self) -> None:
        """The run went to its end."""
        self._stream.clear()

    def _describe(self) -> dict[str, Any]:
        cursors, room = [], _MAX_JSON
        for table, positions in self._positions.items():
            left = [position.safe or "" for position in positions if not position.done]
            entry = [table.database, table.name, left]
            room -= len(json.dumps(entry))
            if room < 0:
                break
            cursors.append(entry)
        after = [self._after.database, self._after.name] if self._after else None
        return {"after": after, "cursors": cursors}
