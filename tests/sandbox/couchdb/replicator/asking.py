# SPDX-License-Identifier: Apache-2.0
"""A running sandbox CouchDB, asked as a client of its replicator asks."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import requests

from airflow_provider_replicator.sandbox.couchdb.running import RunningCouch

T = TypeVar("T")

PATIENCE = 30.0


def until(condition: Callable[[], T], seconds: float = PATIENCE) -> T:
    """The first true value of ``condition``."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"it has not happened in {seconds} s; the last answer was {value!r}")
        time.sleep(0.01)


class Couch:
    def __init__(self, running: RunningCouch, *, username: str | None = None, password: str = "") -> None:
        self.url = running.url
        self.control = running.control
        self._session = requests.Session()
        self._auth = {"username": username or running.username, "password": password or running.password}
        self._session.auth = (self._auth["username"], self._auth["password"])

    def close(self) -> None:
        self._session.close()

    def ask(self, method: str, path: str, payload: Any = None, **more: Any) -> requests.Response:
        return self._session.request(method, self.url + path, json=payload, timeout=60, **more)

    def call(self, method: str, path: str, payload: Any = None) -> Any:
        """The answer's JSON, whatever its status."""
        return self.ask(method, path, payload).json()

    def make(self, *databases: str) -> None:
        for name in databases:
            assert self.ask("PUT", f"/{name}").status_code == 201

    def fill(self, database: str, count: int, first: int = 0) -> None:
        docs = [{"_id": f"d{number:04}", "n": number} for number in range(first, first + count)]
        assert self.ask("POST", f"/{database}/_bulk_docs", {"docs": docs}).status_code == 201

    def count(self, database: str) -> int:
        return int(self.call("GET", f"/{database}")["doc_count"])

    def ids(self, database: str) -> list[str]:
        return [row["id"] for row in self.call("GET", f"/{database}/_all_docs")["rows"]]

    def leaves(self, database: str) -> dict[str, tuple[bool, list[str]]]:
        """Every document: whether it is deleted, and its leaf revisions."""
        rows = self.call("GET", f"/{database}/_changes?style=all_docs")["results"]
        return {row["id"]: (row.get("deleted", False), [one["rev"] for one in row["changes"]]) for row in rows}

    def local(self, database: str) -> list[dict[str, Any]]:
        return [row["doc"] for row in self.call("GET", f"/{database}/_local_docs?include_docs=true")["rows"]]

    def configure(self, key: str, value: str, section: str = "replicator") -> None:
        assert self.ask("PUT", f"/_node/_local/_config/{section}/{key}", value).status_code == 200

    # replications

    def end(self, database: str, **more: Any) -> dict[str, Any]:
        """Source or target of a job."""
        return {"url": f"{self.url}/{database}", "auth": {"basic": dict(self._auth)}, **more}

    def submit(self, doc_id: str, body: dict[str, Any], repdb: str = "_replicator") -> None:
        answer = self.ask("PUT", f"/{repdb}/{doc_id}", body)
        assert answer.status_code == 201, answer.text

    def shown(self, doc_id: str, repdb: str = "_replicator") -> dict[str, Any]:
        found: dict[str, Any] = self.call("GET", f"/_scheduler/docs/{repdb}/{doc_id}")
        return found

    def becomes(self, doc_id: str, *states: str, repdb: str = "_replicator") -> dict[str, Any]:
        """Wait for one of these states."""

        end = time.monotonic() + PATIENCE
        while True:
            shown = self.shown(doc_id, repdb)
            if shown.get("state") in states:
                return shown
            assert time.monotonic() < end, f"not {' or '.join(states)} but {shown}"
            time.sleep(0.01)

    def runs(self, doc_id: str, body: dict[str, Any]) -> dict[str, Any]:
        """A one-shot job from its document to its counters."""
        self.submit(doc_id, body)
        info: dict[str, Any] = self.becomes(doc_id, "completed")["info"]
        return info

    def remove(self, doc_id: str, repdb: str = "_replicator") -> None:
        """Delete a document; the server may write its state in between."""

        def deleted() -> bool:
            document = self.call("GET", f"/{repdb}/{doc_id}")
            if "_rev" not in document:
                return True
            return self.ask("DELETE", f"/{repdb}/{doc_id}?rev={document['_rev']}").status_code == 200

        until(deleted)
        until(lambda: self.ask("GET", f"/_scheduler/docs/{repdb}/{doc_id}").status_code == 404)

    def job(self, doc_id: str) -> dict[str, Any] | None:
        jobs = self.call("GET", "/_scheduler/jobs")["jobs"]
        return next((job for job in jobs if job["doc_id"] == doc_id), None)
