# SPDX-License-Identifier: Apache-2.0
"""Asking CDF for instances: pages of a load (query), pages of changes (sync), and the cursor "from now".

A page that takes CDF too long is asked for again with half the size; it grows again as pages succeed.
"""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.core.page_size import PageSize
from airflow_provider_replicator.exceptions import CdfRequestError, CdfUnavailableError, LakeError
from airflow_provider_replicator.lake.feeds.state import CurrentState, FeedLostError
from airflow_provider_replicator.lake.instances.shapes import ROWS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.lake.instances.decode import Decoder, Page, Rows
    from airflow_provider_replicator.lake.instances.schema import InstanceSource

_QUERY = "/models/instances/query"
_SYNC = "/models/instances/sync"
#: Answers that a smaller page may cure: request timeout, overload, gateway timeout.
_TOO_MUCH = frozenset({408, 503, 504})
#: Instances named in one request.
_REFERENCES = 1000
#: A load that is resumed this long after its start begins anew: the cursor of its changes would die before it is needed.
_RESUMED_MS = 2 * 24 * 3600 * 1000
#: The only refusals after which a cursor is worth nothing.
_EXPIRED = re.compile(r"cursor has expired|invalid cursor provided", re.IGNORECASE)


class Asking:
    """Pages of one source. One at a time: the sizes are of one sequence of pages."""

    def __init__(
        self, client: CdfClient, source: InstanceSource, decoder: Decoder, *, page_size: int, load_page_size: int
    ) -> None:
        self._client = client
        self._source = source
        self._decoder = decoder
        self.sync_size = PageSize(page_size)
        self.load_size = PageSize(load_page_size)

    async def begin(self, generation: int) -> CurrentState:
        """The state of a load before its first page."""
        now_ms = server_time_ms(self._client)
        return CurrentState(phase="load", generation=generation, live=await self.from_now(), live_ms=now_ms)

    async def is_stale(self, state: CurrentState) -> bool:
        """Whether a load that began so would end with a cursor that is dead."""
        return server_time_ms(self._client) - state.live_ms > _RESUMED_MS

    async def from_now(self) -> str:
        """A sync cursor that yields what changes from now on."""
        body = self._body(1, None, self._followed, mode="noBackfill")
        return self._present(self._decoder.page(await self._client.post_for_bytes(_SYNC, body)).cursor)

    async def load_page(self, cursor: str | None) -> Page:
        """A page of all instances; its cursor is None after the last. Raises FeedLostError."""
        page = await self._page(_QUERY, self.load_size, cursor, self._source.filter)
        if not page.last:
            self.load_size.fine()
        return page

    async def rows(self, page: Page) -> Rows:
        """What is in a page, as columns."""
        return await self._decoder.in_thread(self._decoder.rows, page)

    async def changes_page(self, cursor: str) -> tuple[Page, bool]:
        """(a page of changes, whether it was full). Raises FeedLostError."""
        page = await self._page(_SYNC, self.sync_size, cursor, self._followed, mode="noBackfill")
        self._present(page.cursor)
        return page, page.count >= self.sync_size.now

    async def members(self, keys: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        """Which of these instances belong to the source right now."""
        found: set[tuple[str, str]] = set()
        for start in range(0, len(keys), _REFERENCES):
            references = [{"space": space, "externalId": one} for space, one in keys[start : start + _REFERENCES]]
            among = {"and": [self._source.filter, {"instanceReferences": references}]}
            body = self._body(_REFERENCES, None, among) | {"select": {ROWS: {}}}
            rows = self._decoder.rows(self._decoder.page(await self._client.post_for_bytes(_QUERY, body)))
            found.update(rows.keys())
        return found

    @property
    def _followed(self) -> dict[str, Any]:
        return self._source.wider or self._source.filter

    async def _page(self, path: str, size: PageSize, cursor: str | None, wanted: dict[str, Any], **more: Any) -> Page:
        while True:
            try:
                body = await self._client.post_for_bytes(
                    path,
                    self._body(size.now, cursor, wanted, **more),
                    at_once=_TOO_MUCH if size.now > size.smallest else (),
                )
                break
            except CdfRequestError as error:
                if cursor and error.status == 400 and _EXPIRED.search(error.message):
                    raise FeedLostError(error.message) from error
                raise
            except CdfUnavailableError as error:
                if error.status not in _TOO_MUCH or not size.too_much():
                    raise
        return await self._decoder.in_thread(self._decoder.page, body)

    def _body(self, limit: int, cursor: str | None, wanted: dict[str, Any], **more: Any) -> dict[str, Any]:
        source = self._source
        select: dict[str, Any] = {}
        if source.view and source.properties:
            names = [column.source_name for column in source.properties]
            select = {"sources": [{"source": source.view.source, "properties": names}]}
        body: dict[str, Any] = {
            "with": {ROWS: {source.instances: {"filter": wanted}, "limit": limit, **more}},
            "select": {ROWS: select},
        }
        if cursor:
            body["cursors"] = {ROWS: cursor}
        return body

    def _present(self, cursor: str | None) -> str:
        if not cursor:
            raise LakeError(f"{self._source.path}: CDF answered a sync without a cursor to go on from")
        return cursor


def server_time_ms(client: CdfClient) -> int:
    """The server's clock, by the date of its latest answer, which is cut to seconds: the end of that second. Without such
    an answer, this machine's.
    """
    try:
        return int(parsedate_to_datetime(client.server_date or "").timestamp() * 1000) + 1000
    except ValueError:
        return client.now_ms()
