# SPDX-License-Identifier: Apache-2.0
"""What a run did with one feed, for the report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_replicator.core.dead_letters import DeadLetters
    from airflow_provider_replicator.core.progress import Progress
    from airflow_provider_replicator.core.report import Report
    from airflow_provider_replicator.lake.feeds.rows import FeedRows


@dataclass(slots=True)
class FeedCounts:
    """``path`` is that of the current-state table. ``did``: what happened besides following the changes (``load``, ``resync: why``,
    ``merge``), in order.
    """

    path: str
    report: Report
    letters: DeadLetters
    progress: Progress | None = None
    written: int = 0
    deleted: int = 0
    misfits: int = 0
    did: list[str] = field(default_factory=list)

    def page(self, rows: FeedRows) -> None:
        """A page was read."""
        self.report.read += rows.read
        for reason, count in rows.skipped.items():
            self.report.skip(reason, count)
        self.misfits += len(rows.misfits)
        for misfit in rows.misfits:
            self.letters.add(self.path, misfit.key, misfit.document, misfit.reason)
        if self.progress is not None:
            self.progress.update(self.report, what=self.path)

    def goes_on(self, misfits: int) -> None:
        """A run that was interrupted had left out so many instances, and told nobody."""
        self.report.resumed = True
        for _ in range(misfits):
            self.report.dead_letter(self.path, "left out by the run before, which was interrupted: see its log")
        self.misfits += misfits

    def wrote(self, rows: int, deleted: int = 0) -> None:
        """A batch is committed: so many rows, so many of them tombstones."""
        self.written += rows - deleted
        self.deleted += deleted
        self.report.written += rows - deleted
        self.report.deleted += deleted

    def as_table(self, version: int) -> dict[str, Any]:
        """The entry of the report's ``tables``."""
        entry = {"table": self.path, "written": self.written, "deleted": self.deleted, "version": version}
        return entry | ({"did": self.did} if self.did else {})
