# SPDX-License-Identifier: Apache-2.0
"""How a table of datapoints is laid out: its columns, and which folder a point belongs to.

One row per point. A series is named by ``externalId``; the series of a data-model node by the node's, with the node's space in
``_instanceSpace``, which is null for all others. A series without any external id is ``replicated:<project>:<id>``.

The folders are days or months of the timestamp, so that windows of whole days or months share no file, and, where the table was made
for several shards, buckets of series.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from airflow_provider_replicator.exceptions import ConfigurationError
from airflow_provider_replicator.lake.columns import Column, TableSchema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    import numpy.typing as npt
    from deltalake import DeltaTable

    from airflow_provider_replicator.cdf.datapoints.series import Series

Period = Literal["day", "month"]
#: A folder: days or months since 1970, and the bucket.
Folder = tuple[int, int]

_UNITS = {"day": "D", "month": "M"}
_BUCKET = "_bucket"
_BUCKETS = "cdf.buckets"
#: Columns of a point, in the order in which files have them.
_POINT = (
    Column(name="externalId", kind="text", nullable=False),
    Column(name="_instanceSpace", kind="text"),
    Column(name="timestamp", kind="timestamp", nullable=False),
    Column(name="value", kind="float64"),
    Column(name="stringValue", kind="text"),
    Column(name="statusCode", kind="int64"),
)
NAMES = tuple(column.name for column in _POINT)


@dataclass(frozen=True, slots=True)
class Named:
    """A series as the table names it, and its bucket there."""

    external_id: str
    space: str | None
    bucket: int

    @property
    def key(self) -> tuple[str | None, str]:
        return self.space, self.external_id


@dataclass(frozen=True, slots=True)
class Layout:
    """``period``: what one folder holds. ``buckets``: 1 is no folder of its own."""

    period: Period = "month"
    buckets: int = 1

    @property
    def column(self) -> str:
        """The column that names the period: its first day."""
        return f"_{self.period}"

    @property
    def schema(self) -> TableSchema:
        """The declared schema."""
        period = Column(name=self.column, kind="date", nullable=False)
        bucket = Column(name=_BUCKET, kind="int32", nullable=False, about={_BUCKETS: str(self.buckets)})
        folders = (period, bucket) if self.buckets > 1 else (period,)
        return TableSchema(
            columns=(*_POINT, *folders),
            key=("_instanceSpace", "externalId", "timestamp"),
            partition_by=tuple(column.name for column in folders),
        )

    def named(self, series: Series) -> Named:
        """How the table calls a series of the source."""
        space, external_id = series.node if series.node else (None, series.key)
        return Named(external_id, space, zlib.crc32(series.key.encode()) % self.buckets)

    def in_periods(self, stamps: npt.NDArray[np.int64]) -> Iterator[tuple[int, slice]]:
        """Ascending timestamps (ms) cut at borders of periods: (period, its part)."""
        import numpy as np

        unit = f"datetime64[{_UNITS[self.period]}]"
        ends = stamps[[0, -1]].astype("datetime64[ms]").astype(unit).astype(np.int64)
        if ends[0] == ends[1]:
            yield int(ends[0]), slice(0, len(stamps))
            return
        periods = stamps.astype("datetime64[ms]").astype(unit).astype(np.int64)
        cuts = [0, *((np.diff(periods) != 0).nonzero()[0] + 1).tolist(), len(stamps)]
        for begin, end in pairwise(cuts):
            yield int(periods[begin]), slice(begin, end)

    def values(self, folder: Folder) -> dict[str, str]:
        """The folder's columns, as the Delta log has them."""
        import numpy as np

        day = str(np.datetime64(folder[0], _UNITS[self.period]).astype("datetime64[D]"))  # type: ignore[call-overload]
        return {self.column: day} | ({_BUCKET: str(folder[1])} if self.buckets > 1 else {})

    def buckets_of(self, shard: tuple[int, int] | None) -> frozenset[int] | None:
        """The buckets of a shard (index, count); None: all. Raises ConfigurationError if shards and buckets do not fit."""
        if shard is None:
            return None
        index, count = shard
        if self.buckets % count:
            raise ConfigurationError(
                f"shard {index} of {count}: the table has {self.buckets} bucket{'s'[: self.buckets > 1]}, and every shard needs "
                "whole ones. Write with as many shards as the table has buckets (or a divisor), or to a new table"
            )
        return frozenset(range(index, self.buckets, count))


def layout_of(handle: DeltaTable | None, *, period: Period | None, buckets: int | None) -> Layout:
    """The layout of an existing table, or of a new one as asked for (None: the usual).

    Raises ConfigurationError for a table that was made otherwise, or by somebody else.
    """
    if handle is None:
        return Layout(period or "month", buckets or 1)
    found = _found(handle.metadata().partition_columns, _buckets(handle))
    if (period or found.period, buckets or found.buckets) != (found.period, found.buckets):
        raise ConfigurationError(
            f"the table is partitioned by {found.period} in {found.buckets} buckets, and partition_by={period!r}, "
            f"buckets={buckets!r} were asked for: leave these out, or write to a new table"
        )
    return found


def _found(columns: list[str], buckets: int) -> Layout:
    for period in ("day", "month"):
        layout = Layout(period, buckets)
        if list(layout.schema.partition_by) == columns:
            return layout
    raise ConfigurationError(
        f"a table partitioned by {columns or 'nothing'} is no table of datapoints: choose another table_name"
    )


def _buckets(handle: DeltaTable) -> int:
    about: Mapping[str, object]
    for field in handle.schema().fields:
        if field.name == _BUCKET:
            about = field.metadata
            if re.fullmatch(r"\d+", count := str(about.get(_BUCKETS))):
                return int(count)
    return 1
