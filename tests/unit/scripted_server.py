# SPDX-License-Identifier: Apache-2.0
"""A real server on a loopback port that does just what a test scripts, answer by answer: also what no proper server does."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Self


@dataclass(frozen=True)
class Seen:
    """One request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


Step = Callable[[asyncio.StreamWriter], Awaitable[None]]


def answer(status: int = 200, body: bytes = b"{}", **headers: str) -> Step:
    """A proper answer; header names are written with underscores."""

    async def step(writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status} X", f"content-length: {len(body)}", "content-type: application/json"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        await writer.drain()

    return step


async def reset(writer: asyncio.StreamWriter) -> None:
    """The connection is cut before any answer."""
    writer.transport.abort()


async def cut_short(writer: asyncio.StreamWriter) -> None:
    """Half of a body, then the end of the connection."""
    writer.write(b'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"items": [1, 2')
    await writer.drain()
    writer.close()


async def silence(writer: asyncio.StreamWriter) -> None:
    """Nothing, until the client hangs up."""
    await writer.wait_closed()


@dataclass
class ScriptedServer:
    """Answers the n-th request with the n-th step, and the last step for ever. ``seen`` is what arrived."""

    steps: list[Step]
    seen: list[Seen] = field(default_factory=list)
    url: str = ""
    tls: ssl.SSLContext | None = None

    async def __aenter__(self) -> Self:
        self._serving: set[asyncio.Task[None]] = set()  # the event loop alone would let go of one that waits
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self.tls)
        scheme = "http" if self.tls is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                self.seen.append(await _read(reader))
                step = self.steps[min(len(self.seen), len(self.steps)) - 1]
                await step(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client is done
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Seen:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
    if headers.get("transfer-encoding") == "chunked":
        raise AssertionError("a body of known length was sent in chunks")
    return Seen(method, target, headers, await reader.readexactly(int(headers.get("content-length", "0"))))
