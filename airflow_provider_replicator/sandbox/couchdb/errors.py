# SPDX-License-Identifier: Apache-2.0
"""CouchDB's error answers: a status and ``{"error", "reason"}``."""

from __future__ import annotations

from typing import Any

from airflow_provider_replicator.sandbox.http import HttpError


class CouchError(HttpError):
    """``reason`` is a text, unless a function of a design document threw something else. ``headers`` go with the answer
    (``WWW-Authenticate``, ``Allow``)."""

    def __init__(self, status: int, error: str, reason: Any, *, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(status, f"{error}: {reason}")
        self.error = error
        self.reason = reason
        self.headers = headers


def bad_request(reason: str, error: str = "bad_request") -> CouchError:
    return CouchError(400, error, reason)


def unauthorized(reason: Any) -> CouchError:
    return CouchError(401, "unauthorized", reason)


def forbidden(reason: Any) -> CouchError:
    return CouchError(403, "forbidden", reason)


def not_found(reason: str = "missing") -> CouchError:
    return CouchError(404, "not_found", reason)


def conflict() -> CouchError:
    return CouchError(409, "conflict", "Document update conflict.")
