# SPDX-License-Identifier: Apache-2.0
"""The tables of one feed, opened: the current one and that of changes. Every method that writes makes one commit, with the state
that belongs to it. Blocking: for threads.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.exceptions import LakeConflictError
from airflow_provider_replicator.lake.errors import lake_errors
from airflow_provider_replicator.lake.feeds.batches import AS_READ, changes_batch, empty
from airflow_provider_replicator.lake.feeds.layout import BATCH
from airflow_provider_replicator.lake.feeds.merging import Merging
from airflow_provider_replicator.lake.feeds.state import (
    ChangesState,
    CurrentState,
    changes_state,
    changes_stream,
    current_state,
    current_stream,
)
from airflow_provider_replicator.lake.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa
    from deltalake import DeltaTable

    from airflow_provider_replicator.lake.columns import TableSchema
    from airflow_provider_replicator.lake.feeds.batches import Order
    from airflow_provider_replicator.lake.feeds.layout import FeedLayout
    from airflow_provider_replicator.lake.feeds.options import FeedOptions
    from airflow_provider_replicator.lake.feeds.rows import FeedRows
    from airflow_provider_replicator.lake.location import Lake
    from airflow_provider_replicator.lake.table import OnSchemaChange

_LOG = logging.getLogger(__name__)
_HOUR_MS = 3_600_000
#: How often a merge is tried that maintenance (a compaction, say) got in the way of.
_TRIES = 4
_TIDY_BATCHES = 8


class CurrentTable:
    """A table that a load goes to: the current-state table, or the one beside it that a resync fills."""

    def __init__(
        self,
        table: Table,
        schema: TableSchema,
        question: str,
        layout: FeedLayout,
        *,
        on_change: OnSchemaChange = "evolve",
        handle: DeltaTable | None = None,
    ) -> None:
        self.table = table
        self.schema = schema
        self.question = question
        self.layout = layout
        self.stream = current_stream(table)
        self.handle: DeltaTable = table.prepare(schema, on_change=on_change, handle=handle)
        self.reread()

    def reread(self) -> None:
        """The state at the version of the handle."""
        found = current_state(self.stream, self.handle)
        self.state = None if found is None else found[0]
        self.asked = None if found is None else found[1].query

    def append(self, batches: Sequence[pa.RecordBatch], state: CurrentState) -> None:
        """Rows of a load, and where it goes on."""
        import pyarrow as pa

        self.handle = self.table.fresh(self.handle)
        transaction = self.stream.advance(self.handle, state.as_json(), query=self.question)
        data = pa.Table.from_batches(batches) if batches else empty(self.schema)
        self.table.append(self.handle, data, transaction=transaction, plain=self.layout.plain)
        self.state, self.asked = state, self.question

    def replace(self, data: Any, state: CurrentState) -> None:
        """Everything by ``data`` (None: by nothing)."""
        self.handle = self.table.fresh(self.handle)
        transaction = self.stream.advance(self.handle, state.as_json(), query=self.question)
        self.table.replace(
            self.handle, empty(self.schema) if data is None else data, transaction=transaction, plain=self.layout.plain
        )
        self.state, self.asked = state, self.question


class FeedTables:
    """What a run holds of one feed. ``question`` identifies what is asked of the source. ``schema_of``: from what an existing table
    calls the properties of the source to the columns that the table is to have. ``order``: of the changes within a page.
    """

    def __init__(
        self,
        lake: Lake,
        layout: FeedLayout,
        options: FeedOptions,
        *,
        question: str,
        schema_of: Callable[[Mapping[str, str]], TableSchema],
        order: Order = AS_READ,
    ) -> None:
        self.lake = lake
        self.layout = layout
        self.options = options
        self.question = question
        self._order = order
        table = Table(lake, layout.path)
        there = table.open()
        self.schema = schema_of({} if there is None else table.properties(there))
        self.changes_schema = layout.changes_schema(self.schema)
        self.changes = Table(lake, layout.changes_path)
        self.changes_stream = changes_stream(self.changes)
        # First the changes: a column of the current table is always one of theirs.
        self.changes_handle = self.changes.prepare(self.changes_schema, on_change=options.on_schema_change)
        self.current = CurrentTable(
            table, self.schema, question, layout, on_change=options.on_schema_change, handle=there
        )
        self.reread_changes()

    def beside(self, generation: int) -> CurrentTable:
        """The table that a resync fills, new or as a killed run left it."""
        table = Table(self.lake, f"{self.layout.resync_path}/{generation}")
        return CurrentTable(table, self.schema, self.question, self.layout)

    def remove_beside(self) -> None:
        """Remove what resyncs have filled."""
        objects = self.lake.objects()
        objects.delete([found.key for found in objects.list(f"{self.layout.resync_path}/")])

    def reread_changes(self) -> None:
        found = changes_state(self.changes_stream, self.changes_handle)
        self.changes_state = None if found is None else found[0]
        self.batch = 0 if found is None else found[1].batch
        self.saved_ms = 0 if found is None else found[1].saved_ms
        self._cleaned = 0 if found is None else found[0].cleaned

    # -- changes

    def append_changes(self, pages: Sequence[FeedRows], state: ChangesState) -> tuple[int, int]:
        """A batch, its rows perhaps none, and where the feed goes on; (rows, tombstones among them)."""
        data = changes_batch(
            self.changes_schema,
            pages,
            number=self.batch + 1,
            every_version=self.options.history,
            order=self._order,
        )
        rows = len(data)
        since = state.since_ms if self.pending_rows else 0
        state = state.with_(
            rows=state.rows + rows,
            bytes=state.bytes + data.nbytes,
            since_ms=since or (_now_ms() if rows else 0),
            cleaned=self._cleaned,
        )
        self.changes_handle = self.changes.fresh(self.changes_handle)
        transaction = self.changes_stream.advance(self.changes_handle, state.as_json(), query=self.question)
        self.changes.append(self.changes_handle, data, transaction=transaction)
        self.changes_state = state
        self.batch += 1
        return rows, rows - data.column(self.layout.deleted.name).null_count

    @property
    def pending_rows(self) -> int:
        """Rows of the changes table that are not merged."""
        if self.changes_state is None or self.current.state is None:
            return 0
        return self.changes_state.rows - self.current.state.merged_rows

    def merge_if_due(self, *, caught_up: bool) -> bool:
        """Merge the pending changes if the options say so."""
        current, changes = self.current.state, self.changes_state
        if current is None or changes is None:
            return False
        hours = (_now_ms() - changes.since_ms) / _HOUR_MS if changes.since_ms else 0.0
        due = self.options.merge_when.due(
            table_rows=self.current.handle.count(),
            rows=self.pending_rows,
            size=changes.bytes - current.merged_bytes,
            batches=self.batch - current.merged,
            hours=hours,
        )
        if due:
            self._merge(current, changes, caught_up=caught_up)
        return due

    def _merge(self, current: CurrentState, changes: ChangesState, *, caught_up: bool) -> None:
        state = current.with_(
            merged=self.batch,
            merged_rows=changes.rows,
            merged_bytes=changes.bytes,
            doubles=current.doubles and not caught_up,
        )
        self.current.handle = self.current.table.fresh(self.current.handle)
        self.changes_handle = self.changes.fresh(self.changes_handle)
        merging = Merging(table=self.current.table, schema=self.schema, layout=self.layout)
        for attempt in range(1, _TRIES + 1):
            transaction = self.current.stream.advance(self.current.handle, state.as_json(), query=self.current.question)
            try:
                merging.merge(
                    self.current.handle,
                    self.changes_handle,
                    after=current.merged,
                    until=self.batch,
                    doubles=current.doubles,
                    transaction=transaction,
                )
                break
            except LakeConflictError:
                self.current.handle.update_incremental()
                self.current.reread()
                # Somebody else's merge: theirs counts. Otherwise only files were moved around.
                if attempt == _TRIES or self.current.state != current:
                    raise
        self.current.state = state

    def clean(self) -> None:
        """Remove merged changes, unless history is kept. Harmless at any time, and left for the next run when somebody else is
        writing. That it is done is saved with the next batch.
        """
        state = self.current.state
        if state is None or state.merged <= self._cleaned:
            return
        if not self.options.history and self._holds_merged(state.merged):
            try:
                with lake_errors(f"remove merged changes from {self.changes.path}"):
                    self.changes_handle.delete(f"{BATCH} <= {state.merged}")
            except LakeConflictError as error:
                _LOG.info("%s; the next run does it", error)
                return
        self._cleaned = state.merged

    def tidy(self) -> None:
        """Remove old cursors, every few batches."""
        if self.batch % _TIDY_BATCHES == 0:
            self.changes_stream.tidy(self.changes_handle)
            self.current.stream.tidy(self.current.handle)

    def _holds_merged(self, merged: int) -> bool:
        """Whether any file of changes has rows that are merged, by the files' statistics."""
        import pyarrow as pa
        import pyarrow.compute as pc

        files = pa.table(self.changes_handle.get_add_actions(flatten=True))
        if not len(files):
            return False
        name = f"min.{BATCH}"
        if name not in files.column_names:
            return True
        least = pc.min(files.column(name)).as_py()
        return least is None or least <= merged


def _now_ms() -> int:
    return int(time.time() * 1000)
