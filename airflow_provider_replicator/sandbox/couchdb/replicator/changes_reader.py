# SPDX-License-Identifier: Apache-2.0
"""Reading the source's changes into a queue: one request that is read as it comes, once or for as long as the job runs."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson

from airflow_provider_replicator.sandbox.couchdb.replicator.erlang import Atom, Opaque
from airflow_provider_replicator.sandbox.couchdb.replicator.options import MISSING, Options
from airflow_provider_replicator.sandbox.couchdb.replicator.peer import MAX_BACKOFF, Call, Peer
from airflow_provider_replicator.sandbox.couchdb.replicator.remote import seq_text
from airflow_provider_replicator.sandbox.couchdb.replicator.texts import CrashError

_FIRST_WAIT = 0.25
#: what the body of a refused feed looks like to CouchDB: it prints the function that would read it
_BODY = Opaque("#Fun<couch_replicator_httpc.0.11803075>")
_VIEW_FIELDS = ("key", "keys", "start_key", "startkey", "end_key", "endkey")


@dataclass(frozen=True, slots=True)
class Change:
    """``doc_id`` is None for the end of a continuous feed: nothing to copy, but the job is that far."""

    seq: Any
    doc_id: str | None = None
    revs: tuple[str, ...] = ()


@dataclass(slots=True)
class ChangeQueue:
    """Holds about ``room`` changes; whoever puts more waits."""

    room: int
    _items: deque[Change] = field(default_factory=deque)
    _closed: bool = False
    _moved: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def put(self, change: Change) -> None:
        self._items.append(change)
        if len(self._items) == 1 or len(self._items) >= self.room:
            async with self._moved:
                self._moved.notify_all()
                await self._moved.wait_for(lambda: len(self._items) < self.room)

    async def close(self) -> None:
        async with self._moved:
            self._closed = True
            self._moved.notify_all()

    async def take(self, limit: int) -> list[Change]:
        """What there is, up to ``limit``, as soon as there is something. Empty: closed."""
        async with self._moved:
            await self._moved.wait_for(lambda: self._items or self._closed)
            taken = [self._items.popleft() for _ in range(min(limit, len(self._items)))]
            self._moved.notify_all()
            return taken


class _EndOfFeedError(Exception):
    """The source has closed a continuous feed, in order or not; another one is asked for."""


class ChangesReader:
    def __init__(self, peer: Peer, options: Options, queue: ChangeQueue, since: Any) -> None:
        self._peer = peer
        self._options = options
        self._queue = queue
        self._start = self._last = since

    async def run(self) -> None:
        """Returns when a one-shot feed has ended. Raises CrashError when the source cannot be read."""
        left, wait = self._peer.retries, _FIRST_WAIT
        while True:
            try:
                await self._read()
                break
            except _EndOfFeedError:
                continue
            except CrashError as error:
                if error.reason[-1] == MAX_BACKOFF:
                    raise CrashError(MAX_BACKOFF) from error
                if left <= 0:
                    raise CrashError(_ended_with(error.reason)) from error
            left -= 1
            if self._last == self._start:
                await self._peer.around.pace.sleep(wait)
                wait *= 2
            self._start = self._last
        await self._queue.close()

    async def _read(self) -> None:
        async with self._peer.stream(self._call()) as response:
            if response.status != 200:
                raise CrashError((Atom("changes_req_failed"), response.status, _BODY))
            try:
                async with aclosing(rows(response, continuous=self._options.continuous)) as feed:
                    await self._follow(feed)
            except TimeoutError:
                raise  # too long without a byte: that counts as a failure
            except (aiohttp.ClientError, ConnectionError) as error:
                await self._peer.around.pace.sleep(_FIRST_WAIT)
                raise _EndOfFeedError from error

    async def _follow(self, feed: AsyncIterator[dict[str, Any]]) -> None:
        async for row in feed:
            if "changes" in row:
                await self._queue.put(_change(row))
                self._last = row["seq"]
            elif self._options.continuous and "last_seq" in row:
                if row["last_seq"] != self._last:
                    await self._queue.put(Change(row["last_seq"]))
                self._last = row["last_seq"]
                raise _EndOfFeedError
        if self._options.continuous:
            raise _EndOfFeedError

    def _call(self) -> Call:
        """The time-out of the feed is a third of the one of the connection, so that an idle source is not a dead one."""
        options, longest = self._options, max(1000, int(self._peer.timeout * 1000) // 3)
        query = [
            ("feed", "continuous" if options.continuous else "normal"),
            ("style", "main_only" if options.winning_revs_only else "all_docs"),
            ("since", seq_text(self._last)),
            ("timeout", str(longest)),
        ]
        if options.doc_ids is not None:
            body = {"doc_ids": list(options.doc_ids)}
            return Call("POST", "_changes", (("filter", "_doc_ids"), *query), body)
        if options.selector is not None:
            return Call("POST", "_changes", (("filter", "_selector"), *query), {"selector": options.selector})
        if options.filter is not MISSING:
            query = [("filter", options.filter), *self._parameters({name for name, _ in query}), *query]
        return Call("GET", "_changes", tuple(query))

    def _parameters(self, taken: set[str]) -> list[tuple[str, str]]:
        parameters = []
        for name, value in (self._options.query_params or {}).items():
            as_json = self._options.filter == "_view" and name in _VIEW_FIELDS
            if name not in taken:
                plain = isinstance(value, str) and not as_json
                parameters.append((name, value if plain else orjson.dumps(value).decode()))
        return parameters


def _ended_with(reason: Any) -> Any:
    """What the end of the reader's process becomes on its way to the job."""
    if reason[0] == "changes_req_failed":
        return reason
    error = reason[-1]
    if isinstance(error, tuple) and error[0] == "error":
        cause = error[1]
        return (Atom("changes_req_failed"), cause[1] if isinstance(cause, tuple) and cause[0] == "code" else cause)
    return (Atom("changes_reader_died"), reason)


def _change(row: dict[str, Any]) -> Change:
    return Change(row["seq"], row["id"], tuple(one["rev"] for one in row["changes"]))


async def rows(response: aiohttp.ClientResponse, *, continuous: bool) -> AsyncGenerator[dict[str, Any]]:
    """The rows of a feed as they come. A feed that is written in one line is read whole first."""
    started, head = continuous, b""
    async for line in lines(response):
        if not line:
            continue
        if not started:
            head += line
            if line == b'{"results":[':
                started = True
            continue
        row = _row(line)
        if row is not None:
            yield row
    if not started and head:
        for row in orjson.loads(head)["results"]:
            yield row


def _row(line: bytes) -> dict[str, Any] | None:
    """None for what ends a list: ``],`` and what follows."""
    if not line.startswith(b"{"):
        return None
    row: dict[str, Any] = orjson.loads(line.removesuffix(b","))
    return row


async def lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    rest = b""
    async for chunk in response.content.iter_any():
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.strip()
    if rest:
        yield rest.strip()
