# SPDX-License-Identifier: Apache-2.0
"""``/_sandbox/*`` of the sandbox's CDF."""

from __future__ import annotations

from typing import Any

from airflow_provider_replicator.sandbox.cdf.nodes import create_nodes
from airflow_provider_replicator.sandbox.cdf.server import CdfServer
from airflow_provider_replicator.sandbox.control import Control
from airflow_provider_replicator.sandbox.counters import Counters
from airflow_provider_replicator.sandbox.faults import Faults


class CdfControl(Control):
    """Besides what any server has: OAuth clients, tokens, data-model nodes."""

    def __init__(self, server: CdfServer, faults: Faults, counters: Counters) -> None:
        super().__init__(server.clock, server.settings, faults, counters)
        self._server = server
        self.actions |= {
            ("POST", "clients"): self._add_client,
            ("POST", "nodes"): self._add_nodes,
            ("DELETE", "tokens"): lambda _: {"revoked": server.access.revoke_tokens()},
        }

    def health(self, _: dict[str, Any]) -> Any:
        return {"status": "ok", "projects": sorted(self._server.projects)}

    def _add_client(self, payload: dict[str, Any]) -> Any:
        """``{"id", "secret", "capabilities"?, "projects"?, "token_lifetime_seconds"?}``."""
        access = self._server.access
        access.add_client(
            payload["id"],
            payload["secret"],
            capabilities=payload.get("capabilities"),
            projects=payload.get("projects"),
        )
        if "token_lifetime_seconds" in payload:
            access.token_lifetime_seconds = int(payload["token_lifetime_seconds"])
        return {}

    def _add_nodes(self, payload: dict[str, Any]) -> Any:
        """``{"project", "resource": "timeseries" | "files", "items": [{"instanceId": {"space", "externalId"}, …}]}``."""
        project = self._server.projects[payload["project"]]
        return {"items": create_nodes(project, payload["resource"], payload["items"])}
