# SPDX-License-Identifier: Apache-2.0
"""Reading all instances of a source into a table: a few large commits, each with the cursor to go on from.

While one commit is written, the next pages are read, and while a page becomes columns, CDF prepares the next one. What is in
memory is at most two commits and two pages.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING

from airflow_provider_replicator.lake.arrow import batch as record_batch
from airflow_provider_replicator.lake.instances.asking import CursorExpiredError
from airflow_provider_replicator.lake.instances.state import CurrentState

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    import pyarrow as pa

    from airflow_provider_replicator.lake.instances.asking import Asking
    from airflow_provider_replicator.lake.instances.counting import Counts
    from airflow_provider_replicator.lake.instances.decode import Decoder, Page
    from airflow_provider_replicator.lake.instances.options import InstancesOptions
    from airflow_provider_replicator.lake.instances.state import Phase
    from airflow_provider_replicator.lake.instances.tables import CurrentTable

#: A load that is resumed this long after its start begins anew: the cursor of its changes would die before it is needed.
_RESUMED_MS = 2 * 24 * 3600 * 1000


class Loading:
    """Fills ``target``, which is empty or holds the beginning of this load."""

    def __init__(
        self, asking: Asking, decoder: Decoder, target: CurrentTable, counts: Counts, options: InstancesOptions
    ) -> None:
        self._asking = asking
        self._decoder = decoder
        self._target = target
        self._counts = counts
        self._options = options

    async def run(self, *, generation: int, now_ms: int) -> None:
        """Load, or go on with it, or do nothing if it is done. ``now_ms``: the server's clock.

        Afterwards the target's phase is ``live``. A crash at any point: the next run goes on after the last commit.
        """
        state = self._target.state
        if state is None or self._is_stale(state, now_ms):
            state = await self._begun(generation, now_ms)
        else:
            self._counts.goes_on(state.misfits)
            if state.phase == "live":
                return
        try:
            await self._load(state)
        except CursorExpiredError:  # while the load was interrupted
            await self._load(await self._begun(generation, now_ms))

    def _is_stale(self, state: CurrentState, now_ms: int) -> bool:
        return self._target.asked != self._target.question or now_ms - state.live_ms > _RESUMED_MS

    async def _begun(self, generation: int, now_ms: int) -> CurrentState:
        """The state before the first page. The cursor "from now" is older than anything that is read: nothing falls between."""
        state = CurrentState(phase="load", generation=generation, live=await self._asking.from_now(), live_ms=now_ms)
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
                    last = _is_last(page)
                    if not last and not self._is_enough(batches):
                        continue
                    if writing is not None:
                        await writing
                    phase: Phase = "live" if last else "load"
                    state = state.with_(cursor=page.cursor, phase=phase, misfits=self._counts.misfits)
                    writing = asyncio.create_task(self._write(batches, state))
                    batches = []
        finally:
            if writing is not None:
                await writing

    async def _rows(self, page: Page) -> list[pa.RecordBatch]:
        rows = await self._decoder.in_thread(self._decoder.rows, page)
        self._counts.page(rows)
        return [record_batch(self._target.schema, rows.columns)] if len(rows) else []

    def _is_enough(self, batches: list[pa.RecordBatch]) -> bool:
        rows, size = sum(len(batch) for batch in batches), sum(batch.nbytes for batch in batches)
        return rows >= self._options.commit_rows or size >= self._options.commit_bytes

    async def _write(self, batches: list[pa.RecordBatch], state: CurrentState) -> None:
        await asyncio.to_thread(self._target.append, batches, state)
        self._counts.wrote(sum(len(batch) for batch in batches))

    async def _pages(self, cursor: str | None) -> AsyncGenerator[Page, None]:
        """The pages; the next one is asked for before the caller gets one."""
        asked = asyncio.create_task(self._asking.load_page(cursor))
        try:
            while True:
                page = await asked
                if _is_last(page):
                    yield page
                    return
                asked = asyncio.create_task(self._asking.load_page(page.cursor))
                self._asking.load_size.fine()
                yield page
        finally:
            asked.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await asked


def _is_last(page: Page) -> bool:
    return not page.cursor or not page.count
