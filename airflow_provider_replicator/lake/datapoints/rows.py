# SPDX-License-Identifier: Apache-2.0
"""Points as rows: arrays of a page become columns of a table, without an object per point."""

from __future__ import annotations

from dataclasses import dataclass
from mmap import mmap
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.lake.arrow import arrow_type
from airflow_provider_replicator.lake.datapoints.layout import NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from airflow_provider_replicator.cdf.protobuf.columns import Points
    from airflow_provider_replicator.lake.datapoints.layout import Folder, Layout, Named

#: What a row of numbers takes in memory: timestamp and value.
_ROW_BYTES = 16
#: Arrays from so many bytes on have pages of memory of their own while they wait.
_OWN_PAGES = 64 << 10


@dataclass(frozen=True, slots=True)
class Chunk:
    """Points of one series in one folder, ascending in time (``stamps``: microseconds). ``values``: float64, or object of str.
    ``codes`` and ``nulls`` are None where all points are good and have a value.
    """

    series: Named
    stamps: npt.NDArray[np.int64]
    values: npt.NDArray[Any]
    codes: npt.NDArray[np.int64] | None
    nulls: npt.NDArray[np.bool_] | None
    size: int

    def __len__(self) -> int:
        return len(self.stamps)

    @property
    def is_text(self) -> bool:
        return bool(self.values.dtype == object)


def chunks(layout: Layout, series: Named, points: Points, payload_bytes: int = 0) -> Iterator[tuple[Folder, Chunk]]:
    """The points of a page by folder. ``payload_bytes``: what they took on the wire, from which the memory of strings is guessed."""
    if not len(points):
        return
    codes = points.codes if points.codes.any() else None
    nulls = points.nulls if points.nulls.any() else None
    each = _ROW_BYTES if points.values.dtype != object else 64 + payload_bytes // len(points)
    for period, part in layout.in_periods(points.timestamps):
        stamps = _kept(points.timestamps[part])
        stamps *= 1000
        yield (
            (period, series.bucket),
            Chunk(
                series,
                stamps,
                _kept(points.values[part]),
                None if codes is None else _kept(codes[part]),
                None if nulls is None else _kept(nulls[part]),
                each * len(stamps),
            ),
        )


def _kept(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A copy for as long as the rows wait. A large one lies outside of the heap.

    What waits is freed much later than what was allocated around it, and a heap full of such holes had grown to several times of
    what it held after a hundred million points.
    """
    import numpy as np

    if array.dtype == object or array.nbytes < _OWN_PAGES:
        return array.copy()
    kept: npt.NDArray[Any] = np.frombuffer(mmap(-1, array.nbytes), array.dtype)
    kept[:] = array
    return kept


def file_schema() -> pa.Schema:
    """What a data file holds: all columns but those of its folder. Names are dictionaries in memory, text in the file."""
    import pyarrow as pa

    names = pa.dictionary(pa.int32(), pa.string())
    types = {
        "externalId": names,
        "_instanceSpace": names,
        "timestamp": arrow_type("timestamp"),
        "value": pa.float64(),
        "stringValue": pa.string(),
        "statusCode": pa.int64(),
    }
    return pa.schema([pa.field(name, types[name], name not in ("externalId", "timestamp")) for name in NAMES])


def table(rows: Sequence[Chunk], *, good: int | None = None) -> pa.Table:
    """The rows of these chunks, as a row group: values are not copied. ``good``: the status code of good points."""
    import pyarrow as pa

    lengths = [len(chunk) for chunk in rows]
    columns = {
        # One dictionary for all, so that the file takes it over as it is.
        "externalId": _names((chunk.series.external_id for chunk in rows), lengths),
        "_instanceSpace": _names((chunk.series.space for chunk in rows), lengths),
        "timestamp": pa.chunked_array([pa.array(chunk.stamps).view(arrow_type("timestamp")) for chunk in rows]),
        "value": pa.chunked_array([_values(chunk, pa.float64(), text=False) for chunk in rows]),
        "stringValue": pa.chunked_array([_values(chunk, pa.string(), text=True) for chunk in rows]),
        "statusCode": pa.chunked_array([_codes(chunk, good) for chunk in rows]),
    }
    return pa.Table.from_arrays([columns[name] for name in NAMES], schema=file_schema())


def _values(chunk: Chunk, kind: pa.DataType, *, text: bool) -> pa.Array:
    import pyarrow as pa

    return pa.array(chunk.values, kind, mask=chunk.nulls) if chunk.is_text == text else pa.nulls(len(chunk), kind)


def _codes(chunk: Chunk, good: int | None) -> pa.Array:
    import numpy as np
    import pyarrow as pa

    if chunk.codes is not None:
        return pa.array(chunk.codes, pa.int64(), mask=chunk.codes == 0 if good is None else None)
    return pa.nulls(len(chunk), pa.int64()) if good is None else pa.array(np.full(len(chunk), good, np.int64))


def _names(names: Iterable[str | None], lengths: Sequence[int]) -> pa.DictionaryArray:
    import numpy as np
    import pyarrow as pa

    numbers: dict[str, int] = {}
    places = [-1 if name is None else numbers.setdefault(name, len(numbers)) for name in names]
    indices = pa.array(np.repeat(np.array(places, np.int32), lengths))
    if -1 in places:
        indices = pa.nulls(len(indices), pa.int32()) if not numbers else _nulled(indices)
    return pa.DictionaryArray.from_arrays(indices, pa.array(list(numbers), pa.string()))


def _nulled(indices: pa.Array) -> pa.Array:
    import numpy as np
    import pyarrow as pa

    plain = np.asarray(indices)
    return pa.array(plain, pa.int32(), mask=plain < 0)
