# SPDX-License-Identifier: Apache-2.0
"""One HTTP request over a socket of its own, seen as it is: status, headers, body, and how it broke."""

from __future__ import annotations

import http.client
from dataclasses import dataclass
from typing import Any

import orjson

from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def message(self) -> str:
        return str(self.json["error"]["message"])


def send(
    sandbox: RunningSandbox,
    path: str,
    payload: Any = None,
    *,
    method: str = "POST",
    project: str = "source",
    body: bytes | None = None,
    token: str | None = "sandbox",  # noqa: S107 - the published default
    **headers: str,
) -> Answer:
    """``path`` after the project, or from the root if ``project`` is empty. Header names with underscores for dashes."""
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=30)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if token is not None:
        sent["authorization"] = f"Bearer {token}"
    content = body if body is not None else b"" if payload is None else orjson.dumps(payload)
    prefix = f"/api/v1/projects/{project}" if project else ""
    try:
        connection.request(method, prefix + path, content, sent)
        response = connection.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    finally:
        connection.close()
