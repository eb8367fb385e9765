# SPDX-License-Identifier: Apache-2.0
"""The transport of tasks: requests. It blocks, and never waits for an event loop."""

from __future__ import annotations

import asyncio
import threading
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_replicator.couchdb.answers import PIECE, USER_AGENT, lowered, too_large
from airflow_provider_replicator.couchdb.tls import context, untrusted
from airflow_provider_replicator.couchdb.transport import Answer
from airflow_provider_replicator.exceptions import CouchConnectionError

if TYPE_CHECKING:
    import ssl

    from requests import PreparedRequest, Response
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    from airflow_provider_replicator.couchdb.connection import CouchConnection
    from airflow_provider_replicator.couchdb.transport import Request


class RequestsTransport:
    """One server, and the address of IAM, over pooled connections. One thread at a time.

    Not a ``requests.Session``: it would keep cookies of its own, read ``.netrc`` and rewrite addresses. ``stop`` set: whatever is
    sent or slept ends with :class:`asyncio.CancelledError`; what is in flight is not cut.
    """

    def __init__(self, connection: CouchConnection, stop: threading.Event | None = None) -> None:
        self._connection = connection
        self._stop = stop or threading.Event()
        self._adapters: dict[tuple[str, bool | str], HTTPAdapter] = {}

    async def send(self, request: Request) -> Answer:
        """See :class:`~airflow_provider_replicator.couchdb.transport.Transport`."""
        from requests import RequestException
        from urllib3.exceptions import HTTPError

        self._raise_if_stopped()
        prepared = _prepared(request)
        connection = self._connection
        scheme = urlsplit(request.url).scheme
        carrier = self._adapter(scheme, connection.verify_for(request.url))
        proxy = connection.proxy_for(request.url)
        try:
            response = carrier.send(
                prepared,
                timeout=(connection.connect_timeout, request.read_timeout or connection.read_timeout),
                proxies={scheme: proxy} if proxy else {},
            )
            with response:
                body = _body(response, request)
                headers = lowered(response.raw.headers.iteritems())
            return Answer(status=response.status_code, headers=headers, body=body)
        except (RequestException, HTTPError, OSError) as error:
            failure = _failure(error, request.url, connection)
        # Raised here, so that the original is not chained to it: it holds the request with its credentials.
        raise failure

    async def sleep(self, seconds: float) -> None:
        """See :class:`~airflow_provider_replicator.couchdb.transport.Transport`."""
        self._stop.wait(seconds)
        self._raise_if_stopped()

    async def close(self) -> None:
        for adapter in self._adapters.values():
            adapter.close()
        self._adapters.clear()

    def _raise_if_stopped(self) -> None:
        if self._stop.is_set():
            raise asyncio.CancelledError

    def _adapter(self, scheme: str, verify: bool | str) -> HTTPAdapter:
        if (scheme, verify) not in self._adapters:
            self._adapters[scheme, verify] = adapter(context(verify) if scheme == "https" else None)
        return self._adapters[scheme, verify]


def adapter(trust: ssl.SSLContext | None = None, *, retries: Retry | int = 0, timeout: Any = None) -> HTTPAdapter:
    """Connections of requests. ``trust`` says whose certificates are fine, whatever else is said; None: requests says it.

    ``timeout`` holds where a request names none.
    """
    made: HTTPAdapter = _adapter_class()(trust, retries, timeout)
    return made


@cache
def _adapter_class() -> Any:
    from requests.adapters import HTTPAdapter

    class Adapter(HTTPAdapter):
        def __init__(self, trust: ssl.SSLContext | None, retries: Retry | int, timeout: Any) -> None:
            self._trust = trust
            self._timeout = timeout
            super().__init__(max_retries=retries)

        def send(
            self,
            request: PreparedRequest,
            stream: bool = False,
            timeout: Any = None,
            verify: Any = True,
            cert: Any = None,
            proxies: Any = None,
        ) -> Any:
            return super().send(request, stream, timeout or self._timeout, verify, cert, proxies)

        def build_connection_pool_key_attributes(self, request: PreparedRequest, verify: Any, cert: Any = None) -> Any:
            found: Any = super().build_connection_pool_key_attributes(request, verify, cert)
            host, pool = found
            if self._trust is not None:
                pool |= {"ssl_context": self._trust, "cert_reqs": self._trust.verify_mode}
                pool.pop("ca_certs", None)
            return host, pool

        def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
            if self._trust is None:
                super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]

    return Adapter


def _body(response: Response, request: Request) -> bytes:
    if request.max_bytes is None:
        return response.content or b""
    pieces, size = [], 0
    for piece in response.iter_content(PIECE):
        size += len(piece)
        if size > request.max_bytes:
            raise too_large(request)
        pieces.append(piece)
    return b"".join(pieces)


def _prepared(request: Request) -> PreparedRequest:
    """The request as it is: requests' own preparation would decode and encode the address anew."""
    from requests import PreparedRequest
    from requests.structures import CaseInsensitiveDict

    prepared = PreparedRequest()
    prepared.method, prepared.url, prepared.body = request.method, request.url, request.body
    prepared.headers = CaseInsensitiveDict({"User-Agent": USER_AGENT, "Accept-Encoding": "gzip", **request.headers})
    if request.body is not None:
        prepared.headers["Content-Length"] = str(len(request.body))  # else it would be sent in chunks
    return prepared


def _failure(error: Exception, url: str, connection: CouchConnection) -> Exception:
    """What a caller is told: no answer, and whether the request was sent; or a certificate, which no retry makes trusted."""
    from requests import ConnectTimeout
    from requests.exceptions import ProxyError, SSLError
    from urllib3.exceptions import NewConnectionError

    host = urlsplit(url).netloc
    if refused := untrusted(error, host):
        return refused
    cause: Any = error
    while isinstance(inner := getattr(cause, "reason", None) or next(iter(cause.args), None), Exception):
        cause = inner
    unsent = isinstance(error, ConnectTimeout | ProxyError | SSLError) or isinstance(cause, NewConnectionError)
    text = f"{type(cause).__name__}: {cause}" if str(cause) else type(cause).__name__
    return CouchConnectionError(f"no answer of {host}: {connection.redacted(text)}", sent=not unsent)
