# SPDX-License-Identifier: Apache-2.0
"""The hook: Airflow's connection in, clients, sessions and a connection test out, against a running sandbox."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_replicator.couchdb import databases
from airflow_provider_replicator.couchdb.auth.credentials import SessionAuth
from airflow_provider_replicator.couchdb.blocking import run
from airflow_provider_replicator.exceptions import ConfigurationError, CouchAccessError
from airflow_provider_replicator.hooks.cloudant import CloudantHook
from airflow_provider_replicator.sandbox.couchdb.running import RunningCouch
from tests.hooks.command_line import shown

PASSWORD = 'a-päss/w+rd %that "nobody" may see\\'
KEY = "an-api-key+that/nobody=may-see"
TOKEN = "a-bearer-token-that-nobody-may-see"
SECRETS = (PASSWORD, KEY, TOKEN)


@pytest.fixture(scope="module")
def couch() -> Iterator[RunningCouch]:
    with RunningCouch(password=PASSWORD) as running:
        running.control.add_api_key(KEY, "iam-ServiceId-1", seconds=600)
        running.control.add_token(TOKEN, "jwt-user", roles=[])
        yield running


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch, couch: RunningCouch) -> Any:
    """Make a hook for a connection with these fields: the administrator, unless others are given."""

    def make(extra: dict[str, Any] | None = None, **fields: Any) -> CloudantHook:
        extra = dict(extra or {})
        if extra.pop("iam", False):
            extra |= {"iam_apikey": KEY, "iam_url": f"{couch.url}/identity/token"}
        standard: dict[str, Any] = {"conn_type": "couchdb", "host": couch.url, "extra": extra}
        if not {"iam_apikey", "bearer_token"} & set(extra):
            standard |= {"login": couch.username, "password": PASSWORD}
        monkeypatch.setenv("AIRFLOW_CONN_MY_COUCH", json.dumps(standard | fields))
        return CloudantHook("my_couch")

    return make


WAYS: list[dict[str, Any]] = [{}, {"auth_type": "basic"}, {"iam": True}, {"bearer_token": TOKEN}]
NAMES = ["admin", "admin", "iam-ServiceId-1", "jwt-user"]
each_way = pytest.mark.parametrize(("extra", "name"), list(zip(WAYS, NAMES, strict=True)))


@each_way
def test_the_blocking_client(connect: Any, extra: dict[str, Any], name: str) -> None:
    with connect(extra).get_client() as client:
        assert run(client.get("_session"))["userCtx"]["name"] == name


@each_way
def test_the_client_for_code_on_an_event_loop(connect: Any, extra: dict[str, Any], name: str) -> None:
    async def main() -> Any:
        hook = connect(extra)
        async with await hook.aget_client() as client, hook.get_async_client() as same:
            return [(await one.get("_session"))["userCtx"]["name"] for one in (client, same)]

    assert asyncio.run(main()) == [name, name]


@each_way
def test_a_session_of_requests(connect: Any, extra: dict[str, Any], name: str) -> None:
    hook = connect(extra)
    with hook.get_conn() as session:
        assert session.get(hook.url("_session")).json()["userCtx"]["name"] == name
        missing = session.get(hook.url("no/such+db", "ünï/cödé"))
        assert (missing.status_code, missing.url.endswith("/no%2Fsuch%2Bdb/%C3%BCn%C3%AF%2Fc%C3%B6d%C3%A9")) == (
            404,
            True,
        )
        assert session.get(hook.url()).json()["couchdb"] == "Welcome"


def test_a_session_of_requests_with_a_wrong_password_does_not_go_on_as_nobody(
    connect: Any, couch: RunningCouch
) -> None:
    hook = connect(password="wrong")
    with hook.get_conn() as session, pytest.raises(CouchAccessError, match="Name or password is incorrect"):
        session.get(hook.url("_session"))
    couch.control.unlock()


def test_making_a_hook_asks_nobody() -> None:
    CloudantHook("there_is_no_such_connection")
    assert CloudantHook().cloudant_conn_id == "cloudant_default"


def test_a_connection_of_the_stock_provider_is_read_as_it_is(connect: Any) -> None:
    read = connect(conn_type="cloudant", host="acme", login="key", password="secret").get_couch_connection()
    assert (read.base_url, read.auth) == ("https://acme.cloudant.com", SessionAuth("key", "secret"))
    with pytest.raises(ConfigurationError, match="is of type 'http': write couchdb or cloudant"):
        connect(conn_type="http").get_couch_connection()
    with connect(conn_type="cloudant").get_client() as client:
        assert run(databases.exists(client, "_users"))


def test_the_connection_is_looked_up_once(connect: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    hook = connect()
    first = hook.get_couch_connection()
    monkeypatch.delenv("AIRFLOW_CONN_MY_COUCH")
    assert hook.get_couch_connection() is first
    assert asyncio.run(hook.aget_couch_connection()) is first


@each_way
def test_connection_test_says_who_and_what(connect: Any, couch: RunningCouch, extra: dict[str, Any], name: str) -> None:
    usable, text = connect(extra).test_connection()
    assert usable
    assert f"signed in as {name!r}" in text
    assert f"3.5.0 at {couch.url}; " in text
    assert "features: " in text
    if name == "jwt-user":
        assert "without roles to" in text
        assert "not readable: _replicator (403 forbidden), _scheduler (401 unauthorized)" in text
        assert "replications have to run on another server" in text
    else:
        assert "with the roles _admin to" in text
        assert "replications may run here, with a scheduler: _replicator and _scheduler readable" in text


def test_connection_test_without_credentials(connect: Any) -> None:
    usable, text = connect({"auth_type": "none"}, login=None, password=None).test_connection()
    assert usable  # there are servers for everybody
    assert text.startswith("not signed in (auth_type none) without roles to ")


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"password": "wrong"}, "/_session: 401 unauthorized: Name or password is incorrect."),
        ({"password": "wrong", "extra": {"auth_type": "basic"}}, "401 unauthorized: Name or password is incorrect."),
        ({"login": None, "password": None, "extra": {"bearer_token": "wrong"}}, "takes these credentials for nobody's"),
        ({"host": "http://127.0.0.1:1"}, "no answer of 127.0.0.1:1"),
        ({"host": "http://couch.example"}, "connection 'my_couch': host is http"),
        ({"extra": {"speed": 11}}, "connection 'my_couch': unknown in extra: speed. There are: auth_type,"),
        ({"extra": {"iam_apikey": KEY}, "login": "u"}, "auth_type iam does not use login"),
        ({"conn_type": "http"}, "write couchdb or cloudant"),
    ],
)
def test_connection_test_says_what_is_wrong(
    connect: Any, couch: RunningCouch, fields: dict[str, Any], complaint: str
) -> None:
    couch.control.unlock()
    usable, text = connect(**fields).test_connection()
    assert not usable
    assert complaint in text
    assert not [secret for secret in SECRETS if secret in text]


def test_connection_test_of_a_key_that_iam_does_not_know(connect: Any, couch: RunningCouch) -> None:
    extra = {"iam_apikey": "wrong", "iam_url": f"{couch.url}/identity/token"}
    usable, text = connect(extra).test_connection()
    assert not usable
    assert "/identity/token: 40" in text


def test_a_server_that_takes_us_for_nobody(connect: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says ok, and a null name: that is no success."""

    async def main() -> tuple[bool, str]:
        from tests.couchdb.client.asking import said, scripted

        async with scripted(said(couchdb="Welcome"), said(ok=True, userCtx={"name": None, "roles": []})) as server:
            hook = connect({"auth_type": "basic"}, host=server.url)
            return await asyncio.to_thread(hook.test_connection)

    usable, text = asyncio.run(main())
    assert not usable
    assert "takes these credentials for nobody's" in text


