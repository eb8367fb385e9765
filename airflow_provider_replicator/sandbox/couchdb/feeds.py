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
    kind = "text/event-stream" if asked.feed == "eventsource" else "application/json"
    return Response(200, content_type=kind, stream=_continuous(database, asked))


async def _longpoll(database: Database, asked: Asked) -> AsyncIterator[bytes]:
    """One page, as soon as there is a row for it."""
    found = changes.page(database, asked)
    with _Bell(database) as bell:
        while not found.rows and asked.limit and not database.deleted:
            if await bell.rings(_patience(asked)):
                found = changes.page(database, replace(asked, since=found.last))
            elif asked.heartbeat is None:
                break
            else:
                yield b"\n"
    yield changes.whole(database, found)


async def _continuous(database: Database, asked: Asked) -> AsyncIterator[bytes]:
    """Rows as they come. Ends at the limit, or after so much silence if no heartbeat was asked for."""
    since, left = asked.since, asked.limit
    beat = b"event: heartbeat\ndata: \n\n" if asked.feed == "eventsource" else b"\n"
    with _Bell(database) as bell:
        while left > 0 and not database.deleted:
            page = changes.page(database, replace(asked, since=since, limit=min(left, _PAGE)))
            since, left = page.last, left - len(page.rows)
            if page.rows:
                yield b"".join(_lines(asked, database, page))
            elif not page.pending and not await bell.rings(_patience(asked)):
                if asked.heartbeat is None:
                    break
                yield beat
    if asked.feed == "continuous":
        pending = database.log.count_after(since)
        yield b'{"last_seq":"%s","pending":%d}\n' % (database.sequences.encode(since), pending)


def _patience(asked: Asked) -> float:
    """Seconds of silence until something has to be done about it."""
    return (asked.heartbeat or min(DEFAULT_MS if asked.timeout is None else asked.timeout, DEFAULT_MS)) / 1000


def _lines(asked: Asked, database: Database, page: Page) -> list[bytes]:
    if asked.feed == "continuous":
        return [row + b"\n" for row in page.rows]
    return [b"data: " + row + b"\nid: " + database.sequences.encode(page.last) + b"\n\n" for row in page.rows]


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
