# SPDX-License-Identifier: Apache-2.0
"""Rows of many folders at once, in bounded memory: buffers, then files on the local disk, then objects.

Memory holds a few million rows, whatever comes; the fullest buffer becomes a row group of its folder's file. The disk holds files
of compressed rows, at most so many and so large: a full one becomes an object while others are written.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from airflow_provider_replicator.lake.datapoints.parquet import ParquetFile
from airflow_provider_replicator.lake.datapoints.rows import table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from airflow_provider_replicator.lake.datapoints.layout import Folder, Layout
    from airflow_provider_replicator.lake.datapoints.parquet import NewFile
    from airflow_provider_replicator.lake.datapoints.replace import Replaced, Replacement
    from airflow_provider_replicator.lake.datapoints.rows import Chunk
    from airflow_provider_replicator.lake.objects import Objects

#: Bytes of rows that make a row group, and that all buffers may hold together (a row of numbers takes 16 bytes).
GROUP_BYTES = 16 << 20
HELD_BYTES = 96 << 20
#: Bytes of a finished file; files on the disk; row groups made and files uploaded at a time.
FILE_BYTES = 64 << 20
OPEN_FILES = 200
AT_ONCE = 2


@dataclass(slots=True, eq=False)
class _Part:
    """One folder: ``rows`` wait to become a row group of ``file``."""

    rows: list[Chunk] = field(default_factory=list)
    size: int = 0
    file: ParquetFile | None = None
    busy: asyncio.Lock = field(default_factory=asyncio.Lock)


class Spool:
    """``add`` rows in any order, then ``finish``, then commit. A context manager, which removes what was written if the run fails
    before its commit. Belongs to one event loop; the work is done in threads.
    """

    def __init__(self, layout: Layout, objects: Objects, table_path: str, *, good: int | None = None) -> None:
        self._layout = layout
        self._objects = objects
        self._path = table_path
        self._good = good
        self._parts: dict[Folder, _Part] = {}
        self._held = 0
        self._work = asyncio.Semaphore(AT_ONCE)
        self._uploads = asyncio.Semaphore(AT_ONCE)
        self._uploading: list[asyncio.Task[NewFile]] = []
        self._replacement: Replacement | None = None
        self._running: set[asyncio.Future[None]] = set()
        self.rows = 0

    async def add(self, rows: Iterable[tuple[Folder, Chunk]]) -> None:
        """Take these. Returns when the memory has room for more."""
        for folder, chunk in rows:
            part = self._parts.setdefault(folder, _Part())
            part.rows.append(chunk)
            part.size += chunk.size
            self._held += chunk.size
            self.rows += len(chunk)
        while self._next() is not None:
            async with self._work:
                part_due = self._next()  # perhaps somebody else has seen to it meanwhile
                if part_due is not None:
                    await self._write(*part_due)

    async def finish(self) -> list[NewFile]:
        """Everything that was added, as objects. No reader sees them before a commit names them."""
        for folder in [folder for folder, part in self._parts.items() if part.rows]:
            await self._write(folder, self._parts[folder])
        for part in self._parts.values():
            await self._upload(part)
        return [await task for task in self._uploading]

    async def committed(self, replacement: Replacement) -> Replaced:
        """Commit what ``finish`` made. From then on only the table knows whether the objects are needed."""
        self._replacement = replacement
        return await replacement.commit()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and (self._replacement is None or await self._replacement.abandon()):
            await self._abandon()

    async def _abandon(self) -> None:
        """Remove what was written. What a thread has begun is waited for."""
        await asyncio.gather(*self._running, return_exceptions=True)
        done = await asyncio.gather(*self._uploading, return_exceptions=True)
        for part in self._parts.values():
            if part.file is not None:
                part.file.close()
        paths = [f"{self._path}/{new.path}" for new in done if not isinstance(new, BaseException)]
        await asyncio.to_thread(self._objects.delete, paths)

    def _next(self) -> tuple[Folder, _Part] | None:
        """The buffer to empty now, if there is one."""
        if not self._parts:
            return None
        folder, part = max(self._parts.items(), key=lambda item: item[1].size)
        return (folder, part) if part.size >= GROUP_BYTES or (self._held > HELD_BYTES and part.rows) else None

    async def _write(self, folder: Folder, part: _Part) -> None:
        rows, size = part.rows, part.size
        part.rows, part.size = [], 0
        async with part.busy:
            if part.file is None:
                await self._make_room()
                part.file = ParquetFile(self._layout.values(folder))
            await self._in_thread(_write_rows, part.file, rows, self._good)
            self._held -= size
            if part.file.size >= FILE_BYTES:
                await self._upload(part)

    async def _make_room(self) -> None:
        """Let the fullest file go if there are too many."""
        files = [part for part in self._parts.values() if part.file is not None and not part.busy.locked()]
        if len(files) >= OPEN_FILES:
            fullest = max(files, key=lambda part: part.file.size if part.file else 0)
            async with fullest.busy:
                await self._upload(fullest)

    async def _upload(self, part: _Part) -> None:
        """Begin to, as soon as there are not too many already."""
        file, part.file = part.file, None
        if file is None:
            return
        await self._uploads.acquire()
        for task in self._uploading:
            if task.done():
                task.result()  # one that failed ends the run now, not when everything is read

        async def upload() -> NewFile:
            try:
                return await asyncio.to_thread(file.finish, self._objects, self._path)
            finally:
                self._uploads.release()

        self._uploading.append(asyncio.create_task(upload()))

    async def _in_thread(self, work: Callable[..., None], *arguments: object) -> None:
        """A thread cannot be stopped: it is remembered, for whoever has to wait for it."""
        running = asyncio.ensure_future(asyncio.to_thread(work, *arguments))
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        await asyncio.shield(running)


def _write_rows(file: ParquetFile, rows: list[Chunk], good: int | None) -> None:
    import pyarrow as pa

    file.write(table(rows, good=good))
    # What the row group took is given back: pyarrow had kept three times of it (measured with 100 million points).
    pa.default_memory_pool().release_unused()
