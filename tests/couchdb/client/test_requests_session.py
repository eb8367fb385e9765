# SPDX-License-Identifier: Apache-2.0
"""The session of requests that signs in by itself, for people who call a server's API their own way."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any, TypeVar

import pytest
from requests import ConnectTimeout, ReadTimeout, Session
from requests.exceptions import ConnectionError as NoConnection

from airflow_provider_replicator.couchdb.connection import CouchConnection
from airflow_provider_replicator.couchdb.requests_session import self_signing_session
from airflow_provider_replicator.exceptions import CouchAccessError, CouchRequestError, CouchUnavailableError
from airflow_provider_replicator.sandbox.couchdb.running import RunningCouch
from tests.couchdb.client.asking import connection, cookie, said, scripted
from tests.unit.scripted_server import ScriptedServer, Step, answer, reset, silence

T = TypeVar("T")
UNAUTHORIZED = answer(401, b'{"error": "unauthorized"}')
FINE = said(ok=1)
CREDENTIALS: dict[str, dict[str, Any]] = {
    "session": {"login": "u", "password": "p"},
    "basic": {"login": "u", "password": "p", "auth_type": "basic"},
    "bearer": {"bearer_token": "t"},
    "none": {},
}


def with_session(question: Callable[[Session, str], T], *steps: Step, **fields: Any) -> tuple[T, ScriptedServer]:
    """What is asked in a thread, as in a task, of a scripted server."""

    async def main() -> tuple[T, ScriptedServer]:
        async with scripted(*steps) as server:
            to = connection(server.url, **fields)

            def ask() -> T:
                with self_signing_session(to) as session:
                    return question(session, server.url)

            return await asyncio.to_thread(ask), server

    return asyncio.run(main())


def shown(server: ScriptedServer) -> list[tuple[str, str | None]]:
    return [(seen.target, seen.headers.get("cookie") or seen.headers.get("authorization")) for seen in server.seen]


@pytest.mark.parametrize(("auth", "expected"), [("basic", "Basic dTpw"), ("bearer", "Bearer t"), ("none", None)])
def test_fixed_credentials(auth: str, expected: str | None) -> None:
    def question(session: Session, url: str) -> Any:
        return session.get(f"{url}/a%2Fb%2Bc", params={"limit": 1}).json(), session.put(f"{url}/x", json={}).status_code

    found, server = with_session(question, FINE, **CREDENTIALS[auth])
    assert found == ({"ok": 1}, 200)
    assert shown(server) == [("/a%2Fb%2Bc?limit=1", expected), ("/x", expected)]
    assert server.seen[0].headers["accept"] == "application/json"


def test_a_session_signs_in_renews_and_follows_newer_cookies() -> None:
    steps = [cookie("c1"), cookie("c2"), FINE, UNAUTHORIZED, cookie("c3"), FINE]
    posted: list[Any] = []

    def question(session: Session, url: str) -> list[int]:
        posted.append(session.get(f"{url}/db"))
        posted.append(session.post(f"{url}/db", json={"n": 1}))
        posted.append(session.post(f"{url}/db", json={"n": 2}))
        return [response.status_code for response in posted]

    found, server = with_session(question, *steps, **CREDENTIALS["session"])
    assert found == [200, 200, 200]
    cookies = [f"AuthSession={name}" for name in ("c1", "c2", "c2", "c3")]
    assert shown(server) == [
        ("/_session", None),
        ("/db", cookies[0]),
        ("/db", cookies[1]),
        ("/db", cookies[2]),
        ("/_session", None),
        ("/db", cookies[3]),
    ]
    assert [seen.body for seen in server.seen[2:] if seen.target == "/db"] == [b'{"n": 1}', b'{"n": 2}', b'{"n": 2}']
    assert [response.status_code for response in posted[2].history] == [401]


def test_a_body_that_cannot_be_sent_twice_is_not() -> None:
    def question(session: Session, url: str) -> list[int]:
        first = session.get(f"{url}/db").status_code
        return [first, session.put(f"{url}/db", data=BytesIO(b"x")).status_code]

    found, server = with_session(question, cookie("c1"), FINE, UNAUTHORIZED, **CREDENTIALS["session"])
    assert found == [200, 401]
    assert len(server.seen) == 3


@pytest.mark.parametrize(
    ("step", "error"),
    [
        (UNAUTHORIZED, CouchAccessError),
        (answer(403), CouchAccessError),
        (answer(503), CouchUnavailableError),
        (answer(404), CouchRequestError),
    ],
)
def test_signing_in_that_fails_raises(step: Step, error: type[Exception]) -> None:
    """And does not go on as nobody, as other clients do."""

    def question(session: Session, url: str) -> None:
        for _ in range(2):
            with pytest.raises(error, match="/_session"):
                session.get(f"{url}/db")

    _, server = with_session(question, step, **CREDENTIALS["session"])
    assert {seen.target for seen in server.seen} == {"/_session"}
    assert len(server.seen) == (1 if error is CouchAccessError else 2)


def test_reading_is_tried_again_and_writing_is_not() -> None:
    def question(session: Session, url: str) -> list[Any]:
        statuses: list[Any] = [session.get(f"{url}/db").status_code, session.post(f"{url}/db", json={}).status_code]
        with pytest.raises(NoConnection):
            session.post(f"{url}/db", json={})
        return statuses

    found, server = with_session(
        question, answer(429, retry_after="0"), reset, FINE, answer(503), reset, retry_attempts=3
    )
    assert found == [200, 503]
    assert [seen.method for seen in server.seen] == ["GET", "GET", "GET", "POST", "POST"]


def test_time_outs_are_those_of_the_connection() -> None:
    def question(session: Session, url: str) -> None:
        with pytest.raises((ReadTimeout, NoConnection, ConnectTimeout), match="imed out"):
            session.get(f"{url}/db")

    with_session(question, silence, read_timeout=0.1, retry_attempts=1)


@pytest.mark.parametrize("auth", ["session", "basic", "bearer"])
def test_nobody_else_is_shown_credentials(auth: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Neither when asked, nor when redirected to, nor when that one says 401; and .netrc is not read."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login n password n\n")
    monkeypatch.setenv("NETRC", str(netrc))

    async def main() -> None:
        async with scripted(UNAUTHORIZED) as other:
            there = answer(302, b"", location=f"{other.url}/elsewhere")
            login = [cookie("c1")] if auth == "session" else []
            async with scripted(*login, FINE, there) as server:

                def ask() -> None:
                    with self_signing_session(connection(server.url, **CREDENTIALS[auth])) as session:
                        assert session.get(f"{server.url}/db").status_code == 200
                        assert session.get(f"{server.url}/db").status_code == 401
                        assert session.get(f"{other.url}/direct").status_code == 401

                await asyncio.to_thread(ask)
            assert shown(other) == [("/elsewhere", None), ("/direct", None)]

    asyncio.run(main())


@pytest.mark.parametrize("auth_type", ["session", "basic"])
def test_many_threads_over_one_session(couch: RunningCouch, auth_type: str) -> None:
    to = connection(couch.url, couch.username, couch.password, auth_type=auth_type)
    couch.control.reset_counters()
    start = threading.Barrier(4)
    with self_signing_session(to) as session, ThreadPoolExecutor(4) as threads:

        def who(_: int) -> str:
            start.wait(30)
            return str(session.get(f"{couch.url}/_session").json()["userCtx"]["name"])

        assert set(threads.map(who, range(8))) == {couch.username}
    logins = couch.control.counters()["requests"].get("- POST /_session", 0)
    assert logins == (1 if auth_type == "session" else 0)


def test_it_shows_no_secret(to: CouchConnection) -> None:
    with self_signing_session(to) as session:
        assert repr(session.auth) == "SelfSigning('my_couch')"
        assert to.secrets()[0] not in repr(vars(session))
