# SPDX-License-Identifier: Apache-2.0
"""Raw rows compared by key, and by a hash of their columns. Three scans at most, in bounded memory."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow_provider_replicator.cdf.verify.hashes import HashTable, Share, Shares, hash64
from airflow_provider_replicator.cdf.verify.left_out import CHANGED_SINCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.cdf.verify.job import Job
    from airflow_provider_replicator.core.window import Window

ROWS_PER_PAGE = 10_000
NAMES_PER_PAGE = 1000
#: In the place of a hash: a row that the source has changed since, so that the target may hold anything or nothing under its key.
_ANYTHING = (1 << 64) - 1

Row = dict[str, Any]


async def check_raw(resource: str, job: Job) -> None:
    """Every selected table of the source. A table of the target that the source does not have is none of our business."""
    there = {(db, table) async for db, table in tables_of(job.target, job)}
    async for db, table in tables_of(job.source, job):
        check = TableCheck(resource, db, table, job)
        if (db, table) in there:
            await check.run()
        else:
            await check.all_missing()


async def tables_of(client: CdfClient, job: Job) -> AsyncIterator[tuple[str, str]]:
    """``(database, table)`` of the selected tables, in the order of the API."""
    async for db in _names(client, "/raw/dbs"):
        if not _matches(db, job.databases):
            continue
        async for table in _names(client, f"/raw/dbs/{quote(db, safe='')}/tables"):
            if _matches(table, job.tables) or _matches(f"{db}/{table}", job.tables):
                yield db, table


def _matches(name: str, patterns: tuple[str, ...] | None) -> bool:
    return patterns is None or any(fnmatchcase(name, pattern) for pattern in patterns)


async def _names(client: CdfClient, path: str) -> AsyncIterator[str]:
    async for items in _get_pages(client, path, {"limit": NAMES_PER_PAGE}):
        for item in items:
            yield item["name"]


async def _get_pages(client: CdfClient, path: str, params: dict[str, Any]) -> AsyncIterator[list[Row]]:
    cursor: str | None = None
    while True:
        answer = await client.get_json(path, params={**params, "cursor": cursor} if cursor else params)
        yield answer["items"]
        cursor = answer.get("nextCursor")
        if not cursor:
            return


class TableCheck:
    """One table. The hashes of the source's rows are kept, a share at a time; the target's rows are looked up in them."""

    def __init__(self, resource: str, db: str, table: str, job: Job) -> None:
        self._resource = resource
        self._name = f"{db}/{table}"
        self._path = f"/raw/dbs/{quote(db, safe='')}/tables/{quote(table, safe='')}/rows"
        self._job = job
        self._verdict = job.report.of(resource)
        self._by_content = job.level in ("content", "full")

    async def run(self) -> None:
        shares = Shares()
        for share in shares:
            rows = await self._read_source(share, shares)
            await self._look_up_target(rows)
            if rows.forget_seen():
                await self._name_missing(rows)

    async def all_missing(self) -> None:
        """The target has no such table: every row is missing, and an empty table is a difference of its own."""
        before = self._verdict.different
        async for rows in self._pages(self._job.source, self._job.window):
            young = sum(self._expected_hash(row) == _ANYTHING for row in rows)
            self._verdict.source += len(rows)
            self._verdict.different += len(rows) - young
            self._verdict.leave_out(CHANGED_SINCE, young)
        anything = self._verdict.different > before
        if anything or self._job.as_of is None:
            text = f"{self._name}: the table is missing in the target"
            self._job.report.differs(self._resource, text, count=0 if anything else 1)

    async def _read_source(self, share: Share, shares: Shares) -> HashTable:
        table = HashTable(share, shares)
        async for rows in self._pages(self._job.source, self._job.window):
            for row in rows:
                table.add(hash64(row["key"].encode()), self._expected_hash(row))
        self._verdict.source += len(table)
        return table

    async def _look_up_target(self, table: HashTable) -> None:
        async for rows in self._pages(self._job.target, None):
            hashed = [(key, row) for row in rows if (key := hash64(row["key"].encode())) in table.share]
            expected = table.look_up([key for key, _ in hashed])
            for (_, row), content in zip(hashed, expected, strict=True):
                self._judge(row, content)

    def _judge(self, row: Row, expected: int | None) -> None:
        report = self._job.report
        if expected is None:
            # In a window the source shows only what changed in it, so that nothing can be said about other rows.
            if self._job.window is None:
                self._verdict.target += 1
                text = f"{self._name}: row {row['key']!r} is only in the target"
                report.is_extra(self._resource, text, allowed=self._job.allow_extra)
            return
        self._verdict.target += 1
        if expected not in (_ANYTHING, self._content_hash(row)):
            report.differs(self._resource, f"{self._name}: row {row['key']!r} has other columns in the target")

    async def _name_missing(self, table: HashTable) -> None:
        """Scan the source once more: only a table that differs pays for it."""
        async for rows in self._pages(self._job.source, self._job.window):
            missing = table.look_up([hash64(row["key"].encode()) for row in rows])
            for row, found in zip(rows, missing, strict=True):
                if found == _ANYTHING:
                    self._verdict.leave_out(CHANGED_SINCE)
                elif found is not None:
                    text = f"{self._name}: row {row['key']!r} is missing in the target"
                    self._job.report.differs(self._resource, text)

    def _expected_hash(self, row: Row) -> int:
        as_of = self._job.as_of
        return _ANYTHING if as_of is not None and row["lastUpdatedTime"] >= as_of else self._content_hash(row)

    def _content_hash(self, row: Row) -> int:
        if not self._by_content:
            return 0
        import orjson

        return hash64(orjson.dumps(row["columns"], option=orjson.OPT_SORT_KEYS))

    async def _pages(self, client: CdfClient, window: Window | None) -> AsyncIterator[list[Row]]:
        params: dict[str, Any] = {"limit": ROWS_PER_PAGE}
        if not self._by_content:
            params["columns"] = ","  # the API's way to ask for keys only
        if window is not None:
            # exclusive, inclusive: a window is half-open the other way round
            params |= {"minLastUpdatedTime": window.start_ms - 1, "maxLastUpdatedTime": window.end_ms - 1}
        async for rows in _get_pages(client, self._path, params):
            yield rows
