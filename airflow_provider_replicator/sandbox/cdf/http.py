# SPDX-License-Identifier: Apache-2.0
"""Requests, answers and errors as the sandbox's handlers see them: plain values, no sockets."""

from __future__ import annotations

from typing import Any

from airflow_provider_replicator.sandbox.http import HttpError, Request, Response, Wait

__all__ = ["ApiError", "Request", "Response", "Wait"]


class ApiError(HttpError):
    """An answer of CDF's error shape: ``{"error": {"code", "message", **extra}}``; extra is e.g. ``missing``, ``duplicated``."""

    def __init__(self, status: int, message: str, **extra: Any) -> None:
        super().__init__(status, message)
        self.extra = extra
