# SPDX-License-Identifier: Apache-2.0
"""One request and its answer on the wire, as an ASGI application sees them."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from airflow_provider_replicator.sandbox.connection import TRANSPORT, reset
from airflow_provider_replicator.sandbox.http import HttpError, Request, Response

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_SLOW_PIECES = 10


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
            raise HttpError(413, f"The request body is larger than {limit} bytes")
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
        if answer.stream is not None:
            await self._pieces(answer.stream)
            return
        body = answer.body
        self.sent = len(body)
        if seconds and body:
            size = max(1, len(body) // _SLOW_PIECES)
            while len(body) > size:
                await self._send({"type": "http.response.body", "body": body[:size], "more_body": True})
                body = body[size:]
                await asyncio.sleep(seconds / _SLOW_PIECES)
        await self._send({"type": "http.response.body", "body": body})

    async def _pieces(self, stream: AsyncIterator[bytes]) -> None:
        """Send what comes until it ends, or until nobody listens any more."""
        gone = asyncio.ensure_future(self._gone())
        step: asyncio.Future[bytes | None] | None = None
        try:
            while True:
                step = asyncio.ensure_future(anext(stream, None))
                await asyncio.wait({step, gone}, return_when=asyncio.FIRST_COMPLETED)
                if gone.done() or (piece := step.result()) is None:
                    break
                self.sent += len(piece)
                await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        finally:
            await _cancelled(gone, step)
        await self._send({"type": "http.response.body", "body": b""})

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


async def _cancelled(*futures: asyncio.Future[Any] | None) -> None:
    for future in futures:
        if future is not None and not future.done():
            future.cancel()
    await asyncio.gather(*(one for one in futures if one is not None), return_exceptions=True)


def _unpacked(body: bytes, encoding: str, limit: int) -> bytes:
    if encoding != "gzip":
        raise HttpError(415, f"Cannot read content encoding {encoding!r}")
    unpacker = zlib.decompressobj(31)
    try:
        plain = unpacker.decompress(body, limit + 1)
    except zlib.error as error:
        raise HttpError(400, "The request body is not gzip") from error
    if not unpacker.eof and len(plain) <= limit:
        raise HttpError(400, "The gzip request body is incomplete")
    return plain
