# SPDX-License-Identifier: Apache-2.0
"""Sessions: one login, a cookie that the server renews, and what happens when it does not. Over both transports."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_replicator.couchdb.client import CouchClient
from airflow_provider_replicator.exceptions import CouchAccessError, CouchNotFoundError, CouchUnavailableError
from tests.couchdb.client.asking import RETRY, Clock, Kind, ask, connection, cookie, over_both, said, scripted
from tests.unit.scripted_server import ScriptedServer, Step, answer

#: Every printable character of ASCII, and some that are not.
PASSWORD = "".join(map(chr, range(0x20, 0x7F))) + "äß€😀"
UNAUTHORIZED = answer(401, b'{"error": "unauthorized", "reason": "You are not authorized"}')
FINE = said(ok=1)


class Session:
    """A server that answers as scripted, and a clock. ``ask`` asks so often for a database, with seconds in between."""

    def __init__(self, kind: Kind, *steps: Step) -> None:
        self.kind: Kind = kind
        self.server = scripted(*steps)
        self.clock = Clock()

    def ask(self, *pauses: float) -> Any:
        async def question(client: CouchClient) -> list[Any]:
            answers = []
            for pause in (0.0, *pauses):
                self.clock.now += pause
                try:
                    answers.append(await client.get("db"))
                except (CouchAccessError, CouchUnavailableError, CouchNotFoundError) as error:
                    answers.append(error)
            return answers

        async def main() -> list[Any]:
            async with self.server as server:
                to = replace(connection(server.url, "ädmin", PASSWORD), retry=RETRY)
                return await ask(self.kind, to, question, clock=self.clock)

        return asyncio.run(main())

    @property
    def seen(self) -> list[tuple[str, str | None]]:
        return trace(self.server)


def trace(server: ScriptedServer) -> list[tuple[str, str | None]]:
    """Path and cookie of each request."""
    return [(seen.target, seen.headers.get("cookie")) for seen in server.seen]


def db(value: str) -> tuple[str, str]:
    return ("/db", f"AuthSession={value}")


LOGIN = ("/_session", None)


@over_both
def test_one_login_for_all_requests(kind: Kind) -> None:
    session = Session(kind, cookie("first", name="ädmin"), FINE)
    assert session.ask(0, 100, 100) == [{"ok": 1}] * 4
    assert session.seen == [LOGIN, *[db("first")] * 4]
    login = session.server.seen[0]
    assert (login.method, login.headers["content-type"]) == ("POST", "application/json")
    assert json.loads(login.body) == {"name": "ädmin", "password": PASSWORD}
    assert not any("authorization" in seen.headers for seen in session.server.seen)


@over_both
def test_a_newer_cookie_on_any_answer_is_used_from_then_on(kind: Kind) -> None:
    session = Session(kind, cookie("first"), cookie("second"), FINE, cookie("third", status=201), FINE)
    session.ask(400, 70, 470)
    assert session.seen == [LOGIN, db("first"), db("second"), db("second"), db("third")]


@over_both
@pytest.mark.parametrize("max_age", [600, 100])
def test_a_cookie_is_renewed_before_it_dies(kind: Kind, max_age: int) -> None:
    session = Session(kind, cookie("first", max_age), FINE, FINE, cookie("second", max_age), FINE)
    session.ask(0.79 * max_age, 0.02 * max_age)
    assert session.seen == [LOGIN, db("first"), db("first"), LOGIN, db("second")]


@over_both
def test_where_the_server_does_not_say_how_long_it_lives(kind: Kind) -> None:
    first, second = (answer(200, b"{}", set_cookie=f"AuthSession={name}") for name in ("first", "second"))
    session = Session(kind, first, FINE, FINE, second, FINE)
    session.ask(470, 20)
    assert session.seen == [LOGIN, db("first"), db("first"), LOGIN, db("second")]


@over_both
def test_a_cookie_that_expires_in_mid_use_is_renewed_once(kind: Kind) -> None:
    session = Session(kind, cookie("first"), FINE, UNAUTHORIZED, cookie("second"), FINE)
    assert session.ask(1) == [{"ok": 1}] * 2
    assert session.seen == [LOGIN, db("first"), db("first"), LOGIN, db("second")]


@over_both
def test_a_new_cookie_that_is_refused_is_no_old_one(kind: Kind) -> None:
    session = Session(kind, cookie("first"), FINE, UNAUTHORIZED, cookie("second"), UNAUTHORIZED)
    _, second = session.ask(1)
    assert isinstance(second, CouchAccessError)
    assert session.seen == [LOGIN, db("first"), db("first"), LOGIN, db("second")]
    never_worked = Session(kind, cookie("first"), UNAUTHORIZED)
    assert isinstance(never_worked.ask()[0], CouchAccessError)
    assert never_worked.seen == [LOGIN, db("first")]


@over_both
def test_no_renewal_for_403(kind: Kind) -> None:
    session = Session(kind, cookie("first"), FINE, answer(403, b'{"error": "forbidden", "reason": "no"}'))
    assert isinstance(session.ask(1)[1], CouchAccessError)
    assert session.seen == [LOGIN, db("first"), db("first")]


@over_both
@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_password_is_tried_once_and_never_again(kind: Kind, status: int) -> None:
    session = Session(kind, answer(status, b'{"error": "unauthorized", "reason": "Name or password is incorrect."}'))
    errors = session.ask(0, 1000, 10_000)
    assert session.seen == [LOGIN]
    for error in errors:
        assert isinstance(error, CouchAccessError)
        assert "/_session: " in str(error)
        assert "Name or password is incorrect." in str(error)


@over_both
def test_a_password_that_was_changed_meanwhile_ends_it(kind: Kind) -> None:
    session = Session(kind, cookie("first"), FINE, UNAUTHORIZED, UNAUTHORIZED, FINE)
    assert [type(found) for found in session.ask(1, 1)] == [dict, CouchAccessError, dict]
    assert session.seen == [LOGIN, db("first"), db("first"), LOGIN, db("first")]
    renewal = Session(kind, cookie("first"), FINE, UNAUTHORIZED, FINE)
    assert [type(found) for found in renewal.ask(500, 1, 200)] == [dict, *[CouchAccessError] * 3]
    assert renewal.seen == [LOGIN, db("first"), LOGIN]


@over_both
@pytest.mark.parametrize(
    "step",
    [said(ok=True), answer(200, b"{}", set_cookie="AuthSession=; Max-Age=0"), answer(200, b"{}", set_cookie="a=b")],
)
def test_a_login_without_a_cookie_is_none(kind: Kind, step: Step) -> None:
    session = Session(kind, step)
    error = session.ask()[0]
    assert isinstance(error, CouchAccessError)
    assert "no cookie" in str(error)
    assert session.seen == [LOGIN]


@over_both
def test_hiccups_of_the_login(kind: Kind) -> None:
    session = Session(kind, answer(503), answer(429), cookie("first"), FINE)
    assert session.ask() == [{"ok": 1}]
    assert session.seen == [LOGIN, LOGIN, LOGIN, db("first")]
    down = Session(kind, answer(503))
    error = down.ask()[0]
    assert isinstance(error, CouchUnavailableError)
    assert "POST " in str(error)
    assert "/_session: 503" in str(error)
    absent = Session(kind, answer(404))
    assert isinstance(absent.ask()[0], CouchNotFoundError)


@over_both
def test_while_a_cookie_lives_hiccups_of_its_renewal_do_not_matter(kind: Kind) -> None:
    session = Session(kind, cookie("first"), FINE, answer(503), FINE, FINE, cookie("second"), FINE)
    assert session.ask(500, 1, 10) == [{"ok": 1}] * 4
    assert session.seen == [LOGIN, db("first"), LOGIN, db("first"), db("first"), LOGIN, db("second")]


def test_many_questions_at_once_sign_in_once() -> None:
    async def question(client: CouchClient) -> list[Any]:
        first = await asyncio.gather(*(client.get("db") for _ in range(8)))
        return first + await asyncio.gather(*(client.get("db") for _ in range(8)))

    async def main() -> None:
        refuse_until_renewed = asyncio.Event()

        async def once_expired(writer: asyncio.StreamWriter) -> None:
            cookie_sent = server.seen[-1].headers.get("cookie", "")
            if server.seen[-1].target == "/_session":
                await cookie(f"c{sum(seen.target == '/_session' for seen in server.seen)}")(writer)
            elif len(server.seen) > 9 and cookie_sent.endswith("c1"):
                refuse_until_renewed.set()
                await UNAUTHORIZED(writer)
            else:
                await FINE(writer)

        async with scripted(once_expired) as server:
            answers = await ask("aiohttp", replace(connection(server.url, "u", "p"), retry=RETRY), question)
        assert answers == [{"ok": 1}] * 16
        assert refuse_until_renewed.is_set()
        assert [target for target, _ in trace(server)].count("/_session") == 2

    asyncio.run(main())


def test_many_questions_at_once_with_a_wrong_password_ask_once() -> None:
    async def question(client: CouchClient) -> list[Any]:
        return await asyncio.gather(*(client.get("db") for _ in range(8)), return_exceptions=True)

    async def main() -> None:
        async with scripted(UNAUTHORIZED) as server:
            errors = await ask("aiohttp", connection(server.url, "u", "p"), question)
        assert [type(error) for error in errors] == [CouchAccessError] * 8
        assert trace(server) == [LOGIN]

    asyncio.run(main())


@over_both
def test_other_cookies_are_not_kept(kind: Kind) -> None:
    async def both(writer: asyncio.StreamWriter) -> None:
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nset-cookie: lb=1; Expires=Fri, 21-Nov-2031 18:24:26 GMT\r\n"
            b'set-cookie: AuthSession="first"; Path=/\r\nset-cookie: x=y\r\n\r\n{}'
        )
        await writer.drain()

    session = Session(kind, both, FINE)
    session.ask()
    assert session.seen == [LOGIN, db('"first"')]
