# SPDX-License-Identifier: Apache-2.0
"""What is asked of databases, over both transports, of a sandbox CouchDB."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest

from airflow_provider_replicator.couchdb import databases
from airflow_provider_replicator.couchdb.client import CouchClient
from airflow_provider_replicator.couchdb.connection import CouchConnection
from airflow_provider_replicator.exceptions import CouchConflictError, CouchNotFoundError, CouchRequestError
from tests.couchdb.client.asking import Kind, ask, connection, over_both, said, scripted

#: A name with all that a database may be called by.
NAME = "a_b$c()d+e-f/g"
IDS = ["plain", "a%25b", "plus+x", "ünï/cödé", "a b?c#d&e=f", "..", "😀", "_design/x", "_design/x/y", '"quoted"\\']


@pytest.fixture
def within(kind: Kind, to: CouchConnection) -> Callable[[Callable[[CouchClient, str], Awaitable[None]]], None]:
    """Run a test's questions in a database of its own."""

    def go(questions: Callable[[CouchClient, str], Awaitable[None]]) -> None:
        async def question(client: CouchClient) -> None:
            database = f"{NAME}{uuid4().hex}"
            assert await databases.create(client, database)
            await questions(client, database)
            assert await databases.drop(client, database)

        asyncio.run(ask(kind, to, question))

    return go


@over_both
def test_databases(within: Any) -> None:
    async def questions(client: CouchClient, db: str) -> None:
        assert await databases.exists(client, db)
        assert not await databases.exists(client, f"{db}x")
        assert not await databases.create(client, db)  # it is there, which is fine
        assert await databases.create(client, f"{db}q", params={"q": 1, "n": 1})
        assert await databases.drop(client, f"{db}q")
        assert not await databases.drop(client, f"{db}q")
        found = await databases.info(client, db)
        assert (found["db_name"], found["doc_count"]) == (db, 0)
        with pytest.raises(CouchNotFoundError):
            await databases.info(client, f"{db}x")

    within(questions)


@over_both
@pytest.mark.parametrize("doc_id", IDS)
def test_ids_of_all_kinds(within: Any, doc_id: str) -> None:
    async def questions(client: CouchClient, db: str) -> None:
        assert await databases.get_document(client, db, doc_id) is None
        first = await databases.put_document(client, db, doc_id, {"views": {}})
        found = await databases.get_document(client, db, doc_id)
        assert found == {"_id": doc_id, "_rev": first, "views": {}}
        with pytest.raises(CouchConflictError):
            await databases.put_document(client, db, doc_id, {})
        second = await databases.put_document(client, db, doc_id, {"_rev": first, "language": "query"})
        (row,) = await databases.all_docs(client, db, keys=[doc_id], include_docs=True)
        assert (row["id"], row["doc"]["language"]) == (doc_id, "query")
        old = await databases.get_document(client, db, doc_id, rev=first)
        assert old is not None
        assert "views" in old
        with pytest.raises(CouchConflictError):
            await databases.delete_document(client, db, doc_id, first)
        gone = await databases.delete_document(client, db, doc_id, second)
        assert gone.startswith("3-")
        assert await databases.get_document(client, db, doc_id) is None
        (change,) = (await databases.changes(client, db, doc_ids=[doc_id])).rows
        assert (change["id"], change["changes"], change["deleted"]) == (doc_id, [{"rev": gone}], True)

    within(questions)


@over_both
def test_the_feed_in_pages(within: Any) -> None:
    async def questions(client: CouchClient, db: str) -> None:
        await databases.bulk_docs(client, db, [{"_id": f"d{n}", "odd": n % 2 == 1} for n in range(5)])
        first = await databases.changes(client, db, limit=2)
        rest = await databases.changes(client, db, since=first.last_seq, include_docs=True)
        assert [row["id"] for row in (*first.rows, *rest.rows)] == [f"d{n}" for n in range(5)]
        assert (first.pending, rest.pending) == (3, 0)
        assert [row["doc"]["odd"] for row in rest.rows] == [False, True, False]
        assert await databases.pending(client, db, first.last_seq) == 3
        assert await databases.pending(client, db, None) == 5
        odd = await databases.changes(client, db, selector={"odd": True}, limit=10)
        assert [row["id"] for row in odd.rows] == ["d1", "d3"]
        newest = await databases.changes(client, db, descending=True, limit=1)
        assert newest.rows[0]["id"] == "d4"
        with pytest.raises(CouchRequestError, match="since"):
            await databases.changes(client, db, since="that of another server")
        with pytest.raises(ValueError, match="more than one of selector, doc_ids and filter"):
            await databases.changes(client, db, selector={}, doc_ids=[])

    within(questions)


