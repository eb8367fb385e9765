# SPDX-License-Identifier: Apache-2.0
"""One side of a job: requests to its database, tried again and slowed down as CouchDB's replicator does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import aiohttp
import orjson

from airflow_provider_replicator.sandbox.couchdb.replicator.auth import Auth, Plain, authenticate
from airflow_provider_replicator.sandbox.couchdb.replicator.endpoint import Endpoint
from airflow_provider_replicator.sandbox.couchdb.replicator.erlang import Atom, Chars
from airflow_provider_replicator.sandbox.couchdb.replicator.network import Network, NetworkError, Reply, Sent, read
from airflow_provider_replicator.sandbox.couchdb.replicator.pace import Pace
from airflow_provider_replicator.sandbox.couchdb.replicator.rate_limit import LONGEST, Key, RateLimiter
from airflow_provider_replicator.sandbox.couchdb.replicator.texts import CrashError

_FIRST_WAIT, _LONGEST_WAIT = 0.25, 300.0
MAX_BACKOFF = Atom("max_backoff")
_ERROR, _CODE = Atom("error"), Atom("code")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all jobs of a server share."""

    pace: Pace
    limiter: RateLimiter
    agent: str = "CouchDB-Replicator/3.5.0"
    #: seconds; after half of it a request is not tried again
    health_threshold: float = 120.0


@dataclass(frozen=True, slots=True)
class Call:
    """A request below the address of the database. ``path`` is percent-encoded."""

    method: str
    path: str = ""
    query: tuple[tuple[str, str], ...] = ()
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    #: None: as often as the job says
    retries: int | None = None


class Peer:
    """``connections`` requests at most are under way; with none, every request waits for ever."""

    def __init__(self, endpoint: Endpoint, around: Surroundings, *, connections: int, timeout_ms: int, retries: int):
        self.endpoint = endpoint
        self.around = around
        self.retries = retries
        self.timeout = around.pace.timeout(timeout_ms / 1000)
        self._free = asyncio.Semaphore(max(connections, 0))
        self._network = Network()
        self._auth: Auth = Plain(endpoint)

    async def login(self) -> None:
        """Raises CrashError."""
        self._auth = await authenticate(self.endpoint, self._post, self.around.pace, self.timeout)

    async def close(self) -> None:
        await self._network.close()

    async def _post(self, sent: Sent) -> Reply:
        async with self._free:
            return await self._network.send(sent)

    def url(self, call: Call) -> str:
        query = f"?{urlencode(call.query)}" if call.query else ""
        return f"{self.endpoint.url}{call.path}{query}"

    async def send(self, call: Call) -> Reply:
        """Any answer below 500 (but for 408 and 429). Raises CrashError after the last attempt."""
        left = self.retries if call.retries is None else call.retries
        wait, first_failure = _FIRST_WAIT, None
        while True:
            reply, cause = await self._attempt(call)
            if reply is not None:
                return reply
            if left <= 0 or self._too_long(first_failure):
                raise self.failed(call, (_ERROR, cause))
            await self.around.pace.sleep(wait)
            first_failure = first_failure or self.around.pace.now()
            left, wait = left - 1, min(wait * 2, _LONGEST_WAIT)

    def _too_long(self, since: float | None) -> bool:
        return since is not None and self.around.pace.now() - since > self.around.health_threshold / 2

    async def _attempt(self, call: Call) -> tuple[Reply | None, Any]:
        """An answer, or why there is none. What only has to be asked again (429, a new session) is."""
        while True:
            try:
                async with self._open(call) as (response, used):
                    reply = await read(response)
            except NetworkError as error:
                return None, error.cause
            if reply.status == 408 or reply.status >= 500:
                return None, (_CODE, reply.status)
            if not self._again(call, reply.status, reply.cookies, used):
                return reply, None

    @asynccontextmanager
    async def stream(self, call: Call) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer before its body, tried once. Raises CrashError for no answer, 408 and 500; NetworkError inside the block."""
        while True:
            try:
                async with self._open(call) as (response, used):
                    status = response.status
                    if status == 408 or status >= 500:
                        raise self.failed(call, (_CODE, status))
                    if not self._again(call, status, tuple(response.headers.getall("Set-Cookie", ())), used):
                        yield response
                        return
            except NetworkError as error:
                raise self.failed(call, (_ERROR, error.cause)) from error

    @asynccontextmanager
    async def _open(self, call: Call) -> AsyncIterator[tuple[aiohttp.ClientResponse, dict[str, str]]]:
        used = await self._auth.headers()
        async with self._free:
            await self._slow_down(call)
            body = call.body if call.body is None or isinstance(call.body, bytes) else orjson.dumps(call.body)
            headers = self._headers(call, used, has_body=body is not None)
            sent = Sent(call.method, self.url(call), headers, body, self.timeout, self.endpoint.proxy)
            async with self._network.open(sent) as response:
                yield response, used

    def _headers(self, call: Call, used: Mapping[str, str], *, has_body: bool) -> dict[str, str]:
        """A later one takes the place of one with the same name, however that is written."""
        standing = {"Accept": "application/json", "User-Agent": self.around.agent}
        kind = {"Content-Type": "application/json"} if has_body else {}
        merged: dict[str, tuple[str, str]] = {}
        for headers in (standing, dict(self.endpoint.headers), kind, call.headers, used):
            merged |= {name.lower(): (name, value) for name, value in headers.items()}
        return dict(pair for pair in merged.values() if pair[1])

    def _again(self, call: Call, status: int, cookies: tuple[str, ...], used: Mapping[str, str]) -> bool:
        key = self._key(call)
        if status == 429:
            self.around.limiter.refused(key)
            return True
        self.around.limiter.served(key)
        return self._auth.seen(status, cookies, used)

    async def _slow_down(self, call: Call) -> None:
        pause = self.around.limiter.pause(self._key(call))
        if pause >= LONGEST:
            raise self.failed(call, MAX_BACKOFF)
        if pause:
            await self.around.pace.sleep(pause / 1000)

    def _key(self, call: Call) -> Key:
        return self.endpoint.url, call.method

    def failed(self, call: Call, error: Any) -> CrashError:
        return CrashError((Atom("http_request_failed"), Chars(call.method), Chars(self.url(call)), error))
