# SPDX-License-Identifier: Apache-2.0
"""What a server, or the way to it, does wrong, and what the client makes of it. Over both transports."""

from __future__ import annotations

import asyncio
import gzip
import logging
import socket
import threading
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_replicator.couchdb.client import CouchClient
from airflow_provider_replicator.exceptions import (
    CouchAccessError,
    CouchConflictError,
    CouchConnectionError,
    CouchNotFoundError,
    CouchRequestError,
    CouchTooLargeError,
    CouchUnavailableError,
    ReplicatorError,
)
from tests.couchdb.client.asking import (
    RETRY,
    Kind,
    Question,
    arrived,
    ask,
    connection,
    cookie,
    over_both,
    said,
    scripted,
)
from tests.unit.scripted_server import ScriptedServer, Step, answer, cut_short, reset, silence

BUSY = answer(429, b'{"error": "too_many_requests", "reason": "slow down"}')
FINE = said(db_name="db")


def asked(
    kind: Kind, *steps: Step, question: Question[Any] | None = None, **changes: Any
) -> tuple[Any, ScriptedServer]:
    """What a question comes to, the error included, and the server that was asked."""

    async def main() -> tuple[Any, ScriptedServer]:
        async with scripted(*steps) as server:
            to = replace(connection(server.url), **({"retry": RETRY} | changes))
            try:
                return await ask(kind, to, question or (lambda client: client.get("db"))), server
            except ReplicatorError as error:
                return error, server

    return asyncio.run(main())


@over_both
@pytest.mark.parametrize("fault", [BUSY, answer(503), answer(500, b"<html>"), answer(408), reset, cut_short])
def test_hiccups_are_asked_again(kind: Kind, fault: Step) -> None:
    found, server = asked(kind, fault, fault, FINE)
    assert found == {"db_name": "db"}
    assert [seen.target for seen in server.seen] == ["/db"] * 3


@over_both
def test_every_request_is_counted(kind: Kind) -> None:
    async def question(client: CouchClient) -> int:
        await client.get("db")
        return client.requests

    assert asked(kind, BUSY, reset, FINE, question=question)[0] == 3


@over_both
def test_a_server_that_says_when_is_believed(kind: Kind, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    slow = answer(429, b"{}", retry_after="0")
    assert asked(kind, slow, FINE)[0] == {"db_name": "db"}
    assert "429 too_many_requests: no reason given; asking again in 0.0 s" in caplog.text
    found, server = asked(kind, answer(429, b"{}", retry_after="3600"), FINE)
    assert isinstance(found, CouchUnavailableError)  # later than the budget allows: waiting is pointless
    assert "the server asks to come back in 3600 s" in str(found)
    assert len(server.seen) == 1


@over_both
def test_in_the_end_it_is_given_up(kind: Kind) -> None:
    found, server = asked(kind, BUSY)
    assert isinstance(found, CouchUnavailableError)
    assert (found.status, found.error) == (429, "too_many_requests")
    assert str(found) == f"GET {server.url}/db: 429 too_many_requests: slow down (4 attempts)"
    assert len(server.seen) == 4
    found, server = asked(kind, reset)
    assert isinstance(found, CouchConnectionError)
    assert (found.sent, len(server.seen)) == (True, 4)


@over_both
def test_what_may_have_been_done_is_not_done_again(kind: Kind) -> None:
    async def question(client: CouchClient) -> Any:
        return await client.post("db", json={"a": 1}, idempotent=False)

    for fault, error in ((reset, CouchConnectionError), (answer(503), CouchUnavailableError)):
        found, server = asked(kind, fault, FINE, question=question)
        assert isinstance(found, error)
        assert len(server.seen) == 1
    found, server = asked(kind, BUSY, FINE, question=question)
    assert found == {"db_name": "db"}  # a server that is too busy has done nothing
    assert [seen.body for seen in server.seen] == [b'{"a":1}'] * 2


@over_both
@pytest.mark.parametrize("fault", [answer(503), reset, BUSY])
def test_a_login_with_hiccups_has_done_nothing_yet(kind: Kind, fault: Step) -> None:
    async def main() -> None:
        async with scripted(fault, cookie("c1"), FINE) as server:
            to = replace(connection(server.url, "u", "p"), retry=RETRY)
            await ask(kind, to, lambda client: client.post("db", json={}, idempotent=False))
        assert [seen.target for seen in server.seen] == ["/_session", "/_session", "/db"]

    asyncio.run(main())


@over_both
def test_statuses_that_are_raised_at_once(kind: Kind) -> None:
    async def question(client: CouchClient) -> Any:
        return await client.answer("GET", "db", at_once={503})

    found, server = asked(kind, answer(503), FINE, question=question)
    assert isinstance(found, CouchUnavailableError)
    assert len(server.seen) == 1


@over_both
@pytest.mark.parametrize("status", [401, 403])
def test_who_asks_is_never_asked_again(kind: Kind, status: int) -> None:
    refused = answer(status, b'{"error": "unauthorized", "reason": "Account is temporarily locked"}')
    found, server = asked(kind, refused, FINE)
    assert isinstance(found, CouchAccessError)
    assert str(found).startswith(f"GET {server.url}/db: {status} unauthorized: Account is temporarily locked")
    assert "'my_couch'" in str(found)
    assert len(server.seen) == 1


@over_both
@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, CouchRequestError),
        (404, CouchNotFoundError),
        (409, CouchConflictError),
        (412, CouchConflictError),
        (413, CouchRequestError),
    ],
)
def test_refusals(kind: Kind, status: int, error: type[CouchRequestError]) -> None:
    found, server = asked(kind, answer(status, b'{"error": "no", "reason": "because"}'))
    assert type(found) is error
    assert (found.status, found.error, found.reason) == (status, "no", "because")
    assert found.path == f"GET {server.url}/db"
    assert len(server.seen) == 1


