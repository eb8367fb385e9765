# SPDX-License-Identifier: Apache-2.0
"""``/_sandbox/*``: what tests and demos use to steer a server of the sandbox. No part of the service; needs no credentials."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import orjson

from airflow_provider_replicator.sandbox.clock import Clock
from airflow_provider_replicator.sandbox.counters import Counters
from airflow_provider_replicator.sandbox.faults import Faults
from airflow_provider_replicator.sandbox.http import HttpError, Request, Response
from airflow_provider_replicator.sandbox.settings import ServerSettings

Action = Callable[[dict[str, Any]], Any]


class Control:
    """Every action takes the JSON object of the request and returns what is answered. A subclass adds its own to ``actions``."""

    def __init__(self, clock: Clock, settings: ServerSettings, faults: Faults, counters: Counters) -> None:
        self._at = clock
        self._settings = settings
        self._faults = faults
        self._counters = counters
        self.actions: dict[tuple[str, str], Action] = {
            ("GET", "health"): self.health,
            ("GET", "clock"): self._clock,
            ("POST", "clock"): self._set_clock,
            ("GET", "faults"): self._list_faults,
            ("POST", "faults"): self._add_fault,
            ("DELETE", "faults"): self._clear_faults,
            ("GET", "counters"): lambda _: counters.describe(),
            ("DELETE", "counters"): self._reset_counters,
            ("GET", "settings"): lambda _: asdict(settings),
            ("POST", "settings"): self._set_settings,
        }

    def handle(self, request: Request) -> Response:
        """Raises HttpError: 404 for what there is not, 400 for what means nothing."""
        action = self.actions.get((request.method, request.path.removeprefix("/_sandbox/")))
        if action is None:
            raise HttpError(404, f"No such control: {request.method} {request.path}")
        try:
            payload = orjson.loads(request.body) if request.body else {}
            if not isinstance(payload, dict):
                raise TypeError("expected a JSON object")
            return Response(200, orjson.dumps(action(payload)))
        except (TypeError, ValueError, KeyError) as error:
            raise HttpError(400, f"{type(error).__name__}: {error}") from error

    def health(self, _: dict[str, Any]) -> Any:
        return {"status": "ok"}

    def _clock(self, _: dict[str, Any]) -> Any:
        return {"now_ms": self._at.now_ms(), "frozen": self._at.frozen}

    def _set_clock(self, payload: dict[str, Any]) -> Any:
        """``{"freeze": true | ms}``, ``{"advance": ms}``, ``{"resume": true}``; the first that is there."""
        if "freeze" in payload:
            at = payload["freeze"]
            self._at.freeze(None if at is True else int(at))
        elif "advance" in payload:
            self._at.advance(int(payload["advance"]))
        elif payload.get("resume"):
            self._at.resume()
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
        self._settings.update(payload)
        return asdict(self._settings)
