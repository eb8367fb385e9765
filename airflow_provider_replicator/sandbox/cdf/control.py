# SPDX-License-Identifier: Apache-2.0
"""``/_sandbox/*``: what tests and demos use to steer the sandbox. No part of CDF; needs no token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from airflow_provider_replicator.sandbox.cdf.faults import Faults
from airflow_provider_replicator.sandbox.cdf.http import ApiError, Request, Response
from airflow_provider_replicator.sandbox.cdf.nodes import create_nodes
from airflow_provider_replicator.sandbox.cdf.payload import body, json_answer
from airflow_provider_replicator.sandbox.cdf.server import CdfServer
from airflow_provider_replicator.sandbox.counters import Counters

Action = Callable[[dict[str, Any]], Any]


class Control:
    """Every action takes the JSON object of the request and returns what is answered."""

    def __init__(self, server: CdfServer, faults: Faults, counters: Counters) -> None:
        self._server = server
        self._faults = faults
        self._counters = counters
        self._actions: dict[tuple[str, str], Action] = {
            ("GET", "health"): self._health,
            ("GET", "clock"): self._clock,
            ("POST", "clock"): self._set_clock,
            ("GET", "faults"): self._list_faults,
            ("POST", "faults"): self._add_fault,
            ("DELETE", "faults"): self._clear_faults,
            ("GET", "counters"): lambda _: counters.describe(),
            ("DELETE", "counters"): self._reset_counters,
            ("GET", "settings"): lambda _: asdict(server.settings),
            ("POST", "settings"): self._set_settings,
            ("POST", "clients"): self._add_client,
            ("POST", "nodes"): self._add_nodes,
            ("DELETE", "tokens"): lambda _: {"revoked": server.access.revoke_tokens()},
        }

    def handle(self, request: Request) -> Response:
        action = self._actions.get((request.method, request.path.removeprefix("/_sandbox/")))
        if action is None:
            raise ApiError(404, f"No such control: {request.method} {request.path}")
        try:
            return json_answer(action(body(request) if request.body else {}))
        except (TypeError, ValueError, KeyError) as error:
            raise ApiError(400, f"{type(error).__name__}: {error}") from error

    def _health(self, _: dict[str, Any]) -> Any:
        return {"status": "ok", "projects": sorted(self._server.projects)}

    def _clock(self, _: dict[str, Any]) -> Any:
        return {"now_ms": self._server.clock.now_ms(), "frozen": self._server.clock.frozen}

    def _set_clock(self, payload: dict[str, Any]) -> Any:
        """``{"freeze": true | ms}``, ``{"advance": ms}``, ``{"resume": true}``; the first that is there."""
        clock = self._server.clock
        if "freeze" in payload:
            at = payload["freeze"]
            clock.freeze(None if at is True else int(at))
        elif "advance" in payload:
            clock.advance(int(payload["advance"]))
        elif payload.get("resume"):
            clock.resume()
        else:
            raise ValueError("expected freeze, advance or resume")
        return self._clock({})

    def _list_faults(self, _: dict[str, Any]) -> Any:
        return {"items": [rule.describe() for rule in self._faults.rules]}

    def _add_fault(self, payload: dict[str, Any]) -> Any:
        return self._faults.add(payload).describe()

    def _clear_faults(self, _: dict[str, Any]) -> Any:
        self._faults.clear()
        return {}

    def _reset_counters(self, _: dict[str, Any]) -> Any:
        self._counters.reset()
        return {}

    def _set_settings(self, payload: dict[str, Any]) -> Any:
        self._server.settings.update(payload)
        return asdict(self._server.settings)

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
