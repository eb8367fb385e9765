# SPDX-License-Identifier: Apache-2.0
"""One source's part of a run: load if that has not been done, resync if it must be, then follow the changes.

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
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.exceptions import LakeConflictError, LakeError
from airflow_provider_replicator.lake.errors import lake_errors
from airflow_provider_replicator.lake.instances.asking import Asking, CursorExpiredError, server_time_ms
from airflow_provider_replicator.lake.instances.decode import Decoder
from airflow_provider_replicator.lake.instances.following import Following
from airflow_provider_replicator.lake.instances.loading import Loading
from airflow_provider_replicator.lake.instances.schema import beside
from airflow_provider_replicator.lake.instances.state import ChangesState
from airflow_provider_replicator.lake.instances.tables import CurrentTable, SourceTables
from airflow_provider_replicator.lake.table import Table

if TYPE_CHECKING:
    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.lake.instances.counting import Counts
    from airflow_provider_replicator.lake.instances.options import InstancesOptions
    from airflow_provider_replicator.lake.instances.schema import InstanceSource
    from airflow_provider_replicator.lake.location import Lake

_LOG = logging.getLogger(__name__)


class SourceRun:
    """Call :meth:`run` once."""

    def __init__(
        self, client: CdfClient, lake: Lake, source: InstanceSource, options: InstancesOptions, counts: Counts
    ) -> None:
        self._client = client
        self._lake = lake
        self._source = source
        self._options = options
        self._counts = counts

    async def run(self) -> None:
        """Afterwards the tables are as the source was at the start of the run, or later. Killed and run again, it goes on."""
        await asyncio.to_thread(self._open)
        try:
            await self._opened()
        finally:
            self._decoder.close()

    async def _opened(self) -> None:
        why = self._why_resync()
        self._take_over()
        if self._tables.current.state is None or self._tables.current.state.phase == "load":
            self._counts.did.append("load")
            await self._loading(self._tables.current).run(generation=1, now_ms=server_time_ms(self._client))
        elif why:
            await self._resync(why)
        try:
            await self._follow()
        except CursorExpiredError as error:
            await self._resync(str(error))
            await self._follow_again()
        await asyncio.to_thread(self._tables.clean)
        await asyncio.to_thread(self._tables.tidy)
        version = self._tables.current.handle.version()
        self._counts.report.tables.append(self._counts.as_table(version))

    def _open(self) -> None:
        self._tables = SourceTables(self._lake, self._source, self._options)
        self._decoder = Decoder(self._source, self._tables.properties, rescue=self._options.on_misfit == "rescue")
        self._asking = Asking(
            self._client,
            self._source,
            self._decoder,
            page_size=self._options.page_size,
            load_page_size=self._options.load_page_size,
        )

    def _take_over(self) -> None:
        """Count what a run left out that was interrupted before it could say so."""
        current, changes = self._tables.current.state, self._tables.changes_state
        if current is None or current.phase == "load":
            return  # the load knows
        if changes is None or changes.generation != current.generation:
            self._counts.goes_on(current.misfits)
        elif not changes.done:
            self._counts.goes_on(changes.misfits)

    def _why_resync(self) -> str | None:
        current, changes = self._tables.current.state, self._tables.changes_state
        if current is None or current.phase == "load":
            return None
        if self._options.resync:
            return "asked for"
        if self._tables.current.asked != self._source.question:
            return "the view has changed"
        if changes is not None and changes.generation > current.generation:
            return "it was begun"
        return "its changes table was removed" if self._tables.batch < current.merged else None

    def _loading(self, target: CurrentTable) -> Loading:
        return Loading(self._asking, self._decoder, target, self._counts, self._options)

    async def _follow(self) -> None:
        following = Following(self._asking, self._decoder, self._tables, self._counts)
        await following.run(stop_ms=server_time_ms(self._client))

    async def _follow_again(self) -> None:
        try:
            await self._follow()
        except CursorExpiredError as error:
            raise LakeError(
                f"{self._source.path}: CDF takes not even a cursor that it has just given ({error}): the load took longer than "
                "cursors live, or the endpoint is out of order"
            ) from error

    async def _resync(self, why: str) -> None:
        current = self._tables.current.state
        assert current is not None
        _LOG.warning("%s: everything is read anew: %s", self._source.path, why)
        self._counts.did.append(f"resync: {why}"[:60])
        generation = current.generation + 1
        try:
            anew = await asyncio.to_thread(self._beside, generation)
            await self._loading(anew).run(generation=generation, now_ms=server_time_ms(self._client))
            await asyncio.to_thread(self._switch, anew)
        except LakeError as error:
            if await asyncio.to_thread(self._is_overtaken, generation):
                raise LakeConflictError(f"{self._source.path}: another run has just read everything anew") from error
            raise

    def _is_overtaken(self, generation: int) -> bool:
        """Whether another run has come to the end of the same resync, and has removed the table that this one was reading."""
        self._tables.current.handle.update_incremental()
        self._tables.current.reread()
        state = self._tables.current.state
        return state is not None and state.generation >= generation

    def _beside(self, generation: int) -> CurrentTable:
        """The table that the resync fills, new or as a killed run left it."""
        path = f"{beside(self._source.path, 'resync')}/{generation}"
        return CurrentTable(Table(self._lake, path), self._tables.schema, self._source.question)

    def _switch(self, anew: CurrentTable) -> None:
        tables, state = self._tables, anew.state
        if state is None:
            raise LakeError(f"{anew.table.path}: has no state")
        before = tables.changes_state
        rows = 0 if before is None else before.rows
        if before is None or (before.generation, before.cursor) != (state.generation, state.live):
            tables.append_changes([], ChangesState(generation=state.generation, cursor=state.live, rows=rows))
        state = state.with_(merged=tables.batch, merged_rows=rows, doubles=True)
        tables.current.replace(_content(anew), state)
        self._remove_resync()

    def _remove_resync(self) -> None:
        objects = self._lake.objects()
        objects.delete([found.key for found in objects.list(f"{beside(self._source.path, 'resync')}/")])


def _content(table: CurrentTable) -> Any:
    """All rows, as a stream."""
    from deltalake import QueryBuilder

    from airflow_provider_replicator.lake.columns import quoted

    names = ", ".join(quoted(name) for name in table.schema.names)
    with lake_errors(f"read {table.table.path}"):
        return QueryBuilder().register("anew", table.handle).execute(f"SELECT {names} FROM anew")  # noqa: S608 - quoted
