# SPDX-License-Identifier: Apache-2.0
"""``/_sandbox/*`` of the sandbox's CouchDB."""

from __future__ import annotations

from typing import Any

from airflow_provider_replicator.sandbox.control import Control
from airflow_provider_replicator.sandbox.couchdb.server import CouchServer
from airflow_provider_replicator.sandbox.couchdb.users import User
from airflow_provider_replicator.sandbox.counters import Counters
from airflow_provider_replicator.sandbox.faults import Faults
from airflow_provider_replicator.sandbox.settings import ServerSettings

_TOKEN_SECONDS = 3600


class CouchControl(Control):
    """Besides what any server has: bearer tokens, API keys, locked accounts."""

    def __init__(self, server: CouchServer, settings: ServerSettings, faults: Faults, counters: Counters) -> None:
        super().__init__(server.instance.clock, settings, faults, counters)
        self._server = server
        self.actions |= {
            ("POST", "tokens"): self._add_token,
            ("DELETE", "tokens"): lambda _: {"revoked": server.accounts.revoke()},
            ("POST", "api_keys"): self._add_api_key,
            ("DELETE", "lockouts"): lambda _: {"unlocked": server.accounts.unlock()},
        }

    def health(self, _: dict[str, Any]) -> Any:
        return {"status": "ok", "databases": sorted(self._server.instance.databases)}

    def _add_token(self, payload: dict[str, Any]) -> Any:
        """``{"token", "name", "roles"?, "seconds"?}``: a bearer token that this server trusts."""
        self._server.accounts.grant(payload["token"], _user(payload), payload.get("seconds"))
        return {}

    def _add_api_key(self, payload: dict[str, Any]) -> Any:
        """``{"key", "name", "roles"?, "seconds"?}``: for ``POST /identity/token``, whose tokens live so long."""
        self._server.accounts.api_keys[payload["key"]] = _user(payload), int(payload.get("seconds", _TOKEN_SECONDS))
        return {}


def _user(payload: dict[str, Any]) -> User:
    return User(str(payload["name"]), tuple(payload.get("roles", ["_admin"])))
