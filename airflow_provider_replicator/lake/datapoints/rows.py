# SPDX-License-Identifier: Apache-2.0
"""Points as rows: arrays of a page become columns of a table, without an object per point."""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Chunk:
    """Points of one series in one folder, ascending in time. ``values``: float64, or object of str. ``codes`` and ``nulls`` are None
    where all points are good and have a value.
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
        stamps = points.timestamps[part]
        yield (
            (period, series.bucket),
            Chunk(
                series,
                stamps,
                points.values[part],
                None if codes is None else codes[part],
                None if nulls is None else nulls[part],
                each * len(stamps),
            ),
        )


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


def record_batches(rows: Sequence[Chunk], *, good: int | None = None) -> Iterator[pa.RecordBatch]:
    """The rows of these chunks, numbers before strings. ``good``: the status code of good points."""
    for text in (False, True):
        alike = [chunk for chunk in rows if chunk.is_text == text]
        if alike:
            yield _record_batch(alike, text=text, good=good)


def _record_batch(rows: Sequence[Chunk], *, text: bool, good: int | None) -> pa.RecordBatch:
    import numpy as np
    import pyarrow as pa

    lengths = [len(chunk) for chunk in rows]
    total = sum(lengths)
    stamps = np.concatenate([chunk.stamps for chunk in rows]) * 1000
    nulls = _joined(rows, "nulls", bool)
    values = np.concatenate([chunk.values for chunk in rows])
    columns = {
        "externalId": _names((chunk.series.external_id for chunk in rows), lengths),
        "_instanceSpace": _names((chunk.series.space for chunk in rows), lengths),
        "timestamp": pa.array(stamps).view(arrow_type("timestamp")),
        "value": pa.nulls(total, pa.float64()) if text else pa.array(values, pa.float64(), mask=nulls),
        "stringValue": pa.array(values, pa.string(), mask=nulls) if text else pa.nulls(total, pa.string()),
        "statusCode": _codes(_joined(rows, "codes", np.int64), total, good),
    }
    return pa.RecordBatch.from_arrays([columns[name] for name in NAMES], schema=file_schema())


def _joined(rows: Sequence[Chunk], name: str, kind: Any) -> npt.NDArray[Any] | None:
    """The arrays of all chunks, None where none of them has one."""
    import numpy as np

    parts = [getattr(chunk, name) for chunk in rows]
    if all(part is None for part in parts):
        return None
    pairs = zip(rows, parts, strict=True)
    return np.concatenate([np.zeros(len(chunk), kind) if part is None else part for chunk, part in pairs])


def _names(names: Iterable[str | None], lengths: Sequence[int]) -> pa.DictionaryArray:
    import numpy as np
    import pyarrow as pa

    numbers: dict[str, int] = {}
    places = [-1 if name is None else numbers.setdefault(name, len(numbers)) for name in names]
    indices = np.repeat(np.array(places, np.int32), lengths)
    mask = indices < 0
    array = pa.array(indices, pa.int32(), mask=mask if mask.any() else None)
    return pa.DictionaryArray.from_arrays(array, pa.array(list(numbers), pa.string()))


def _codes(codes: npt.NDArray[np.int64] | None, total: int, good: int | None) -> pa.Array:
    import numpy as np
    import pyarrow as pa

    if codes is None:
        return pa.nulls(total, pa.int64()) if good is None else pa.array(np.full(total, good, np.int64))
    return pa.array(codes, pa.int64(), mask=codes == 0 if good is None else None)
