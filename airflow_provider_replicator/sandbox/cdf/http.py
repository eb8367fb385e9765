# SPDX-License-Identifier: Apache-2.0
"""Requests, answers and errors as the sandbox's handlers see them: plain values, no sockets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Request:
    """``path`` begins after the project and is still percent-encoded. ``body`` is already gunzipped. Header names are lower-case."""

    method: str
    path: str
    query: dict[str, list[str]] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    #: what the route template captured, percent-decoded: {"dbName": "a/b"}
    params: dict[str, str] = field(default_factory=dict)
    #: scheme and host the client used, for links in answers (upload and download URLs)
    base_url: str = ""


@dataclass(slots=True)
class Wait:
    """A long poll: for up to ``seconds`` a better answer may come. ``again`` says whether it has (None: not yet)."""

    seconds: float
    again: Callable[[], Response | None]


@dataclass(slots=True)
class Response:
    status: int = 200
    body: bytes = b"{}"
    content_type: str = "application/json"
    headers: list[tuple[str, str]] = field(default_factory=list)
    wait: Wait | None = None


class ApiError(Exception):
    """An answer of CDF's error shape: ``{"error": {"code", "message", **extra}}``; extra is e.g. ``missing``, ``duplicated``."""

    def __init__(self, status: int, message: str, **extra: Any) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.extra = extra
