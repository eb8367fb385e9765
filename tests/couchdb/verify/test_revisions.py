# SPDX-License-Identifier: Apache-2.0
"""Every leaf revision of the source is in the target, or is named."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_replicator.couchdb import databases
from airflow_provider_replicator.couchdb.blocking import run
from airflow_provider_replicator.couchdb.verify.run import verify
from airflow_provider_replicator.couchdb.verify.selection import Selection
from airflow_provider_replicator.exceptions import CouchNotFoundError

if TYPE_CHECKING:
    from airflow_provider_replicator.couchdb.transport import Answer, Request, Transport
    from tests.couchdb.verify.pair import Pair

#: Ids that a server must not take apart.
ODD = ("a%25b", "plus+x", "ünï/cödé", "q?uery#", "_design/views")
#: Two leaves of one document.
BRANCH = {"_id": "d0001", "_rev": "1-branch", "n": -1}


def everything(pair: Pair) -> None:
    """Documents, a conflict, a tombstone, odd ids."""
    revs = pair.numbers(10)
    pair.put(BRANCH)
    pair.write({"_id": "d0002", "_rev": revs["d0002"], "_deleted": True})
    pair.write(*({"_id": one} for one in ODD))


@pytest.mark.parametrize("page_size", [1, 4, 2000])
def test_everything_arrived(pair: Pair, page_size: int) -> None:
    everything(pair)
    pair.replicate()
    report = pair.verify(page_size=page_size)
    assert report.ok
    assert (report.documents, report.revisions, report.conflicts, report.tombstones) == (15, 16, 1, 1)
    assert report.missing_documents == report.missing_revisions == 0
    assert report.findings == report.notes == ()


def test_an_empty_source(pair: Pair) -> None:
    assert pair.verify().ok


def test_what_did_not_arrive_is_named(pair: Pair) -> None:
    everything(pair)
    pair.replicate(skip={("d0005", ""), ("ünï/cödé", "")})
    report = pair.verify(page_size=3)
    assert not report.ok
    assert set(report.missing_ids) == {"d0005", "ünï/cödé"}
    assert (report.missing_documents, report.missing_revisions, report.missing_tombstones) == (2, 2, 0)
    assert "2 of 15 documents" in report.message
    assert "ünï/cödé" in report.message
    assert "since_seq" in report.message


def test_a_conflict_that_did_not_arrive(pair: Pair) -> None:
    """The losing branch of a document that is there."""
    everything(pair)
    pair.replicate()
    pair.put({"_id": "d0003", "_rev": f"1-{'0' * 32}", "n": 1})
    report = pair.verify()
    assert report.missing_ids == ("d0003",)
    assert "Only conflicting revisions are missing" in report.message
    assert pair.verify(selection=Selection(winning_revs_only=True)).ok


def test_a_delete_that_did_not_arrive(pair: Pair) -> None:
    revs = pair.numbers(3)
    pair.replicate()
    pair.write({"_id": "d0001", "_rev": revs["d0001"], "_deleted": True})
    report = pair.verify()
    assert report.missing_ids == ("d0001",)
    assert report.missing_tombstones == 1


def test_the_target_may_hold_more_and_newer(pair: Pair) -> None:
    revs = pair.numbers(3)
    pair.replicate()
    pair.write({"_id": "d0001", "_rev": revs["d0001"], "n": "newer"}, {"_id": "more"}, database=pair.target)
    pair.write({"_id": "d0002", "_rev": revs["d0002"], "_deleted": True}, database=pair.target)
    assert pair.verify().ok


def test_design_documents_that_the_target_refused(pair: Pair) -> None:
    everything(pair)
    pair.replicate(skip={("_design/views", "")})
    report = pair.verify()
    assert report.missing_ids == ("_design/views",)
    assert "design documents" in report.message
    assert "administrators" in report.message


def test_nothing_arrived(pair: Pair) -> None:
    pair.numbers(150)
    report = pair.verify()
    assert report.missing_documents == 150
    assert len(report.missing_ids) == 100
    assert "was it replicated" in report.message


def test_so_many_may_be_missing(pair: Pair) -> None:
    pair.numbers(10)
    pair.replicate(skip={("d0005", ""), ("d0006", "")})
    assert not pair.verify(max_missing=1).ok
    report = pair.verify(max_missing=2)
    assert report.ok
    assert report.missing_documents == 2
    assert "max_missing=2" in report.notes[0]


# -- a part


def test_a_selector(pair: Pair) -> None:
    pair.numbers(10)
    pair.replicate(skip={("d0001", ""), ("d0009", "")})
    selector = {"n": {"$gt": 5}}
    report = pair.verify(selection=Selection(selector=selector), page_size=2)
    assert report.documents == 4
    assert report.missing_ids == ("d0009",)


def test_ids(pair: Pair) -> None:
    everything(pair)
    pair.replicate(skip={("d0001", ""), ("plus+x", "")})
    report = pair.verify(selection=Selection(doc_ids=(*ODD, "d0003", "not there")), page_size=2)
    assert report.documents == 6
    assert report.missing_ids == ("plus+x",)


def test_a_filter_with_parameters(pair: Pair) -> None:
    code = "function (doc, req) { return doc.n !== undefined && '' + doc.n % 2 === req.query.rest; }"
    pair.numbers(6)
    pair.write({"_id": "_design/some", "filters": {"rest": code}})
    pair.replicate(skip={("d0001", ""), ("d0002", "")})
    chosen = {"filter": "some/rest", "query_params": {"rest": "1"}}
    report = pair.verify(selection=Selection(**chosen), page_size=2)  # type: ignore[arg-type]
    assert report.documents == 3
    assert report.missing_ids == ("d0001",)


def test_what_changed_in_between(pair: Pair) -> None:
    """``since`` and ``until`` are sequences of the source."""
    pair.numbers(5)
    since = pair.update_seq()
    pair.numbers(5, first=5)
    until = pair.update_seq()
    pair.numbers(5, first=10)
    pair.replicate(skip={(f"d{number:04}", "") for number in (1, 6, 11)})
    assert set(pair.verify().missing_ids) == {"d0001", "d0006", "d0011"}
    assert set(pair.verify(since=since).missing_ids) == {"d0006", "d0011"}
    assert pair.verify(since=since, until=until).missing_ids == ("d0006",)


# -- a source that is written to


class Busy:
    """A transport of a source that is written to at each look at its changes."""

    def __init__(self, inner: Transport, pair: Pair, *, each: int) -> None:
        self.inner = inner
        self._pair = pair
        self._each = each
        self.looks = 0

    async def send(self, request: Request) -> Answer:
        if "/_changes" in request.url:
            self._pair.numbers(self._each, first=1000 + self.looks * self._each)
            self.looks += 1
        return await self.inner.send(request)

    async def sleep(self, seconds: float) -> None:
        await self.inner.sleep(seconds)

    async def close(self) -> None:
        await self.inner.close()


def test_what_is_written_meanwhile_is_not_missing(pair: Pair) -> None:
    pair.numbers(20)
    pair.replicate(skip={("d0007", "")})
    report = pair.verify(wrap=lambda inner: Busy(inner, pair, each=2), page_size=10)
    assert report.missing_ids == ("d0007",)
    assert report.changed_meanwhile > 0
    assert "written to while this was running" in report.notes[0]


def test_a_source_that_is_written_to_faster_than_it_is_read_is_no_endless_one(pair: Pair) -> None:
    pair.numbers(20)
    pair.replicate()
    busy: list[Busy] = []

    def wrap(inner: Transport) -> Transport:
        busy.append(Busy(inner, pair, each=6))
        return busy[0]

    report = pair.verify(wrap=wrap, page_size=5)
    assert report.ok
    assert busy[0].looks < 100


# -- requests


class Small:
    """A transport of a server that takes no large bodies, and has trouble with large pages."""

    def __init__(self, inner: Transport) -> None:
        self.inner = inner
        self.refused = 0

    async def send(self, request: Request) -> Answer:
        from airflow_provider_replicator.couchdb.transport import Answer

        if "_revs_diff" in request.url and len(request.body or b"") > 500:
            self.refused += 1
            body = b'{"error":"too_large","reason":"the request entity is too large"}'
            return Answer(status=413, headers={}, body=body)
        if "limit=200" in request.url or "limit=100" in request.url:
            self.refused += 1
            return Answer(status=503, headers={}, body=b'{"error":"timeout","reason":"overloaded"}')
        return await self.inner.send(request)

    async def sleep(self, seconds: float) -> None:
        await self.inner.sleep(seconds)

    async def close(self) -> None:
        await self.inner.close()


def test_pages_shrink_where_a_server_has_trouble_with_them(pair: Pair) -> None:
    pair.numbers(120)
    pair.replicate(skip={("d0077", "")})
    small: list[Small] = []

    def wrap(inner: Transport) -> Transport:
        small.append(Small(inner))
        return small[0]

    report = pair.verify(wrap=wrap, page_size=200)
    assert report.missing_ids == ("d0077",)
    assert report.documents == 120
    assert small[0].refused > 2


def test_two_requests_a_page(pair: Pair) -> None:
    pair.numbers(30)
    pair.replicate()
    report = pair.verify(page_size=10)
    # one for the end of the source, two a page
    assert sum(report.requests.values()) == 1 + 3 * 2


def test_progress_is_told(pair: Pair) -> None:
    pair.numbers(30)
    pair.replicate()
    told: list[tuple[int, int | None]] = []
    pair.verify(page_size=10, on_progress=lambda *counts: told.append(counts))
    assert told == [(10, 30), (20, 30), (30, 30)]


def test_over_an_event_loop(pair: Pair) -> None:
    pair.numbers(10)
    pair.replicate(skip={("d0001", "")})

    async def main() -> Any:
        async with pair.connection.client() as client:
            return await verify(client, pair.source, client, pair.target, level="bodies", page_size=3)

    report = asyncio.run(main())
    assert report.missing_ids == ("d0001",)
    assert report.compared == 9


def test_a_database_that_is_not_there(pair: Pair) -> None:
    pair.run(lambda client: databases.drop(client, pair.source))
    with pytest.raises(CouchNotFoundError):
        pair.verify()


def test_no_secret_in_what_is_told(pair: Pair) -> None:
    pair.numbers(2)
    report = pair.verify()
    with pair.connection.blocking() as client, pytest.raises(CouchNotFoundError) as raised:
        run(verify(client, pair.source, client, "not-there"))
    told = repr(report) + report.message + str(report.as_dict()) + repr(raised.value) + str(raised.value)
    secrets = pair.connection.secrets()
    assert secrets
    assert not [secret for secret in secrets if secret in told]
