# SPDX-License-Identifier: Apache-2.0
"""A project, a lake, and what a reader that is not ours finds in its tables."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import polars as pl
import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder

from airflow_provider_replicator.cdf.http.aiohttp_transport import AiohttpTransport
from airflow_provider_replicator.cdf.http.client import CdfClient
from airflow_provider_replicator.cdf.http.credentials import StaticToken
from airflow_provider_replicator.cdf.options import Selection
from airflow_provider_replicator.core.window import Window
from airflow_provider_replicator.lake.resources.classic import resource_to_delta
from airflow_provider_replicator.lake.resources.options import RawTableOptions, ResourceOptions
from airflow_provider_replicator.lake.resources.raw import raw_to_delta
from tests.acceptance.projects import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from airflow_provider_replicator.cdf.http.transport import HttpRequest, HttpResponse, Transport
    from airflow_provider_replicator.core.report import Report
    from airflow_provider_replicator.lake.location import Lake
    from tests.acceptance.projects import Doc, Project

Row = dict[str, Any]
T = TypeVar("T")
_SELECTED = frozenset(Selection.__dataclass_fields__)


@dataclass
class Rewriting:
    """A transport whose answers to ``path`` are changed."""

    inner: Transport
    path: str
    edit: Callable[[bytes], bytes]

    async def send(self, request: HttpRequest) -> HttpResponse:
        answer = await self.inner.send(request)
        return replace(answer, body=self.edit(answer.body)) if request.path.startswith(self.path) else answer

    async def close(self) -> None:
        await self.inner.close()


@dataclass
class Exports:
    """A project whose objects and rows are brought into a lake."""

    project: Project
    lake: Lake
    wrap: Callable[[Transport], Transport] = field(default=lambda inner: inner)

    @property
    def clock(self) -> Any:
        return self.project.sandbox.control

    def run(self, work: Callable[[CdfClient], Awaitable[T]]) -> T:
        return asyncio.run(self.connected(work))

    async def connected(self, work: Callable[[CdfClient], Awaitable[T]]) -> T:
        """``work`` with a client of its own."""
        sandbox = self.project.sandbox
        token = StaticToken(sandbox.token)
        inner = AiohttpTransport(sandbox.base_url, self.project.name, token, settings=SETTINGS)
        async with CdfClient(self.wrap(inner), project=self.project.name, settings=SETTINGS) as client:
            return await work(client)

    def rewrite(self, path: str, edit: Callable[[bytes], bytes]) -> None:
        """From now on, answers to requests whose path begins so are what ``edit`` makes of them."""
        self.wrap = lambda inner: Rewriting(inner, path, edit)

    def rewrite_items(self, path: str, edit: Callable[[Doc], None]) -> None:
        """The same with the answer as a document, changed in place."""

        def edited(body: bytes) -> bytes:
            document = json.loads(body)
            edit(document)
            return json.dumps(document).encode()

        self.rewrite(path, edited)

    def export(self, resource: str, window: tuple[int, int] | None = None, **options: Any) -> Report:
        """One run for a resource type."""
        return self.run(lambda source: self.exporting(source, resource, window, **options))

    async def exporting(
        self, source: CdfClient, resource: str, window: tuple[int, int] | None = None, **options: Any
    ) -> Report:
        mode = options.pop("mode", None)
        selection = Selection(**{name: options.pop(name) for name in list(options) if name in _SELECTED})
        given = ResourceOptions(resource=resource, selection=selection, **_mode(window, mode), **options)
        return await resource_to_delta(source=source, lake=self.lake, options=given)

    def export_raw(self, window: tuple[int, int] | None = None, **options: Any) -> Report:
        """One run for raw."""
        given = RawTableOptions(**_mode(window), **options)
        return self.run(lambda source: raw_to_delta(source=source, lake=self.lake, options=given))

    def table(self, path: str) -> DeltaTable:
        if path in ("assets", "events", "timeseries", "files", "sequences", "relationships", "labels", "data_sets"):
            path = f"resources/{path}"
        return DeltaTable(self.lake.uri(path), storage_options=self.lake.options())

    def rows(self, path: str) -> list[Row]:
        """Every row, with maps as dictionaries and times as milliseconds; columns without a value are left out."""
        frame = self.frame(path)
        return [{name: _plain(value) for name, value in row.items() if value is not None} for row in frame.to_dicts()]

    def frame(self, path: str) -> pl.DataFrame:
        """As DataFusion reads it."""
        found = QueryBuilder().register("t", self.table(path)).execute("SELECT * FROM t")
        # through pyarrow: the library's reader keeps other threads (a proxy in front of S3, say) from running
        frame = pl.from_arrow(pa.RecordBatchReader.from_stream(found).read_all())
        assert isinstance(frame, pl.DataFrame)
        return frame

    def by(self, key: str, path: str) -> dict[Any, Row]:
        """The rows by their key, which no two of them share."""
        rows = self.rows(path)
        found = {row[key]: row for row in rows}
        assert len(found) == len(rows)
        return found

    def put_rows(self, table: str, rows: dict[str, Any]) -> None:
        """Insert raw rows, key -> columns, into ``database/table``."""
        database, _, name = table.partition("/")
        path = f"/raw/dbs/{quote(database, safe='')}/tables/{quote(name, safe='')}/rows?ensureParent=true"
        items = [{"key": key, "columns": columns} for key, columns in rows.items()]
        for start in range(0, len(items), 10_000):
            self.project.call("POST", path, {"items": items[start : start + 10_000]})

    def delete_rows(self, table: str, *keys: str) -> None:
        database, _, name = table.partition("/")
        path = f"/raw/dbs/{quote(database, safe='')}/tables/{quote(name, safe='')}/rows/delete"
        self.project.call("POST", path, {"items": [{"key": key} for key in keys]})


def _mode(window: tuple[int, int] | None, mode: Any = None) -> dict[str, Any]:
    if window is None:
        return {} if mode is None else {"mode": mode}
    return {"mode": "window", "window": Window(*window)}


def _plain(value: Any) -> Any:
    if hasattr(value, "timestamp"):
        return round(value.timestamp() * 1000)
    if isinstance(value, list) and value and isinstance(value[0], dict) and set(value[0]) == {"key", "value"}:
        return {pair["key"]: pair["value"] for pair in value}
    return value


def event(number: int, **fields: Any) -> Doc:
    return {"externalId": f"e{number}", "type": "t", "startTime": number, **fields}
