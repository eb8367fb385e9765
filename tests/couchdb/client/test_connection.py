# SPDX-License-Identifier: Apache-2.0
"""Connections as Airflow keeps them, those of the stock provider included."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_replicator.couchdb.auth.credentials import (
    BasicAuth,
    BearerAuth,
    IamAuth,
    NoAuth,
    SessionAuth,
)
from airflow_provider_replicator.couchdb.connection import CouchConnection, read_couch_connection
from airflow_provider_replicator.exceptions import ConfigurationError

#: What a field holds where it is wrong must not be quoted: it may be a secret in the wrong field.
SECRET = "never-to-be-seen"
PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))


def read(conn_type: str = "couchdb", **fields: Any) -> CouchConnection:
    extra = fields.pop("extra", {})
    standard = {"host": "https://couch.example", "port": None, "schema": None, "login": None, "password": None}
    return read_couch_connection("my_couch", conn_type=conn_type, extra=extra, **(standard | fields))


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({"host": "https://couch.example"}, "https://couch.example"),
        ({"host": " https://couch.example:6984/ "}, "https://couch.example:6984"),
        ({"host": "https://couch.example", "port": 6984}, "https://couch.example:6984"),
        ({"host": "https://couch.example:1", "port": 2}, "https://couch.example:1"),
        ({"host": "https://gateway.example/couch/"}, "https://gateway.example/couch"),
        ({"host": "couch.example"}, "https://couch.example"),
        ({"host": "couch.example/couch", "port": 6984}, "https://couch.example:6984/couch"),
        ({"host": "couch.example", "schema": "https", "port": 5984}, "https://couch.example:5984"),
        ({"host": "localhost"}, "http://localhost"),
        ({"host": "127.0.0.1", "port": 5984}, "http://127.0.0.1:5984"),
        ({"host": "localhost:6984"}, "https://localhost:6984"),
        ({"host": "::1", "port": 5984}, "http://[::1]:5984"),
        ({"host": "couchdb", "port": 5984, "extra": {"allow_http": True}}, "http://couchdb:5984"),
        ({"host": "couchdb", "schema": "http", "extra": {"allow_http": "true"}}, "http://couchdb"),
        ({"host": "couchdb"}, "https://couchdb"),
    ],
)
def test_the_url_of_a_server(fields: dict[str, Any], url: str) -> None:
    assert read(**fields).base_url == url


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({"host": "acme-bluemix"}, "https://acme-bluemix.cloudant.com"),
        ({"host": "acme", "schema": "whatever"}, "https://acme.cloudant.com"),
        ({"host": "acme.cloudant.com"}, "https://acme.cloudant.com"),
        ({"host": "a1.cloudantnosqldb.appdomain.cloud"}, "https://a1.cloudantnosqldb.appdomain.cloud"),
        ({"host": "https://acme.cloudant.com/"}, "https://acme.cloudant.com"),
        ({"host": "localhost", "port": 5984}, "http://localhost:5984"),
    ],
)
def test_a_connection_of_the_stock_provider(fields: dict[str, Any], url: str) -> None:
    connection = read("cloudant", login="user", password="pass", **fields)
    assert (connection.base_url, connection.auth) == (url, SessionAuth("user", "pass"))


@pytest.mark.parametrize(
    ("fields", "auth"),
    [
        ({}, NoAuth()),
        ({"extra": {"auth_type": "none"}}, NoAuth()),
        ({"login": "u", "password": "p"}, SessionAuth("u", "p")),
        ({"login": "u:v", "password": PRINTABLE}, SessionAuth("u:v", PRINTABLE)),
        ({"login": "u", "password": "p", "extra": {"auth_type": "Basic"}}, BasicAuth("u", "p")),
        ({"extra": {"iam_apikey": "k"}}, IamAuth("k")),
        ({"password": "k", "extra": {"auth_type": "iam"}}, IamAuth("k")),
        (
            {"extra": {"iam_apikey": "k", "iam_url": "https://iam.example/t", "iam_form": "ibm.iam"}},
            IamAuth("k", "https://iam.example/t", "ibm.iam"),
        ),
        ({"extra": {"bearer_token": "t"}}, BearerAuth("t")),
    ],
)
def test_who_we_are(fields: dict[str, Any], auth: object) -> None:
    assert read(**fields).auth == auth


def test_settings() -> None:
    extra = {
        "verify": "false",
        "proxies": '{"https": "http://user:p%40ss@proxy.example:3128"}',
        "connect_timeout": "5",
        "read_timeout": 7,
        "retry_attempts": 2,
        "retry_seconds": 9,
        "replicator_db": "tenant/_replicator",
        "replication_url": "http://couchdb:5984/",
        "auth_type": "",
        "iam_url": None,
    }
    connection = read(extra=extra)
    assert connection.verify is False
    assert connection.proxy_for("https://x.example") == "http://user:p%40ss@proxy.example:3128"
    assert connection.proxy_for("http://x.example") is None
    assert (connection.connect_timeout, connection.read_timeout) == (5.0, 7.0)
    assert (connection.retry.attempts, connection.retry.connect_attempts, connection.retry.seconds) == (2, 2, 9.0)
    assert connection.replicator_db == "tenant/_replicator"
    assert connection.replication_url == "http://couchdb:5984"
    assert connection.secrets() == ("p@ss",)
    one = read(extra={"proxies": "http://proxy.example:1", "ca_bundle": "/certificates.pem"})
    assert [one.proxy_for(f"{scheme}://x") for scheme in ("http", "https")] == ["http://proxy.example:1"] * 2
    assert one.verify == "/certificates.pem"


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"host": ""}, "the host is missing"),
        ({"host": "http://couch.example"}, 'host is http, which .* "allow_http": true'),
        ({"host": "couchdb", "port": 5984}, "host is http"),
        ({"host": f"https://u:{SECRET}@couch.example"}, "host holds credentials"),
        ({"host": "ftp://couch.example"}, "host is not a URL"),
        ({"host": "https://couch.example:port"}, "host is not a URL"),
        ({"host": "couch.example:port"}, "host is not a URL"),
        ({"host": "https://couch.example/?a=b"}, "the host ends after"),
        ({"host": "couch.example", "schema": "my-database"}, "databases are named where they are used"),
        ({"login": "u"}, "auth_type session needs password"),
        ({"password": SECRET}, "auth_type session needs login"),
        ({"extra": {"auth_type": "basic"}}, "auth_type basic needs login and password"),
        ({"login": "a:b", "password": SECRET, "extra": {"auth_type": "basic"}}, "a colon in the login"),
        ({"extra": {"auth_type": "iam"}}, "auth_type iam needs iam_apikey"),
        ({"login": "u", "password": SECRET, "extra": {"iam_apikey": SECRET}}, "iam does not use login and password"),
        ({"extra": {"bearer_token": SECRET, "iam_apikey": SECRET}}, "iam does not use bearer_token"),
        ({"login": "u", "password": SECRET, "extra": {"auth_type": "none"}}, "none does not use login and password"),
        ({"extra": {"bearer_token": f"{SECRET}\r\nX: y"}}, "characters that no header can hold"),
        ({"extra": {"auth_type": SECRET}}, "auth_type in extra is no one of session, basic"),
        ({"extra": {"iam_apikey": SECRET, "iam_url": "http://iam.example"}}, "iam_url is http"),
        ({"extra": {"iam_apikey": SECRET, "iam_url": "iam"}}, "iam_url is not a URL"),
        ({"extra": {"replication_url": f"https://u:{SECRET}@x"}}, "replication_url holds credentials"),
        ({"extra": {"replicator_db": "jobs"}}, "replicator_db in extra is no name of a replicator database"),
        ({"extra": {"proxies": f"socks5://u:{SECRET}@x"}}, "proxies in extra is no URL"),
        ({"extra": {"proxies": {"ftp": "http://x"}}}, "proxies in extra is no URL"),
        ({"extra": {"proxies": "[1"}}, "proxies in extra is no URL"),
        ({"extra": {"proxies": [1]}}, "proxies in extra is no URL"),
        ({"extra": {"verify": False, "ca_bundle": "/x"}}, "verify false and ca_bundle"),
        ({"extra": {"connect_timeout": 0}}, "connect_timeout in extra is no number of seconds > 0"),
        ({"extra": {"apikey": SECRET}}, "unknown in extra: apikey. There are: auth_type,"),
    ],
)
def test_what_is_wrong_is_named_and_never_quoted(fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^connection 'my_couch': .*{complaint}") as caught:
        read(**fields)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "block"),
    [
        ({}, {}),
        ({"login": "u", "password": "p@:/"}, {"auth": {"basic": {"username": "u", "password": "p@:/"}}}),
        ({"extra": {"iam_apikey": "k"}}, {"auth": {"iam": {"api_key": "k"}}}),
        ({"extra": {"iam_apikey": "k", "iam_form": "ibm.iam"}}, {"auth": {"ibm": {"iam": {"api_key": "k"}}}}),
        ({"extra": {"bearer_token": "t"}}, {"headers": {"Authorization": "Bearer t"}}),
    ],
)
def test_an_end_of_a_job(fields: dict[str, Any], block: dict[str, Any]) -> None:
    assert read(**fields).replication_endpoint("a/b+c") == {"url": "https://couch.example/a%2Fb%2Bc"} | block


def test_an_end_of_a_job_elsewhere_and_on_old_servers() -> None:
    connection = read(login="u", password="?>~ü", extra={"replication_url": "http://couchdb:5984"})
    # the plain alphabet of base64: the one for URLs is refused
    assert connection.replication_endpoint("db", headers=True) == {
        "url": "http://couchdb:5984/db",
        "headers": {"Authorization": "Basic dTo/Pn7DvA=="},
    }


def test_what_a_server_repeats_is_shown_without_secrets() -> None:
    connection = read(login="u", password="pa/ss+word", extra={"proxies": f"http://u:{SECRET}@proxy.example"})
    text = f"no: pa/ss+word, pa%2Fss%2Bword, dTpwYS9zcyt3b3Jk, {SECRET}"
    assert connection.redacted(text) == "no: ***, ***, ***, ***"
    assert read(login="u", password="a").redacted("as it was") == "as it was"


@pytest.mark.parametrize(
    "fields",
    [
        {"login": "u", "password": SECRET},
        {"login": "u", "password": SECRET, "extra": {"auth_type": "basic"}},
        {"extra": {"iam_apikey": SECRET}},
        {"extra": {"bearer_token": SECRET}},
        {"extra": {"proxies": f"http://u:{SECRET}@proxy.example"}},
    ],
)
def test_no_repr_shows_a_secret(fields: dict[str, Any]) -> None:
    connection = read(**fields)
    client = connection.blocking()
    for shown in (connection, connection.auth, client, client.transport):
        assert SECRET not in repr(shown)
    assert SECRET in json.dumps([connection.replication_endpoint("db"), connection.secrets()])
