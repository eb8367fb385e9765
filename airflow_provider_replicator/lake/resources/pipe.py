# SPDX-License-Identifier: Apache-2.0
"""From the event loop, which reads, to a thread, which writes: a few pages at a time, so that memory is bounded."""

from __future__ import annotations

import asyncio
from queue import SimpleQueue
from typing import TYPE_CHECKING, TypeVar

from airflow_provider_replicator.cdf.together import together

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from airflow_provider_replicator.lake.resources.declared import Document

_Result = TypeVar("_Result")


class Pipe:
    """Pages in the order in which they were put. At most ``room`` of them wait or are being worked on."""

    def __init__(self, room: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._room = room
        self._slots = asyncio.Semaphore(room)
        self._queue: SimpleQueue[Sequence[Document] | BaseException | None] = SimpleQueue()
        self.broken = False

    async def put(self, page: Sequence[Document]) -> None:
        """Hand a page over, as soon as there is room for it."""
        await self._slots.acquire()
        self._queue.put(page)

    async def drained(self) -> None:
        """Wait until the thread is done with everything that was put."""
        for _ in range(self._room):
            await self._slots.acquire()
        for _ in range(self._room):
            self._slots.release()

    def end(self) -> None:
        self._queue.put(None)

    def stop(self) -> None:
        """Nothing more will come, and what came must not be committed: iterating raises BrokenPipeError."""
        self.broken = True
        self._queue.put(BrokenPipeError("the source was not read to its end"))

    def __iter__(self) -> Iterator[Sequence[Document]]:
        """In the thread. A page is done when the next one is asked for."""
        while (page := self._queue.get()) is not None:
            if isinstance(page, BaseException):
                raise page
            try:
                yield page
            finally:
                self._loop.call_soon_threadsafe(self._slots.release)


async def through_thread(
    produce: Callable[[Pipe], Awaitable[None]], consume: Callable[[Pipe], _Result], *, room: int
) -> _Result | None:
    """``produce`` in the event loop fills what ``consume`` in a thread empties. Whichever fails stops the other, and its error is what
    the caller sees; then the thread has ended as well, or ends before it has committed anything.
    """
    pipe = Pipe(room)

    async def producing() -> None:
        try:
            await produce(pipe)
        except BaseException:
            pipe.stop()
            raise
        pipe.end()

    def consuming() -> _Result | None:
        try:
            return consume(pipe)
        except Exception:
            if pipe.broken:
                return None  # whoever broke it says why
            raise

    async with together() as group:
        group.create_task(producing())
        work = group.create_task(asyncio.to_thread(consuming))
    return work.result()
