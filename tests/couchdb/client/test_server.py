# SPDX-License-Identifier: Apache-2.0
"""All kinds of credentials against a sandbox CouchDB, whose cookies and tokens expire on a clock that tests move."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from airflow_provider_replicator.couchdb import databases
from airflow_provider_replicator.couchdb.client import CouchClient
from airflow_provider_replicator.couchdb.connection import CouchConnection
from airflow_provider_replicator.exceptions import CouchAccessError
from airflow_provider_replicator.sandbox.couchdb.running import RunningCouch
from tests.couchdb.client.asking import Clock, Kind, ask, connection, over_both


@pytest.fixture(scope="module")
def keys(couch: RunningCouch) -> dict[str, dict[str, Any]]:
    """Fields of connections by kind of credentials."""
    couch.control.add_api_key("the+api/key=", "iam-ServiceId-1", seconds=600)
    couch.control.add_token("the.bearer.token", "jwt-user")
    user: dict[str, Any] = {"login": couch.username, "password": couch.password}
    return {
        "session": user,
        "basic": user | {"auth_type": "basic"},
        "iam": {"iam_apikey": "the+api/key=", "iam_url": f"{couch.url}/identity/token"},
        "bearer": {"bearer_token": "the.bearer.token"},
    }


async def who(client: CouchClient) -> tuple[str | None, str | None]:
    session = await client.get("_session")
    return session["userCtx"]["name"], session["info"].get("authenticated")


@over_both
@pytest.mark.parametrize(
    ("auth", "name", "how"),
    [
        ("session", "admin", "cookie"),
        ("basic", "admin", "default"),
        ("iam", "iam-ServiceId-1", None),
        ("bearer", "jwt-user", None),
    ],
)
def test_who_the_server_takes_us_for(
    kind: Kind, auth: str, name: str, how: str | None, couch: RunningCouch, keys: dict[str, Any]
) -> None:
    found = asyncio.run(ask(kind, connection(couch.url, **keys[auth]), who))
    assert found[0] == name
    assert how is None or found[1] == how


@over_both
def test_nobody(kind: Kind, couch: RunningCouch) -> None:
    assert asyncio.run(ask(kind, connection(couch.url), who))[0] is None
    with pytest.raises(CouchAccessError, match="401"):
        asyncio.run(ask(kind, connection(couch.url), lambda client: client.get("_all_dbs")))


@over_both
@pytest.mark.parametrize("auth", ["session", "iam"])
@pytest.mark.parametrize("noticed", [True, False])
def test_what_expires_in_mid_use_is_renewed(
    kind: Kind, auth: str, noticed: bool, couch: RunningCouch, keys: dict[str, Any]
) -> None:
    """By our own clock before it expires, or, where that was held up, when the server says 401."""
    clock = Clock()

    async def question(client: CouchClient) -> None:
        database = f"db{uuid4().hex}"
        await databases.create(client, database)
        couch.control.advance(650_000)
        clock.now += 650.0 if noticed else 0.0
        await databases.put_document(client, database, "a", {})
        assert await databases.drop(client, database)
        # the first round: a login and a request; the second: the refused request, if it was not foreseen, a login, two requests
        assert client.requests == (5 if noticed else 6)

    asyncio.run(ask(kind, connection(couch.url, **keys[auth]), question, clock=clock))


@over_both
@pytest.mark.parametrize("auth_type", ["session", "basic"])
def test_a_wrong_password_is_sent_once_per_client(
    kind: Kind, auth_type: str, couch: RunningCouch, to: CouchConnection
) -> None:
    async def question(client: CouchClient) -> None:
        with pytest.raises(CouchAccessError, match="401 unauthorized"):
            await client.get("_all_dbs")
        assert client.requests == 1

    couch.control.unlock()
    wrong = connection(couch.url, couch.username, "wrong", auth_type=auth_type)
    asyncio.run(ask(kind, wrong, question))
    assert asyncio.run(ask(kind, to, who))[0] == couch.username  # not locked out
