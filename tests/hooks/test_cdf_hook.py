# SPDX-License-Identifier: Apache-2.0
"""The hook: Airflow's connection in, clients and a connection test out, against a running sandbox."""

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

from airflow_provider_replicator.exceptions import CdfAccessError, ConfigurationError
from airflow_provider_replicator.hooks.cdf import CdfHook
from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox
from tests.hooks.command_line import shown

TOKEN = "a-static-token-that-nobody-may-see"
SECRET = "a-client-secret-that-nobody-may-see"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with RunningSandbox(token=TOKEN) as running:
        running.control.add_client("everything", SECRET)
        running.control.add_client("reader", SECRET, capabilities=["assets:read", "events:read"], projects=["source"])
        running.control.add_client("nobody", SECRET, capabilities=[])
        yield running


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch, sandbox: RunningSandbox) -> Any:
    """Make a hook for a connection with these fields; a token, unless a client id is given."""

    def make(login: str | None = None, password: str = SECRET, host: str | None = None, **extra: Any) -> CdfHook:
        host = sandbox.base_url if host is None else host
        fields: dict[str, Any] = {"conn_type": "cdf", "host": host, "extra": {"project": "source"} | extra}
        if login is None:
            fields["extra"].setdefault("token", TOKEN)
        else:
            fields |= {"login": login, "password": password}
            fields["extra"].setdefault("token_url", f"{sandbox.base_url}/oauth/token")
        monkeypatch.setenv("AIRFLOW_CONN_MY_CDF", json.dumps(fields))
        return CdfHook("my_cdf")

    return make


def list_assets(hook: CdfHook) -> Any:
    async def main() -> Any:
        async with hook.get_async_client() as client:
            return await client.post_json("/assets/list", {"limit": 1})

    return asyncio.run(main())


def test_the_client_of_the_package(connect: Any) -> None:
    assert list_assets(connect()) == {"items": []}
    assert list_assets(connect("everything")) == {"items": []}


def test_the_client_for_code_on_an_event_loop(connect: Any) -> None:
    async def main() -> Any:
        async with await connect("everything").aget_client() as client:
            return await client.post_json("/events/list", {"limit": 1})

    assert asyncio.run(main()) == {"items": []}


def test_the_official_client_is_made_once_and_for_a_worker(connect: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from cognite.client import global_config

    # As in a new process: whatever test used the SDK before this one has frozen its settings.
    monkeypatch.setattr(global_config, "_concurrency_settings", type(global_config.concurrency_settings)())
    hook = connect("everything")
    client = hook.get_conn()
    assert client is hook.get_conn()
    assert client.config.project == "source"
    assert len(client.assets.list(limit=5)) == 0
    assert global_config.disable_pypi_version_check
    settings: Any = global_config.concurrency_settings
    assert (settings.data_modeling.read, settings.data_modeling.write, settings.datapoints.read) == (8, 4, 10)
    # frozen now: another hook makes a client all the same
    assert connect().get_conn().assets.list(limit=5) == []


def test_settings_of_the_connection_reach_the_client(connect: Any) -> None:
    client = connect(concurrency=3, limit_share="0.5").get_async_client()
    assert (client.settings.concurrency, client.settings.limit_share) == (3, 0.5)
    assert client.project == "source"


def test_making_a_hook_or_a_client_asks_nobody() -> None:
    CdfHook("there_is_no_such_connection")
    assert CdfHook().cdf_conn_id == "cdf_default"


def test_an_expired_token_is_renewed_in_the_middle(connect: Any, sandbox: RunningSandbox) -> None:
    hook = connect("everything")

    async def main() -> tuple[Any, int]:
        async with hook.get_async_client() as client:
            await client.post_json("/assets/list", {"limit": 1})
            sandbox.control.revoke_tokens()
            answers = await asyncio.gather(*(client.post_json("/assets/list", {"limit": 1}) for _ in range(8)))
            return answers, client.stats.retries

    answers, retries = asyncio.run(main())
    assert answers == [{"items": []}] * 8
    assert retries == 0  # a new token is no retry: nothing went wrong


def test_a_token_that_never_worked_is_not_tried_twice(connect: Any, sandbox: RunningSandbox) -> None:
    sandbox.control.reset_counters()
    with pytest.raises(CdfAccessError, match="401"):
        list_assets(connect(token="wrong"))
    assert sum(sandbox.control.counters()["requests"].values()) == 1


def test_a_wrong_client_secret_is_an_access_error(connect: Any) -> None:
    async def main() -> list[Any]:
        async with connect("everything", password="wrong").get_async_client() as client:
            calls = (client.post_json("/assets/list", {}) for _ in range(4))
            return await asyncio.gather(*calls, return_exceptions=True)

    errors = asyncio.run(main())
    assert [type(error) for error in errors] == [CdfAccessError] * 4
    assert "invalid_client" in str(errors[0])


def test_connection_test_says_who_and_where(connect: Any) -> None:
    usable, text = connect("everything").test_connection()
    assert usable, text
    assert text.startswith("signed in as 'everything' to project 'source' at http://127.0.0.1:")
    assert text.endswith("; may read and write data sets, labels, assets, events, time series, raw")


def test_connection_test_names_what_is_missing(connect: Any) -> None:
    usable, text = connect("reader").test_connection()
    assert usable, text
    assert "may not read data sets (datasetsAcl:READ), labels (labelsAcl:READ), time series" in text
    assert "may write nothing" in text


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"login": "nobody"}, "may not read data sets"),
        ({"login": "reader", "project": "target"}, "not for project 'target': the credentials are for 'source'"),
        ({"login": "everything", "password": "wrong"}, "the identity provider gives no token"),
        ({"login": "everything", "token_url": "http://127.0.0.1:1/token"}, "the identity provider does not answer"),
        ({"token": "wrong"}, "refuses the credentials: 401 Unauthorized"),
        ({"host": "http://127.0.0.1:1"}, "Cannot connect to host 127.0.0.1:1"),
        ({"host": "http://cdf.example"}, "connection 'my_cdf': host is http"),
        ({"speed": 11}, "connection 'my_cdf': unknown in extra: speed. There are: project,"),
    ],
)
def test_connection_test_says_what_is_wrong(connect: Any, fields: dict[str, Any], complaint: str) -> None:
    usable, text = connect(**fields).test_connection()
    assert not usable
    assert complaint in text
    assert not {secret for secret in (SECRET, TOKEN) if secret in text}


