# SPDX-License-Identifier: Apache-2.0
"""The keys of a table: which of them a run has seen. Nine bytes a row, and eight for each key that the table did not have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.lake.arrow import arrow_schema
from airflow_provider_replicator.lake.columns import quoted
from airflow_provider_replicator.lake.errors import lake_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow as pa
    from deltalake import DeltaTable

    from airflow_provider_replicator.lake.resources.declared import Layout


def select(handle: DeltaTable, layout: Layout, columns: Sequence[str], where: str = "") -> Iterator[pa.RecordBatch]:
    """Columns of the table at the handle's version, a batch at a time, of the types that they are declared with."""
    import pyarrow as pa
    from deltalake import QueryBuilder

    declared = arrow_schema(layout.schema)
    schema = pa.schema([declared.field(name) for name in columns])
    query = f"SELECT {', '.join(map(quoted, columns))} FROM t{f' WHERE {where}' if where else ''}"  # noqa: S608 - quoted
    with lake_errors("read keys"):
        # Through Arrow's own reader: the library's iterator keeps all other threads waiting while it waits for S3.
        for rows in pa.RecordBatchReader.from_stream(QueryBuilder().register("t", handle).execute(query)):
            # DataFusion has types of its own for texts, of which Arrow knows little.
            arrays = [array.cast(field.type) for field, array in zip(schema, rows.columns, strict=True)]
            yield pa.record_batch(arrays, schema)


def numbers(keys: pa.Array) -> Any:
    """Keys as 64-bit numbers, good for this process only: ids are what they are, texts are hashed. (Two of ten million texts have the
    same hash once in 400 000 runs.)
    """
    import numpy as np
    import pyarrow as pa

    if pa.types.is_integer(keys.type):
        return keys.to_numpy(zero_copy_only=False)
    return np.fromiter(map(hash, keys.to_pylist()), np.int64, len(keys))


class Keys:
    """What a table holds, and what of it a run has seen."""

    def __init__(self, held: Any) -> None:
        import numpy as np

        self._held = held
        self._seen = np.zeros(len(held), bool)
        #: Sorted arrays of the keys that the table does not hold; each at least twice as long as the next.
        self._new: list[Any] = []

    @classmethod
    def of(cls, handle: DeltaTable | None, layout: Layout) -> Keys:
        """All keys of the table at this version."""
        import numpy as np

        found = () if handle is None else select(handle, layout, layout.schema.key)
        parts = [numbers(rows.column(0)) for rows in found]
        return cls(np.unique(np.concatenate(parts)) if parts else np.empty(0, np.int64))

    def __len__(self) -> int:
        return len(self._held)

    @property
    def unseen(self) -> int:
        return len(self._held) - int(self._seen.sum())

    def see(self, keys: pa.Array) -> Any:
        """For each of these keys (no two of them the same) whether the run sees it for the first time."""
        import numpy as np

        wanted = numbers(keys)
        first = np.ones(len(wanted), bool)
        place, found = _find(self._held, wanted)
        first[found] = ~self._seen[place[found]]
        self._seen[place[found]] = True
        for some in self._new:
            first &= ~_find(some, wanted)[1]
        self._add(np.sort(wanted[first & ~found]))
        return first

    def is_unseen(self, keys: pa.Array) -> Any:
        """For each of these keys, all of which the table holds, whether the run has not seen it."""
        place, found = _find(self._held, numbers(keys))
        return found & ~self._seen[place] if len(self._held) else found

    def _add(self, new: Any) -> None:
        import numpy as np

        while self._new and len(self._new[-1]) < 2 * len(new):
            new = np.sort(np.concatenate([self._new.pop(), new]), kind="stable")
        if len(new):
            self._new.append(new)


def _find(among: Any, wanted: Any) -> tuple[Any, Any]:
    """Where each would be in a sorted array, and whether it is there."""
    import numpy as np

    if not len(among):
        return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), bool)
    place = np.minimum(np.searchsorted(among, wanted), len(among) - 1)
    return place, among[place] == wanted


def unseen_values(
    handle: DeltaTable,
    layout: Layout,
    keys: Keys,
    more: Sequence[str] = (),
    keep: Callable[[pa.RecordBatch], Any] | None = None,
) -> list[Any]:
    """The keys of the table that the run has not seen; of the rows that ``keep`` (a mask of a batch of ``key, *more``) wants."""
    found: list[Any] = []
    for rows in select(handle, layout, list(dict.fromkeys([layout.key_column, *more]))):
        mask = keys.is_unseen(rows.column(0))
        if keep is not None:
            mask &= keep(rows)
        found += rows.column(0).filter(mask).to_pylist()
    return found
