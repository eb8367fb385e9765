# SPDX-License-Identifier: Apache-2.0
"""One flat Parquet file from one pinned table, streamed: memory grows neither with the rows nor with the files of the table."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_replicator.exceptions import LakeError
from airflow_provider_replicator.lake.errors import lake_errors
from airflow_provider_replicator.lake.snapshots.flat import flatten
from airflow_provider_replicator.lake.snapshots.pins import content

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from airflow_provider_replicator.lake.location import Lake
    from airflow_provider_replicator.lake.snapshots.flat import FlatColumn
    from airflow_provider_replicator.lake.snapshots.options import Names
    from airflow_provider_replicator.lake.snapshots.pins import Pin

#: Rows of a row group: large enough to compress well, small enough to be held a few times over.
ROWS_PER_GROUP = 1 << 17
#: Row groups that Polars reads ahead. By default they are so many that 4 million rows x 23 take 640 MB; with one it is 330, and
#: no slower.
_AHEAD = "POLARS_ROW_GROUP_PREFETCH_SIZE"


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatFile:
    """A file that is complete, and checked against the table's log."""

    file: Path
    rows: int
    columns: Sequence[FlatColumn]


def write_flat(lake: Lake, pin: Pin, file: Path, *, names: Names = "column") -> FlatFile:
    """Write the table to ``file``. Blocking. Raises LakeError if rows are missing: then nothing may be published."""
    found = content(lake, pin)
    with lake_errors(f"read {pin.path}"), _few_groups_ahead():
        frame, columns = flatten(found.frame, found.metadata, names=names)
        frame.sink_parquet(
            file, compression="zstd", compression_level=1, row_group_size=ROWS_PER_GROUP, engine="streaming"
        )
        rows = _rows(file)
    if found.expected_rows is not None and rows != found.expected_rows:
        raise LakeError(f"{pin.path}: {rows} rows were read, but version {pin.version} has {found.expected_rows}")
    return FlatFile(file=file, rows=rows, columns=columns)


def _rows(file: Path) -> int:
    """By the file's footer."""
    import polars as pl

    return int(pl.scan_parquet(file, glob=False).select(pl.len()).collect().item())


@contextmanager
def _few_groups_ahead() -> Iterator[None]:
    """Polars looks at its settings in the environment each time. One that is already there stays."""
    if _AHEAD in os.environ:
        yield
        return
    os.environ[_AHEAD] = "1"
    try:
        yield
    finally:
        os.environ.pop(_AHEAD, None)
