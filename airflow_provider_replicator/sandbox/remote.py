# SPDX-License-Identifier: Apache-2.0
"""The other end of ``/_sandbox/*``. Needs nothing but the standard library."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit


class RemoteControl:
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
        """``requests`` by ``"project METHOD /path"`` (CouchDB: the database), ``statuses``, ``peak_concurrency``, ``bytes_sent`` …"""
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
        """Change settings (see the server's ``settings.py``) and return all of them."""
        answer: dict[str, Any] = self.call("POST", "/_sandbox/settings", values)
        return answer
