# SPDX-License-Identifier: Apache-2.0
"""Calls the sandbox in process, as a client would over a socket: JSON in, JSON out. Every answer is held against the contract."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

import orjson

from airflow_provider_replicator.sandbox.cdf.http import Request
from airflow_provider_replicator.sandbox.cdf.server import CdfServer
from tests.sandbox.contract import check_answer


class AnswerError(AssertionError):
    """An answer of 400 or more; ``error`` is what the body says under ``error``."""

    def __init__(self, status: int, error: dict[str, Any]) -> None:
        super().__init__(f"{status}: {error}")
        self.status = status
        self.error = error


class Caller:
    def __init__(self, server: CdfServer, project: str) -> None:
        self.server = server
        self.project = project
        self.status = 0

    def post(self, path: str, payload: Any) -> Any:
        return self._call("POST", path, orjson.dumps(payload))

    def get(self, path: str) -> Any:
        return self._call("GET", path, b"")

    def items(self, path: str, payload: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.post(path, payload)["items"]
        return found

    def create(self, path: str, *items: dict[str, Any]) -> list[dict[str, Any]]:
        return self.items(path, {"items": list(items)})

    def update(self, path: str, key: dict[str, Any], update: dict[str, Any]) -> dict[str, Any]:
        return self.items(f"{path}/update", {"items": [{**key, "update": update}]})[0]

    def all(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """Every page of a list."""
        found: list[dict[str, Any]] = []
        cursor = None
        while True:
            page = self.post(f"{path}/list", {**query, "cursor": cursor})
            found += page["items"]
            cursor = page.get("nextCursor")
            if cursor is None:
                return found

    def _call(self, method: str, path: str, body: bytes) -> Any:
        path, _, query = path.partition("?")
        answer = self.server.handle(Request(method, path, parse_qs(query), {}, body), self.project)
        self.status = answer.status
        parsed = orjson.loads(answer.body)
        if answer.status != 404:
            check_answer(method, self.server.router.match(method, path)[0], answer.status, parsed)
        if answer.status >= 400:
            raise AnswerError(answer.status, parsed["error"])
        return parsed


def names(items: list[dict[str, Any]]) -> list[str]:
    return [item["externalId"] for item in items]
