# SPDX-License-Identifier: Apache-2.0
"""Feeds of ``_changes`` that stay open: ``longpoll``, ``continuous``, ``eventsource``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_provider_replicator.sandbox.couchdb import changes
from airflow_provider_replicator.sandbox.couchdb.database import Database
from airflow_provider_replicator.sandbox.http import Response

if TYPE_CHECKING:
    from airflow_provider_replicator.sandbox.couchdb.changes import Asked, Page

#: milliseconds of silence that end a feed, and between heartbeats, if the client does not say
DEFAULT_MS = 60_000
_PAGE = 1000


def answer(database: Database, asked: Asked) -> Response:
    if asked.feed == "longpoll":
        return Response(200, stream=_longpoll(database, asked))
    if asked.feed == "continuous":
        return Response(200, stream=_continuous(database, asked))
    uncached = [("Cache-Control", "no-cache")]
    return Response(200, content_type="text/event-stream", headers=uncached, stream=_continuous(database, asked))


async def _longpoll(database: Database, asked: Asked) -> AsyncIterator[bytes]:
    """One page, as soon as there is a row for it."""
    yield changes.HEAD
    found = changes.page(database, asked)
    with _Bell(database) as bell:
        while not found.rows and asked.limit and not database.deleted:
            yield b"\n"
            if await bell.rings(_patience(asked)):
                found = changes.page(database, replace(asked, since=found.last))
            elif asked.heartbeat is None:
                break
    yield changes.tail(database, found)


async def _continuous(database: Database, asked: Asked) -> AsyncIterator[bytes]:
    """Rows as they come. Ends at the limit, or after so much silence if no heartbeat was asked for."""
    left, page = asked.limit, changes.Page([], asked.since, database.log.count_after(asked.since))
    beat = b"event: heartbeat\ndata: \n\n" if asked.feed == "eventsource" else b"\n"
    with _Bell(database) as bell:
        while left > 0 and not database.deleted:
            limit = left if asked.descending else min(left, _PAGE)
            page = changes.page(database, replace(asked, since=page.last, limit=limit))
            left -= len(page.rows)
            if page.rows:
                yield b"".join(_lines(asked, page))
            if asked.descending or not left:
                break
            if page.rows and page.pending:
                continue
            if not page.rows:
                yield beat
            if not await bell.rings(_patience(asked)) and asked.heartbeat is None:
                break
    if asked.feed == "continuous":
        yield b'{"last_seq":"%s","pending":%d}\n\n' % (database.sequences.encode(page.last), page.pending)
    else:
        yield b"\n"


def _patience(asked: Asked) -> float:
    """Seconds of silence until something has to be done about it."""
    return (asked.heartbeat or min(DEFAULT_MS if asked.timeout is None else asked.timeout, DEFAULT_MS)) / 1000


def _lines(asked: Asked, page: Page) -> list[bytes]:
    if asked.feed == "continuous":
        return [row + b"\n" for row in page.rows]
    return [b"data: " + row + b"\nid: " + _seq_in(row) + b"\n\n" for row in page.rows]


def _seq_in(row: bytes) -> bytes:
    return row[len(b'{"seq":') : row.index(b',"id":')]


class _Bell:
    """Rings when something was written to the database, or when it was deleted."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._event = asyncio.Event()

    def __enter__(self) -> _Bell:
        self._stop = self._database.listen(lambda _: self._event.set())
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    async def rings(self, seconds: float) -> bool:
        """False: it was silent for so long."""
        try:
            await asyncio.wait_for(self._event.wait(), seconds)
        except TimeoutError:
            return False
        self._event.clear()
        return True
