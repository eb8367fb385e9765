# SPDX-License-Identifier: Apache-2.0
"""Which rows of a table are to go: those of a window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from airflow_provider_replicator.lake.datapoints.files import TableFile


#: What a mark says of a row: it stays; it goes, and perhaps a new one comes in its stead; it goes for good.
STAYS, REPLACED, DELETED = 0, 1, 2


@dataclass(frozen=True, slots=True)
class InWindow:
    """Rows in ``[start, end)``, ms, of the series whose keys (space, external id) are in ``series`` (None: of all), in ``buckets``."""

    start: int
    end: int
    series: frozenset[tuple[str | None, str]] | None = None
    buckets: frozenset[int] | None = None

    def may_touch(self, file: TableFile) -> bool:
        if self.buckets is not None and file.bucket not in self.buckets:
            return False
        return (file.first is None or file.first < self.end) and (file.last is None or file.last >= self.start)

    def takes_all(self, file: TableFile) -> bool:
        return self.series is None and self._holds(file)

    def _holds(self, file: TableFile) -> bool:
        return file.first is not None and file.last is not None and self.start <= file.first and file.last < self.end

    def marks(self, keys: pa.RecordBatch) -> npt.NDArray[np.uint8]:
        import numpy as np

        stamps = stamps_of(keys)
        inside = (stamps >= self.start) & (stamps < self.end)
        if self.series is not None and inside.any():
            codes, found = key_codes(keys)
            inside &= np.fromiter((key in self.series for key in found), bool, len(found))[codes]
        return inside.astype(np.uint8)


def stamps_of(keys: pa.RecordBatch) -> npt.NDArray[np.int64]:
    """The timestamps, ms."""
    import numpy as np

    stamps: npt.NDArray[np.int64] = np.asarray(keys["timestamp"].view("int64")) // 1000
    return stamps


def key_codes(keys: pa.RecordBatch) -> tuple[npt.NDArray[np.int64], list[tuple[str | None, str]]]:
    """Per row a number, and what the numbers stand for: (space, external id)."""
    import numpy as np

    names, spaces = keys["externalId"], keys["_instanceSpace"]
    pairs = np.asarray(names.indices, np.int64) * (len(spaces.dictionary) + 1)
    if spaces.null_count < len(spaces):
        pairs += np.asarray(spaces.indices.fill_null(-1), np.int64) + 1
    name, space = names.dictionary.to_pylist(), [None, *spaces.dictionary.to_pylist()]
    codes = pairs
    if len(name) * len(space) > max(1000, len(pairs)):  # far more combinations than rows
        found, codes = np.unique(pairs, return_inverse=True)
        return codes, [(space[pair % len(space)], name[pair // len(space)]) for pair in found.tolist()]
    return codes, [(one, other) for other in name for one in space]
