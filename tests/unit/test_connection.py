# SPDX-License-Identifier: Apache-2.0
"""Reading the fields of a connection."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from airflow_provider_replicator.cdf.http.connection import EXTRAS, CdfConnection, read_connection
from airflow_provider_replicator.cdf.http.settings import ClientSettings
from airflow_provider_replicator.cdf.http.transport import HttpResponse
from airflow_provider_replicator.cdf.http.who_am_i import CAPABILITIES, describe
from airflow_provider_replicator.core.limits import Limit
from airflow_provider_replicator.core.retry import RetryPolicy
from airflow_provider_replicator.exceptions import ConfigurationError

SECRET = "nobody-may-see-this"
TOKEN_URL = "https://login.example/oauth/token"


def read(host: str | None = "https://cdf.example", port: int | None = None, **fields: Any) -> CdfConnection:
    """A connection with a token, unless ``fields`` say otherwise."""
    login, password = fields.pop("login", None), fields.pop("password", None)
    extra = {"project": "p", "token": SECRET} | fields
    return read_connection("my_cdf", host=host, port=port, login=login, password=password, extra=extra)


@pytest.mark.parametrize(
    ("host", "port", "base_url"),
    [
        ("https://cdf.example", None, "https://cdf.example"),
        ("https://cdf.example/", None, "https://cdf.example"),
        ("  https://cdf.example:8443 ", None, "https://cdf.example:8443"),
        ("https://cdf.example", 8443, "https://cdf.example:8443"),
        ("https://cdf.example:1", 8443, "https://cdf.example:1"),
        ("cdf.example", None, "https://cdf.example"),
        ("az-eastus-1", None, "https://az-eastus-1.cognitedata.com"),
        ("http://127.0.0.1:8090", None, "http://127.0.0.1:8090"),
        ("http://localhost", 8090, "http://localhost:8090"),
        ("http://[::1]:8090", None, "http://[::1]:8090"),
    ],
)
def test_host_is_a_base_url_or_a_cluster(host: str, port: int | None, base_url: str) -> None:
    assert read(host, port).base_url == base_url


@pytest.mark.parametrize(
    ("host", "complaint"),
    [
        (None, "host is missing"),
        ("  ", "host is missing"),
        ("http://cdf.example", "sends secrets and data readably"),
        ("http://127.0.0.1.evil.example", "sends secrets and data readably"),
        ("ftp://cdf.example", "not a URL"),
        ("https://", "not a URL"),
        ("https://cdf.example:port", "not a URL"),
        (f"https://user:{SECRET}@cdf.example", "holds credentials"),
        ("https://cdf.example/api/v1/projects/p", "write https://cdf.example"),
        ("https://cdf.example?x=1", "write https://cdf.example"),
    ],
)
def test_a_wrong_host_is_an_error_that_says_what_to_write(host: str | None, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"connection 'my_cdf': .*{re.escape(complaint)}") as caught:
        read(host)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("yes", [True, "true", "True", 1, "1", "yes"])
def test_http_elsewhere_only_if_somebody_says_so(yes: object) -> None:
    assert read("http://sandbox:8090", allow_http=yes).base_url == "http://sandbox:8090"


def test_client_credentials() -> None:
    connection = read(login="id", password=SECRET, token=None, token_url=TOKEN_URL)
    assert (connection.client_id, connection.client_secret, connection.token_url) == ("id", SECRET, TOKEN_URL)
    assert connection.scopes == ("https://cdf.example/.default",)
    provider: Any = connection.provider()
    assert provider.token_custom_args == {"timeout": 20}
    by_audience = read(login="id", password=SECRET, token="", token_url=TOKEN_URL, audience="cdf")
    assert by_audience.scopes == ()
    assert read(login="id", password=SECRET, token="", token_url=TOKEN_URL, scopes="a  b").scopes == ("a", "b")


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"token": None}, "there are no credentials"),
        ({"token": None, "login": "id"}, "missing are client secret (password), token URL (token_url)"),
        ({"token": None, "password": SECRET, "token_url": TOKEN_URL}, "missing are client id (login)"),
        ({"password": SECRET}, "leave one of the two out"),
        ({"token": None, "login": "id", "password": SECRET, "token_url": "http://login.example"}, "token_url is http"),
        ({"token": None, "login": "id", "password": SECRET, "token_url": SECRET}, "token_url is not a URL"),
        ({"project": ""}, "project is missing"),
    ],
)
def test_incomplete_credentials_are_named(fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(complaint)) as caught:
        read(**fields)
    assert SECRET not in str(caught.value)


def test_settings_from_the_form() -> None:
    connection = read(
        concurrency="8",
        limit_share=0.25,
        limits='{"assets.analytical": {"per_second": 10, "in_flight": 4}}',
        request_compression="gzip-1",
        response_compression=" none ",
        connect_timeout=1,
        read_timeout="2.5",
        retry_attempts=3,
        retry_seconds="20",
        audience=None,
        allow_http="",
    )
    settings = connection.settings
    assert settings == ClientSettings(
        concurrency=8,
        limit_share=0.25,
        limits={"assets.analytical": Limit(per_second=10, in_flight=4)},
        request_compression="gzip-1",
        response_compression="none",
        connect_timeout=1.0,
        read_timeout=2.5,
        retry=RetryPolicy(attempts=3, seconds=20.0),
    )
    assert settings.limit("assets.analytical") == Limit(per_second=10, in_flight=4)
    assert settings.limit("assets.aggregate") == Limit(per_second=3, in_flight=1)
    assert settings.limit("assets") == Limit(per_second=37.5, in_flight=7)


@pytest.mark.parametrize(
    ("extra", "complaint"),
    [
        ({"concurrency": "many"}, "concurrency in extra is no whole number"),
        ({"concurrency": 0}, "concurrency in extra is no whole number"),
        ({"concurrency": 1.5}, "concurrency in extra is no whole number"),
        ({"concurrency": True}, "concurrency in extra is no whole number"),
        ({"read_timeout": -1}, "read_timeout in extra is no number"),
        ({"read_timeout": "inf"}, "read_timeout in extra is no number"),
        ({"limit_share": 2}, "limit_share is 2.0: write a number > 0 and <= 1"),
        ({"limits": "[]"}, "limits in extra is no JSON object"),
        ({"limits": {"assets": {"per_second": 0}}}, "limits in extra is no JSON object"),
        ({"limits": {"assets": {"per_hour": 1}}}, "limits in extra is no JSON object"),
        ({"limits": {"asset": {}}}, "limits for unknown categories: asset. Known are: assets,"),
        ({"request_compression": "gzip"}, "request_compression is 'gzip': write 'none' or 'gzip-1'"),
        ({"allow_http": "perhaps"}, "allow_http in extra is no true or false"),
        ({"token": 7}, "token in extra is no text"),
        ({"scopes": [1]}, "scopes in extra is no list of texts"),
    ],
)
def test_a_wrong_extra_is_an_error_that_says_what_to_write(extra: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"connection 'my_cdf': {re.escape(complaint)}"):
        read(**extra)


def test_unknown_extras_are_refused_with_a_list_of_those_there_are() -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(base_url=SECRET, headers={"authorization": SECRET})
    assert (
        str(caught.value) == f"connection 'my_cdf': unknown in extra: base_url, headers. There are: {', '.join(EXTRAS)}"
    )


def test_secrets_are_in_no_repr() -> None:
    by_client = read(login="id", password=SECRET, token="", token_url=TOKEN_URL)
    for connection in (read(), by_client):
        for thing in (connection, connection.transport(), connection.client(), connection.provider()):
            assert SECRET not in repr(thing) + str(thing)


def inspected(*capabilities: dict[str, Any], projects: tuple[str, ...] = ("p",)) -> tuple[bool, str]:
    body = {"subject": "me", "projects": [{"projectUrlName": name} for name in projects], "capabilities": capabilities}
    return describe(HttpResponse(200, json.dumps(body).encode()), read())


def may(*actions: str, acls: tuple[str, ...] = tuple(CAPABILITIES.values()), scope: Any = None) -> list[dict[str, Any]]:
    return [
        {acl: {"actions": actions, "scope": {"all": {}}}, "projectScope": scope or {"allProjects": {}}} for acl in acls
    ]


def test_who_am_i() -> None:
    assert inspected(*may("READ", "WRITE")) == (
        True,
        "signed in as 'me' to project 'p' at https://cdf.example; "
        "may read and write data sets, labels, assets, events, time series, raw",
    )
    usable, text = inspected(*may("READ", scope={"projects": ["p", "q"]}))
    assert usable
    assert text.endswith("; may write nothing (enough for a source)")
    usable, text = inspected(*may("READ", "WRITE", acls=("assetsAcl", "rawAcl", "labelsAcl", "datasetsAcl")))
    assert usable
    assert text.endswith(
        "may not read events (eventsAcl:READ), time series (timeSeriesAcl:READ) "
        "and may not write events (eventsAcl:WRITE), time series (timeSeriesAcl:WRITE)"
    )


def test_nothing_is_usable_without_a_capability_in_this_project() -> None:
    usable, text = inspected(*may("READ", "WRITE", scope={"projects": ["q"]}))
    assert not usable
    assert "may not read data sets (datasetsAcl:READ)" in text
    usable, text = inspected(*may("READ"), projects=("q", "r"))
    assert not usable
    assert "signed in as 'me', but not for project 'p': the credentials are for 'q', 'r'" in text


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"projects": null}', b'{"projects": []}'])
def test_a_server_that_is_not_cdf(body: bytes) -> None:
    assert describe(HttpResponse(200, body), read()) == (
        False,
        "https://cdf.example does not answer as CDF does: check the host",
    )
