# SPDX-License-Identifier: Apache-2.0
"""The files of a table: which may hold rows that are to go, and what is left of each without these rows."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_replicator.lake.datapoints.doomed import DELETED, STAYS
from airflow_provider_replicator.lake.datapoints.layout import NAMES
from airflow_provider_replicator.lake.datapoints.parquet import ParquetFile
from airflow_provider_replicator.lake.datapoints.rows import file_schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa
    from deltalake import DeltaTable
    from deltalake.transaction import RemoveAction

    from airflow_provider_replicator.lake.datapoints.layout import Layout
    from airflow_provider_replicator.lake.datapoints.parquet import NewFile
    from airflow_provider_replicator.lake.objects import Objects

#: Rows that are read at a time.
_BATCH = 1 << 20
_KEY = ["externalId", "_instanceSpace", "timestamp"]


@dataclass(frozen=True, slots=True)
class TableFile:
    """A file of one version of the table. ``first`` and ``last``: timestamps, ms; ``names``: first and last external id. None where
    the log does not say.
    """

    path: str
    size: int
    rows: int | None
    values: Mapping[str, str]
    bucket: int
    first: int | None
    last: int | None
    names: tuple[str | None, str | None] = (None, None)

    def may_name(self, external_id: str) -> bool:
        """Whether there may be rows of such a series."""
        first, last = self.names
        return (first is None or first <= external_id) and (last is None or external_id <= last)

    def action(self) -> RemoveAction:
        """What a commit says that takes it away."""
        from deltalake.transaction import RemoveAction

        return RemoveAction(self.path, True, int(time.time() * 1000), self.size, dict(self.values))


class Doomed(Protocol):
    """Which rows are to go."""

    def may_touch(self, file: TableFile) -> bool:
        """Whether the file may hold one of them, by what the log says of it."""

    def takes_all(self, file: TableFile) -> bool:
        """Whether, by what the log says, all rows of the file go."""

    def marks(self, keys: pa.RecordBatch) -> npt.NDArray[np.uint8]:
        """Which of these rows (externalId, _instanceSpace, timestamp) go: STAYS, REPLACED or DELETED."""


def files_of(handle: DeltaTable, layout: Layout) -> Iterator[TableFile]:
    """All files of this version."""
    import pyarrow as pa

    found = pa.table(handle.get_add_actions(flatten=True))
    names = set(found.column_names)
    folders = [f"partition.{name}" for name in layout.schema.partition_by]
    bounds = [f"{which}.{name}" for name in ("timestamp", "externalId") for which in ("min", "max")]
    wanted = ["path", "size_bytes", "num_records", *bounds, *folders]
    columns = [_column(found, name) if name in names else [None] * len(found) for name in wanted]
    for path, size, rows, first, last, low, high, period, *bucket in zip(*columns, strict=True):
        values = {layout.column: str(period)} | ({layout.schema.partition_by[1]: str(bucket[0])} if bucket else {})
        yield TableFile(path, size, rows, values, bucket[0] if bucket else 0, first, last, (low, high))


def _column(found: pa.Table, name: str) -> list[Any]:
    import pyarrow as pa

    column = found[name]
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("ms", "UTC"), safe=False).cast(pa.int64())
    values: list[Any] = column.to_pylist()
    return values


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found in a file: ``gone`` rows are to go, ``deleted`` of them for good; ``rest``: the file that the other rows are in
    now, None if all go.
    """

    gone: int
    deleted: int = 0
    rest: NewFile | None = None


def look(objects: Objects, table_path: str, file: TableFile, doomed: Doomed) -> Looked:
    """Read a file, and write the rows that stay to a new one if only some of them go. Memory holds a few batches."""
    if file.rows is not None and doomed.takes_all(file):
        return Looked(file.rows)
    marks = [doomed.marks(batch) for batch in _batches(objects, table_path, file, _KEY)]
    gone = sum(int((some != STAYS).sum()) for some in marks)
    deleted = sum(int((some == DELETED).sum()) for some in marks)
    if not gone or gone == sum(map(len, marks)):
        return Looked(gone, deleted)
    rest = ParquetFile(file.values)
    try:
        for batch, some in zip(_batches(objects, table_path, file, NAMES), marks, strict=True):
            rest.write(_without(batch, some != STAYS))
        return Looked(gone, deleted, rest.finish(objects, table_path))
    except BaseException:
        rest.close()
        raise


def _without(batch: pa.RecordBatch, mask: npt.NDArray[np.bool_]) -> pa.Table:
    import pyarrow as pa

    return pa.Table.from_batches([batch.filter(pa.array(~mask)) if mask.any() else batch])


def _batches(objects: Objects, table_path: str, file: TableFile, columns: Iterable[str]) -> Iterator[pa.RecordBatch]:
    """The columns as our own files have them, whoever wrote the file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = file_schema()
    wanted = list(columns)
    with objects.open(f"{table_path}/{file.path}") as opened:
        parquet = pq.ParquetFile(opened, read_dictionary=["externalId", "_instanceSpace"])
        there = set(parquet.schema_arrow.names)
        for batch in parquet.iter_batches(_BATCH, columns=[name for name in wanted if name in there]):
            arrays = [
                _as(batch[name], schema.field(name).type)
                if name in there
                else pa.nulls(len(batch), schema.field(name).type)
                for name in wanted
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=pa.schema([schema.field(name) for name in wanted]))


def _as(array: pa.Array, kind: pa.DataType) -> pa.Array:
    if array.type == kind:
        return array
    import pyarrow as pa

    return array.cast(kind.value_type).dictionary_encode() if pa.types.is_dictionary(kind) else array.cast(kind)
