# SPDX-License-Identifier: Apache-2.0
"""Asking a database for its changes with their documents, and whether it is still the same one.

A feed from its beginning gives every document once, as it is now; so a load and the changes after it are pages of one feed. The size
of a page follows what the server bears and what fits into memory.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.core.page_size import PageSize
from airflow_provider_replicator.couchdb import databases
from airflow_provider_replicator.couchdb.paging import is_last, page_answer
from airflow_provider_replicator.exceptions import LakeError
from airflow_provider_replicator.lake.documents.identity import is_another, made_at
from airflow_provider_replicator.lake.feeds.state import CurrentState, FeedLostError

if TYPE_CHECKING:
    from airflow_provider_replicator.couchdb.client import CouchClient
    from airflow_provider_replicator.lake.documents.decode import Decoder, Page, Rows
    from airflow_provider_replicator.lake.documents.options import DocumentsOptions

#: The first page is small: nobody knows yet how large the documents are.
_FIRST = 200
#: Bytes of an answer, of which two are in memory; and what pages grow up to.
_MOST_BYTES = 32 << 20
_USUAL_BYTES = 8 << 20
ANOTHER = "the database was deleted and made again"


class Asking:
    """Pages of one database. One at a time."""

    def __init__(self, client: CouchClient, decoder: Decoder, options: DocumentsOptions) -> None:
        self._client = client
        self._decoder = decoder
        self._options = options
        self._size = PageSize(options.page_size, first=_FIRST)
        #: Bytes of answers so far.
        self.bytes = 0
        #: Of the database, when it was looked at last.
        self.update_seq: str | int | None = None

    @property
    def database(self) -> str:
        return self._options.database

    async def begin(self, generation: int) -> CurrentState:
        """The state of a load before its first page."""
        info, made = await self._look()
        return CurrentState(
            phase="load",
            generation=generation,
            live=str(info["update_seq"]),
            live_ms=time.time_ns() // 1_000_000,
            source=made,
        )

    async def is_stale(self, state: CurrentState) -> bool:
        """Whether a load that began so is of a database that is gone."""
        return (await self._another(state, state.cursor or state.live)) is not None

    async def check(self, state: CurrentState, cursor: str) -> None:
        """Raises FeedLostError if the database is another one than that of ``state`` and ``cursor``; LakeError if the user does not
        want it to be read anew.
        """
        if why := await self._another(state, cursor):
            if self._options.on_recreated == "fail":
                raise LakeError(
                    f"{self.database}: {why}, and on_recreated is 'fail': run once with resync=True, which removes the rows of "
                    "documents that are no more, or write to another table"
                )
            raise FeedLostError(why)

    async def load_page(self, cursor: str | None) -> Page:
        """The page after ``cursor``; None is the beginning."""
        return await self._page(cursor)

    async def changes_page(self, cursor: str) -> Page:
        """The same, of what has changed."""
        return await self._page(cursor)

    async def rows(self, page: Page) -> Rows:
        """What is in a page, as columns."""
        return await asyncio.to_thread(self._decoder.rows, page)

    async def _page(self, cursor: str | None) -> Page:
        answer = await page_answer(
            self._client,
            self.database,
            self._size,
            {"since": cursor, "include_docs": True},
            max_bytes=_MOST_BYTES,
        )
        self.bytes += len(answer.body)
        page = await asyncio.to_thread(self._decoder.page, answer.body)
        page.last = is_last(page, cursor)
        if page.rows:
            self._size.fine(_USUAL_BYTES * len(page.rows) // max(1, page.size))
        return page

    async def _another(self, state: CurrentState, cursor: str) -> str | None:
        info, made = await self._look()
        return ANOTHER if is_another(info, made=made, before=state.source, cursor=cursor) else None

    async def _look(self) -> tuple[dict[str, Any], str]:
        """What the server says of the database, and when it was made. Raises CouchNotFoundError if there is none."""
        info = await databases.info(self._client, self.database)
        self.update_seq = info["update_seq"]
        return info, made_at(await self._client.features(), info)
