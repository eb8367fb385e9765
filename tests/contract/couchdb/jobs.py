# SPDX-License-Identifier: Apache-2.0
"""Documents for the replicator, and what becomes of them."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from tests.contract.couchdb.client import Couch, Doc, accepted, refused, until

if TYPE_CHECKING:
    import requests

    from tests.contract.couchdb.client import Database
    from tests.contract.couchdb.server import Server


class Job:
    """One document of a replicator database."""

    def __init__(self, server: Server, couch: Couch, repdb: str, doc_id: str) -> None:
        self.server = server
        self.couch = couch
        self.repdb = repdb
        self.id = doc_id

    def doc(self) -> Doc:
        found: Doc = self.couch.get(self.repdb, self.id)
        return found

    def seen(self) -> Doc:
        """What the scheduler says of it now. Servers before 3.5.2 fail now and then while the state changes: they are asked again."""
        while True:
            answer = self.couch.ask("GET", "_scheduler", "docs", self.repdb, self.id)
            if answer.status_code < 500:
                found: Doc = accepted(answer)
                return found

    def until(self, *states: str) -> Doc:
        """What the scheduler says of it as soon as it is in one of the states."""
        return self.once(lambda seen: seen["state"] in states)

    def once(self, check: Any) -> Doc:
        def look() -> Doc | None:
            seen = self.seen()
            return seen if check(seen) else None

        found: Doc = until(look, within=self.server.patience, every=0.02 if self.server.scale < 1 else 0.1)
        return found

    def told(self, *states: str) -> Doc:
        """The document, as soon as an old server has written one of the states into it."""

        def look() -> Doc | None:
            doc = self.doc()
            return doc if doc.get("_replication_state") in states else None

        found: Doc = until(look, within=self.server.patience)
        return found

    def done(self) -> Doc:
        """The counters of the completed job."""
        seen = self.until("completed", "failed", "error", "crashing")
        assert seen["state"] == "completed", seen
        info: Doc = seen["info"]
        return info

    def crashed(self) -> str:
        """The error of a job that the scheduler tries again."""
        error: str = self.until("crashing", "failed", "completed", "error")["info"]["error"]
        assert self.seen()["state"] == "crashing"
        return error

    def remove(self) -> None:
        """Also while the server writes its state into it."""

        def gone() -> bool:
            found = self.couch.ask("GET", self.repdb, self.id)
            if found.status_code == 404:
                return True
            deleted = self.couch.ask("DELETE", self.repdb, self.id, rev=found.json()["_rev"])
            assert deleted.ok or refused(deleted)[0] in (404, 409)
            return False

        until(gone, within=self.server.patience)


class Jobs:
    """Makes jobs, and removes them in the end."""

    def __init__(self, server: Server, couch: Couch, repdb: str = "_replicator") -> None:
        self.server = server
        self.couch = couch
        self.repdb = repdb
        self._made: list[Job] = []

    def body(self, source: Database | str, target: Database | str, /, **fields: Any) -> Doc:
        """``source`` and ``target`` among the fields win."""
        ends = {"source": self.server.endpoint(source), "target": self.server.endpoint(target)}
        return {**ends, **fields}

    def put(self, body: Doc, doc_id: str | None = None) -> tuple[Job, requests.Response]:
        """The answer may be a refusal."""
        job = Job(self.server, self.couch, self.repdb, doc_id or f"contract-{uuid.uuid4().hex[:12]}")
        self._made.append(job)
        return job, self.couch.ask("PUT", self.repdb, job.id, json=body)

    def start(self, source: Database | str, target: Database | str, /, **fields: Any) -> Job:
        job, answer = self.put(self.body(source, target, **fields))
        assert answer.status_code == 201, answer.text
        return job

    def run(self, source: Database | str, target: Database | str, /, **fields: Any) -> Doc:
        """To its end; its counters."""
        return self.start(source, target, **fields).done()

    def remove_all(self) -> None:
        for job in self._made:
            job.remove()
