# SPDX-License-Identifier: Apache-2.0
"""One table: read in parallel, compared with what the target holds, and what differs written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.cdf.raw.rows import KnownRows, read_page
from airflow_provider_replicator.cdf.raw.tables import create_table
from airflow_provider_replicator.cdf.raw.write import PageTicket, Position, RowWriter
from airflow_provider_replicator.cdf.tasks import both
from airflow_provider_replicator.cdf.together import all_of
from airflow_provider_replicator.exceptions import CdfRequestError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.cdf.objects.breaker import Breaker
    from airflow_provider_replicator.cdf.options import RawOptions
    from airflow_provider_replicator.cdf.raw.checkpoint import RowsProgressed
    from airflow_provider_replicator.cdf.raw.deletes import RowDeletes
    from airflow_provider_replicator.cdf.raw.rows import RowPage
    from airflow_provider_replicator.cdf.raw.tables import Table
    from airflow_provider_replicator.core.dead_letters import DeadLetters
    from airflow_provider_replicator.core.report import Report

#: Rows of one page: the most that CDF gives.
PAGE = 10_000
#: Chains of pages that a table of more than one page is read in.
_CHAINS = 5
#: A page of more bytes than this makes the next ones of its chain shorter.
_PAGE_BYTES = 8 << 20
#: In a window, pages of the target's recently changed rows that are read to see what is there already.
_RECENT_PAGES = 10


@dataclass(slots=True)
class RawRun:
    """What all tables of one run share. ``chains``: how many chains of pages are followed at a time, which bounds the memory."""

    source: CdfClient
    target: CdfClient
    options: RawOptions
    report: Report
    letters: DeadLetters
    breaker: Breaker
    deletes: RowDeletes
    progressed: RowsProgressed
    chains: asyncio.Semaphore


class Pages:
    """The pages of one table in one project, from a cursor or from the start on. ``times``: rows say when they changed."""

    def __init__(self, client: CdfClient, table: Table, params: dict[str, Any], *, times: bool = False) -> None:
        self._times = times
        self._client = client
        self._table = table
        self._params = params
        self._limit = PAGE

    async def page(self, cursor: str | None = None) -> RowPage:
        """One page."""
        body = await self._client.get_for_bytes(
            f"{self._table.path}/rows", params={**self._params, "limit": self._limit, "cursor": cursor or None}
        )
        page = read_page(body, times=self._times)
        if page.size > _PAGE_BYTES and len(page.rows) > 1:
            self._limit = max(1, int(_PAGE_BYTES / (2 * page.bytes_per_row)))
        return page

    async def cursors(self) -> list[str]:
        """Where to begin to read all of it in several chains."""
        answer = await self._client.get_json(
            f"{self._table.path}/cursors", params={**self._params, "numberOfCursors": _CHAINS}
        )
        cursors: list[str] = answer["items"]
        return cursors


class TableCopy:
    """Copies one table. ``new``: the target had nothing of it when the run began."""

    def __init__(self, run: RawRun, table: Table, *, new: bool) -> None:
        self._run = run
        self._table = table
        self._new = new
        self._pages = Pages(run.source, table, changed_in(run.options))
        self._known: KnownRows | None = None
        self._read = 0
        options = run.options
        self._writer = RowWriter(run.target, table, run.report, run.letters, run.breaker, dry_run=options.dry_run)

    async def run(self) -> None:
        """When this returns, every row that was read is in the target or a dead letter."""
        run = self._run
        run.progressed.begin(self._table)
        if not await self._go_on():
            await self._start()
        if self._known is not None and run.options.delete_missing:
            run.deletes.compared(self._table, self._known, rows_in_source=self._read)
        run.progressed.finished(self._table)

    async def _go_on(self) -> bool:
        """Go on where an earlier try of this run was. False: begin."""
        saved = self._run.progressed.saved_cursors(self._table)
        if not saved or self._run.options.delete_missing:
            return False
        try:
            await self._follow([Position(cursor) for cursor in saved])
        except CdfRequestError as error:
            if error.status != 400:
                raise
            return False  # the server does not know these cursors any more
        return True

    async def _start(self) -> None:
        async with self._run.chains:
            first = await self._pages.page()
        empty = not first.rows and not first.following
        if empty and self._new and not self._run.options.dry_run:
            await create_table(self._run.target, self._table)
        if empty and not self._run.options.delete_missing:
            return
        self._known = await self._read_known()
        if first.following is None:
            await self._take(first, PageTicket("", 0, first.bytes_per_row))
            await self._writer.flush()
            return
        # The first page is read again by one of the chains: there is no cursor that begins behind it and can be shared out.
        positions = [Position(cursor) for cursor in await self._pages.cursors()]
        if self._known is None:
            self._run.progressed.follow(self._table, positions)
        await self._follow(positions)

    async def _follow(self, positions: Sequence[Position]) -> None:
        await all_of(self._chain(position) for position in positions)
        await self._writer.flush()

    async def _chain(self, position: Position) -> None:
        async with self._run.chains:
            page = await self._pages.page(position.cursor)
            while True:
                ticket = PageTicket(position.cursor or "", len(page.rows), page.bytes_per_row)
                position.pages.append(ticket)
                position.cursor, position.at_end = page.following, page.following is None
                if page.following is None:
                    await self._take(page, ticket)
                    return
                _, page = await both(self._take(page, ticket), self._pages.page(page.following))

    async def _take(self, page: RowPage, ticket: PageTicket) -> None:
        """A page of the source: write what the target does not have."""
        report, rows = self._run.report, page.rows
        report.read += len(rows)
        self._read += len(rows)
        changed = rows if self._known is None else self._known.different(rows)
        report.unchanged += len(rows) - len(changed)
        ticket.waiting = len(changed)
        await self._writer.add(changed, ticket)
        self._run.progressed.tick()

    async def _read_known(self) -> KnownRows | None:
        """What the target holds, to compare with; None if it holds nothing. In a window: what changed there since it began, which
        is where an earlier copy of the same rows is.
        """
        if self._new:
            return None
        known = KnownRows()
        window = self._run.options.window
        if window is None:
            await self._read_target(Pages(self._run.target, self._table, {}), known)
        else:
            pages = Pages(self._run.target, self._table, {"minLastUpdatedTime": _begin(self._run.options)})
            await self._read_recent(pages, known)
        return known if len(known) else None

    async def _read_target(self, pages: Pages, known: KnownRows) -> None:
        async with self._run.chains:
            first = await pages.page()
            known.add(first.rows)
        if first.following is not None:
            await all_of(self._add_chain(pages, known, cursor) for cursor in await pages.cursors())

    async def _add_chain(self, pages: Pages, known: KnownRows, cursor: str | None) -> None:
        async with self._run.chains:
            while cursor:
                page = await pages.page(cursor)
                known.add(page.rows)
                cursor = page.following

    async def _read_recent(self, pages: Pages, known: KnownRows) -> None:
        async with self._run.chains:
            cursor = None
            for _ in range(_RECENT_PAGES):
                page = await pages.page(cursor)
                known.add(page.rows)
                cursor = page.following
                if cursor is None:
                    return


def _begin(options: RawOptions) -> int | None:
    """The exclusive lower bound of a window in the API's terms; None if it begins with time itself."""
    assert options.window is not None
    begin = options.window.start_ms - options.overlap_ms - 1
    return begin if begin >= 0 else None


def changed_in(options: RawOptions) -> dict[str, Any]:
    """The rows of the run. A window is half-open one way round, the API's bounds are the other: ``(min, max]``."""
    if options.window is None:
        return {}
    return {"minLastUpdatedTime": _begin(options), "maxLastUpdatedTime": options.window.end_ms - 1}
