# SPDX-License-Identifier: Apache-2.0
"""The line between what we want to ask CDF and how bytes travel.

A transport sends one request and returns one answer, whatever its status. It neither retries nor throttles: that is
:mod:`airflow_provider_replicator.cdf.http.client`. The real one is aiohttp; the simulation's calls the sandbox in-process.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """``path`` begins after the project (``/assets/list``), percent-encoded, with its query string if it has one."""

    method: Literal["GET", "POST"]
    path: str
    body: bytes = b""
    content_type: str = "application/json"
    accept: str = "application/json"


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """``headers`` have lower-case names. ``body`` is decoded from its content encoding and complete."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


class TransportError(Exception):
    """No complete answer. ``sent`` is false only if the server certainly has not seen the request (connection refused)."""

    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__(message)
        self.sent = sent


class Transport(Protocol):
    """One CDF project over one connection pool."""

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Send one request and return the whole answer. Raises :class:`TransportError` if there is none."""
        ...

    async def close(self) -> None: ...
