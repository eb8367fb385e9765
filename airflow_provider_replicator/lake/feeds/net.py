# SPDX-License-Identifier: Apache-2.0
"""What batches of changes come to, and a table as they leave it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_replicator.lake.feeds.layout import BATCH, ORDER

if TYPE_CHECKING:
    import polars as pl
    from deltalake import DeltaTable

    from airflow_provider_replicator.lake.feeds.layout import FeedLayout


def net_changes(changes: DeltaTable, layout: FeedLayout, *, after: int, until: int | None = None) -> pl.DataFrame:
    """What the batches after ``after`` (and up to ``until``) come to: one row per key, its last; tombstones among them."""
    import polars as pl

    wanted = pl.col(BATCH) > after
    if until is not None:
        wanted &= pl.col(BATCH) <= until
    rows = pl.scan_delta(changes).filter(wanted).collect()
    return rows.sort(BATCH, ORDER).unique(layout.key, keep="last", maintain_order=True)


def with_changes(frame: pl.LazyFrame, net: pl.DataFrame, layout: FeedLayout) -> pl.LazyFrame:
    """The rows of ``frame`` that did not change, and those that did, as they are now."""
    import polars as pl

    if net.is_empty():
        return frame
    columns = frame.collect_schema().names()
    live = net.filter(pl.col(layout.deleted.name).is_null()).select(columns)
    unchanged = frame.join(net.lazy().select(layout.key), on=list(layout.key), how="anti")
    return pl.concat([unchanged, live.lazy()])
