# SPDX-License-Identifier: Apache-2.0
"""One HTTP exchange of a job, and what CouchDB calls the ways in which it can fail."""

from __future__ import annotations

import errno
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
from yarl import URL

from airflow_provider_replicator.sandbox.couchdb.replicator.erlang import Atom
from airflow_provider_replicator.sandbox.couchdb.replicator.texts import CrashError

_ERROR = Atom("error")


class NetworkError(Exception):
    """No whole answer came; ``cause`` is the Erlang term for why."""

    def __init__(self, cause: Any) -> None:
        super().__init__(str(cause))
        self.cause = cause


@dataclass(frozen=True, slots=True)
class Sent:
    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    #: real seconds without a byte
    timeout: float = 30.0
    proxy: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    cookies: tuple[str, ...]
    body: bytes = field(repr=False)

    def json(self) -> Any:
        if not self.body:
            return None
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            raise CrashError((Atom("invalid_json"), self.body.decode(errors="replace")[:200])) from None

    def object(self) -> dict[str, Any]:
        value = self.json()
        return value if isinstance(value, dict) else {}


class Network:
    """The connections of one side of a job. Certificates are not verified, as with a CouchDB that is not told to."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ssl=False, ttl_dns_cache=None),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("Accept", "User-Agent", "Content-Type"),
            )
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def send(self, sent: Sent) -> Reply:
        async with self.open(sent) as response:
            return await read(response)

    @asynccontextmanager
    async def open(self, sent: Sent) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer before its body. Raises NetworkError, also for what fails while the body is read inside the block."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=sent.timeout, sock_read=sent.timeout)
        headers = {"Accept-Encoding": "identity", **sent.headers}
        try:
            async with self._opened().request(
                sent.method,
                URL(sent.url, encoded=True),
                headers=headers,
                data=sent.body,
                timeout=timeout,
                proxy=sent.proxy,
            ) as response:
                yield response
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            raise NetworkError(_cause(error)) from error


async def read(response: aiohttp.ClientResponse) -> Reply:
    headers = {name.lower(): value for name, value in response.headers.items()}
    cookies = tuple(response.headers.getall("Set-Cookie", ()))
    return Reply(response.status, headers, cookies, await response.read())


async def chunks(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    async for chunk in response.content.iter_any():
        yield chunk


def _cause(error: BaseException) -> Any:
    if isinstance(error, aiohttp.ClientConnectorError):
        return (_ERROR, (Atom("conn_failed"), (_ERROR, Atom(_socket_reason(error.os_error)))))
    if isinstance(error, TimeoutError):
        return (_ERROR, Atom("req_timedout"))
    if isinstance(error, aiohttp.InvalidURL):
        return (_ERROR, (Atom("url_parsing_failed"), (_ERROR, Atom("invalid_uri"))))
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return Atom("sel_conn_closed")
    return (_ERROR, Atom("connection_closed"))


def _socket_reason(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return "nxdomain"
    return errno.errorcode.get(error.errno or 0, "econnrefused").lower()