@over_both
@pytest.mark.parametrize(
    ("step", "complaint"),
    [
        (
            answer(301, b"", location="https://elsewhere.example/login"),
            "redirected to https://elsewhere.example/login;",
        ),
        (answer(400, b"<html>" + b"x" * 5000), "400 bad_request: <html>xxx"),
        (answer(404, b""), "404 not_found: no reason given"),
        (answer(400, b'["odd"]'), "400 bad_request: ['odd']"),
        (answer(400, b'{"error": {"code": 7}, "reason": null}'), "400 {'code': 7}: no reason given"),
        (answer(499, b"{}"), "499 error: no reason given"),
        (answer(200, b"<html>", content_type="text/html"), "this is a web page: check the host"),
        (answer(200, b"{"), "the answer is not JSON"),
    ],
)
def test_answers_that_no_couchdb_gives(kind: Kind, step: Step, complaint: str) -> None:
    found, _ = asked(kind, step)
    assert isinstance(found, ReplicatorError)
    assert complaint in str(found)
    assert len(str(found)) < 800


@over_both
def test_nobody_answers_the_door(kind: Kind) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    to = replace(connection(url), retry=RETRY)
    with pytest.raises(
        CouchConnectionError, match=r"no answer of 127\.0\.0\.1:\d+: .*[Rr]efused.*\(2 attempts\)"
    ) as caught:
        asyncio.run(ask(kind, to, lambda client: client.get("db")))
    assert caught.value.sent is False


@over_both
def test_a_server_that_says_nothing(kind: Kind) -> None:
    patience: dict[str, Any] = {"read_timeout": 0.1, "retry": replace(RETRY, attempts=1)}
    found, _ = asked(kind, silence, **patience)
    assert isinstance(found, CouchConnectionError)
    assert "imeout" in str(found)

    async def patient(client: CouchClient) -> Any:
        return await client.get("db", read_timeout=30)

    async def late(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.3)
        await FINE(writer)

    assert asked(kind, late, question=patient, **patience)[0] == {"db_name": "db"}


