# SPDX-License-Identifier: Apache-2.0
"""What any server of the sandbox does around its answers: latency, faults, compression, counters."""

from __future__ import annotations

import asyncio
import itertools
import zlib
from email.utils import formatdate
from functools import lru_cache

from airflow_provider_replicator.sandbox.clock import Clock
from airflow_provider_replicator.sandbox.counters import Counters
from airflow_provider_replicator.sandbox.exchange import Exchange, Receive, Scope, Send
from airflow_provider_replicator.sandbox.faults import Fault, Faults
from airflow_provider_replicator.sandbox.http import HttpError, Request, Response
from airflow_provider_replicator.sandbox.settings import ServerSettings

_CONTROL = "/_sandbox/"
_COMPRESS_FROM = 1400


class Shell:
    """An ASGI application without a service: a subclass says what is answered. ``project`` is what a request is counted under."""

    def __init__(self, clock: Clock, settings: ServerSettings, faults: Faults) -> None:
        self.clock = clock
        self.settings = settings
        self.counters = Counters()
        self.faults = faults
        self._numbers = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"cannot speak {scope['type']}")
        exchange = Exchange(scope, receive, send)
        path = scope["raw_path"].decode("ascii")
        if path.startswith(_CONTROL):
            answer = self._control(await exchange.request(path, self.settings.max_body_bytes))
            await exchange.answer(answer, self._headers(answer, 0), 0)
        else:
            await self.serve(exchange, path)

    async def serve(self, exchange: Exchange, path: str) -> None:
        raise NotImplementedError

    async def handle(self, request: Request, project: str) -> Response:
        raise NotImplementedError

    def control(self, request: Request) -> Response:
        """The remote control. May raise HttpError."""
        raise NotImplementedError

    def refusal(self, error: HttpError) -> Response:
        """The error in the shape that the service has."""
        raise NotImplementedError

    def injected(self, fault: Fault) -> Response:
        """What a rule makes of the answer."""
        answer = self.refusal(HttpError(fault.status, fault.message))
        answer.headers = fault.headers()
        return answer

    def standing_headers(self) -> list[tuple[bytes, bytes]]:
        """Headers of every answer, besides date, type and length."""
        return [(b"x-request-id", f"sandbox-{next(self._numbers):012x}".encode())]

    def _control(self, request: Request) -> Response:
        try:
            return self.control(request)
        except HttpError as error:
            return self.refusal(error)

    async def answer(self, exchange: Exchange, request: Request, project: str) -> None:
        if self.settings.latency_ms:
            await asyncio.sleep(self.settings.latency_ms / 1000)
        fault = self.faults.pick(request.method, project, request.path) if self.faults.rules else None
        if fault is None:
            await self.send(exchange, project, await self.handle(request, project))
            return
        self.counters.faults[fault.kind] += 1
        await self._fail(fault, exchange, request, project)

    async def _fail(self, fault: Fault, exchange: Exchange, request: Request, project: str) -> None:
        if fault.kind == "status":
            await self.send(exchange, project, self.injected(fault))
        elif fault.kind == "reset":
            await exchange.reset()
        else:
            if fault.kind == "delay":
                await asyncio.sleep(fault.seconds)
            answer = await self.handle(request, project)
            if fault.kind == "status_after_commit":
                await self.send(exchange, project, self.injected(fault))
            elif fault.kind == "reset_after_commit":
                await exchange.reset()
            elif fault.kind == "truncated_body":
                await exchange.truncated(answer, self._headers(answer, len(answer.body)))
            else:
                await self.send(exchange, project, answer, fault.seconds if fault.kind == "slow_body" else 0)

    async def send(self, exchange: Exchange, project: str, answer: Response, seconds: float = 0) -> None:
        if self.settings.gzip and exchange.accepts_gzip and len(answer.body) > _COMPRESS_FROM and not answer.stream:
            packer = zlib.compressobj(1, zlib.DEFLATED, 31)
            answer.body = packer.compress(answer.body) + packer.flush()
            answer.headers.append(("content-encoding", "gzip"))
        counters = self.counters
        counters.statuses[f"{project} {answer.status}"] += 1
        counters.bytes_sent[project] += len(answer.body)
        await exchange.answer(answer, self._headers(answer, len(answer.body)), seconds)

    def _headers(self, answer: Response, length: int) -> list[tuple[bytes, bytes]]:
        headers = [(b"date", _http_date(self.clock.now_ms() // 1000)), (b"content-type", answer.content_type.encode())]
        if answer.stream is None:
            headers.append((b"content-length", str(length or len(answer.body)).encode()))
        headers += self.standing_headers()
        headers += [(name.encode(), value.encode()) for name, value in answer.headers]
        return headers


@lru_cache(maxsize=1)
def _http_date(seconds: int) -> bytes:
    return formatdate(seconds, usegmt=True).encode()
