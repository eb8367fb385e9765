# SPDX-License-Identifier: Apache-2.0
"""The ini settings that matter, as ``/_node/_local/_config`` shows and changes them: strings in sections."""

from __future__ import annotations

from collections.abc import Callable

#: Values of settings that nobody has set: they hold, but ``_config`` does not show them.
DEFAULTS: dict[str, dict[str, str]] = {
    "couchdb": {
        "max_document_size": "8000000",
        "max_attachment_size": "1073741824",
        "max_document_id_length": "infinity",
        "default_security": "admin_only",
    },
    "chttpd": {"require_valid_user": "false", "max_http_request_size": "4294967296"},
    "chttpd_auth": {"timeout": "600", "iterations": "10", "upgrade_hash_on_auth": "true"},
    "chttpd_auth_lockout": {"mode": "enforce", "threshold": "5"},
    "attachments": {
        "compressible_types": "text/*, application/javascript, application/json, application/xml",
        "compression_level": "8",
    },
    "replicator": {
        "max_jobs": "500",
        "interval": "60000",
        "max_churn": "20",
        "max_history": "20",
        "worker_batch_size": "500",
        "worker_processes": "4",
        "http_connections": "20",
        "connection_timeout": "30000",
        "retries_per_request": "5",
        "use_checkpoints": "true",
        "checkpoint_interval": "30000",
        "use_bulk_get": "true",
        "update_docs": "false",
        "valid_endpoint_protocols": "http,https",
    },
}

Listener = Callable[[str, str, str | None], None]


class Config:
    """Values are strings, as in an ini file. A listener is called with section, key and the new value (None: deleted)."""

    def __init__(self) -> None:
        #: what was set: anything may be
        self.sections: dict[str, dict[str, str]] = {}
        self._listeners: list[Listener] = []

    def get(self, section: str, key: str, default: str = "") -> str:
        found = self.sections.get(section, {}).get(key)
        return DEFAULTS.get(section, {}).get(key, default) if found is None else found

    def integer(self, section: str, key: str, default: int) -> int:
        """``default`` if there is no such value, or no number (``infinity``)."""
        value = self.get(section, key)
        return int(value) if value.isdigit() else default

    def boolean(self, section: str, key: str) -> bool:
        return self.get(section, key) == "true"

    def set(self, section: str, key: str, value: str) -> str:
        """The value that was there before."""
        values = self.sections.setdefault(section, {})
        before, values[key] = values.get(key, ""), value
        self._tell(section, key, value)
        return before

    def delete(self, section: str, key: str) -> str:
        """The value that was there; the default holds again. Raises KeyError."""
        before = self.sections[section].pop(key)
        self._tell(section, key, DEFAULTS.get(section, {}).get(key))
        return before

    def listen(self, callback: Listener) -> None:
        self._listeners.append(callback)

    def _tell(self, section: str, key: str, value: str | None) -> None:
        for callback in self._listeners:
            callback(section, key, value)
