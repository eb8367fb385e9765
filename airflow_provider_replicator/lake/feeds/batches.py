# SPDX-License-Identifier: Apache-2.0
"""Pages of changes as one batch for the changes table: in the order of events, one row per instance unless all are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.lake.arrow import batch as record_batch
from airflow_provider_replicator.lake.instances.schema import BATCH, DELETED, KEY, ORDER

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    import pyarrow as pa

    from airflow_provider_replicator.lake.columns import TableSchema
    from airflow_provider_replicator.lake.instances.decode import Rows


def changes_batch(schema: TableSchema, pages: Sequence[Rows], *, number: int, every_version: bool) -> pa.Table:
    """The rows of batch ``number``. A later page tells of a later state. Within a page the order is that of the events: an instance
    that was deleted and made again is there twice, in any order, as a tombstone and alive.
    """
    import numpy as np
    import pyarrow as pa

    batches = [record_batch(_without(schema, BATCH, ORDER), page.columns) for page in pages if len(page)]
    if not batches:
        return empty(schema)
    rows = pa.Table.from_batches(batches)
    page_of = np.repeat(np.arange(len(batches)), [len(batch) for batch in batches])
    order = _order(rows, page_of, every_version=every_version)
    rows = rows.take(pa.array(order))
    numbers = pa.array(np.full(len(rows), number), pa.int64())
    places = pa.array(np.arange(len(rows)), pa.int32())
    arrays = {name: rows.column(name) for name in rows.column_names} | {BATCH: numbers, ORDER: places}
    return pa.table([arrays[name] for name in schema.names], schema=empty(schema).schema)


def empty(schema: TableSchema) -> pa.Table:
    """No rows: what is appended where only a cursor is to be saved."""
    from airflow_provider_replicator.lake.arrow import arrow_schema

    return arrow_schema(schema).empty_table()


def _order(rows: pa.Table, page_of: Any, *, every_version: bool) -> pl.Series:
    """Which rows, in which order."""
    import polars as pl

    frame = pl.DataFrame({name: pl.from_arrow(rows.column(name)) for name in (*KEY, "_createdTime", DELETED)})
    frame = frame.with_columns(
        page=pl.Series(page_of),
        place=pl.int_range(pl.len()),
        event=pl.coalesce(DELETED, pl.Series(pl.from_arrow(rows.column("_lastUpdatedTime")))),
        live=pl.col(DELETED).is_null(),
    ).sort("page", "event", "_createdTime", "live", "place")
    if not every_version:
        frame = frame.unique(KEY, keep="last", maintain_order=True)
    return frame["place"]


def _without(schema: TableSchema, *names: str) -> TableSchema:
    from airflow_provider_replicator.lake.columns import TableSchema as Schema

    return Schema(columns=tuple(column for column in schema.columns if column.name not in names), key=schema.key)
