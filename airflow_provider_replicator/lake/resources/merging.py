# SPDX-License-Identifier: Apache-2.0
"""What was read is merged into its table by key: a window, or a selection of a full run."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.lake.resources.commits import Merges
from airflow_provider_replicator.lake.resources.keys import Keys, unseen_values
from airflow_provider_replicator.lake.resources.landing import ROOM, Counted
from airflow_provider_replicator.lake.resources.pipe import through_thread

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from deltalake import DeltaTable

    from airflow_provider_replicator.lake.resources.declared import Document
    from airflow_provider_replicator.lake.resources.landing import Covers, Landing, Read, StillThere
    from airflow_provider_replicator.lake.resources.pipe import Pipe

#: Bytes of rows that wait for their merge, however many they are.
_BYTES_PER_COMMIT = 128 << 20


async def merged(landing: Landing, read: Read) -> None:
    """Everything that ``read`` reads is merged by key, in commits of ``rows_per_commit`` rows. Any number of times, in any order,
    beside other runs: the table ends with the newest version of each row. A crash leaves some of the rows merged.
    """
    handle = await asyncio.to_thread(landing.prepare)
    upserts = _Upserts(landing, handle)

    async def produce(pipe: Pipe) -> None:
        await read(Counted(landing, pipe).put)

    await through_thread(produce, upserts.all, room=ROOM)
    await asyncio.to_thread(upserts.count)


async def selected(landing: Landing, read: Read, still_there: StillThere, covers: Covers, now_ms: int) -> None:
    """A full run of a part: what ``read`` reads is merged; then those rows of the table that ``covers`` says belong to that part, but
    were not read, are deleted if the source does not have them any more. All other rows stay.
    """
    handle = await asyncio.to_thread(landing.prepare)
    keys = await asyncio.to_thread(Keys.of, handle, landing.layout)
    upserts = _Upserts(landing, handle, keys)
    gone: list[Any] = []

    async def produce(pipe: Pipe) -> None:
        counted = Counted(landing, pipe)
        await read(counted.put)
        await pipe.drained()
        if handle is None:
            return
        more = [name for name in ("externalId", "dataSetId") if name in landing.layout.schema.names]
        missing = await asyncio.to_thread(unseen_values, handle, landing.layout, keys, more, covers)
        found = await still_there(missing)
        await pipe.put(found)  # they left the selection, or the list lags behind
        there = {document[landing.layout.key] for document in found}
        gone.extend(key for key in missing if key not in there)
        landing.guard(there=len(keys) - keys.unseen + len(missing), gone=len(gone), read=counted.read)

    await through_thread(produce, upserts.all, room=ROOM)
    await asyncio.to_thread(upserts.delete, gone, now_ms)
    await asyncio.to_thread(upserts.count)


class _Upserts:
    """The thread's side of a merge."""

    def __init__(self, landing: Landing, handle: DeltaTable | None, keys: Keys | None = None) -> None:
        self._landing = landing
        self._keys = keys
        self._decoder = landing.decoder()
        self._written = 0
        dry_run = handle is None or landing.options.dry_run
        self._merges = None if dry_run or handle is None else Merges(landing.table, handle, landing.layout)
        self._planned_deletes = 0

    def all(self, pages: Pipe) -> None:
        waiting: list[pa.RecordBatch] = []
        rows = size = 0
        for page in pages:
            batch = self._decoder.rows(page)
            if self._keys is not None:
                self._see(page)
            waiting.append(batch)
            rows, size = rows + batch.num_rows, size + batch.nbytes
            if rows >= self._landing.options.rows_per_commit or size >= _BYTES_PER_COMMIT:
                self._merge(waiting)
                waiting, rows, size = [], 0, 0
        self._merge(waiting)

    def _see(self, page: Sequence[Document]) -> None:
        """Also what did not fit was seen."""
        import pyarrow as pa

        assert self._keys is not None
        field = self._decoder.arrow.field(self._landing.layout.key_column)
        keys = {document.get(self._landing.layout.key) for document in page} - {None}
        self._keys.see(pa.array(list(keys), field.type))

    def _merge(self, batches: Sequence[pa.RecordBatch]) -> None:
        import pyarrow as pa

        rows = pa.Table.from_batches(batches, self._decoder.arrow)
        if not rows.num_rows:
            return
        self._written += rows.num_rows
        if self._merges is not None:
            self._merges.upsert(rows)

    def delete(self, keys: Sequence[Any], now_ms: int) -> None:
        """Delete the rows with these keys that have not changed since ``now_ms``."""
        import pyarrow as pa

        self._planned_deletes = len(keys)
        if not keys or self._merges is None:
            return
        layout, schema = self._landing.layout, self._decoder.arrow
        times = pa.array([now_ms * 1000] * len(keys), schema.field(layout.time).type)
        key = pa.array(keys, schema.field(layout.key_column).type)
        self._merges.delete(pa.table({layout.key_column: key, layout.time: times}))

    def count(self) -> None:
        merges = self._merges
        if merges is None:
            self._landing.wrote(created=0, updated=0, deleted=self._planned_deletes, written=0)
            return
        changed = merges.created + merges.updated
        self._landing.report.unchanged += self._written - changed
        self._landing.wrote(created=merges.created, updated=merges.updated, deleted=merges.deleted, written=changed)
