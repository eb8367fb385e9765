# SPDX-License-Identifier: Apache-2.0
"""Following the changes of a database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_replicator.couchdb.paging import number
from airflow_provider_replicator.lake.feeds.following import Following, Step

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from airflow_provider_replicator.lake.documents.asking import Asking
    from airflow_provider_replicator.lake.feeds.counting import FeedCounts
    from airflow_provider_replicator.lake.feeds.tables import FeedTables


class DocumentsFollowing(Following):
    """Until the database has no more, or until its sequence of the start: one that is written to all the time is left to the next run.

    Right after a load it goes on until there is no more: only then the table is the database at one moment.
    """

    def __init__(self, asking: Asking, tables: FeedTables, counts: FeedCounts) -> None:
        super().__init__(tables, counts)
        self._asking = asking

    async def _check(self) -> None:
        """What was read is of the database that the table is of: one that is made again later does not become the old one again."""
        current, changes = self._tables.current.state, self._tables.changes_state
        assert current is not None
        follows = changes is not None and changes.generation == current.generation
        await self._asking.check(current, changes.cursor if changes is not None and follows else current.live)

    def _found(self, age_seconds: float) -> None:
        """Sequences do not grow old."""

    async def _steps(self, cursor: str) -> AsyncGenerator[Step, None]:
        await self._check()
        current, changes = self._tables.current.state, self._tables.changes_state
        settled = (
            changes is not None and current is not None and changes.generation == current.generation and changes.settled
        )
        end = number(self._asking.update_seq) if settled else None
        while True:
            page = await self._asking.changes_page(cursor)
            rows = await self._asking.rows(page)
            cursor = page.cursor
            here = number(cursor)
            last = page.last or (end is not None and here is not None and here >= end)
            yield Step(cursor, rows, last)
            if last:
                return
