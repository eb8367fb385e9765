# SPDX-License-Identifier: Apache-2.0
"""The ASGI shell around :class:`CdfServer`: tokens, compression, latency, faults, limits and counters."""

from __future__ import annotations

import asyncio
import itertools
import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from email.utils import formatdate
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs

from airflow_provider_replicator.sandbox.cdf.control import Control
from airflow_provider_replicator.sandbox.cdf.faults import Fault, Faults
from airflow_provider_replicator.sandbox.cdf.http import ApiError, Request, Response, Wait
from airflow_provider_replicator.sandbox.cdf.limits import Limiter
from airflow_provider_replicator.sandbox.cdf.routing import PUBLIC_PREFIX
from airflow_provider_replicator.sandbox.cdf.server import CdfServer, error_answer
from airflow_provider_replicator.sandbox.connection import TRANSPORT, reset
from airflow_provider_replicator.sandbox.counters import Counters

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_PROJECTS = "/api/v1/projects/"
_CONTROL = "/_sandbox/"
#: the "project" of what belongs to none, ``/oauth/token`` and ``/api/v1/token/inspect``, in counters and fault rules
OUTSIDE = "-"
_COMPRESS_FROM = 1400
_SLOW_PIECES = 10
_POLL_SECONDS = 0.05


class App:
    """``server`` holds the data; this holds what only a network has."""

    def __init__(self, server: CdfServer) -> None:
        self.server = server
        self.counters = Counters()
        self.faults = Faults()
        self.limiter = Limiter(server.clock, server.settings)
        self.control = Control(server, self.faults, self.counters)
        self._numbers = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"cannot speak {scope['type']}")
        exchange = Exchange(scope, receive, send)
        path = scope["raw_path"].decode("ascii")
        if path.startswith(_PROJECTS):
            project, slash, rest = path[len(_PROJECTS) :].partition("/")
            await self._serve(exchange, project, slash + rest)
        elif path.startswith(_CONTROL):
            answer = self._control(await exchange.request(path, self.server.settings.max_body_bytes))
            await exchange.answer(answer, self._headers(answer, 0), 0)
        else:
            await self._serve(exchange, OUTSIDE, path)

    def _control(self, request: Request) -> Response:
        try:
            return self.control.handle(request)
        except ApiError as error:
            return error_answer(error)

    def _outside(self, request: Request) -> Response:
        access = self.server.access
        try:
            if request.path == "/oauth/token":
                return access.issue(request)
            if request.path == "/api/v1/token/inspect":
                return access.inspect(access.identify(request.headers.get("authorization")))
            raise ApiError(404, f"No such endpoint: {request.method} {request.path}")
        except ApiError as error:
            return error_answer(error)

    async def _handle(self, request: Request, project: str) -> Response:
        if project == OUTSIDE:
            return self._outside(request)
        answer = self.server.handle(request, project)
        return answer if answer.wait is None else await _better(answer, answer.wait)

    async def _serve(self, exchange: Exchange, project: str, path: str) -> None:
        endpoint = f"{exchange.method} {self._template(exchange.method, path, project)}"
        counters = self.counters
        counters.enter(project, endpoint)
        gates = []
        try:
            request = await exchange.request(path, self.server.settings.max_body_bytes)
            counters.bytes_received[project] += exchange.received
            identity = self._identify(request, project)
            if self.server.settings.rate_limits:
                gates = self.limiter.enter(project, identity, exchange.method, path)
            await self._answer(exchange, request, project)
            volume = {"received": exchange.received, "sent": exchange.sent}
            self.limiter.spend(project, identity, exchange.method, path, **volume)
        except ApiError as error:
            if error.status == 429:
                counters.throttled[project] += 1
            await self._send(exchange, project, error_answer(error))
        finally:
            self.limiter.leave(gates)
            counters.leave(project, endpoint)

    def _template(self, method: str, path: str, project: str) -> str:
        if project == OUTSIDE:
            return path
        try:
            return self.server.router.match(method, path)[0]
        except ApiError:
            return "(unknown)"

    def _identify(self, request: Request, project: str) -> str:
        if project == OUTSIDE or request.path.startswith(PUBLIC_PREFIX):
            return "public"
        identity = self.server.access.identify(request.headers.get("authorization"))
        self.server.access.authorise(identity, project, request.method, request.path)
        return identity.subject

    async def _answer(self, exchange: Exchange, request: Request, project: str) -> None:
        if self.server.settings.latency_ms:
            await asyncio.sleep(self.server.settings.latency_ms / 1000)
        fault = self.faults.pick(request.method, project, request.path) if self.faults.rules else None
        if fault is None:
            await self._send(exchange, project, await self._handle(request, project))
            return
        self.counters.faults[fault.kind] += 1
        await self._fail(fault, exchange, request, project)

    async def _fail(self, fault: Fault, exchange: Exchange, request: Request, project: str) -> None:
        injected = error_answer(ApiError(fault.status, fault.message))
        injected.headers = fault.headers()
        if fault.kind == "status":
            await self._send(exchange, project, injected)
        elif fault.kind == "reset":
            await exchange.reset()
        else:
            if fault.kind == "delay":
                await asyncio.sleep(fault.seconds)
            answer = await self._handle(request, project)
            if fault.kind == "status_after_commit":
                await self._send(exchange, project, injected)
            elif fault.kind == "reset_after_commit":
                await exchange.reset()
            elif fault.kind == "truncated_body":
                await exchange.truncated(answer, self._headers(answer, len(answer.body)))
            else:
                await self._send(exchange, project, answer, fault.seconds if fault.kind == "slow_body" else 0)

    async def _send(self, exchange: Exchange, project: str, answer: Response, seconds: float = 0) -> None:
        if self.server.settings.gzip and exchange.accepts_gzip and len(answer.body) > _COMPRESS_FROM:
            packer = zlib.compressobj(1, zlib.DEFLATED, 31)
            answer.body = packer.compress(answer.body) + packer.flush()
            answer.headers.append(("content-encoding", "gzip"))
        counters = self.counters
        counters.statuses[f"{project} {answer.status}"] += 1
        counters.bytes_sent[project] += len(answer.body)
        await exchange.answer(answer, self._headers(answer, len(answer.body)), seconds)

    def _headers(self, answer: Response, length: int) -> list[tuple[bytes, bytes]]:
        number = next(self._numbers)
        headers = [
            (b"date", _http_date(self.server.clock.now_ms() // 1000)),
            (b"content-type", answer.content_type.encode()),
            (b"content-length", str(length or len(answer.body)).encode()),
            (b"x-request-id", f"sandbox-{number:012x}".encode()),
        ]
        headers += [(name.encode(), value.encode()) for name, value in answer.headers]
        return headers


@lru_cache(maxsize=1)
def _http_date(seconds: int) -> bytes:
    return formatdate(seconds, usegmt=True).encode()


class Exchange:
    """One request and its answer on the wire."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self.method: str = scope["method"]
        self.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        self.accepts_gzip = "gzip" in self.headers.get("accept-encoding", "")
        #: bytes of both bodies, as on the wire
        self.received = 0
        self.sent = 0

    async def request(self, path: str, limit: int) -> Request:
        """Read everything, and unpack it. Raises 400 for what cannot be unpacked, 413 above ``limit`` bytes."""
        body = await self._body()
        self.received = len(body)
        if self.headers.get("content-encoding", "identity") != "identity":
            body = _unpacked(body, self.headers["content-encoding"], limit)
        if len(body) > limit:
            raise ApiError(413, f"The request body is larger than {limit} bytes")
        query = self._scope["query_string"]
        return Request(
            method=self.method,
            path=path,
            query=parse_qs(query.decode("latin-1"), keep_blank_values=True) if query else {},
            headers=self.headers,
            body=body,
            base_url=f"{self._scope['scheme']}://{self.headers.get('host', '')}",
        )

    async def _body(self) -> bytes:
        message = await self._receive()
        body: bytes = message.get("body", b"")
        if not message.get("more_body"):
            return body
        pieces = [body]
        while message.get("more_body"):
            message = await self._receive()
            pieces.append(message.get("body", b""))
        return b"".join(pieces)

    async def answer(self, answer: Response, headers: list[tuple[bytes, bytes]], seconds: float) -> None:
        await self._send({"type": "http.response.start", "status": answer.status, "headers": headers})
        body = answer.body
        self.sent = len(body)
        if seconds and body:
            size = max(1, len(body) // _SLOW_PIECES)
            while len(body) > size:
                await self._send({"type": "http.response.body", "body": body[:size], "more_body": True})
                body = body[size:]
                await asyncio.sleep(seconds / _SLOW_PIECES)
        await self._send({"type": "http.response.body", "body": body})

    async def truncated(self, answer: Response, headers: list[tuple[bytes, bytes]]) -> None:
        """Promise the whole body, send half of it, break off."""
        await self._send({"type": "http.response.start", "status": answer.status, "headers": headers})
        half = answer.body[: len(answer.body) // 2]
        await self._send({"type": "http.response.body", "body": half, "more_body": True})
        self._scope[TRANSPORT].close()
        await self._gone()

    async def reset(self) -> None:
        reset(self._scope[TRANSPORT])
        await self._gone()

    async def _gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass


async def _better(answer: Response, wait: Wait) -> Response:
    """What a long poll waits for, or the answer that there is when its time is up."""
    loop = asyncio.get_running_loop()
    end = loop.time() + wait.seconds
    while (left := end - loop.time()) > 0:
        await asyncio.sleep(min(_POLL_SECONDS, left))
        found = wait.again()
        if found is not None:
            return found
    return answer


def _unpacked(body: bytes, encoding: str, limit: int) -> bytes:
    if encoding != "gzip":
        raise ApiError(415, f"Cannot read content encoding {encoding!r}")
    unpacker = zlib.decompressobj(31)
    try:
        plain = unpacker.decompress(body, limit + 1)
    except zlib.error as error:
        raise ApiError(400, "The request body is not gzip") from error
    if not unpacker.eof and len(plain) <= limit:
        raise ApiError(400, "The gzip request body is incomplete")
    return plain


def create_app(server: CdfServer) -> App:
    """The ASGI application; its ``counters``, ``faults`` and ``control`` are the in-process side of ``/_sandbox/*``."""
    return App(server)