@over_both
def test_an_answer_may_be_bounded(kind: Kind) -> None:
    def of(size: int) -> Question[Any]:
        async def question(client: CouchClient) -> int:
            return len((await client.answer("GET", "db", max_bytes=size)).body)

        return question

    body = b'"' + b"x" * 199_998 + b'"'
    assert asked(kind, answer(200, body), question=of(200_000))[0] == 200_000
    packed = answer(200, gzip.compress(body), content_encoding="gzip")
    assert asked(kind, packed, question=of(200_000))[0] == 200_000
    for step in (answer(200, body), packed):
        found, server = asked(kind, step, question=of(199_999))
        assert isinstance(found, CouchTooLargeError)
        assert "larger than 199999 bytes" in str(found)
        assert len(server.seen) == 1


@over_both
def test_what_is_sent(kind: Kind) -> None:
    async def question(client: CouchClient) -> None:
        await client.put("a/b+ü", "_design/x", json={"ä": [1]}, params={"rev": "1-a+b", "w": None})
        await client.put("db")
        await client.delete("db", "..", params={"rev": "1-a"})
        await client.answer("HEAD", "db")
        await client.get()

    _, server = asked(kind, said(ok=True), said(), said(), answer(200, b""), FINE, question=question)
    first, created, deleted, head, root = server.seen
    assert (first.method, first.target) == ("PUT", "/a%2Fb%2B%C3%BC/_design/x?rev=1-a%2Bb")
    assert first.body == '{"ä":[1]}'.encode()
    assert first.headers["content-type"] == "application/json"
    assert (created.method, created.target, created.body) == ("PUT", "/db", b"")
    assert (deleted.method, deleted.target) == ("DELETE", "/db/%2E%2E?rev=1-a")
    assert (head.method, head.body, root.target) == ("HEAD", b"", "/")
    for seen in server.seen:
        assert seen.headers["accept"] == "application/json"
        assert seen.headers["user-agent"].startswith("airflow-provider-replicator/")
        assert not {"authorization", "cookie"} & set(seen.headers)


@over_both
def test_what_the_server_says_of_itself_is_asked_once(kind: Kind) -> None:
    root = said(
        couchdb="Welcome",
        version="3.5.0",
        features=["scheduler", "quickjs"],
        vendor={"name": "The Apache Software Foundation"},
        uuid="abc",
    )

    async def question(client: CouchClient) -> Any:
        assert await client.features() is await client.features()
        return await client.features()

    info, server = asked(kind, root, question=question)
    assert (str(info), info.version, info.uuid, info.scheduler) == ("Apache CouchDB 3.5.0", (3, 5, 0), "abc", True)
    assert len(server.seen) == 1
    pouch = said(version="4.2.0", vendor={"name": "PouchDB authors", "version": "4.2.0"})
    assert (str(asked(kind, pouch, question=question)[0]), asked(kind, pouch, question=question)[0].scheduler) == (
        "PouchDB Server 4.2.0",
        False,
    )
    odd = asked(kind, answer(200, b'{"vendor": "x", "version": "3.1.0-RC1-a9"}'), question=question)[0]
    assert (odd.vendor, odd.version, odd.features, odd.uuid) == ("unknown", (3, 1, 0), frozenset(), None)


def test_a_task_that_is_stopped_ends_its_waiting() -> None:
    async def main() -> None:
        stop = threading.Event()
        async with scripted(answer(503), FINE) as server:
            slow = replace(RETRY, first_wait=600.0, longest_wait=600.0, seconds=10_000.0)
            waiting = asyncio.create_task(
                ask("requests", replace(connection(server.url), retry=slow), lambda c: c.get("db"), stop=stop)
            )
            await arrived(server)
            stop.set()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            with pytest.raises(asyncio.CancelledError):
                await ask("requests", connection(server.url), lambda c: c.get("db"), stop=stop)
            assert len(server.seen) == 1

    asyncio.run(main())


def test_a_trigger_that_is_stopped_ends_its_waiting() -> None:
    async def main() -> None:
        async with scripted(silence) as server:
            waiting = asyncio.create_task(ask("aiohttp", connection(server.url), lambda c: c.get("db")))
            await arrived(server)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting

    asyncio.run(main())


@over_both
def test_closing_twice_is_harmless(kind: Kind) -> None:
    async def question(client: CouchClient) -> Any:
        await client.get("db")
        await client.close()
        await client.close()
        return await client.get("db")  # opens anew

    assert asked(kind, FINE, question=question)[0] == {"db_name": "db"}
