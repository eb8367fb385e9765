# SPDX-License-Identifier: Apache-2.0
"""One way into a CDF project, read from the fields of a connection: address, credentials, settings. No I/O, no Airflow."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_replicator.cdf.http.aiohttp_transport import APPLICATION, AiohttpTransport
from airflow_provider_replicator.cdf.http.client import CdfClient
from airflow_provider_replicator.cdf.http.credentials import ProviderToken, StaticToken
from airflow_provider_replicator.cdf.http.settings import ClientSettings
from airflow_provider_replicator.core.fields import (
    Field,
    checked_url,
    flag,
    integer,
    is_loopback,
    number,
    read_extra,
    text,
)
from airflow_provider_replicator.core.limits import Limit
from airflow_provider_replicator.core.retry import RetryPolicy
from airflow_provider_replicator.exceptions import ConfigurationError

if TYPE_CHECKING:
    from cognite.client import ClientConfig
    from cognite.client.credentials import CredentialProvider

#: Seconds that the identity provider may take to connect, and to answer.
_TOKEN_TIMEOUT = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class CdfConnection:
    """Either ``token``, or ``client_id``, ``client_secret`` and ``token_url``. Secrets are not part of its repr."""

    base_url: str
    project: str
    token: str | None = field(default=None, repr=False)
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    token_url: str | None = None
    scopes: tuple[str, ...] = ()
    audience: str | None = None
    settings: ClientSettings = field(default_factory=ClientSettings)

    def provider(self) -> CredentialProvider:
        """The official SDK's provider of these credentials. Fetches nothing yet."""
        from cognite.client.credentials import OAuthClientCredentials, Token

        if self.token is not None:
            return Token(self.token)
        more: dict[str, Any] = {} if self.audience is None else {"audience": self.audience}
        return OAuthClientCredentials(
            token_url=self.token_url or "",
            client_id=self.client_id or "",
            client_secret=self.client_secret or "",
            scopes=list(self.scopes),
            timeout=_TOKEN_TIMEOUT,
            **more,
        )

    def sdk_config(self) -> ClientConfig:
        """What the official client needs."""
        from cognite.client import ClientConfig

        return ClientConfig(
            client_name=APPLICATION, project=self.project, credentials=self.provider(), base_url=self.base_url
        )

    def transport(self) -> AiohttpTransport:
        source = StaticToken(self.token) if self.token is not None else ProviderToken(self.provider)
        return AiohttpTransport(self.base_url, self.project, source, settings=self.settings)

    def client(self) -> CdfClient:
        """A client of our own; opens nothing before its first request."""
        return CdfClient(self.transport(), project=self.project, settings=self.settings)


def read_connection(
    name: str,
    *,
    host: str | None,
    port: int | None = None,
    login: str | None = None,
    password: str | None = None,
    extra: Mapping[str, Any],
) -> CdfConnection:
    """The connection called ``name`` out of its fields. ``host`` is a base URL or the name of a cluster.

    ``extra`` may hold the names in :data:`EXTRAS` and no others: who may edit connections is not who writes DAGs, so nothing is
    passed on unread. Raises :class:`ConfigurationError`, which names the connection and never a secret.
    """
    try:
        return _read(host, port, login, password, read_extra(extra, EXTRAS))
    except ConfigurationError as error:
        raise ConfigurationError(f"connection {name!r}: {error}") from None


def _read(
    host: str | None, port: int | None, login: str | None, password: str | None, extra: dict[str, Any]
) -> CdfConnection:
    allow_http = bool(extra.get("allow_http"))
    base_url = _base_url(host, port, allow_http=allow_http)
    if "project" not in extra:
        raise ConfigurationError("the project is missing: fill in Project, or project in extra")
    return CdfConnection(
        base_url=base_url,
        project=extra["project"],
        settings=_settings(extra),
        **_credentials(login or None, password or None, extra, base_url, allow_http=allow_http),
    )


def _credentials(
    login: str | None, password: str | None, extra: dict[str, Any], base_url: str, *, allow_http: bool
) -> dict[str, Any]:
    token, token_url = extra.get("token"), extra.get("token_url")
    if token is not None:
        if login or password:
            raise ConfigurationError("there are a token and a client id or secret: leave one of the two out")
        return {"token": token}
    parts = {"client id (login)": login, "client secret (password)": password, "token URL (token_url)": token_url}
    missing = [name for name, value in parts.items() if value is None]
    if len(missing) == len(parts):
        raise ConfigurationError("there are no credentials: give client id, client secret and token URL, or a token")
    if missing:
        raise ConfigurationError(f"credentials are incomplete: missing are {', '.join(missing)}")
    checked_url("token_url", str(token_url), allow_http=allow_http)
    audience, scopes = extra.get("audience"), extra.get("scopes")
    return {
        "client_id": login,
        "client_secret": password,
        "token_url": token_url,
        "audience": audience,
        # what Entra ID wants for CDF; other providers are asked by audience
        "scopes": scopes or ((f"{base_url}/.default",) if audience is None else ()),
    }


def _base_url(host: str | None, port: int | None, *, allow_http: bool) -> str:
    address = (host or "").strip()
    if not address:
        raise ConfigurationError(
            "the host is missing: a base URL (https://az-eastus-1.cognitedata.com) or a cluster name"
        )
    if "://" not in address:
        is_cluster = not any(mark in address for mark in ".:/") and not is_loopback(address)
        address = f"https://{address}.cognitedata.com" if is_cluster else f"https://{address}"
    checked_url("host", address, allow_http=allow_http)
    parts = urlsplit(address)
    base_url = f"{parts.scheme}://{parts.netloc}"
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ConfigurationError(f"the host ends after the name and port: write {base_url}")
    return f"{base_url}:{port}" if port is not None and parts.port is None else base_url


def _settings(extra: dict[str, Any]) -> ClientSettings:
    standard = RetryPolicy()
    chosen = {name: extra[name] for name in _SETTINGS if name in extra}
    return ClientSettings(
        retry=RetryPolicy(
            attempts=extra.get("retry_attempts", standard.attempts),
            seconds=extra.get("retry_seconds", standard.seconds),
        ),
        **chosen,
    )


def _scopes(value: Any) -> tuple[str, ...]:
    items = value.split() if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
        raise TypeError
    return tuple(items)


def _limits(value: Any) -> dict[str, Limit]:
    document = json.loads(value) if isinstance(value, str) else value
    if not isinstance(document, Mapping):
        raise TypeError
    return {str(name): Limit(**limit) for name, limit in document.items()}


_TEXT = (text, "text")
_SECONDS = (number, "number of seconds > 0")
#: What a connection's extra may hold: how each is read, and what it should be.
EXTRAS: Mapping[str, Field] = {
    "project": _TEXT,
    "token_url": _TEXT,
    "scopes": (_scopes, "list of texts, or texts separated by blanks"),
    "audience": _TEXT,
    "token": _TEXT,
    "concurrency": (integer, "whole number >= 1"),
    "limit_share": (number, "number > 0 and <= 1"),
    "limits": (
        _limits,
        'JSON object such as {"assets.analytical": {"per_second": 10, "in_flight": 4}}',
    ),
    "request_compression": _TEXT,
    "response_compression": _TEXT,
    "connect_timeout": _SECONDS,
    "read_timeout": _SECONDS,
    "retry_attempts": (integer, "whole number >= 1"),
    "retry_seconds": _SECONDS,
    "allow_http": (flag, "true or false"),
}
_SETTINGS = (
    "concurrency",
    "limit_share",
    "limits",
    "request_compression",
    "response_compression",
    "connect_timeout",
    "read_timeout",
)
