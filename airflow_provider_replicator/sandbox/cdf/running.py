# SPDX-License-Identifier: Apache-2.0
"""A sandbox CDF for the length of a ``with`` block, in a process of its own."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit


class SandboxControl:
    """``/_sandbox/*`` of a running sandbox. Needs nothing but the standard library."""

    def __init__(self, base_url: str) -> None:
        self._address = urlsplit(base_url).netloc

    def call(self, method: str, path: str, payload: Any = None, headers: dict[str, str] | None = None) -> Any:
        """One request with a JSON answer. Raises RuntimeError for any status but 2xx."""
        connection = http.client.HTTPConnection(self._address, timeout=60)
        try:
            body = None if payload is None else json.dumps(payload)
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        if response.status >= 300:
            raise RuntimeError(f"{method} {path}: {response.status} {text}")
        return json.loads(text)

    def fault(self, **rule: Any) -> dict[str, Any]:
        """Add a fault rule, e.g. ``fault(path="/assets", method="POST", kind="status", status=503, nth=2)``."""
        answer: dict[str, Any] = self.call("POST", "/_sandbox/faults", rule)
        return answer

    def faults(self) -> list[dict[str, Any]]:
        """The rules, each with how often it ``matched`` and ``happened``."""
        rules: list[dict[str, Any]] = self.call("GET", "/_sandbox/faults")["items"]
        return rules

    def clear_faults(self) -> None:
        self.call("DELETE", "/_sandbox/faults")

    def counters(self) -> dict[str, Any]:
        """``requests`` by ``"project METHOD /path"``, ``statuses``, ``peak_concurrency``, ``bytes_received``, ``bytes_sent`` …"""
        answer: dict[str, Any] = self.call("GET", "/_sandbox/counters")
        return answer

    def reset_counters(self) -> None:
        self.call("DELETE", "/_sandbox/counters")

    def now_ms(self) -> int:
        return int(self.call("GET", "/_sandbox/clock")["now_ms"])

    def advance(self, ms: int) -> None:
        self.call("POST", "/_sandbox/clock", {"advance": ms})

    def freeze(self, at: int | None = None) -> None:
        self.call("POST", "/_sandbox/clock", {"freeze": True if at is None else at})

    def resume(self) -> None:
        self.call("POST", "/_sandbox/clock", {"resume": True})

    def settings(self, **values: Any) -> dict[str, Any]:
        """Change settings (see ``sandbox/cdf/settings.py``) and return all of them."""
        answer: dict[str, Any] = self.call("POST", "/_sandbox/settings", values)
        return answer

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


class RunningSandbox:
    """Starts on a free loopback port; stops at the end of the block, or with the process that started it, even if that is killed."""

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
        self._args = tuple(args)
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> RunningSandbox:
        command = [
            sys.executable,
            "-m",
            "airflow_provider_replicator.sandbox",
            "cdf",
            "--port",
            "0",
            "--stop-with-stdin",
        ]
        for project in self.projects:
            command += ["--project", project]
        command += ["--token", self.token, *self._args]
        # A session of its own: Ctrl-C in a terminal is for whoever started it, who then stops it.
        self._process = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.startswith("listening on "):
            self.stop()
            raise RuntimeError(f"the sandbox did not start: {line!r}")
        self.base_url = line.split()[-1]
        self.port = urlsplit(self.base_url).port or 0
        self.control = SandboxControl(self.base_url)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError("the sandbox is not running")
        return self._process.pid

    def stop(self) -> None:
        """Stop the process and wait for its end. Calling it twice is harmless."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
