# SPDX-License-Identifier: Apache-2.0
"""One feed's part of a run: load if that has not been done, resync if it must be, then follow the changes.

A resync reads everything anew into a table beside the current one, which readers go on reading, and replaces its content in one
commit: rows that are no more vanish with it. The order of its last steps lets it be killed anywhere:

1. an empty batch begins the next generation of the changes, from the cursor taken before the load; another run that still follows the
   previous one can commit nothing more
2. the current table is replaced; its state says that all batches until then are merged
3. the table beside is removed
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.exceptions import LakeConflictError, LakeError
from airflow_provider_replicator.lake.errors import lake_errors
from airflow_provider_replicator.lake.feeds.loading import Loading
from airflow_provider_replicator.lake.feeds.state import ChangesState, FeedLostError

if TYPE_CHECKING:
    from airflow_provider_replicator.lake.feeds.counting import FeedCounts
    from airflow_provider_replicator.lake.feeds.following import Following
    from airflow_provider_replicator.lake.feeds.loading import Loadable
    from airflow_provider_replicator.lake.feeds.state import CurrentState
    from airflow_provider_replicator.lake.feeds.tables import CurrentTable, FeedTables

_LOG = logging.getLogger(__name__)


class FeedRun(ABC):
    """Call :meth:`run` once. A subclass says what is read, in :meth:`_open` and the attributes that it sets."""

    _tables: FeedTables
    _source: Loadable[Any]

    def __init__(self, path: str, counts: FeedCounts) -> None:
        self._path = path
        self._counts = counts

    @abstractmethod
    def _open(self) -> None:
        """Open the tables and the source. In a thread."""

    @abstractmethod
    def _close(self) -> None:
        """Close what was opened; also after an error, once :meth:`_open` has returned."""

    @abstractmethod
    def _following(self) -> Following:
        """From the saved cursor."""

    @abstractmethod
    async def _why_lost(self, state: CurrentState) -> str | None:
        """Why what the tables hold is not of this source, or not what is asked for; None if it is."""

    @abstractmethod
    def _lost_again(self, why: FeedLostError) -> LakeError:
        """What to say when a feed is lost that was only just begun."""

    async def run(self) -> None:
        """Afterwards the tables are as the source was at the start of the run, or later. Killed and run again, it goes on."""
        await asyncio.to_thread(self._open)
        try:
            await self._opened()
        finally:
            self._close()

    async def _opened(self) -> None:
        why = await self._why_resync()
        self._take_over()
        current = self._tables.current.state
        if current is None or current.phase == "load":
            self._counts.did.append("load")
            await self._load(self._tables.current, 1)
        elif why:
            await self._resync(why)
        try:
            await self._following().run()
        except FeedLostError as error:
            await self._resync(str(error))
            await self._follow_again()
        await asyncio.to_thread(self._tables.clean)
        await asyncio.to_thread(self._tables.tidy)
        version = self._tables.current.handle.version()
        self._counts.report.tables.append(self._counts.as_table(version))

    def _take_over(self) -> None:
        """Count what a run left out that was interrupted before it could say so."""
        current, changes = self._tables.current.state, self._tables.changes_state
        if current is None or current.phase == "load":
            return  # the load knows
        if changes is None or changes.generation != current.generation:
            self._counts.goes_on(current.misfits)
        elif not changes.done:
            self._counts.goes_on(changes.misfits)

    async def _why_resync(self) -> str | None:
        current, changes = self._tables.current.state, self._tables.changes_state
        if current is None or current.phase == "load":
            return None
        if self._tables.options.resync:
            return "asked for"
        if lost := await self._why_lost(current):
            return lost
        if changes is not None and changes.generation > current.generation:
            return "it was begun"
        return "its changes table was removed" if self._tables.batch < current.merged else None

    async def _load(self, target: CurrentTable, generation: int) -> None:
        await Loading(self._source, target, self._counts, self._tables.options).run(generation)

    async def _follow_again(self) -> None:
        try:
            await self._following().run()
        except FeedLostError as error:
            raise self._lost_again(error) from error

    async def _resync(self, why: str) -> None:
        current = self._tables.current.state
        assert current is not None
        _LOG.warning("%s: everything is read anew: %s", self._path, why)
        self._counts.did.append(f"resync: {why}"[:60])
        generation = current.generation + 1
        try:
            anew = await asyncio.to_thread(self._tables.beside, generation)
            await self._load(anew, generation)
            await asyncio.to_thread(self._switch, anew)
        except LakeError as error:
            if await asyncio.to_thread(self._is_overtaken, generation):
                raise LakeConflictError(f"{self._path}: another run has just read everything anew") from error
            raise

    def _is_overtaken(self, generation: int) -> bool:
        """Whether another run has come to the end of the same resync, and has removed the table that this one was reading."""
        self._tables.current.handle.update_incremental()
        self._tables.current.reread()
        state = self._tables.current.state
        return state is not None and state.generation >= generation

    def _switch(self, anew: CurrentTable) -> None:
        tables, state = self._tables, anew.state
        if state is None:
            raise LakeError(f"{anew.table.path}: has no state")
        before = tables.changes_state or ChangesState(generation=0, cursor="")
        if (before.generation, before.cursor) != (state.generation, state.live):
            begun = ChangesState(generation=state.generation, cursor=state.live, rows=before.rows, bytes=before.bytes)
            tables.append_changes([], begun)
        merged = {"merged": tables.batch, "merged_rows": before.rows, "merged_bytes": before.bytes}
        tables.current.replace(_content(anew), state.with_(**merged, doubles=True))
        tables.remove_beside()


def _content(table: CurrentTable) -> Any:
    """All rows, as a stream."""
    from deltalake import QueryBuilder

    from airflow_provider_replicator.lake.columns import quoted

    names = ", ".join(quoted(name) for name in table.schema.names)
    with lake_errors(f"read {table.table.path}"):
        return QueryBuilder().register("anew", table.handle).execute(f"SELECT {names} FROM anew")  # noqa: S608 - quoted
