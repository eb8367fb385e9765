# SPDX-License-Identifier: Apache-2.0
"""Faults by rule, as CouchDB has them."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_replicator.sandbox.faults import Fault

_NAMES = {
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    429: "too_many_requests",
    500: "internal_server_error",
}


@dataclass(slots=True)
class CouchFault(Fault):
    """``path`` is a glob on the whole percent-encoded path, e.g. ``/source/_changes`` or ``*/_bulk_docs``; ``project`` is the name of
    the database, ``-`` for what is in none. ``error`` and ``reason`` are the words of the answer."""

    error: str = ""
    reason: str = ""

    def words(self) -> tuple[str, str]:
        return self.error or _NAMES.get(self.status, "service_unavailable"), self.reason or self.message
