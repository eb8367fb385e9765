# SPDX-License-Identifier: Apache-2.0
"""The one moment of a snapshot: a version of each table, decided before anything is read."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.lake.errors import lake_errors
from airflow_provider_replicator.lake.feeds.current import current_frame, pin_if_there
from airflow_provider_replicator.lake.feeds.known import layout_at
from airflow_provider_replicator.lake.table import Table

if TYPE_CHECKING:
    import polars as pl
    from deltalake import DeltaTable

    from airflow_provider_replicator.lake.feeds.current import Pinned
    from airflow_provider_replicator.lake.location import Lake


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """``path`` at ``version``, to be published as ``name``. ``feed``: with the changes that waited at that moment. ``handle``: the
    one with which it was looked up, until it is :meth:`closed`.
    """

    path: str
    name: str
    table_id: str
    version: int
    feed: Pinned | None = None
    handle: DeltaTable | None = field(default=None, repr=False, compare=False)

    @property
    def changes_version(self) -> int | None:
        return self.feed.changes_version if self.feed else None

    def closed(self) -> Pin:
        return replace(self, handle=None, feed=self.feed.closed() if self.feed else None)


def pinned(lake: Lake, path: str, name: str) -> Pin | None:
    """The table as it is now; None if there is none. Blocking."""
    feed = None
    if layout_at(path) is not None:
        feed = pin_if_there(lake, path)
        handle = feed.handle if feed else None
    else:
        handle = Table(lake, path).open()
    if handle is None:
        return None
    table_id = str(handle.metadata().id)
    return Pin(path=path, name=name, table_id=table_id, version=handle.version(), feed=feed, handle=handle)


@dataclass(frozen=True, slots=True)
class Content:
    """What a pinned table holds: rows to stream, what its columns are, and how many rows the table's log says there are."""

    frame: pl.LazyFrame
    metadata: dict[str, dict[str, str]]
    expected_rows: int | None


def content(lake: Lake, pin: Pin) -> Content:
    """The rows of that version, with credentials of this moment. Blocking; reads the log, and the changes that wait."""
    import polars as pl

    waiting = pin.changes_version is not None
    with lake_errors(f"read {pin.path}"):
        handle = Table(lake, pin.path).at(pin.version, pin.handle)
        frame = current_frame(lake, pin.feed) if pin.feed and waiting else pl.scan_delta(handle)
        return Content(frame, _metadata(handle), None if waiting else _rows(handle))


def _metadata(handle: DeltaTable) -> dict[str, dict[str, str]]:
    return {
        column.name: {str(name): str(value) for name, value in (column.metadata or {}).items()}
        for column in handle.schema().fields
    }


def _rows(handle: DeltaTable) -> int | None:
    """Rows by the statistics of the log; None where some file has none."""
    import polars as pl

    # Not flattened: a column "a.b" beside a column "a" with a part "b" would be an error.
    actions: Any = handle.get_add_actions()
    if not actions.num_rows:
        return 0
    counts = pl.Series(actions["num_records"])
    return None if counts.null_count() else int(counts.sum())