@over_both
def test_waiting_for_a_change(within: Any) -> None:
    async def questions(client: CouchClient, db: str) -> None:
        nothing = await databases.changes(client, db, since="now", wait_seconds=0.1)
        assert nothing.rows == []
        await databases.put_document(client, db, "new", {})
        something = await databases.changes(client, db, since=nothing.last_seq, wait_seconds=60)
        assert [row["id"] for row in something.rows] == ["new"]

    within(questions)


@over_both
def test_revisions(within: Any) -> None:
    async def questions(client: CouchClient, db: str) -> None:
        written = [{"_id": "a/b", "_rev": "1-one", "n": 1}, {"_id": "a/b", "_rev": "1-two", "n": 2}]
        assert await databases.bulk_docs(client, db, written, new_edits=False) == []
        missing = await databases.revs_diff(client, db, {"a/b": ["1-one", "1-three"], "none": ["1-x"]})
        assert missing["a/b"]["missing"] == ["1-three"]
        assert missing["none"]["missing"] == ["1-x"]
        (row,) = (await databases.changes(client, db, style="all_docs")).rows
        assert {change["rev"] for change in row["changes"]} == {"1-one", "1-two"}
        (result,) = await databases.bulk_get(client, db, [{"id": "a/b", "rev": "1-one"}], revs=True)
        assert result["docs"][0]["ok"]["n"] == 1
        said_to = await databases.bulk_docs(client, db, [{"_id": "fine"}, {"_id": "a/b"}])
        assert [row.get("error") for row in said_to] == [None, "conflict"]

    within(questions)


@over_both
def test_local_documents(within: Any) -> None:
    async def questions(client: CouchClient, db: str) -> None:
        assert await databases.local_get(client, db, "airflow/dag+1") is None
        rev = await databases.local_put(client, db, "airflow/dag+1", {"seq": "4-x"})
        found = await databases.local_get(client, db, "airflow/dag+1")
        assert found == {"_id": "_local/airflow/dag+1", "_rev": rev, "seq": "4-x"}
        await databases.local_put(client, db, "airflow/dag+1", {"seq": "5-x"})  # CouchDB 3 checks no revision here
        found = await databases.local_get(client, db, "airflow/dag+1")
        assert found is not None
        assert found["seq"] == "5-x"
        assert (await databases.info(client, db))["doc_count"] == 0

    within(questions)


@over_both
def test_rows_of_all_documents(within: Any) -> None:
    async def questions(client: CouchClient, db: str) -> None:
        await databases.bulk_docs(client, db, [{"_id": doc_id} for doc_id in ("a", "ä", "b/c", "d")])
        rows = await databases.all_docs(client, db, start_key="b", end_key="b/d", inclusive_end=True)
        assert [row["id"] for row in rows] == ["b/c"]
        found = await databases.all_docs(client, db, keys=["ä", "none"])
        assert [row.get("error") for row in found] == [None, "not_found"]
        assert len(await databases.all_docs(client, db, limit=3)) == 3

    within(questions)


def test_parameters_of_filters_cannot_replace_those_of_the_feed() -> None:
    page = said(results=[], last_seq=7)

    async def question(client: CouchClient) -> databases.ChangesPage:
        return await databases.changes(
            client,
            "db",
            filter="people/by city",
            query_params={"city": "Köln+1", "limit": "9"},
            limit=1,
            seq_interval=5,
        )

    async def main() -> None:
        async with scripted(page) as server:
            found = await ask("aiohttp", connection(server.url), question)
        assert (found.last_seq, found.pending) == (7, None)  # servers without a scheduler count nothing
        assert server.seen[0].target == (
            "/db/_changes?city=K%C3%B6ln%2B1&limit=1&seq_interval=5&filter=people%2Fby%20city"
        )

    asyncio.run(main())


@over_both
def test_what_may_be_written_twice(kind: Kind) -> None:
    from airflow_provider_replicator.exceptions import CouchConnectionError
    from tests.unit.scripted_server import answer, reset

    async def main(*, new_edits: bool) -> int:
        async def question(client: CouchClient) -> None:
            await databases.bulk_docs(client, "db", [{"_id": "a"}], new_edits=new_edits)

        async with scripted(reset, answer(201, b"[]")) as server:
            try:
                await ask(kind, connection(server.url, retry_attempts=2), question)
            except CouchConnectionError:
                assert new_edits
            return len(server.seen)

    assert asyncio.run(main(new_edits=False)) == 2  # the same revisions again
    assert asyncio.run(main(new_edits=True)) == 1
