# SPDX-License-Identifier: Apache-2.0
"""Lists of CDF, page by page: in one chain of cursors, or in several partitions at a time where that pays."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.cdf.together import together
from airflow_provider_replicator.exceptions import CdfRequestError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.cdf.objects.positions import Positions, Ticket
    from airflow_provider_replicator.cdf.resources import Resource

Document = dict[str, Any]
#: Documents of one page: the most that CDF gives.
PAGE = 1000
#: Pages read in one chain before partitions are thought of; small types never get there.
_PAGES_BEFORE = 4
#: A partition ends with a page that is on average half empty: each must have this many full ones.
_PAGES_PER_PARTITION = 8
#: The same where little is expected to be written, so that reading is what takes the time.
_PAGES_PER_PARTITION_UNCHANGED = 2
_MAX_PARTITIONS = 10


async def pages(
    client: CdfClient, path: str, body: Mapping[str, Any] | None = None, *, partitions: int = 1
) -> AsyncIterator[list[Document]]:
    """The pages of ``{path}/list`` with the given body (``filter`` …), none of them empty.

    With ``partitions`` up to 10, so many chains of cursors are read at a time, each at most one page ahead of the caller.
    """
    bodies = [dict(body or {})]
    if partitions > 1:
        bodies = [{**bodies[0], "partition": f"{number}/{partitions}"} for number in range(1, partitions + 1)]
    reading = {asyncio.create_task(one_page(client, path, part, None)): part for part in bodies}
    try:
        while reading:
            ready, _ = await asyncio.wait(reading, return_when=asyncio.FIRST_COMPLETED)
            for task in [task for task in reading if task in ready]:
                documents, cursor = task.result()
                part = reading.pop(task)
                if cursor:
                    reading[asyncio.create_task(one_page(client, path, part, cursor))] = part
                if documents:
                    yield documents
    finally:  # the caller stopped before the end, or one of them failed
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)


async def one_page(
    client: CdfClient, path: str, body: Mapping[str, Any], cursor: str | None
) -> tuple[list[Document], str | None]:
    """One page, and the cursor of the next one (None: it was the last)."""
    request = {**body, "limit": PAGE}
    if cursor:
        request["cursor"] = cursor
    answer = await client.post_json(f"{path}/list", request)
    return answer["items"], answer.get("nextCursor")


async def count(client: CdfClient, path: str, body: Mapping[str, Any]) -> int | None:
    """How many there are, from the aggregates; None if the API does not say. Eventually consistent: good for estimates."""
    try:
        answer = await client.post_json(f"{path}/aggregate", {"filter": body.get("filter") or {}})
    except CdfRequestError:
        return None
    return int(answer["items"][0]["count"])


class Reader:
    """Reads listings of the source and hands each page to ``process``, several pages at a time, at their pace.

    A listing begins as one chain. Once it turns out to be long, and a page takes longer than the client's rate would allow, it
    goes on in as many partitions as the rate can feed (the pages read so far are read again, and left out by id).
    ``little_to_write``, asked then, says whether reading is what the run will spend its time on: smaller partitions pay, too.
    """

    def __init__(
        self,
        client: CdfClient,
        resource: Resource,
        positions: Positions,
        process: Callable[[list[Document], Ticket], Awaitable[None]],
        *,
        pages_in_flight: int,
        little_to_write: Callable[[], bool] = lambda: False,
    ) -> None:
        self._little_to_write = little_to_write
        self._client = client
        self._resource = resource
        self._positions = positions
        self._process = process
        self._slots = asyncio.Semaphore(pages_in_flight)
        self.total: int | None = None

    async def read(self, listing: Mapping[str, Any], name: str) -> None:
        """Everything of one listing. Returns when all of its pages are processed."""
        seen: set[int] = set()
        if self._positions.partitions.get(name, 1) == 1:
            # The partitions leave out what the chain has read, so they wait until that is written: a run that is killed and goes
            # on from the positions of the partitions does not read the chain again.
            async with together() as group:
                seen = await self._one_chain(group, listing, name)
        parts = self._positions.partitions.get(name, 1)
        if parts == 1:
            return
        async with together() as group:
            for number in range(1, parts + 1):
                stream = f"{name}:{number}/{parts}"
                body = {**listing, "partition": f"{number}/{parts}"}
                group.create_task(self._follow(group, body, stream, seen))

    async def _hand_out(
        self, group: asyncio.TaskGroup, documents: list[Document], ticket: Ticket
    ) -> asyncio.Task[None]:
        """Give a page to a task of its own, as soon as there is room for one."""
        await self._slots.acquire()
        return group.create_task(self._work(documents, ticket))

    async def _work(self, documents: list[Document], ticket: Ticket) -> None:
        try:
            await self._process(documents, ticket)
        finally:
            self._slots.release()

    async def _one_chain(self, group: asyncio.TaskGroup, listing: Mapping[str, Any], name: str) -> set[int]:
        """Read to the end, or until partitions pay: then ``positions`` says how many, and the ids read so far are returned."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        undecided = name not in self._positions.cursors and self._resource.partitions > 1
        seen: set[int] = set()
        tasks = []
        async for documents, cursor in self._from(listing, name):
            seconds = loop.time() - began
            task = await self._hand_out(group, documents, self._positions.begin(name, cursor))
            if not undecided:
                continue
            tasks.append(task)
            seen.update(document["id"] for document in documents)
            if cursor and len(tasks) == _PAGES_BEFORE:
                undecided = False
                parts = await self._worth(listing, seconds / len(tasks))
                if parts > 1:
                    # The partitions leave out what was seen, so their positions mean nothing until that is written.
                    await asyncio.wait(tasks)
                    self._positions.partitions[name] = parts
                    return seen
        return set()

    async def _worth(self, listing: Mapping[str, Any], seconds_per_page: float) -> int:
        """How many partitions would be read faster than one chain."""
        rate = self._client.rate("POST", f"{self._resource.path}/list")
        most = min(_MAX_PARTITIONS, self._resource.partitions)
        useful = most if rate is None else min(int(seconds_per_page * rate) + 1, most)
        if useful <= 1:
            return 1
        self.total = await count(self._client, self._resource.path, listing)
        if self.total is None:
            return 1
        each = _PAGES_PER_PARTITION_UNCHANGED if self._little_to_write() else _PAGES_PER_PARTITION
        return min(useful, (self.total // PAGE - _PAGES_BEFORE) // each)

    async def _follow(self, group: asyncio.TaskGroup, body: Mapping[str, Any], stream: str, seen: set[int]) -> None:
        async for documents, cursor in self._from(body, stream):
            unseen = [doc for doc in documents if doc["id"] not in seen] if seen else documents
            await self._hand_out(group, unseen, self._positions.begin(stream, cursor))

    async def _from(self, body: Mapping[str, Any], stream: str) -> AsyncIterator[tuple[list[Document], str | None]]:
        """The pages of a stream from its saved position on. A saved cursor that the server no longer takes means: from the start."""
        saved = self._positions.cursors.get(stream)
        if saved == "":
            return
        cursor: str | None = saved
        while True:
            try:
                documents, cursor = await one_page(self._client, self._resource.path, body, cursor)
            except CdfRequestError as error:
                if error.status != 400 or not saved:
                    raise
                saved = cursor = None
                continue
            saved = None
            yield documents, cursor
            if not cursor:
                return
