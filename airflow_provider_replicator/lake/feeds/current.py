# SPDX-License-Identifier: Apache-2.0
"""Reading what is current: the table, and the changes that wait to be merged into it.

For whoever reads a table that follows a feed (snapshots, users of Polars)::

    pinned = pin(lake, "instances/plant/Pump/v1/nodes")   # which versions, decided once
    frame = current_frame(lake, pinned)                   # a LazyFrame; may be asked for any number of times

Both tables are read at the versions that were pinned, so what runs meanwhile is not seen, and the result is the source at one moment
(that of the last committed batch). The changes that wait are few (:class:`.options.MergeWhen`): they are read at once, the table is
streamed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from airflow_provider_replicator.exceptions import LakeError, LakeUnavailableError
from airflow_provider_replicator.lake.errors import lake_errors
from airflow_provider_replicator.lake.feeds.known import layout_at
from airflow_provider_replicator.lake.feeds.net import net_changes, with_changes
from airflow_provider_replicator.lake.feeds.state import (
    changes_state,
    changes_stream,
    current_state,
    current_stream,
)
from airflow_provider_replicator.lake.table import Table

if TYPE_CHECKING:
    import polars as pl
    from deltalake import DeltaTable

    from airflow_provider_replicator.lake.feeds.layout import FeedLayout
    from airflow_provider_replicator.lake.feeds.state import ChangesState
    from airflow_provider_replicator.lake.location import Lake
    from airflow_provider_replicator.lake.stream import Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """Versions of a table and of its changes that belong together. ``changes_version`` is None where nothing waits to be merged.

    ``handle`` and ``changes_handle`` are those with which they were looked up, so that a log is not read twice; :meth:`closed` lets
    them go.
    """

    table_path: str
    version: int
    changes_version: int | None = None
    merged: int = 0
    handle: DeltaTable | None = field(default=None, repr=False, compare=False)
    changes_handle: DeltaTable | None = field(default=None, repr=False, compare=False)

    def closed(self) -> Pinned:
        return replace(self, handle=None, changes_handle=None)


def pin(lake: Lake, table_path: str) -> Pinned:
    """The newest versions. Raises LakeError if there is no table, and LakeUnavailableError while a load has not come to its end."""
    found = pin_if_there(lake, table_path)
    if found is None:
        raise LakeError(f"{table_path}: there is no such table; run the task that replicates it first")
    return found


def pin_if_there(lake: Lake, table_path: str) -> Pinned | None:
    """:func:`pin`, and None if there is no table.

    The changes are opened first: whatever is removed from them was merged before, so a table that is opened later has it.
    """
    changes = Table(lake, _layout(table_path).changes_path)
    changes_handle = changes.open()
    table = Table(lake, table_path)
    handle = table.open()
    if handle is None:
        return None
    current = current_state(current_stream(table), handle)
    written = None if changes_handle is None else changes_state(changes_stream(changes), changes_handle)
    if current is None or current[0].phase == "load" or not _settled(current[0].generation, written):
        raise LakeUnavailableError(f"{table_path} is being loaded: run the task that replicates it to its end")
    merged = current[0].merged
    if written is None or written[1].batch <= merged:
        changes_handle = None
    return Pinned(
        table_path=table_path,
        version=handle.version(),
        changes_version=None if changes_handle is None else changes_handle.version(),
        merged=merged,
        handle=handle,
        changes_handle=changes_handle,
    )


def _settled(generation: int, written: tuple[ChangesState, Position] | None) -> bool:
    """Whether table and changes are the source at one moment. Changes of a later generation: a resync is about to replace a table
    that is still whole.
    """
    return written is not None and (written[0].generation > generation or written[0].settled)


def current_frame(lake: Lake, table: Pinned | str) -> pl.LazyFrame:
    """The rows that are current, with the columns of the table; ``table`` is what :func:`pin` returned, or a path to be pinned now.

    Every key is there once, whatever its order. Blocking: the tables' logs and the waiting changes are read here.
    """
    import polars as pl

    pinned = pin(lake, table) if isinstance(table, str) else table
    with lake_errors(f"read {pinned.table_path}"):
        frame = pl.scan_delta(Table(lake, pinned.table_path).at(pinned.version, pinned.handle))
        if pinned.changes_version is None:
            return frame
        layout = _layout(pinned.table_path)
        changes = Table(lake, layout.changes_path).at(pinned.changes_version, pinned.changes_handle)
        return with_changes(frame, net_changes(changes, layout, after=pinned.merged), layout)


def _layout(table_path: str) -> FeedLayout:
    layout = layout_at(table_path)
    if layout is None:
        raise LakeError(f"{table_path} is no table that follows a feed: read it as any other Delta table")
    return layout