def test_connection_test_without_a_connection() -> None:
    usable, text = CdfHook("there_is_no_such_connection").test_connection()
    assert not usable
    assert "there_is_no_such_connection" in text


def test_connection_test_asks_once_and_works_on_an_event_loop(connect: Any, sandbox: RunningSandbox) -> None:
    async def main() -> tuple[bool, str]:
        answer: tuple[bool, str] = connect(token="wrong").test_connection()
        return answer

    assert asyncio.run(main())[0] is False


def test_connection_test_ends_when_nobody_answers(connect: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_replicator.hooks.cdf._TEST_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as deaf:  # takes the connection, says nothing
        began = time.monotonic()
        usable, text = connect(host=f"http://127.0.0.1:{deaf.getsockname()[1]}").test_connection()
    assert (usable, time.monotonic() - began < 5) == (False, True)
    assert "does not answer within" in text


def test_airflow_calls_the_hook_by_the_type_of_the_connection(connect: Any) -> None:
    connect("everything")
    hook = CdfHook.get_hook("my_cdf")
    assert isinstance(hook, CdfHook)
    assert hook.cdf_conn_id == "my_cdf"


def test_secrets_are_in_no_log(connect: Any, caplog: pytest.LogCaptureFixture, sandbox: RunningSandbox) -> None:
    caplog.set_level(logging.DEBUG)
    sandbox.control.fault(kind="status", path="/assets/list", status=503)
    for hook in (connect(), connect("everything")):
        list_assets(hook)
        hook.test_connection()
        hook.get_conn().assets.list(limit=1)
        assert repr(hook)
    with pytest.raises(ConfigurationError):
        connect(more=1).get_async_client()
    assert "503" in caplog.text  # what happens is logged, even at this level
    assert not {secret for secret in (SECRET, TOKEN, "sandbox-everything-") if secret in caplog.text}


def test_airflow_masks_what_the_connection_holds(connect: Any) -> None:
    from airflow.sdk._shared.secrets_masker import redact

    connect("everything").get_cdf_connection()
    connect(token=TOKEN).get_cdf_connection()
    assert redact(f"oops {SECRET} {TOKEN}") == "oops *** ***"


def test_the_form_in_airflows_own_words(tmp_path: Path, sandbox: RunningSandbox) -> None:
    """One real command line: a connection is added, tested, and its form and type are listed."""
    fields = {"conn_type": "cdf", "host": sandbox.base_url, "extra": {"project": "source", "token": TOKEN}}
    result = shown("cdf", fields, tmp_path)
    assert result["hooks"][0]["hook_name"] == "Cognite Data Fusion"
    assert len(result["widgets"]) == 15
    assert result["behaviours"] == [{"field_behaviours": "cdf"}]
    assert "Connection success!" in result["test"]
