# SPDX-License-Identifier: Apache-2.0
"""Reading what is current: the table, and the changes that wait to be merged into it.

For whoever reads an instances table (snapshots, users of Polars)::

    pinned = pin(lake, "instances/plant/Pump/v1/nodes")   # which versions, decided once
    frame = current_frame(lake, pinned)                   # a LazyFrame; may be asked for any number of times

Both tables are read at the versions that were pinned, so what runs meanwhile is not seen, and the result is the source at one moment
(that of the last committed batch). The changes that wait are few (:class:`.options.MergeWhen`): they are read at once, the table
is streamed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_replicator.exceptions import LakeError
from airflow_provider_replicator.lake.errors import lake_errors
from airflow_provider_replicator.lake.instances.schema import BATCH, DELETED, KEY, ORDER
from airflow_provider_replicator.lake.instances.state import changes_state, current_state
from airflow_provider_replicator.lake.table import Table

if TYPE_CHECKING:
    import polars as pl
    from deltalake import DeltaTable

    from airflow_provider_replicator.lake.location import Lake


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """Versions of a table and of its changes that belong together. ``changes_version`` is None where nothing waits to be merged."""

    table_path: str
    version: int
    changes_version: int | None = None
    merged: int = 0

    @property
    def changes_path(self) -> str:
        return f"{self.table_path}_changes"


def is_instances_table(table_path: str) -> bool:
    """Whether a path below the root is a current-state table of instances, whose changes may wait beside it."""
    return table_path.startswith("instances/") and not table_path.endswith("_changes")


def pin(lake: Lake, table_path: str) -> Pinned:
    """The newest versions. Raises LakeError if there is no table, or its first load has not come to its end.

    The changes are opened first: whatever is removed from them was merged before, so a table that is opened later has it.
    """
    changes = Table(lake, f"{table_path}_changes")
    changes_handle = changes.open()
    table = Table(lake, table_path)
    handle = table.open()
    if handle is None:
        raise LakeError(f"{table_path}: there is no such table; run the task that replicates it first")
    found = current_state(table, handle)
    if found is None or found[0].phase == "load":
        raise LakeError(f"{table_path}: the first load has not come to its end; run the task that replicates it again")
    merged = found[0].merged
    waiting = None
    if changes_handle is not None:
        written = changes_state(changes, changes_handle)
        if written is not None and written[1].batch > merged:
            waiting = changes_handle.version()
    return Pinned(table_path=table_path, version=handle.version(), changes_version=waiting, merged=merged)


def current_frame(lake: Lake, table: Pinned | str) -> pl.LazyFrame:
    """The rows that are current, with the columns of the table; ``table`` is what :func:`pin` returned, or a path to be pinned now.

    Every instance is there once, whatever its order. Blocking: the tables' logs and the waiting changes are read here.
    """
    import polars as pl

    pinned = pin(lake, table) if isinstance(table, str) else table
    with lake_errors(f"read {pinned.table_path}"):
        handle = Table(lake, pinned.table_path).open(pinned.version)
        if handle is None:
            raise LakeError(f"{pinned.table_path}: version {pinned.version} is gone")
        frame = pl.scan_delta(handle)
        if pinned.changes_version is None:
            return frame
        changes = Table(lake, pinned.changes_path).open(pinned.changes_version)
        if changes is None:
            raise LakeError(f"{pinned.changes_path}: version {pinned.changes_version} is gone")
        return with_changes(frame, net_changes(changes, after=pinned.merged))


def net_changes(changes: DeltaTable, *, after: int, until: int | None = None) -> pl.DataFrame:
    """What the batches after ``after`` (and up to ``until``) come to: one row per instance, its last; tombstones among them."""
    import polars as pl

    wanted = pl.col(BATCH) > after
    if until is not None:
        wanted &= pl.col(BATCH) <= until
    rows = pl.scan_delta(changes).filter(wanted).collect()
    return rows.sort(BATCH, ORDER).unique(KEY, keep="last", maintain_order=True)


def with_changes(frame: pl.LazyFrame, net: pl.DataFrame) -> pl.LazyFrame:
    """The rows of ``frame`` that did not change, and those that did, as they are now."""
    import polars as pl

    if net.is_empty():
        return frame
    columns = frame.collect_schema().names()
    live = net.filter(pl.col(DELETED).is_null()).select(columns)
    unchanged = frame.join(net.lazy().select(KEY), on=list(KEY), how="anti")
    return pl.concat([unchanged, live.lazy()])
