# SPDX-License-Identifier: Apache-2.0
"""What was read takes the place of everything that a table held: a full run."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.lake.columns import literal, quoted
from airflow_provider_replicator.lake.resources.commits import Merges, newest, replace
from airflow_provider_replicator.lake.resources.keys import Keys, select, unseen_values
from airflow_provider_replicator.lake.resources.landing import ROOM, Counted
from airflow_provider_replicator.lake.resources.pipe import through_thread

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa
    from deltalake import DeltaTable

    from airflow_provider_replicator.lake.resources.landing import Landing, Read, StillThere
    from airflow_provider_replicator.lake.resources.pipe import Pipe

#: Keys in one query.
_KEYS = 500


async def replaced(landing: Landing, read: Read, still_there: StillThere | None = None) -> None:
    """What ``read`` reads takes the place of all rows, in one commit, streamed. What was deleted at the source goes with it; rows that
    do not fit stay as they were in the table. A crash, or an error at any moment, leaves the table as it was.

    ``still_there`` is asked about the rows that would go: lists of CDF lag behind.
    """
    handle = await asyncio.to_thread(landing.prepare)
    keys = await asyncio.to_thread(Keys.of, handle, landing.layout)
    replacement = _Replacement(landing, handle, keys)

    async def produce(pipe: Pipe) -> None:
        counted = Counted(landing, pipe)
        await read(counted.put)
        await pipe.drained()
        landing.guard(there=len(keys), gone=keys.unseen, read=counted.read)
        if still_there is not None and handle is not None and keys.unseen:
            missing = await asyncio.to_thread(unseen_values, handle, landing.layout, keys)
            await pipe.put(await still_there(missing))
            await pipe.drained()
        await asyncio.to_thread(replacement.keep_refused)

    await through_thread(produce, replacement.all, room=ROOM)
    await asyncio.to_thread(replacement.finish)


class _Replacement:
    """The thread's side of a replacement."""

    def __init__(self, landing: Landing, handle: DeltaTable | None, keys: Keys) -> None:
        self._landing = landing
        self._handle = handle
        self._keys = keys
        self._decoder = landing.decoder()
        self._late: list[pa.RecordBatch] = []
        self._stay: list[Any] = []
        self._kept: list[pa.RecordBatch] = []
        self._written = 0

    def all(self, pages: Pipe) -> None:
        rows = self._rows(pages)
        if self._landing.options.dry_run or self._handle is None:
            for _ in rows:
                pass
            return
        replace(self._landing.table, self._handle, self._decoder.arrow, rows)

    def _rows(self, pages: Pipe) -> Iterator[pa.RecordBatch]:
        for page in pages:
            batch = self._once(self._decoder.rows(page))
            self._see_refused()
            self._written += batch.num_rows
            yield batch
        for batch in self._kept:
            self._written += batch.num_rows
            yield batch

    def _see_refused(self) -> None:
        """What did not fit is not gone. It stays as it is in the table, unless a version of it that fits came before."""
        import pyarrow as pa

        if refused := set(self._decoder.taken()):
            keys = pa.array(list(refused), self._decoder.arrow.field(self._landing.layout.key_column).type)
            self._stay += keys.filter(pa.array(self._keys.see(keys))).to_pylist()

    def _once(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Without rows that came before: an object that moves while the list is read comes twice. The later version is merged
        when the rest is there.
        """
        import pyarrow as pa

        table = newest(pa.Table.from_batches([batch]), self._landing.layout)
        if table.num_rows < batch.num_rows:
            batch = table.combine_chunks().to_batches()[0]
        first = self._keys.see(batch.column(self._landing.layout.key_column))
        if first.all():
            return batch
        self._late.append(batch.filter(pa.array(~first)))
        return batch.filter(pa.array(first))

    def keep_refused(self) -> None:
        """Read the rows, as they are in the table, whose new versions do not fit: they go along at the end. (Not by the thread that
        writes: the library cannot read in the middle of a write.)
        """
        key, layout = quoted(self._landing.layout.key_column), self._landing.layout
        for start in range(0, len(self._stay) if self._handle is not None else 0, _KEYS):
            some = [literal(one) if isinstance(one, str) else str(one) for one in self._stay[start : start + _KEYS]]
            assert self._handle is not None
            self._kept += select(self._handle, layout, layout.schema.names, where=f"{key} IN ({', '.join(some)})")

    def finish(self) -> None:
        """When the replacement is committed: versions that came late, and the counts."""
        import pyarrow as pa

        handle = self._landing.table.open()
        if self._late and handle is not None and not self._landing.options.dry_run:
            Merges(self._landing.table, handle, self._landing.layout).upsert(pa.Table.from_batches(self._late))
        updated = len(self._keys) - self._keys.unseen
        self._landing.wrote(
            created=self._written - updated, updated=updated, deleted=self._keys.unseen, written=self._written
        )
