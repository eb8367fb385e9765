# SPDX-License-Identifier: Apache-2.0
"""The transport of triggers: aiohttp on the running event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_replicator.couchdb.answers import PIECE, USER_AGENT, lowered, too_large
from airflow_provider_replicator.couchdb.tls import context, untrusted
from airflow_provider_replicator.couchdb.transport import Answer
from airflow_provider_replicator.exceptions import CouchConnectionError

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

    from airflow_provider_replicator.couchdb.connection import CouchConnection
    from airflow_provider_replicator.couchdb.transport import Request

#: Idle connections are dropped before common proxies drop them: a request on a connection that is just being closed has an
#: unknown outcome.
_KEEP_ALIVE_SECONDS = 4.0
_POOL = 16


class AiohttpTransport:
    """One server, and the address of IAM, over one pool of connections, opened at the first request."""

    def __init__(self, connection: CouchConnection) -> None:
        self._connection = connection
        self._session: ClientSession | None = None
        self._contexts: dict[bool | str, Any] = {}

    async def send(self, request: Request) -> Answer:
        """See :class:`~airflow_provider_replicator.couchdb.transport.Transport`."""
        import aiohttp
        from yarl import URL

        session = self._session or self._open()
        connection = self._connection
        trust = await self._trust(request.url)
        try:
            # encoded=True: names hold %2F, which must arrive as it is
            async with session.request(
                request.method,
                URL(request.url, encoded=True),
                data=request.body,
                headers=dict(request.headers),
                allow_redirects=False,
                proxy=connection.proxy_for(request.url),
                ssl=trust,
                timeout=aiohttp.ClientTimeout(
                    total=None,
                    sock_connect=connection.connect_timeout,
                    sock_read=request.read_timeout or connection.read_timeout,
                ),
            ) as response:
                body = await _body(response, request)
                return Answer(status=response.status, headers=lowered(response.headers.items()), body=body)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            failure = _failure(error, request.url, connection)
        # Raised here, so that the original is not chained to it: aiohttp's errors may hold the request with its credentials.
        raise failure

    async def sleep(self, seconds: float) -> None:
        """See :class:`~airflow_provider_replicator.couchdb.transport.Transport`."""
        await asyncio.sleep(seconds)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> ClientSession:
        import aiohttp

        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=_POOL, keepalive_timeout=_KEEP_ALIVE_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "gzip"},
        )
        # It would send PUT and DELETE again after a lost answer, without telling anybody: the client does that, and counts.
        self._session._retry_connection = False
        return self._session

    async def _trust(self, url: str) -> Any:
        """True where there is no TLS. Made in a thread: files are read, which takes a tenth of a second of the one event loop."""
        if urlsplit(url).scheme != "https":
            return True
        verify = self._connection.verify_for(url)
        if verify not in self._contexts:
            self._contexts[verify] = await asyncio.to_thread(context, verify)
        return self._contexts[verify]


async def _body(response: ClientResponse, request: Request) -> bytes:
    if request.max_bytes is None:
        return await response.read()
    pieces, size = [], 0
    async for piece in response.content.iter_chunked(PIECE):
        size += len(piece)
        if size > request.max_bytes:
            response.close()
            raise too_large(request)
        pieces.append(piece)
    return b"".join(pieces)


def _failure(error: Exception, url: str, connection: CouchConnection) -> Exception:
    """What a caller is told: no answer, and whether the request was sent; or a certificate, which no retry makes trusted."""
    import aiohttp

    host = urlsplit(url).netloc
    if refused := untrusted(error, host):
        return refused
    unsent = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
    cause = getattr(error, "os_error", error)  # what the system said of a connection that could not be opened
    text = f"{type(cause).__name__}: {cause}" if str(cause) else type(cause).__name__
    return CouchConnectionError(f"no answer of {host}: {connection.redacted(text)}", sent=not isinstance(error, unsent))
