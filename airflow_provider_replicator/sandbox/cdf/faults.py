# SPDX-License-Identifier: Apache-2.0
"""Faults by rule, as CDF has them."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_replicator.sandbox.faults import Fault

_OUTSIDE = ("/oauth/", "/api/")


@dataclass(slots=True)
class CdfFault(Fault):
    """``path`` is a glob on the path after the project; a rule for ``/oauth/token`` or ``/api/v1/token/inspect`` must name it.
    ``auto_retryable`` becomes a header."""

    auto_retryable: bool | None = None

    def matches(self, method: str, project: str, path: str) -> bool:
        if path.startswith(_OUTSIDE) and not self.path.startswith(_OUTSIDE):
            return False
        return Fault.matches(self, method, project, path)

    def headers(self) -> list[tuple[str, str]]:
        headers = Fault.headers(self)
        if self.auto_retryable is not None:
            headers.append(("cdf-is-auto-retryable", "true" if self.auto_retryable else "false"))
        return headers
