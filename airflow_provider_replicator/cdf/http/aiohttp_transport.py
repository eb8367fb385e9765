# SPDX-License-Identifier: Apache-2.0
"""The real transport: aiohttp on the running event loop.

Chosen by measurement: a third of the CPU of httpx and requests on 1.8 MB bodies, a fifth of the memory.
"""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from airflow_provider_replicator import __version__
from airflow_provider_replicator.cdf.http.settings import ClientSettings
from airflow_provider_replicator.cdf.http.transport import HttpRequest, HttpResponse, TransportError
from airflow_provider_replicator.core.fields import is_loopback
from airflow_provider_replicator.core.proxies import environment_proxy
from airflow_provider_replicator.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import ClientSession

    from airflow_provider_replicator.cdf.http.credentials import TokenSource

APPLICATION = f"airflow-provider-replicator/{__version__}"
#: Version of CDF's API whose behaviour is asked for.
_CDF_VERSION = "20230101"
#: Idle connections are dropped before common servers drop them (5 s): a request on a connection that is just being closed has
#: an unknown outcome.
_KEEP_ALIVE_SECONDS = 4.0
#: A body below this is not worth compressing.
_COMPRESS_FROM = 1024
#: aiohttp stops reading from the socket at twice this, per answer: large enough not to stop and start within one page.
_READ_BUFFER = 1 << 21
#: Bodies above this are written in pieces of it: about what a socket takes at once, the rest would be copied into a buffer.
_PIECE = 1 << 19


class AiohttpTransport:
    """One CDF project over one connection pool, opened at the first request. ``base_url`` is ``scheme://host[:port]``.

    Redirects are not followed. A 401 for a token that worked before is answered once with a new token, if the source has one.
    """

    def __init__(
        self, base_url: str, project: str, token: TokenSource, *, settings: ClientSettings | None = None
    ) -> None:
        self._origin = base_url.rstrip("/")
        self._prefix = f"{self._origin}/api/v1/projects/{quote(project, safe='')}"
        self._token = token
        self._settings = settings or ClientSettings()
        self._session: ClientSession | None = None
        self._worked: str | None = None
        self._proxy = environment_proxy(base_url)
        self._compress = self._settings.request_compression == "gzip-1"

    async def send(self, request: HttpRequest) -> HttpResponse:
        """See :class:`~airflow_provider_replicator.cdf.http.transport.Transport`."""
        return await self._authorized(self._prefix + request.path, request)

    async def inspect_token(self) -> HttpResponse:
        """Who am I: ``/api/v1/token/inspect``, the one address outside the project."""
        return await self._authorized(f"{self._origin}/api/v1/token/inspect", HttpRequest("GET", ""))

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _authorized(self, url: str, request: HttpRequest) -> HttpResponse:
        authorization = await self._token.authorization()
        response = await self._exchange(url, request, authorization)
        if response.status != 401:
            self._worked = authorization
        elif authorization == self._worked:  # one that never worked is wrong, not old
            renewed = await self._token.authorization(rejected=authorization)
            if renewed != authorization:
                return await self._exchange(url, request, renewed)
        return response

    async def _exchange(self, url: str, request: HttpRequest, authorization: str) -> HttpResponse:
        import aiohttp
        from yarl import URL

        session = self._session or self._open()
        headers = {"Authorization": authorization, "Accept": request.accept}
        body = self._body(request, headers)
        try:
            # encoded=True: names in raw paths hold %2F, which must arrive as it is
            async with session.request(
                request.method,
                URL(url, encoded=True),
                data=body,
                headers=headers,
                allow_redirects=False,
                proxy=self._proxy,
            ) as response:
                content = await response.read()
                return HttpResponse(response.status, content, {k.lower(): v for k, v in response.headers.items()})
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            failure = _failure(error)
        # Raised here, so that the original is not chained to it: aiohttp's errors may hold the request with its token.
        raise failure

    def _body(self, request: HttpRequest, headers: dict[str, str]) -> Any:
        """The body as aiohttp takes it, and the headers that belong to it."""
        if request.method == "GET":
            return None
        body = request.body
        headers["Content-Type"] = request.content_type
        if self._compress and len(body) >= _COMPRESS_FROM:
            headers["Content-Encoding"] = "gzip"
            body = gzip.compress(body, compresslevel=1)
        if len(body) <= _PIECE:
            return body
        headers["Content-Length"] = str(len(body))  # else aiohttp would send what is in pieces as chunks
        return _pieces(body)

    def _open(self) -> ClientSession:
        import aiohttp

        settings = self._settings
        loopback = is_loopback(urlsplit(self._origin).hostname or "")
        gzipped = settings.response_compression == "gzip" or (settings.response_compression == "auto" and not loopback)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=settings.concurrency, keepalive_timeout=_KEEP_ALIVE_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(
                total=None, connect=None, sock_connect=settings.connect_timeout, sock_read=settings.read_timeout
            ),
            headers={
                "x-cdp-app": APPLICATION,
                "cdf-version": _CDF_VERSION,
                "User-Agent": APPLICATION,
                "Accept-Encoding": "gzip" if gzipped else "identity",
            },
            read_bufsize=_READ_BUFFER,
        )
        return self._session


async def _pieces(body: bytes) -> AsyncIterator[memoryview]:
    """A large body without copying it; aiohttp waits between pieces until the socket takes more."""
    view = memoryview(body)
    for start in range(0, len(view), _PIECE):
        yield view[start : start + _PIECE]


def _failure(error: Exception) -> Exception:
    """What a caller is told: no answer, and whether the request was sent; or a certificate, which no retry makes trusted."""
    import aiohttp

    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return ConfigurationError(f"the certificate of {error.host} is not trusted: {error.certificate_error}")
    unsent = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
    return TransportError(text, sent=not isinstance(error, unsent))
