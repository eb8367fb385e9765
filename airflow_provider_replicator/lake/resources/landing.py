# SPDX-License-Identifier: Apache-2.0
"""What was read gets into its table: merged (a window, a selection), or in place of everything that was there (a full run)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.exceptions import DeleteGuardError
from airflow_provider_replicator.lake.columns import literal, quoted
from airflow_provider_replicator.lake.resources.commits import Merges, newest, replace
from airflow_provider_replicator.lake.resources.declared import Document
from airflow_provider_replicator.lake.resources.decode import Decoder
from airflow_provider_replicator.lake.resources.keys import Keys, select, unseen_values
from airflow_provider_replicator.lake.resources.pipe import Pipe, through_thread
from airflow_provider_replicator.lake.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa
    from deltalake import DeltaTable

    from airflow_provider_replicator.core.dead_letters import DeadLetters
    from airflow_provider_replicator.core.progress import Progress
    from airflow_provider_replicator.core.report import Report
    from airflow_provider_replicator.lake.location import Lake
    from airflow_provider_replicator.lake.resources.declared import Layout
    from airflow_provider_replicator.lake.resources.options import LandingOptions

#: Pages on their way from the reader to the writer.
_ROOM = 8
#: Bytes of rows that wait for their merge, however many they are.
_BYTES_PER_COMMIT = 128 << 20
#: Keys in one query.
_KEYS = 500

Put = Callable[[Sequence[Document]], Awaitable[None]]
#: Reads the source to its end, page by page.
Read = Callable[[Put], Awaitable[None]]
#: Those of the objects with these keys that the source still has.
StillThere = Callable[[Sequence[Any]], Awaitable[Sequence[Document]]]
#: Which rows of a batch (of key, externalId, dataSetId) a selection covers.
Covers = Callable[["pa.RecordBatch"], Any]


@dataclass(slots=True)
class Landing:
    """One table in one run."""

    lake: Lake
    layout: Layout
    options: LandingOptions
    report: Report
    letters: DeadLetters
    progress: Progress | None = None

    @property
    def table(self) -> Table:
        return Table(self.lake, self.layout.path)

    def prepare(self) -> DeltaTable | None:
        """The table, created or given new columns; in a dry run as it is."""
        if self.options.dry_run:
            return self.table.open()
        return self.table.prepare(self.layout.schema, on_change=self.options.on_schema_change)

    def decoder(self) -> Decoder:
        return Decoder(self.layout, self.report, self.letters, self.options.on_misfit)

    def wrote(self, *, created: int, updated: int, deleted: int, written: int) -> None:
        """Count what was committed."""
        self.report.created += created
        self.report.updated += updated
        if self.options.dry_run:
            self.report.deleted += deleted
            return
        handle = self.table.open()
        version = None if handle is None else handle.version()
        self.report.wrote(self.layout.path, written=written, deleted=deleted, version=version)

    def guard(self, *, there: int, gone: int, read: int) -> None:
        """Raises DeleteGuardError if so many rows may not go."""
        if not gone:
            return
        path = self.layout.path
        if not read:
            raise DeleteGuardError(
                f"{path}: the source {self.report.source} listed nothing, and {gone} of {there} rows would be deleted; nothing was "
                "changed. If the source is really empty, remove the table"
            )
        if gone > self.options.max_delete_fraction * there:
            raise DeleteGuardError(
                f"{path}: {gone} of {there} rows would be deleted, more than max_delete_fraction="
                f"{self.options.max_delete_fraction} allows; nothing was deleted. Look with dry_run=True, or raise the fraction"
            )

    def tick(self) -> None:
        if self.progress is not None:
            self.progress.update(self.report)


class _Counted:
    """Hands pages to a pipe, and counts them."""

    def __init__(self, landing: Landing, pipe: Pipe) -> None:
        self.read = 0
        self._landing = landing
        self._pipe = pipe

    async def put(self, page: Sequence[Document]) -> None:
        if page:
            self.read += len(page)
            self._landing.report.read += len(page)
            await self._pipe.put(page)
            self._landing.tick()


async def merged(landing: Landing, read: Read) -> None:
    """Everything that ``read`` reads is merged by key, in commits of ``rows_per_commit`` rows. Any number of times, in any order,
    beside other runs: the table ends with the newest version of each row. A crash leaves some of the rows merged.
    """
    handle = await asyncio.to_thread(landing.prepare)
    upserts = _Upserts(landing, handle)

    async def produce(pipe: Pipe) -> None:
        await read(_Counted(landing, pipe).put)

    await through_thread(produce, upserts.all, room=_ROOM)
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
        counted = _Counted(landing, pipe)
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

    await through_thread(produce, upserts.all, room=_ROOM)
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


async def replaced(landing: Landing, read: Read, still_there: StillThere | None = None) -> None:
    """What ``read`` reads takes the place of all rows, in one commit, streamed. What was deleted at the source goes with it; rows that
    do not fit stay as they were in the table. A crash, or an error at any moment, leaves the table as it was.

    ``still_there`` is asked about the rows that would go: lists of CDF lag behind.
    """
    handle = await asyncio.to_thread(landing.prepare)
    keys = await asyncio.to_thread(Keys.of, handle, landing.layout)
    replacement = _Replacement(landing, handle, keys)

    async def produce(pipe: Pipe) -> None:
        counted = _Counted(landing, pipe)
        await read(counted.put)
        await pipe.drained()
        landing.guard(there=len(keys), gone=keys.unseen, read=counted.read)
        if still_there is not None and handle is not None and keys.unseen:
            missing = await asyncio.to_thread(unseen_values, handle, landing.layout, keys)
            await pipe.put(await still_there(missing))
            await pipe.drained()
        await asyncio.to_thread(replacement.keep_refused)

    await through_thread(produce, replacement.all, room=_ROOM)
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
