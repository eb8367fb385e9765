# SPDX-License-Identifier: Apache-2.0
"""Following the changes of a feed: pages into the changes table, from there into the current one."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_replicator.lake.feeds.state import ChangesState

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from airflow_provider_replicator.lake.feeds.counting import FeedCounts
    from airflow_provider_replicator.lake.feeds.rows import FeedRows
    from airflow_provider_replicator.lake.feeds.tables import FeedTables

#: Changes of one commit, and of the pages held in memory.
_BATCH_ROWS = 50_000
_BATCH_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Step:
    """A page of changes: where to go on after it, what was in it, whether the run ends with it."""

    cursor: str | None
    rows: FeedRows
    last: bool


class Following(ABC):
    """From the saved cursor to the end of this run."""

    def __init__(self, tables: FeedTables, counts: FeedCounts) -> None:
        self._tables = tables
        self._counts = counts

    @abstractmethod
    def _steps(self, cursor: str) -> AsyncGenerator[Step, None]:
        """The pages from ``cursor`` on; raises FeedLostError."""

    @abstractmethod
    async def _check(self) -> None:
        """Before each commit: raises FeedLostError if what was read must not be committed."""

    @abstractmethod
    def _found(self, age_seconds: float) -> None:
        """The cursor that was saved is so old."""

    async def run(self) -> None:
        """Until the last page. Every batch is committed with its cursor, and so is the last page's even if it was empty."""
        await asyncio.to_thread(self._tables.clean)  # what a killed run left
        state = self._begin()
        pages: list[FeedRows] = []
        cursor = state.cursor
        async with aclosing(self._steps(state.cursor)) as steps:
            async for step in steps:
                self._counts.page(step.rows)
                pages.append(step.rows)
                cursor = step.cursor or cursor
                if step.last or _is_enough(pages):
                    told = {"misfits": self._counts.misfits, "done": step.last}
                    state = state.with_(cursor=cursor, settled=state.settled or step.last, **told)
                    await self._commit(pages, state, caught_up=step.last)
                    pages = []
                    state = self._tables.changes_state or state

    def _begin(self) -> ChangesState:
        current, changes = self._tables.current.state, self._tables.changes_state
        assert current is not None
        if changes is None or changes.generation != current.generation:
            before = changes or ChangesState(generation=0, cursor="")
            return ChangesState(
                generation=current.generation, cursor=current.live, rows=before.rows, bytes=before.bytes
            )
        self._found(time.time() - self._tables.saved_ms / 1000)
        return changes

    async def _commit(self, pages: list[FeedRows], state: ChangesState, *, caught_up: bool) -> None:
        await self._check()
        self._counts.wrote(*await asyncio.to_thread(self._tables.append_changes, pages, state))
        if await asyncio.to_thread(self._tables.merge_if_due, caught_up=caught_up):
            self._counts.did.append("merge")


def _is_enough(pages: list[FeedRows]) -> bool:
    rows = sum(len(page) for page in pages)
    return rows >= _BATCH_ROWS or sum(page.nbytes for page in pages) >= _BATCH_BYTES
