# SPDX-License-Identifier: Apache-2.0
"""Rows into one table of the target: full requests whatever the pages were, and one bad row alone to blame."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_replicator.cdf.objects.breaker import Breaker
from airflow_provider_replicator.cdf.raw.rows import request_body
from airflow_provider_replicator.exceptions import CdfRequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.cdf.raw.rows import Row
    from airflow_provider_replicator.cdf.raw.tables import Table
    from airflow_provider_replicator.core.dead_letters import DeadLetters
    from airflow_provider_replicator.core.report import Report

#: Rows of one request: what the API allows.
MAX_ROWS = 10_000
#: Bytes of one request to begin with; halved whenever the server says 413.
_MAX_BODY = 16 << 20
#: Refusals that are looked into within one batch; what is then still refused becomes dead letters together.
_SPLITS = 200


@dataclass(slots=True)
class Position:
    """Where one chain of pages is. ``safe``: the cursor from which on rows may not be written yet; None: all are."""

    cursor: str | None
    pages: deque[PageTicket] = field(default_factory=deque)
    at_end: bool = False

    @property
    def safe(self) -> str | None:
        while self.pages and not self.pages[0].waiting:
            self.pages.popleft()
        if self.pages:
            return self.pages[0].cursor
        return None if self.at_end else self.cursor

    @property
    def done(self) -> bool:
        return self.at_end and self.safe is None


@dataclass(slots=True)
class PageTicket:
    """A page that was read at ``cursor`` (empty: the start of the table), ``waiting`` rows of which are not written. A row of it has
    about ``bytes_per_row`` bytes.
    """

    cursor: str
    waiting: int
    bytes_per_row: float


class RowWriter:
    """Collects rows of one table until they fill a request. Idempotent: a row that is written twice is there once."""

    def __init__(
        self, target: CdfClient, table: Table, report: Report, letters: DeadLetters, breaker: Breaker, *, dry_run: bool
    ) -> None:
        self._target = target
        self._table = table
        self._report = report
        self._letters = letters
        self._breaker = breaker
        self._dry_run = dry_run
        self._waiting: list[tuple[PageTicket, Sequence[Row]]] = []
        self._rows = 0
        self._bytes = 0.0
        self._max_body = _MAX_BODY

    async def add(self, rows: Sequence[Row], ticket: PageTicket) -> None:
        """Take the rows, and write as many full requests as there are."""
        if rows:
            self._waiting.append((ticket, rows))
            self._rows += len(rows)
            self._bytes += len(rows) * ticket.bytes_per_row
        while self._rows >= MAX_ROWS or self._bytes >= _MAX_BODY:
            await self._write(self._take())

    async def flush(self) -> None:
        """Write what waits. On return every row is in the target or a dead letter."""
        while self._rows:
            await self._write(self._take())

    def _take(self) -> list[tuple[PageTicket, Sequence[Row]]]:
        """The oldest rows, as many as a request may have."""
        taken: list[tuple[PageTicket, Sequence[Row]]] = []
        room, room_bytes = MAX_ROWS, float(_MAX_BODY)
        while self._waiting and room:
            ticket, rows = self._waiting[0]
            fit = min(room, len(rows), int(room_bytes / max(1.0, ticket.bytes_per_row)))
            if taken and not fit:
                break
            fit = max(1, fit)
            taken.append((ticket, rows[:fit] if fit < len(rows) else rows))
            if fit < len(rows):
                self._waiting[0] = (ticket, rows[fit:])
            else:
                self._waiting.pop(0)
            room, room_bytes = room - fit, room_bytes - fit * ticket.bytes_per_row
            self._rows, self._bytes = self._rows - fit, self._bytes - fit * ticket.bytes_per_row
        return taken

    async def _write(self, parts: Sequence[tuple[PageTicket, Sequence[Row]]]) -> None:
        rows = parts[0][1] if len(parts) == 1 else [row for _, some in parts for row in some]
        attempt = _Attempt()
        await self._send(rows, attempt)
        if attempt.accepted or not attempt.refused:
            self._breaker.passed()
        else:
            self._breaker.refused(attempt.reason, len(rows))
        for ticket, some in parts:
            ticket.waiting -= len(some)

    async def _send(self, rows: Sequence[Row], attempt: _Attempt) -> None:
        if self._dry_run:
            self._report.written += len(rows)
            return
        body = request_body(rows)
        if len(body) > self._max_body and len(rows) > 1:
            await self._halves(rows, attempt)
            return
        try:
            await self._target.post_json(f"{self._table.path}/rows?ensureParent=true", body)
        except CdfRequestError as error:
            await self._refused(rows, len(body), error, attempt)
            return
        attempt.accepted += 1
        self._report.written += len(rows)

    async def _refused(self, rows: Sequence[Row], size: int, error: CdfRequestError, attempt: _Attempt) -> None:
        attempt.refused += 1
        attempt.reason = error.message
        if error.status == 413:
            self._max_body = min(self._max_body, size // 2)
        if len(rows) > 1 and (attempt.refused <= _SPLITS or error.status == 413):
            await self._halves(rows, attempt)
            return
        for row in rows:
            self._letters.add("raw", f"{self._table}/{row['key']}", _plain(row), error.message)

    async def _halves(self, rows: Sequence[Row], attempt: _Attempt) -> None:
        middle = len(rows) // 2
        await self._send(rows[:middle], attempt)
        await self._send(rows[middle:], attempt)


@dataclass(slots=True)
class _Attempt:
    accepted: int = 0
    refused: int = 0
    reason: str = ""


def _plain(row: Row) -> Row:
    """The row as plain values (numbers may be kept as text)."""
    import json

    plain: Row = json.loads(request_body([row]))["items"][0]
    return plain
