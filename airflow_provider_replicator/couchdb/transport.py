# SPDX-License-Identifier: Apache-2.0
"""One HTTP exchange with a CouchDB server, whoever carries it.

Everything in this package that talks to a server is written once, as coroutines over :class:`Transport`. In a task the
transport is ``requests``, which blocks, so the coroutine never waits for anything else and
:func:`airflow_provider_replicator.couchdb.blocking.run` drives it without an event loop. In a trigger it is aiohttp.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is sent. ``url`` is whole and already percent-encoded; ``body`` are bytes of JSON or of a form."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    #: Seconds until the first byte of the answer; None: what the connection says.
    read_timeout: float | None = None
    #: Bytes of the answer's body, unpacked; a longer one is not read to its end. None: no bound.
    max_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back, whole. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def json(self) -> Any:
        """The body as JSON. Raises ValueError if it is none."""
        import orjson

        return orjson.loads(self.body)


class Transport(Protocol):
    """Carries one request. Never retries, never authenticates, follows no redirect."""

    async def send(self, request: Request) -> Answer:
        """Raises CouchConnectionError if no whole answer came: connect error, reset, timeout, cut body.

        CouchTooLargeError if it is larger than ``max_bytes``, ConfigurationError if the server's certificate is not trusted.
        """

    async def sleep(self, seconds: float) -> None:
        """Wait. In a task, whoever stops the task ends it early, with asyncio.CancelledError."""

    async def close(self) -> None:
        """Close the connections. Calling it twice is harmless."""
