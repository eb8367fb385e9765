# SPDX-License-Identifier: Apache-2.0
"""Source and target of a job: an address, and who asks there. Credentials may come in three ways, and are shown in none."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_replicator.sandbox.couchdb.replicator.erlang import Atom
from airflow_provider_replicator.sandbox.couchdb.replicator.texts import RejectedDocumentError, failed_with

_ENDPOINTS = ("http", "https")
_PROXIES = ("http", "https", "socks5")
_KNOWN = (*_PROXIES, "ftp")
_DEFAULT_PORTS = {("https", 443), ("http", 80), ("http", 5984)}
_NO_LOCAL = Atom("local_endpoints_not_supported")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """``url`` ends with a slash and holds no credentials. ``auth`` are the members of the auth block but ``basic``."""

    url: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    auth: tuple[tuple[str, Any], ...] = field(default=(), repr=False)
    proxy: str | None = field(default=None, repr=False)

    @property
    def identity(self) -> tuple[Any, ...]:
        """What goes into the job's id: never a password, and no port that is the default one."""
        parts = urlsplit(self.url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        shown = "default" if (parts.scheme, port) in _DEFAULT_PORTS else port
        return (self.username, parts.hostname, shown, path, self.headers)

    @property
    def session_url(self) -> str:
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}/_session"


def read_endpoint(value: Any, proxy: Any = "") -> Endpoint:
    """Raises RejectedDocumentError."""
    if value is None:
        raise failed_with("function_clause")
    if isinstance(value, str):
        if not value.startswith(("http://", "https://")):
            raise RejectedDocumentError(_NO_LOCAL)
        value = {"url": value}
    if not isinstance(value, Mapping):
        raise failed_with("function_clause")
    url = value.get("url")
    if _scheme(url) not in _ENDPOINTS:
        raise RejectedDocumentError("endpoint has an invalid url")
    auth = _mapping(value.get("auth", {}))
    headers = [(name, _string(content)) for name, content in _mapping(value.get("headers", {})).items()]
    return _with_credentials(_slashed(str(url)), auth, sorted(headers), _read_proxy(proxy))


def _with_credentials(url: str, auth: Mapping[str, Any], headers: list[tuple[str, str]], proxy: str | None) -> Endpoint:
    """The auth block counts before the URL, and that before an Authorization header."""
    from_headers, headers = _taken_from_headers(headers)
    from_url, url = _taken_from_url(url)
    username, password = _taken_from_block(auth) or from_url or from_headers or (None, None)
    others = tuple((name, content) for name, content in sorted(auth.items()) if name != "basic")
    return Endpoint(url=url, username=username, password=password, headers=tuple(headers), auth=others, proxy=proxy)


def _taken_from_block(auth: Mapping[str, Any]) -> tuple[str, str] | None:
    basic = auth.get("basic")
    if not isinstance(basic, Mapping):
        return None
    username, password = basic.get("username"), basic.get("password")
    return (username, password) if isinstance(username, str) and isinstance(password, str) else None


def _taken_from_url(url: str) -> tuple[tuple[str, str] | None, str]:
    """They are used as they stand, without percent-decoding."""
    scheme, _, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    userinfo, at, host = authority.rpartition("@")
    if not at:
        return None, url
    username, colon, password = userinfo.partition(":")
    return ((username, password) if colon else None), f"{scheme}://{host}{slash}{path}"


def _taken_from_headers(headers: list[tuple[str, str]]) -> tuple[tuple[str, str] | None, list[tuple[str, str]]]:
    for name, content in headers:
        kind, _, encoded = content.partition(" ")
        if name.lower() == "authorization" and kind.lower() == "basic":
            others = [one for one in headers if one[0].lower() != "authorization"]
            return _decoded(encoded), others
    return None, headers


def _decoded(encoded: str) -> tuple[str, str] | None:
    try:
        username, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (username, password) if colon else None


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise failed_with((Atom("badmatch"), value))
    return value


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise failed_with("badarg")
    return value


def _scheme(url: Any) -> str | None:
    if not isinstance(url, str):
        return None
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts.scheme if usable else None


def _slashed(url: str) -> str:
    return url if "?" in url or url.endswith("/") else f"{url}/"


def _read_proxy(proxy: Any) -> str | None:
    if not isinstance(proxy, str):
        raise RejectedDocumentError("Invalid proxy url")
    if not proxy:
        return None
    scheme = _scheme(proxy)
    if scheme not in _KNOWN:
        raise failed_with((Atom("badmatch"), (Atom("error"), Atom("invalid_uri"))))
    if scheme not in _PROXIES:
        raise RejectedDocumentError("proxy has an invalid url")
    return proxy


def shown_url(value: Any) -> str | None:
    """An endpoint of a document as ``_scheduler/docs`` shows it. What cannot be read is not shown: it may hold a password."""
    try:
        return read_endpoint(value).url
    except RejectedDocumentError as error:
        return str(value) if error.reason == _NO_LOCAL else None


def without_credentials(value: Any) -> Any:
    """An endpoint of a document as somebody who is neither admin nor owner may read it."""
    if isinstance(value, str):
        return re.sub(r"^http(s?)://[^:]+:[^@]+@(.*)$", r"http\1://\2", value)
    if isinstance(value, Mapping):
        return {name: content for name, content in value.items() if name not in ("headers", "auth")}
    return value
