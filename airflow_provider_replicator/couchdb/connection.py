# SPDX-License-Identifier: Apache-2.0
"""One CouchDB or Cloudant instance, and how to get there. No I/O, no Airflow."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus, unquote, urlsplit

from airflow_provider_replicator.core.fields import checked_url, read_extra
from airflow_provider_replicator.core.proxies import environment_proxy
from airflow_provider_replicator.core.retry import RetryPolicy
from airflow_provider_replicator.couchdb import urls
from airflow_provider_replicator.couchdb.auth.credentials import IAM_URL, Auth, NoAuth
from airflow_provider_replicator.couchdb.fields import EXTRAS, read_auth, server_url
from airflow_provider_replicator.exceptions import ConfigurationError

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping

    from airflow_provider_replicator.couchdb.client import CouchClient

#: Hiccups of seconds only: whoever waits for a job tolerates longer outages itself.
RETRY = RetryPolicy(attempts=7, connect_attempts=5, seconds=120.0)
#: Shorter secrets are part of every text.
_SHORTEST_SECRET = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class CouchConnection:
    """``base_url`` is ``https://host[:port][/prefix]``, without credentials and without a slash at its end.

    ``verify``: true, false, or a file of certificates that are trusted besides the usual ones. ``proxies``: URL by scheme; empty:
    what the environment says. Timeouts are seconds; ``read_timeout`` is the longest silence, not the length of an answer.
    ``replication_url`` is the address under which the *server that runs a job* reaches this instance, if that is another one.
    Secrets are not part of the repr.
    """

    name: str
    base_url: str
    auth: Auth = field(default_factory=NoAuth)
    verify: bool | str = True
    proxies: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    connect_timeout: float = 15.0
    read_timeout: float = 60.0
    replicator_db: str = "_replicator"
    replication_url: str | None = None
    retry: RetryPolicy = RETRY

    def replication_endpoint(self, database: str, *, headers: bool = False) -> dict[str, Any]:
        """``source`` or ``target`` of a job's document. It holds SECRETS: for the server only, never for logs or XCom.

        ``headers``: name and password as a header, which servers before CouchDB 3.2 and PouchDB's want.
        """
        url = (self.replication_url or self.base_url) + urls.path(database)
        return {"url": url} | self.auth.endpoint(headers=headers)

    def secrets(self) -> tuple[str, ...]:
        """What may be seen nowhere: of the credentials, and of the proxies."""
        passwords = (urlsplit(url).password for url in self.proxies.values())
        return (*self.auth.secrets(), *(unquote(password) for password in passwords if password))

    def redacted(self, text: str, *more: str) -> str:
        """``text`` without the secrets of this connection, and ``more``: servers repeat what they were given in their messages."""
        for secret in (*self.secrets(), *more):
            forms = {secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]}
            for written in sorted(forms, key=len, reverse=True):
                if len(written) >= _SHORTEST_SECRET:
                    text = text.replace(written, "***")
        return text

    def proxy_for(self, url: str) -> str | None:
        """The proxy on the way to ``url``: the server, or the address of IAM."""
        return self.proxies.get(urlsplit(url).scheme) if self.proxies else environment_proxy(url)

    def verify_for(self, url: str) -> bool | str:
        """``verify`` for the server itself; a certificate of anybody else (IAM) is always checked."""
        return self.verify if self.verify is not False or url.startswith(self.base_url + "/") else True

    def blocking(self, stop: threading.Event | None = None) -> CouchClient:
        """A new client over requests, for :func:`~airflow_provider_replicator.couchdb.blocking.run`. Opens nothing yet.

        Once ``stop`` is set, whatever asks or waits ends with :class:`asyncio.CancelledError`.
        """
        from airflow_provider_replicator.couchdb.client import CouchClient
        from airflow_provider_replicator.couchdb.requests_transport import RequestsTransport

        return CouchClient(self, RequestsTransport(self, stop))

    def client(self) -> CouchClient:
        """A new client over aiohttp, for the event loop that uses it first. Opens nothing yet."""
        from airflow_provider_replicator.couchdb.aiohttp_transport import AiohttpTransport
        from airflow_provider_replicator.couchdb.client import CouchClient

        return CouchClient(self, AiohttpTransport(self))


def read_couch_connection(
    name: str,
    *,
    conn_type: str,
    host: str | None,
    port: int | None,
    schema: str | None,
    login: str | None,
    password: str | None,
    extra: Mapping[str, Any],
) -> CouchConnection:
    """The connection called ``name`` out of its fields; of type ``couchdb``, or ``cloudant`` as the stock provider writes it.

    ``extra`` may hold the names in :data:`EXTRAS` and no others. Raises :class:`ConfigurationError`, which names the connection and
    never a secret.
    """
    try:
        read = read_extra(extra, EXTRAS)
        return _read(name, conn_type, host, port, schema, login or None, password or None, read)
    except ConfigurationError as error:
        raise ConfigurationError(f"connection {name!r}: {error}") from None


def _read(
    name: str,
    conn_type: str,
    host: str | None,
    port: int | None,
    schema: str | None,
    login: str | None,
    password: str | None,
    extra: dict[str, Any],
) -> CouchConnection:
    allow_http = bool(extra.get("allow_http"))
    base_url = server_url(host, port, schema, account=conn_type == "cloudant")
    checked_url("host", base_url, allow_http=allow_http)
    replication_url = extra.get("replication_url")
    if replication_url is not None:
        # not checked for http: it is the way between two servers, which this machine does not go
        checked_url("replication_url", replication_url, allow_http=True)
    checked_url("iam_url", extra.get("iam_url", IAM_URL), allow_http=allow_http)
    attempts = extra.get("retry_attempts", RETRY.attempts)
    return CouchConnection(
        name=name,
        base_url=base_url,
        auth=read_auth(login, password, extra),
        verify=_verify(extra),
        proxies=MappingProxyType(extra.get("proxies", {})),
        replication_url=replication_url.rstrip("/") if replication_url else None,
        retry=replace(
            RETRY,
            attempts=attempts,
            connect_attempts=min(RETRY.connect_attempts, attempts),
            seconds=extra.get("retry_seconds", RETRY.seconds),
        ),
        **{field: extra[field] for field in _SETTINGS if field in extra},
    )


def _verify(extra: Mapping[str, Any]) -> bool | str:
    verify, bundle = extra.get("verify", True), extra.get("ca_bundle")
    if bundle is None:
        return bool(verify)
    if not verify:
        raise ConfigurationError("there are verify false and ca_bundle: leave one of the two out")
    return str(bundle)


_SETTINGS = ("connect_timeout", "read_timeout", "replicator_db")
