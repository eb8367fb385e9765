# SPDX-License-Identifier: Apache-2.0
"""Following the changes of a source: sync pages into the changes table, from there into the current one."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from airflow_provider_replicator.lake.instances.state import ChangesState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from airflow_provider_replicator.lake.instances.asking import Asking
    from airflow_provider_replicator.lake.instances.counting import Counts
    from airflow_provider_replicator.lake.instances.decode import Decoder, Page, Rows
    from airflow_provider_replicator.lake.instances.tables import SourceTables

_LOG = logging.getLogger(__name__)
#: Changes of one commit, and of the pages held in memory.
_BATCH_ROWS = 50_000
_BATCH_BYTES = 64 * 1024 * 1024
#: CDF forgets cursors after three days.
_OLD_MS = 2 * 24 * 3600 * 1000


class Following:
    """From the saved cursor to the stop line."""

    def __init__(self, asking: Asking, decoder: Decoder, tables: SourceTables, counts: Counts) -> None:
        self._asking = asking
        self._decoder = decoder
        self._tables = tables
        self._counts = counts

    async def run(self, *, stop_ms: int) -> None:
        """Until the first page with a change from ``stop_ms`` (the server's clock) or later, or until there is no more.

        Every batch is committed with its cursor, and so is the last page's even if it was empty. Raises CursorExpiredError.
        """
        await asyncio.to_thread(self._tables.clean)  # what a killed run left
        state = self._begin()
        pages: list[Rows] = []
        cursor = state.cursor
        async for page, last in self._pages(state.cursor, stop_ms):
            pages.append(page[1])
            cursor = page[0].cursor or cursor
            if last or _is_enough(pages):
                told = {"misfits": self._counts.misfits, "done": last}
                state = state.with_(cursor=cursor, settled=state.settled or last, **told)
                await self._commit(pages, state, caught_up=last)
                pages = []
                state = self._tables.changes_state or state

    def _begin(self) -> ChangesState:
        current, changes = self._tables.current.state, self._tables.changes_state
        assert current is not None
        if changes is None or changes.generation != current.generation:
            rows = 0 if changes is None else changes.rows
            return ChangesState(generation=current.generation, cursor=current.live, rows=rows)
        age = int(time.time() * 1000) - self._tables.saved_ms
        if age > _OLD_MS:
            _LOG.warning(
                "%s: its cursor is %.1f days old, and CDF forgets cursors after three: run this more often",
                self._tables.source.path,
                age / 86_400_000,
            )
        return changes

    async def _pages(self, cursor: str, stop_ms: int) -> AsyncIterator[tuple[tuple[Page, Rows], bool]]:
        """((the page, its rows), whether it is the last one)."""
        short = 0
        while True:
            page, full = await self._asking.changes_page(cursor)
            rows = await self._decoder.in_thread(self._decoder.rows, page)
            if self._tables.source.wider is not None and len(rows):
                rows = rows.only(await self._asking.members(rows.keys()))
            self._counts.page(rows)
            self._asking.sync_size.fine()
            # A page that is not full may be the last of a backfill; two in a row are not.
            short = 0 if full else short + 1
            last = not page.count or short > 1 or rows.changed_ms >= stop_ms
            yield (page, rows), last
            if last:
                return
            cursor = page.cursor or cursor

    async def _commit(self, pages: list[Rows], state: ChangesState, *, caught_up: bool) -> None:
        self._counts.wrote(*await asyncio.to_thread(self._tables.append_changes, pages, state))
        if await asyncio.to_thread(self._tables.merge_if_due, caught_up=caught_up):
            self._counts.did.append("merge")


def _is_enough(pages: list[Rows]) -> bool:
    rows = sum(len(page) for page in pages)
    return rows >= _BATCH_ROWS or sum(page.nbytes for page in pages) >= _BATCH_BYTES
