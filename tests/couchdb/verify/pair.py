# SPDX-License-Identifier: Apache-2.0
"""Two databases of one server, and a replicator of the test's own, which is no part of what is tested."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_replicator.couchdb import databases
from airflow_provider_replicator.couchdb.blocking import run
from airflow_provider_replicator.couchdb.verify.run import verify

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine

    from airflow_provider_replicator.couchdb.client import CouchClient
    from airflow_provider_replicator.couchdb.connection import CouchConnection
    from airflow_provider_replicator.couchdb.transport import Transport
    from airflow_provider_replicator.couchdb.verify.report import VerifyReport

T = TypeVar("T")
Doc = dict[str, Any]


@dataclass(slots=True)
class Pair:
    connection: CouchConnection
    source: str
    target: str

    def run(self, work: Callable[[CouchClient], Coroutine[Any, Any, T]]) -> T:
        with self.connection.blocking() as client:
            return run(work(client))

    def create(self) -> None:
        self.run(lambda client: databases.create(client, self.source))
        self.run(lambda client: databases.create(client, self.target))

    def drop(self) -> None:
        self.run(lambda client: databases.drop(client, self.source))
        self.run(lambda client: databases.drop(client, self.target))

    # -- writing

    def write(self, *documents: Doc, database: str | None = None) -> dict[str, str]:
        """Documents with ``_rev`` where they replace others; id -> revision."""
        answers = self.run(lambda client: databases.bulk_docs(client, database or self.source, documents))
        assert all("rev" in answer for answer in answers), answers
        return {answer["id"]: answer["rev"] for answer in answers}

    def put(self, *documents: Doc, database: str | None = None) -> None:
        """Revisions as they are (``_rev``, ``_revisions``)."""
        answers = self.run(
            lambda client: databases.bulk_docs(client, database or self.source, documents, new_edits=False)
        )
        assert not [answer for answer in answers if "error" in answer], answers

    def numbers(self, count: int, first: int = 0) -> dict[str, str]:
        """Documents ``d0000``, ``d0001`` …"""
        revs: dict[str, str] = {}
        for start in range(first, first + count, 1000):
            more = range(start, min(start + 1000, first + count))
            revs |= self.write(*({"_id": f"d{number:04}", "n": number} for number in more))
        return revs

    def replicate(self, *, skip: Collection[tuple[str, str]] = ()) -> None:
        """Every leaf revision of the source goes into the target, but for those to ``skip``: (id, first character of the revision
        after its number), or (id, "") for all of a document.
        """
        page = self.run(lambda client: databases.changes(client, self.source, style="all_docs"))
        wanted = [
            {"id": row["id"], "rev": change["rev"]}
            for row in page.rows
            for change in row["changes"]
            if not {(row["id"], ""), (row["id"], change["rev"])} & set(skip)
        ]
        for start in range(0, len(wanted), 500):
            some = wanted[start : start + 500]
            results = self.run(
                lambda client, some=some: databases.bulk_get(client, self.source, some, revs=True, attachments=True)  # type: ignore[misc]
            )
            self.put(*(one["ok"] for result in results for one in result["docs"]), database=self.target)

    def update_seq(self, database: str | None = None) -> str | int:
        found: str | int = self.run(lambda client: databases.info(client, database or self.source))["update_seq"]
        return found

    # -- what is tested

    def verify(self, *, wrap: Callable[[Transport], Transport] | None = None, **more: Any) -> VerifyReport:
        with self.connection.blocking() as client:
            if wrap is not None:
                client.transport = wrap(client.transport)
            return run(verify(client, self.source, client, self.target, **more))


def renamed(connection: CouchConnection, name: str) -> CouchConnection:
    return replace(connection, name=name)
