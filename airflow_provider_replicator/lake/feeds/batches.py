# SPDX-License-Identifier: Apache-2.0
"""Pages of changes as one batch for the changes table: in the order of events, one row per key unless all are kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.lake.arrow import batch as record_batch
from airflow_provider_replicator.lake.feeds.layout import BATCH, ORDER

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

    from airflow_provider_replicator.lake.columns import TableSchema
    from airflow_provider_replicator.lake.feeds.rows import FeedRows


@dataclass(frozen=True, slots=True)
class Order:
    """What happened first within a page: ``sort`` gets a frame of these ``columns``, of the key, and of ``page`` and ``place`` (in
    which page, and the how-manieth of all).
    """

    columns: tuple[str, ...]
    sort: Callable[[pl.DataFrame], pl.DataFrame]


#: Of feeds that tell of changes in their order.
AS_READ = Order((), lambda frame: frame)


def changes_batch(
    schema: TableSchema, pages: Sequence[FeedRows], *, number: int, every_version: bool, order: Order
) -> pa.Table:
    """The rows of batch ``number``. A later page tells of a later state; within a page ``order`` says."""
    import numpy as np
    import pyarrow as pa

    without = schema.without(BATCH, ORDER)
    batches = [record_batch(without, dict(page.columns)) for page in pages if len(page)]
    if not batches:
        return empty(schema)
    rows = pa.Table.from_batches(batches)
    page_of = np.repeat(np.arange(len(batches)), [len(batch) for batch in batches])
    rows = rows.take(pa.array(_places(rows, page_of, schema.key, order, every_version=every_version)))
    numbers = pa.array(np.full(len(rows), number), pa.int64())
    places = pa.array(np.arange(len(rows)), pa.int32())
    arrays = {name: rows.column(name) for name in rows.column_names} | {BATCH: numbers, ORDER: places}
    return pa.table([arrays[name] for name in schema.names], schema=empty(schema).schema)


def empty(schema: TableSchema) -> pa.Table:
    """No rows: what is appended where only a cursor is to be saved."""
    from airflow_provider_replicator.lake.arrow import arrow_schema

    return arrow_schema(schema).empty_table()


def _places(rows: pa.Table, page_of: Any, key: Sequence[str], order: Order, *, every_version: bool) -> pl.Series:
    """Which rows, in which order."""
    import polars as pl

    frame = pl.DataFrame({name: pl.from_arrow(rows.column(name)) for name in dict.fromkeys((*key, *order.columns))})
    frame = order.sort(frame.with_columns(page=pl.Series(page_of), place=pl.int_range(pl.len())))
    if not every_version:
        frame = frame.unique(key, keep="last", maintain_order=True)
    return frame["place"]
