# SPDX-License-Identifier: Apache-2.0
"""The changes of a database, page by page, up to an end that is known before: a source that is written to all the time is no endless
one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_replicator.core.page_size import PageSize
from airflow_provider_replicator.couchdb import databases
from airflow_provider_replicator.couchdb.paging import is_last, number, page_answer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from airflow_provider_replicator.couchdb.client import CouchClient
    from airflow_provider_replicator.couchdb.databases import Asked, ChangesPage
    from airflow_provider_replicator.couchdb.verify.selection import Selection

#: Bytes of a page in memory.
_PAGE_BYTES = 64 << 20
#: Seconds of silence while a server looks for rows that pass a filter.
_FILTERING = 300.0
#: Pages that are read behind the end. The sequence of a cluster is a sum over its shards, of which some may be ahead and others
#: behind. What is certain is the end of the feed itself; it comes sooner, unless the source is written to faster than it is read.
_BEHIND = 20


class Feed:
    """One look at the changes after ``since``. ``until``: a sequence of this database; None is the one of this moment."""

    def __init__(
        self,
        client: CouchClient,
        database: str,
        selection: Selection,
        *,
        since: str | int | None = None,
        until: str | int | None = None,
        page_size: int = 2000,
    ) -> None:
        self.client = client
        self.database = database
        self.until = until
        self.since = since
        self._selection = selection
        self._size = PageSize(page_size)
        #: How many rows there will be, as far as that is known; after the first page.
        self.total: int | None = None

    @property
    def selects_everything(self) -> bool:
        return self._selection.is_everything

    async def begin(self) -> None:
        """Take the end. Raises CouchNotFoundError if there is no such database."""
        if self.until is None:
            self.until = (await databases.info(self.client, self.database))["update_seq"]

    def after(self) -> Feed:
        """The same of what has changed after the end."""
        return Feed(self.client, self.database, self._selection, since=self.until, page_size=self._size.now)

    async def pages(self) -> AsyncGenerator[ChangesPage, None]:
        """The pages. An object may be in several of them, if it is written to meanwhile."""
        await self.begin()
        cursor, end, behind = self.since, number(self.until), 0
        while True:
            page = await self._page(cursor)
            if self.total is None and page.pending is not None and self.selects_everything:
                self.total = len(page.rows) + page.pending
            yield page
            if is_last(page, cursor):
                return
            cursor = page.last_seq
            here = number(cursor)
            behind += here is not None and end is not None and here >= end
            if behind > _BEHIND:
                return

    async def _page(self, cursor: str | int | None) -> ChangesPage:
        asked = self._asked(cursor)
        answer = await page_answer(self.client, self.database, self._size, asked, max_bytes=_PAGE_BYTES)
        self._size.fine()
        return databases.changes_page(answer, self.database)

    def _asked(self, cursor: str | int | None) -> Asked:
        chosen = self._selection
        asked: Asked = {
            "since": cursor,
            "style": "main_only" if chosen.winning_revs_only else "all_docs",
            "selector": chosen.selector,
            "doc_ids": chosen.doc_ids,
            "filter": chosen.filter,
            "query_params": chosen.query_params,
        }
        if not self.selects_everything:
            asked["read_timeout"] = max(_FILTERING, self.client.connection.read_timeout)
        return asked
