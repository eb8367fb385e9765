# SPDX-License-Identifier: Apache-2.0
"""Merging pending changes into the current table, in one commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_replicator.lake.arrow import arrow_schema
from airflow_provider_replicator.lake.columns import quoted
from airflow_provider_replicator.lake.errors import lake_errors
from airflow_provider_replicator.lake.instances.batches import empty
from airflow_provider_replicator.lake.instances.current import net_changes
from airflow_provider_replicator.lake.instances.schema import DELETED, KEY
from airflow_provider_replicator.lake.table import commit_properties, writer_properties

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable, Transaction
    from deltalake.table import TableMerger

    from airflow_provider_replicator.lake.columns import TableSchema
    from airflow_provider_replicator.lake.table import Table

_OPERATION = "_op"


def merge(
    table: Table,
    handle: DeltaTable,
    schema: TableSchema,
    changes: DeltaTable,
    *,
    after: int,
    until: int,
    doubles: bool,
    transaction: Transaction,
) -> None:
    """What the batches after ``after`` and up to ``until`` come to is in the table, once, or nothing is and LakeConflictError says so.

    ``doubles``: the table may hold an instance twice, so all its rows are deleted and one is inserted; else rows are updated.
    """
    import pyarrow as pa

    with lake_errors(f"read changes of {table.path}"):
        net = net_changes(changes, after=after, until=until).to_arrow()
    rows = pa.table(
        [net.column(name).cast(kind.type) for name, kind in zip(schema.names, arrow_schema(schema), strict=True)],
        schema=arrow_schema(schema),
    ).append_column(DELETED, net.column(DELETED))
    version = handle.version()
    with table.committing(handle, f"merge into {table.path}", transaction):
        (_replacing if doubles else _updating)(handle, rows, schema, transaction).execute()
    if (
        handle.version() == version
    ):  # deltalake commits nothing where nothing changes; the position has changed all the same
        table.append(handle, empty(schema), transaction=transaction)


def _updating(handle: DeltaTable, rows: pa.Table, schema: TableSchema, transaction: Transaction) -> TableMerger:
    """Update what is there, insert what is not, delete by tombstones."""
    alive, dead = f"s.{quoted(DELETED)} IS NULL", f"s.{quoted(DELETED)} IS NOT NULL"
    values = _values(schema)
    return (
        _merger(handle, rows, _same_key(), transaction)
        .when_matched_delete(dead)
        .when_matched_update(values, alive)
        .when_not_matched_insert(values, alive)
    )


def _replacing(handle: DeltaTable, rows: pa.Table, schema: TableSchema, transaction: Transaction) -> TableMerger:
    """Delete all rows of every changed instance and insert the live ones anew: each is in the source twice, once to delete by
    and once, never matching, to be inserted.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    operation = f"s.{quoted(_OPERATION)}"
    live = rows.filter(pc.is_null(rows.column(DELETED)))
    both = pa.concat_tables(
        [
            rows.append_column(_OPERATION, pa.repeat("delete", len(rows))),
            live.append_column(_OPERATION, pa.repeat("insert", len(live))),
        ]
    )
    return (
        _merger(handle, both, f"{_same_key()} AND {operation} = 'delete'", transaction)
        .when_matched_delete()
        .when_not_matched_insert(_values(schema), f"{operation} = 'insert'")
    )


def _merger(handle: DeltaTable, rows: pa.Table, predicate: str, transaction: Transaction) -> TableMerger:
    return handle.merge(
        rows,
        predicate,
        source_alias="s",
        target_alias="t",
        streamed_exec=False,  # measured faster, and it lets statistics leave files out
        writer_properties=writer_properties(plain=("_externalId",)),
        commit_properties=commit_properties(transaction),
    )


def _same_key() -> str:
    return " AND ".join(f"t.{quoted(name)} = s.{quoted(name)}" for name in KEY)


def _values(schema: TableSchema) -> dict[str, str]:
    return {quoted(name): f"s.{quoted(name)}" for name in schema.names}
