# SPDX-License-Identifier: Apache-2.0
"""One CouchDB or Cloudant instance, and how to get there. No I/O, no Airflow."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow_provider_replicator.core.retry import RetryPolicy
from airflow_provider_replicator.couchdb import urls
from airflow_provider_replicator.couchdb.auth.credentials import Auth, NoAuth

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping

    from airflow_provider_replicator.couchdb.client import CouchClient

#: Hiccups of seconds only: whoever waits for a job tolerates longer outages itself.
#: Shorter ones are in every text.
_SHORTEST_SECRET = 4
RETRY = RetryPolicy(attempts=7, connect_attempts=5, seconds=120.0)


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

    def redacted(self, text: str) -> str:
        """``text`` without the secrets of this connection: servers repeat what they were given in their messages."""
        for secret in self.auth.secrets():
            for written in {secret, quote(secret, safe="")}:
                if len(written) >= _SHORTEST_SECRET:
                    text = text.replace(written, "***")
        return text

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
    raise NotImplementedError
