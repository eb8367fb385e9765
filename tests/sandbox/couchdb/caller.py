# SPDX-License-Identifier: Apache-2.0
"""Requests to a sandbox CouchDB over a socket, with the plainest client there is."""

from __future__ import annotations

import http.client
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson

from airflow_provider_replicator.sandbox.couchdb.running import RunningCouch


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def error(self) -> tuple[int, str, Any]:
        """Status, error and reason."""
        return self.status, self.json["error"], self.json["reason"]


def basic(name: str, password: str) -> str:
    return "Basic " + b64encode(f"{name}:{password}".encode()).decode()


@dataclass
class Caller:
    """``root`` goes before every path. Everything is asked as the admin, unless ``authorization`` says otherwise."""

    server: RunningCouch
    root: str = ""

    def __call__(self, method: str, path: str = "", payload: Any = None, **headers: str | None) -> Answer:
        """``payload`` becomes JSON, unless it is bytes. Header names with underscores for dashes; None leaves a header out."""
        with self._sent(method, path, payload, headers) as response:
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())

    @contextmanager
    def open(self, path: str) -> Iterator[http.client.HTTPResponse]:
        """A feed, to be read line by line."""
        with self._sent("GET", path, None, {}) as response:
            yield response

    @contextmanager
    def _sent(
        self, method: str, path: str, payload: Any, headers: dict[str, str | None]
    ) -> Iterator[http.client.HTTPResponse]:
        defaults: dict[str, str | None] = {
            "accept": "application/json",
            "authorization": basic(self.server.username, self.server.password),
        }
        body = payload if payload is None or isinstance(payload, bytes) else orjson.dumps(payload)
        if body is not None and not isinstance(payload, bytes):
            defaults["content-type"] = "application/json"
        sent = defaults | {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        try:
            given = {name: value for name, value in sent.items() if value is not None}
            connection.request(method, self.root + path, body, given)
            yield connection.getresponse()
        finally:
            connection.close()

    def put(self, doc_id: str, **fields: Any) -> str:
        """The new revision of a document."""
        answer = self("PUT", f"/{doc_id}", fields)
        assert answer.status in (200, 201), answer
        return str(answer.json["rev"])

    def graft(self, *documents: dict[str, Any]) -> Answer:
        """Revisions as a replicator brings them."""
        return self("POST", "/_bulk_docs", {"new_edits": False, "docs": list(documents)})


def revision(doc_id: str, *path: str, **fields: Any) -> dict[str, Any]:
    """A document with its history: ``revision("a", "2-b", "1-a")``."""
    start = int(path[0].partition("-")[0])
    names = [rev.partition("-")[2] for rev in path]
    return {"_id": doc_id, "_rev": path[0], "_revisions": {"start": start, "ids": names}, **fields}
