# SPDX-License-Identifier: Apache-2.0
"""No secret of any kind of credentials in what is logged, shown or raised, whatever goes wrong."""

from __future__ import annotations

import asyncio
import logging
import traceback
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from airflow_provider_replicator.couchdb import databases
from airflow_provider_replicator.couchdb.client import CouchClient
from airflow_provider_replicator.exceptions import ReplicatorError
from tests.couchdb.client.asking import RETRY, Kind, ask, connection, cookie, over_both, said, scripted
from tests.unit.scripted_server import ScriptedServer, Step, answer, cut_short, reset

#: What each kind of credentials holds or is given meanwhile; ``echo`` is what a careless server repeats.
SECRETS = ("Pa+ss/word%ü-1", "api-key+/=2", "bearer.token-3", "cookie-value-4", "iam.token-5", "proxy-word-6")
FIELDS: dict[str, dict[str, Any]] = {
    "session": {"login": "u", "password": SECRETS[0]},
    "basic": {"login": "u", "password": SECRETS[0], "auth_type": "basic"},
    "iam": {"iam_apikey": SECRETS[1]},
    "bearer": {"bearer_token": SECRETS[2]},
}


def written(text: str) -> list[str]:
    """Which secrets are in a text, in whatever form they are sent."""
    basic = FIELDS["basic"]
    header = connection("http://localhost", **basic).replication_endpoint("db", headers=True)["headers"][
        "Authorization"
    ]
    forms = {*SECRETS, *(quote(secret, safe="") for secret in SECRETS), header.removeprefix("Basic ")}
    return [form for form in forms if form in text]


async def echo(writer: asyncio.StreamWriter, server: ScriptedServer) -> None:
    """400 that repeats all that was sent, as proxies and debugging servers do."""
    seen = server.seen[-1]
    text = f"{seen.method} {seen.target} {seen.headers} {seen.body.decode()}"
    await said(400, error=text, reason=text)(writer)


def steps_for(auth: str, server: list[ScriptedServer]) -> list[Step]:
    """Signing in, then one fault after the other."""

    async def echoing(writer: asyncio.StreamWriter) -> None:
        await echo(writer, server[0])

    signing = {
        "session": [answer(503, SECRETS[0].encode()), cookie(SECRETS[3])],
        "iam": [answer(503, SECRETS[1].encode()), said(access_token=SECRETS[4], expires_in=3600)],
    }
    return [*signing.get(auth, []), answer(503), reset, cut_short, said(ok=1), echoing]


@over_both
@pytest.mark.parametrize("auth", list(FIELDS))
def test_faults(kind: Kind, auth: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    texts: list[str] = []

    async def question(client: CouchClient) -> None:
        texts.append(repr([client, client.transport, client.connection, vars(client.connection.auth.__class__)]))
        await client.put("db", "id", json={"source": client.connection.replication_endpoint("db")})
        for _ in range(6):
            try:
                await databases.put_document(client, "db", "id", {"a": 1})
            except ReplicatorError as error:
                texts.append("".join(traceback.format_exception(error)) + repr(error) + repr(vars(error)))

    async def main() -> None:
        servers: list[ScriptedServer] = []
        server = scripted(*steps_for(auth, servers))
        servers.append(server)
        async with server:
            extra = {"iam_url": f"{server.url}/identity/token"} if auth == "iam" else {}
            proxies = {"https": f"http://u:{SECRETS[5]}@proxy.invalid"}
            to = connection(server.url, **FIELDS[auth], **extra, proxies=proxies)
            await ask(kind, replace(to, retry=replace(RETRY, attempts=7)), question)
        assert len(texts) > 5  # they were refused, and the server repeated what it was sent

    asyncio.run(main())
    assert "503" in caplog.text  # what happens is logged, even at this level
    assert "refused" not in texts[-1]
    assert "400 " in texts[-1]
    for text in (caplog.text, *texts):
        assert not written(text)


@over_both
@pytest.mark.parametrize("auth", ["session", "iam"])
def test_refused_logins_that_repeat_what_they_were_sent(
    kind: Kind, auth: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    async def main() -> str:
        servers: list[ScriptedServer] = []

        async def refusing(writer: asyncio.StreamWriter) -> None:
            text = servers[0].seen[-1].body.decode()
            await said(401, error="unauthorized", reason=text)(writer)

        async with scripted(refusing) as server:
            servers.append(server)
            extra = {"iam_url": f"{server.url}/token"} if auth == "iam" else {}
            try:
                await ask(kind, connection(server.url, **FIELDS[auth], **extra), lambda client: client.get("db"))
            except ReplicatorError as error:
                return "".join(traceback.format_exception(error))
        raise AssertionError("it was not refused")

    assert not written(asyncio.run(main()) + caplog.text)
