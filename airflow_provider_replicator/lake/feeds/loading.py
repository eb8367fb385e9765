# SPDX-License-Identifier: Apache-2.0
"""Reading everything that a feed's source holds into a table: a few large commits, each with the cursor to go on from.

While one commit is written, the next pages are read, and while a page becomes columns, the source prepares the next one. What is in
memory is at most two commits and two pages.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from airflow_provider_replicator.lake.arrow import batch as record_batch
from airflow_provider_replicator.lake.feeds.state import FeedLostError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    import pyarrow as pa

    from airflow_provider_replicator.lake.feeds.counting import FeedCounts
    from airflow_provider_replicator.lake.feeds.options import FeedOptions
    from airflow_provider_replicator.lake.feeds.rows import FeedRows
    from airflow_provider_replicator.lake.feeds.state import CurrentState, Phase
    from airflow_provider_replicator.lake.feeds.tables import CurrentTable


class LoadPage(Protocol):
    """``cursor``: of the next page. ``last``: there is none."""

    @property
    def cursor(self) -> str | None: ...
    @property
    def last(self) -> bool: ...


PageT = TypeVar("PageT", bound=LoadPage)


class Loadable(Protocol[PageT]):
    """A source that is read whole, page after page."""

    async def begin(self, generation: int) -> CurrentState:
        """The state before the first page, with the feed's cursor of this moment."""

    async def is_stale(self, state: CurrentState) -> bool:
        """Whether a load that began so is better begun anew than continued."""

    async def load_page(self, cursor: str | None) -> PageT:
        """The page at ``cursor``; None is the first one. Raises FeedLostError if the source does not take the cursor."""

    async def rows(self, page: PageT) -> FeedRows:
        """What is in it, as columns."""


class Loading:
    """Fills ``target``, which is empty or holds the beginning of this load."""

    def __init__(self, source: Loadable[Any], target: CurrentTable, counts: FeedCounts, options: FeedOptions) -> None:
        self._source = source
        self._target = target
        self._counts = counts
        self._options = options

    async def run(self, generation: int) -> None:
        """Load, or go on with it, or do nothing if it is done.

        Afterwards the target's phase is ``live``. A crash at any point: the next run goes on after the last commit.
        """
        state = self._target.state
        if state is None or await self._is_stale(state):
            state = await self._begun(generation)
        else:
            self._counts.goes_on(state.misfits)
            if state.phase == "live":
                return
        try:
            await self._load(state)
        except FeedLostError:  # while the load was interrupted
            await self._load(await self._begun(generation))

    async def _is_stale(self, state: CurrentState) -> bool:
        return self._target.asked != self._target.question or await self._source.is_stale(state)

    async def _begun(self, generation: int) -> CurrentState:
        """The state before the first page. Its cursor is older than anything that is read: nothing falls between."""
        state = await self._source.begin(generation)
        if self._target.state is not None:
            await asyncio.to_thread(self._target.replace, None, state)
        return state

    async def _load(self, state: CurrentState) -> None:
        batches: list[pa.RecordBatch] = []
        writing: asyncio.Task[None] | None = None
        try:
            async with aclosing(self._pages(state.cursor)) as pages:
                async for page in pages:
                    batches += await self._rows(page)
                    if not page.last and not self._is_enough(batches):
                        continue
                    if writing is not None:
                        await writing
                    phase: Phase = "live" if page.last else "load"
                    state = state.with_(cursor=page.cursor, phase=phase, misfits=self._counts.misfits)
                    writing = asyncio.create_task(self._write(batches, state))
                    batches = []
        finally:
            if writing is not None:
                await writing

    async def _rows(self, page: LoadPage) -> list[pa.RecordBatch]:
        import pyarrow.compute as pc

        rows = await self._source.rows(page)
        self._counts.page(rows)
        if not len(rows):
            return []
        # What is deleted is told again by the changes after the load, to which a row that came before is owed.
        alive = pc.is_null(rows.columns[self._target.layout.deleted.name])
        return [record_batch(self._target.schema, dict(rows.columns)).filter(alive)]

    def _is_enough(self, batches: list[pa.RecordBatch]) -> bool:
        rows, size = sum(len(batch) for batch in batches), sum(batch.nbytes for batch in batches)
        return rows >= self._options.commit_rows or size >= self._options.commit_bytes

    async def _write(self, batches: list[pa.RecordBatch], state: CurrentState) -> None:
        await asyncio.to_thread(self._target.append, batches, state)
        self._counts.wrote(sum(len(batch) for batch in batches))

    async def _pages(self, cursor: str | None) -> AsyncGenerator[LoadPage, None]:
        """The pages; the next one is asked for before the caller gets one."""
        asked = asyncio.create_task(self._source.load_page(cursor))
        try:
            while True:
                page = await asked
                if page.last:
                    yield page
                    return
                asked = asyncio.create_task(self._source.load_page(page.cursor))
                yield page
        finally:
            asked.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await asked
