# SPDX-License-Identifier: Apache-2.0
"""A database, a lake, and what the table should hold: the documents that are there."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_replicator.couchdb import databases
from airflow_provider_replicator.couchdb.blocking import run
from airflow_provider_replicator.lake.documents.options import DocumentsOptions
from airflow_provider_replicator.lake.documents.replicate import replicate_documents
from airflow_provider_replicator.lake.documents.schema import layout_of
from airflow_provider_replicator.lake.feeds.current import current_frame
from airflow_provider_replicator.lake.feeds.options import MergeWhen
from airflow_provider_replicator.lake.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from deltalake import DeltaTable

    from airflow_provider_replicator.core.report import Report
    from airflow_provider_replicator.couchdb.client import CouchClient
    from airflow_provider_replicator.couchdb.connection import CouchConnection
    from airflow_provider_replicator.couchdb.transport import Answer, Request, Transport
    from airflow_provider_replicator.lake.location import Lake

T = TypeVar("T")
Doc = dict[str, Any]
#: Nothing is merged by itself.
NEVER = MergeWhen(small_table=0, share=None, rows=None, megabytes=None, batches=None, hours=None)
ALWAYS = MergeWhen(small_table=10**9)


@dataclass(slots=True)
class World:
    connection: CouchConnection
    database: str
    lake: Lake
    #: what is put around the transport of a run
    wrap: Callable[[Transport], Transport] = field(default=lambda transport: transport)

    def options(self, **more: Any) -> DocumentsOptions:
        return DocumentsOptions(**{"database": self.database} | more)

    # -- the database

    def ask(self, work: Callable[[CouchClient], Coroutine[Any, Any, T]]) -> T:
        with self.connection.blocking() as client:
            return run(work(client))

    def create(self) -> None:
        self.ask(lambda client: databases.create(client, self.database))

    def drop(self) -> None:
        self.ask(lambda client: databases.drop(client, self.database))

    def make_again(self) -> None:
        """Drop and create it, at another second: servers tell no less."""
        self.drop()
        now = int(time.time())
        while int(time.time()) == now:
            time.sleep(0.02)
        self.create()

    def write(self, *documents: Doc) -> dict[str, str]:
        """New versions of documents, whatever there is; id -> revision."""
        there = self.revisions(document["_id"] for document in documents)
        given = [
            {**document, **({"_rev": rev} if (rev := there.get(document["_id"])) else {})} for document in documents
        ]
        answers = self.ask(lambda client: databases.bulk_docs(client, self.database, given))
        assert all("rev" in answer for answer in answers), answers
        return {answer["id"]: answer["rev"] for answer in answers}

    def make(self, numbers: Iterable[int], **more: Any) -> None:
        """Documents ``d0``, ``d1`` … with values that follow from their number."""
        self.write(*({"_id": f"d{n}", "n": n, "name": f"Pump {n}", **more} for n in numbers))

    def delete(self, *ids: str) -> None:
        """Those of them that are there."""
        self.write(*({"_id": one, "_deleted": True} for one in self.revisions(ids)))

    def revisions(self, ids: Iterable[str]) -> dict[str, str]:
        rows = self.ask(lambda client: databases.all_docs(client, self.database, keys=list(ids)))
        return {row["id"]: row["value"]["rev"] for row in rows if "value" in row and not row["value"].get("deleted")}

    def documents(self) -> dict[str, Doc]:
        """What there is, by id."""
        rows = self.ask(lambda client: databases.all_docs(client, self.database, include_docs=True))
        return {row["id"]: row["doc"] for row in rows}

    # -- the run and the tables

    def run(self, chosen: DocumentsOptions | None = None, **more: Any) -> Report:
        return asyncio.run(self.arun(chosen, **more))

    async def arun(self, chosen: DocumentsOptions | None = None, **more: Any) -> Report:
        async with self.connection.client() as client:
            client.transport = self.wrap(client.transport)
            return await replicate_documents(source=client, lake=self.lake, options=chosen or self.options(**more))

    def did(self, **more: Any) -> list[str]:
        """What a run did besides following the changes."""
        (table,) = self.run(**more).tables
        return list(table.get("did", []))

    @property
    def path(self) -> str:
        return layout_of(self.database).path

    @property
    def changes_path(self) -> str:
        return layout_of(self.database).changes_path

    def table(self, path: str | None = None) -> DeltaTable:
        handle = Table(self.lake, path or self.path).open()
        assert handle is not None
        return handle

    def rows(self) -> list[Doc]:
        """The rows that are current, waiting changes among them."""
        found: list[Doc] = current_frame(self.lake, self.path).collect().to_dicts()
        return found

    def by_id(self) -> dict[str, Doc]:
        rows = self.rows()
        found = {row["_id"]: row for row in rows}
        assert len(found) == len(rows)
        return found

    def check(self) -> None:
        """The current rows are the documents: each once, whole."""
        rows = self.by_id()
        there = {one: doc for one, doc in self.documents().items() if not one.startswith("_design/")}
        assert sorted(rows) == sorted(there)
        for one, row in rows.items():
            assert json.loads(row["document"]) == there[one]
            assert row["_rev"] == there[one]["_rev"]
            assert row["_deleted"] is False


class Between:
    """A transport that does something before a request whose address holds ``part``, after ``skip`` of them."""

    def __init__(self, inner: Transport, part: str, work: Any, *, skip: int = 0, times: int = 1) -> None:
        self.inner, self._part, self._work, self._skip, self._times = inner, part, work, skip, times

    async def send(self, request: Request) -> Answer:
        if self._part in request.url:
            self._skip -= 1
            if self._skip < 0 < self._times:
                self._times -= 1
                await asyncio.to_thread(self._work)
        return await self.inner.send(request)

    async def sleep(self, seconds: float) -> None:
        await self.inner.sleep(seconds)

    async def close(self) -> None:
        await self.inner.close()
