# SPDX-License-Identifier: Apache-2.0
"""The fields of a connection to CouchDB or Cloudant: what each may hold, and what they mean together. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from airflow_provider_replicator.core.fields import Field, flag, integer, is_loopback, number, text
from airflow_provider_replicator.couchdb.auth.credentials import (
    IAM_URL,
    Auth,
    BasicAuth,
    BearerAuth,
    IamAuth,
    IamForm,
    NoAuth,
    SessionAuth,
)
from airflow_provider_replicator.couchdb.auth.signing import is_header
from airflow_provider_replicator.exceptions import ConfigurationError

AuthType = Literal["session", "basic", "iam", "bearer", "none"]
#: CouchDB's own port for http.
_PLAIN_PORT = 5984
#: Ports on which this very machine, too, is asked over TLS.
_TLS_PORTS = (443, 6984)
_ACCOUNT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


def server_url(host: str | None, port: int | None, schema: str | None, *, account: bool) -> str:
    """The URL of the server. ``account``: a single word is the name of an account of Cloudant, unless a port stands beside it.

    Without a scheme it is https, but http for this very machine and for CouchDB's port 5984.
    """
    address = (host or "").strip().rstrip("/")
    if not address:
        raise ConfigurationError(
            "the host is missing: a URL (https://couchdb.example:6984)"
            + (", a host name, or the name of an account of Cloudant" if account else " or a host name")
        )
    if "://" not in address:
        if account and port is None and _ACCOUNT.fullmatch(address) and not is_loopback(address):
            return f"https://{address}.cloudant.com"
        address = f"{_scheme(address, port, schema, lenient=account)}://{_bracketed(address)}"
    return _with_port(address, port)


def read_auth(login: str | None, password: str | None, extra: Mapping[str, Any]) -> Auth:
    """Who we are. Without ``auth_type``, what is filled in decides: a key, a token, name and password, nobody."""
    key, token = extra.get("iam_apikey"), extra.get("bearer_token")
    kind: AuthType = extra.get("auth_type") or (
        "iam" if key else "bearer" if token else "session" if login or password else "none"
    )
    if kind == "iam" and key is None and login is None:
        key, password = password, None  # the field that Airflow hides anyway
    given = {"login": login, "password": password, "iam_apikey": key, "bearer_token": token}
    _complete(kind, given)
    match kind:
        case "session":
            return SessionAuth(str(login), str(password))
        case "basic":
            if ":" in str(login):
                raise ConfigurationError("a colon in the login cannot be sent with auth_type basic: write session")
            return BasicAuth(str(login), str(password))
        case "iam":
            return IamAuth(str(key), extra.get("iam_url", IAM_URL), extra.get("iam_form", "iam"))
        case "bearer":
            if not is_header(str(token)):
                raise ConfigurationError("bearer_token has characters that no header can hold")
            return BearerAuth(str(token))
        case "none":
            return NoAuth()


def _complete(kind: AuthType, given: Mapping[str, str | None]) -> None:
    """Just the fields of this kind are filled in: what is not used may be a mistake."""
    names = ("login", "password")
    needed = {"session": names, "basic": names, "iam": ("iam_apikey",), "bearer": ("bearer_token",), "none": ()}[kind]
    if missing := [name for name in needed if not given[name]]:
        raise ConfigurationError(f"credentials are incomplete: auth_type {kind} needs {' and '.join(missing)}")
    if more := [name for name, value in given.items() if value and name not in needed]:
        raise ConfigurationError(f"auth_type {kind} does not use {' and '.join(more)}: leave out one or the other")


def _scheme(address: str, port: int | None, schema: str | None, *, lenient: bool) -> str:
    named = (schema or "").strip().lower()
    if named in ("http", "https"):
        return named
    if named and not lenient:  # the stock provider hides this field, whatever it holds
        raise ConfigurationError("the schema is http or https; databases are named where they are used")
    parts = urlsplit(f"//{_bracketed(address)}")
    try:
        port = parts.port or port
    except ValueError:
        port = None  # whoever checks the URL says so
    plain = port == _PLAIN_PORT or (is_loopback(parts.hostname or "") and port not in _TLS_PORTS)
    return "http" if plain else "https"


def _bracketed(address: str) -> str:
    """An IPv6 address as URLs write it."""
    return f"[{address}]" if address.count(":") > 1 and not address.startswith("[") else address


def _with_port(address: str, port: int | None) -> str:
    parts = urlsplit(address)
    if parts.query or parts.fragment:
        raise ConfigurationError("the host ends after name, port and path: leave out what follows")
    try:
        named = parts.port
    except ValueError:
        return address  # whoever checks the URL says so
    netloc = parts.netloc if named is not None or port is None else f"{parts.netloc}:{port}"
    return f"{parts.scheme}://{netloc}{parts.path}"


def _choice(*values: str) -> Field:
    def read(value: Any) -> str:
        written = text(value).lower()
        if written not in values:
            raise ValueError
        return written

    return read, f"one of {', '.join(values)}"


def _proxies(value: Any) -> dict[str, str]:
    if isinstance(value, str):
        value = json.loads(value) if value.startswith("{") else {"http": value, "https": value}
    if not isinstance(value, Mapping):
        raise TypeError
    for scheme, url in value.items():
        parts = urlsplit(text(url))
        if scheme not in ("http", "https") or parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError
    return dict(value)


def _replicator_db(value: Any) -> str:
    name = text(value)
    if name != "_replicator" and not name.endswith("/_replicator"):
        raise ValueError
    return name


_TEXT: Field = (text, "text")
_SECONDS: Field = (number, "number of seconds > 0")
_FLAG: Field = (flag, "true or false")
#: What a connection's extra may hold: how each is read, and what it should be.
EXTRAS: Mapping[str, Field] = {
    "auth_type": _choice(*get_args(AuthType)),
    "iam_apikey": _TEXT,
    "iam_url": _TEXT,
    "iam_form": _choice(*get_args(IamForm)),
    "bearer_token": _TEXT,
    "replication_url": _TEXT,
    "replicator_db": (_replicator_db, "name of a replicator database: _replicator, or one that ends in /_replicator"),
    "verify": _FLAG,
    "ca_bundle": _TEXT,
    "proxies": (_proxies, 'URL (http://proxy.example:3128), or JSON object such as {"https": "http://…"}'),
    "connect_timeout": _SECONDS,
    "read_timeout": _SECONDS,
    "retry_attempts": (integer, "whole number >= 1"),
    "retry_seconds": _SECONDS,
    "allow_http": _FLAG,
}
