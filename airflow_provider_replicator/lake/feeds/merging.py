# SPDX-License-Identifier: Apache-2.0
"""Merging pending changes into the current table, in one commit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_replicator.lake.arrow import arrow_schema
from airflow_provider_replicator.lake.columns import quoted
from airflow_provider_replicator.lake.errors import lake_errors
from airflow_provider_replicator.lake.feeds.batches import empty
from airflow_provider_replicator.lake.feeds.net import net_changes
from airflow_provider_replicator.lake.table import commit_properties, writer_properties

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable, Transaction
    from deltalake.table import TableMerger

    from airflow_provider_replicator.lake.columns import TableSchema
    from airflow_provider_replicator.lake.feeds.layout import FeedLayout
    from airflow_provider_replicator.lake.table import Table

_OPERATION = "_op"


@dataclass(frozen=True, slots=True, kw_only=True)
class Merging:
    """Merges into ``table``, whose columns are those of ``schema``."""

    table: Table
    schema: TableSchema
    layout: FeedLayout

    def merge(
        self,
        handle: DeltaTable,
        changes: DeltaTable,
        *,
        after: int,
        until: int,
        doubles: bool,
        transaction: Transaction,
    ) -> None:
        """What the batches after ``after`` and up to ``until`` come to is in the table, once, or nothing is and LakeConflictError
        says so.

        ``doubles``: the table may hold a key twice, so all its rows are deleted and one is inserted; else rows are updated.
        """
        rows = self._net(changes, after, until)
        version = handle.version()
        with self.table.committing(handle, f"merge into {self.table.path}", transaction):
            (self._replacing if doubles else self._updating)(handle, rows, transaction).execute()
        if handle.version() == version:
            # deltalake commits nothing where nothing changes; the position has changed all the same
            self.table.append(handle, empty(self.schema), transaction=transaction)

    def _net(self, changes: DeltaTable, after: int, until: int) -> pa.Table:
        import pyarrow as pa

        with lake_errors(f"read changes of {self.table.path}"):
            net = net_changes(changes, self.layout, after=after, until=until).to_arrow()
        kinds = arrow_schema(self.schema)
        columns = [net.column(name).cast(kind.type) for name, kind in zip(self.schema.names, kinds, strict=True)]
        deleted = self.layout.deleted.name
        return pa.table(columns, schema=kinds).append_column(deleted, net.column(deleted))

    def _updating(self, handle: DeltaTable, rows: pa.Table, transaction: Transaction) -> TableMerger:
        """Update what is there, insert what is not, delete by tombstones."""
        deleted = f"s.{quoted(self.layout.deleted.name)}"
        alive, dead = f"{deleted} IS NULL", f"{deleted} IS NOT NULL"
        return (
            self._merger(handle, rows, self._same_key(), transaction)
            .when_matched_delete(dead)
            .when_matched_update(self._values(), alive)
            .when_not_matched_insert(self._values(), alive)
        )

    def _replacing(self, handle: DeltaTable, rows: pa.Table, transaction: Transaction) -> TableMerger:
        """Delete all rows of every changed key and insert the live ones anew: each is in the source twice, once to delete by and
        once, never matching, to be inserted.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        operation = f"s.{quoted(_OPERATION)}"
        live = rows.filter(pc.is_null(rows.column(self.layout.deleted.name)))
        both = pa.concat_tables(
            [
                rows.append_column(_OPERATION, pa.repeat("delete", len(rows))),
                live.append_column(_OPERATION, pa.repeat("insert", len(live))),
            ]
        )
        return (
            self._merger(handle, both, f"{self._same_key()} AND {operation} = 'delete'", transaction)
            .when_matched_delete()
            .when_not_matched_insert(self._values(), f"{operation} = 'insert'")
        )

    def _merger(self, handle: DeltaTable, rows: pa.Table, predicate: str, transaction: Transaction) -> TableMerger:
        return handle.merge(
            rows,
            predicate,
            source_alias="s",
            target_alias="t",
            streamed_exec=False,  # measured faster, and it lets statistics leave files out
            writer_properties=writer_properties(plain=self.layout.plain),
            commit_properties=commit_properties(transaction),
        )

    def _same_key(self) -> str:
        return " AND ".join(f"t.{quoted(name)} = s.{quoted(name)}" for name in self.layout.key)

    def _values(self) -> dict[str, str]:
        return {quoted(name): f"s.{quoted(name)}" for name in self.schema.names}
