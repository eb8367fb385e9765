# SPDX-License-Identifier: Apache-2.0
"""One question, asked over either transport, of a server in the same process."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeVar

import pytest

from airflow_provider_replicator.core.retry import RetryPolicy
from airflow_provider_replicator.couchdb.aiohttp_transport import AiohttpTransport
from airflow_provider_replicator.couchdb.blocking import run
from airflow_provider_replicator.couchdb.client import CouchClient
from airflow_provider_replicator.couchdb.connection import CouchConnection, read_couch_connection
from airflow_provider_replicator.couchdb.requests_transport import RequestsTransport
from tests.unit.scripted_server import ScriptedServer, Step, answer

T = TypeVar("T")
Kind = Literal["requests", "aiohttp"]
Question = Callable[[CouchClient], Awaitable[T]]

over_both = pytest.mark.parametrize("kind", ["requests", "aiohttp"])
#: As often as in production, but without the waiting.
RETRY = RetryPolicy(attempts=4, connect_attempts=2, seconds=60.0, first_wait=0.001)


class Clock:
    """Seconds that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def connection(url: str, login: str | None = None, password: str | None = None, **extra: Any) -> CouchConnection:
    """A connection as Airflow keeps it, to ``url``."""
    return read_couch_connection(
        "my_couch", conn_type="couchdb", host=url, port=None, schema=None, login=login, password=password, extra=extra
    )


async def ask(
    kind: Kind,
    to: CouchConnection,
    question: Question[T],
    *,
    clock: Callable[[], float] | None = None,
    stop: threading.Event | None = None,
) -> T:
    """Ask over ``kind``: with aiohttp on this event loop, with requests in a thread."""
    more: dict[str, Any] = {} if clock is None else {"clock": clock}
    if kind == "aiohttp":
        async with CouchClient(to, AiohttpTransport(to), **more) as client:
            return await question(client)

    def blocking() -> T:
        with CouchClient(to, RequestsTransport(to, stop), **more) as client:
            return run(_awaited(question(client)))

    return await asyncio.to_thread(blocking)


async def _awaited(question: Awaitable[T]) -> T:
    return await question


async def arrived(server: ScriptedServer) -> None:
    """Until there has been a request."""
    while not server.seen:  # noqa: ASYNC110 - the server is for all tests, and has no event for it
        await asyncio.sleep(0.01)


def scripted(*steps: Step) -> ScriptedServer:
    return ScriptedServer(list(steps))


def said(status: int = 200, **document: Any) -> Step:
    """An answer of JSON."""
    return answer(status, json.dumps(document).encode())


def cookie(value: str, max_age: int = 600, status: int = 200, **document: Any) -> Step:
    """An answer that brings a session's cookie, as CouchDB writes it."""
    text = f"AuthSession={value}; Version=1; Expires=Fri, 21-Nov-2031 18:24:26 GMT; Max-Age={max_age}; Path=/; HttpOnly"
    return answer(status, json.dumps({"ok": True} | document).encode(), set_cookie=text)
