# SPDX-License-Identifier: Apache-2.0
"""Query parameters, and the same names in a body that may carry them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from airflow_provider_replicator.sandbox.couchdb.errors import CouchError, bad_request


class Query:
    """The last of equal names counts. ``body`` has values that are JSON already and win over the URL's."""

    def __init__(self, query: Mapping[str, list[str]], body: Mapping[str, Any] | None = None) -> None:
        self._texts = {name: values[-1] for name, values in query.items()}
        self._body = body or {}

    def __contains__(self, name: str) -> bool:
        return name in self._texts or name in self._body

    def text(self, name: str, default: str = "") -> str:
        value = self._body.get(name)
        if value is None:
            return self._texts.get(name, default)
        return value if isinstance(value, str) else orjson.dumps(value).decode()

    def flag(self, name: str) -> bool:
        """Raises 400 unless it is ``true`` or ``false``."""
        value = self.text(name, "false")
        if value not in ("true", "false"):
            raise CouchError(400, "query_parse_error", f"Invalid boolean parameter: {orjson.dumps(value).decode()}")
        return value == "true"

    def loose_flag(self, name: str) -> bool:
        """Anything but ``true`` is false: how ``_changes`` and documents read theirs."""
        return self.text(name) == "true"

    def number(self, name: str, default: int) -> int:
        """Raises 400 unless it is a non-negative integer."""
        value = self.text(name)
        if not value and name not in self:
            return default
        if value.startswith("-") and value[1:].isdigit():
            raise CouchError(
                400, "query_parse_error", f"Invalid value for positive integer: {orjson.dumps(value).decode()}"
            )
        if not value.isascii() or not value.isdigit():
            raise CouchError(400, "query_parse_error", f"Invalid value for integer: {orjson.dumps(value).decode()}")
        return int(value)

    def json(self, *names: str) -> Any:
        """The first of these that is there, as JSON; None if none is. Raises 400 for what is no JSON."""
        for name in names:
            if name in self._body:
                return self._body[name]
            if name in self._texts:
                try:
                    return orjson.loads(self._texts[name])
                except orjson.JSONDecodeError:
                    raise bad_request("invalid UTF-8 JSON") from None
        return None
