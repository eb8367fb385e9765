# SPDX-License-Identifier: Apache-2.0
"""A sandbox CDF for the length of a ``with`` block, in a process of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_replicator.sandbox.process import RunningServer
from airflow_provider_replicator.sandbox.remote import RemoteControl


class SandboxControl(RemoteControl):
    """``/_sandbox/*`` of a running sandbox CDF."""

    def add_client(self, client_id: str, secret: str, **more: Any) -> None:
        """An OAuth client; ``capabilities=["assets:read"]``, ``projects=[…]``, ``token_lifetime_seconds=…``."""
        self.call("POST", "/_sandbox/clients", {"id": client_id, "secret": secret, **more})

    def add_nodes(self, project: str, resource: str, items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Time series (``"timeseries"``) or ``"files"`` that belong to data-model nodes: items with ``instanceId``."""
        payload = {"project": project, "resource": resource, "items": list(items)}
        made: list[dict[str, Any]] = self.call("POST", "/_sandbox/nodes", payload)["items"]
        return made

    def revoke_tokens(self) -> None:
        self.call("DELETE", "/_sandbox/tokens")


class RunningSandbox(RunningServer):
    """In the block, ``base_url`` and ``port`` say where it listens, and ``control`` is its remote control."""

    def __init__(
        self,
        *,
        projects: Sequence[str] = ("source", "target"),
        token: str = "sandbox",  # noqa: S107 - a published default, for loopback only
        args: Sequence[str] = (),
    ) -> None:
        self.projects = tuple(projects)
        self.token = token
        self.base_url = ""
        self.port = 0
        self.control = SandboxControl("")
        named = [part for project in projects for part in ("--project", project)]
        super().__init__(["cdf", "--port", "0", *named, "--token", token, *args])

    def _listening(self, url: str) -> None:
        self.base_url = url
        self.port = urlsplit(url).port or 0
        self.control = SandboxControl(url)
