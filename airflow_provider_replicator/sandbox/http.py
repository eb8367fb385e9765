# SPDX-License-Identifier: Apache-2.0
"""Requests and answers as the handlers of a sandbox server see them: plain values, no sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Request:
    """``path`` is still percent-encoded, and without what the shell has split off before it (CDF: the project). ``body`` is
    already gunzipped. Header names are lower-case."""

    method: str
    path: str
    query: dict[str, list[str]] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    #: what the route template captured, percent-decoded: {"dbName": "a/b"}
    params: dict[str, str] = field(default_factory=dict)
    #: scheme and host the client used, for links in answers
    base_url: str = ""


@dataclass(slots=True)
class Wait:
    """A long poll: for up to ``seconds`` a better answer may come. ``again`` says whether it has (None: not yet)."""

    seconds: float
    again: Callable[[], Response | None]


@dataclass(slots=True)
class Response:
    """``stream``, if there is one, is sent piece by piece instead of ``body``."""

    status: int = 200
    body: bytes = b"{}"
    content_type: str = "application/json"
    headers: list[tuple[str, str]] = field(default_factory=list)
    wait: Wait | None = None
    stream: AsyncIterator[bytes] | None = None


class HttpError(Exception):
    """Answered with this status. The shell of each server gives it the shape that its service has."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