def test_connection_test_without_a_connection() -> None:
    usable, text = CloudantHook("there_is_no_such_connection").test_connection()
    assert not usable
    assert "there_is_no_such_connection" in text


def test_connection_test_asks_once_and_works_on_an_event_loop(connect: Any, couch: RunningCouch) -> None:
    async def main() -> tuple[bool, str]:
        answer: tuple[bool, str] = connect().test_connection()
        return answer

    couch.control.reset_counters()
    assert asyncio.run(main())[0]
    requests = couch.control.counters()["requests"]
    assert sum(count for what, count in requests.items() if "_sandbox" not in what) == 5
    couch.control.fault(kind="status", path="/", status=503)
    assert "503" in asyncio.run(main())[1]
    assert [rule["happened"] for rule in couch.control.faults()] == [1]
    couch.control.clear_faults()


def test_connection_test_ends_when_nobody_answers(connect: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_replicator.hooks.cloudant._TEST_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as deaf:  # takes the connection, says nothing
        began = time.monotonic()
        usable, text = connect(host=f"http://127.0.0.1:{deaf.getsockname()[1]}").test_connection()
    assert (usable, time.monotonic() - began < 5) == (False, True)
    assert "does not answer within" in text


def test_airflow_calls_the_hook_by_the_type_of_the_connection(connect: Any) -> None:
    connect()
    hook = CloudantHook.get_hook("my_couch")
    assert isinstance(hook, CloudantHook)
    assert hook.cloudant_conn_id == "my_couch"


@each_way
def test_secrets_are_in_no_log(
    connect: Any, caplog: pytest.LogCaptureFixture, couch: RunningCouch, extra: dict[str, Any], name: str
) -> None:
    caplog.set_level(logging.DEBUG)
    hook = connect(extra)
    couch.control.fault(kind="status", path="/_session", method="GET", status=503)
    with hook.get_client() as client:
        run(client.get("_session"))
    couch.control.clear_faults()
    assert hook.test_connection()[0]
    with hook.get_conn() as session:
        session.get(hook.url("_session"))
    with pytest.raises(ConfigurationError) as caught:
        connect({**extra, "more": 1}).get_async_client()
    assert "503" in caplog.text  # what happens is logged, even at this level
    shown_somewhere = f"{caplog.text} {hook!r} {hook.get_couch_connection()!r} {caught.value!r}"
    assert not [secret for secret in SECRETS if secret in shown_somewhere]


def test_airflow_masks_what_the_connection_holds(connect: Any) -> None:
    from airflow.sdk._shared.secrets_masker import redact

    for extra in WAYS:
        connect(extra).get_couch_connection()
    asyncio.run(connect({"proxies": "http://u:proxy-w%C3%B6rd@proxy.example"}).aget_couch_connection())
    assert redact(f"oops {PASSWORD} {KEY} {TOKEN} proxy-wörd") == "oops *** *** *** ***"
    header = connect().get_couch_connection().replication_endpoint("db", headers=True)["headers"]["Authorization"]
    assert redact(f"oops {header}") == "oops Basic ***"


def test_the_form_in_airflows_own_words(tmp_path: Path, couch: RunningCouch) -> None:
    """One real command line: a connection is added, tested, and its form and type are listed."""
    fields = {"conn_type": "couchdb", "host": couch.url, "login": couch.username, "password": PASSWORD}
    result = shown("couchdb", fields, tmp_path)
    assert result["hooks"][0]["hook_name"] == "Cloudant / CouchDB"
    assert len(result["widgets"]) == 15
    assert result["behaviours"] == [{"field_behaviours": "couchdb"}]
    assert "Connection success!" in result["test"]
    assert not [secret for secret in SECRETS if secret in result["output"]]
