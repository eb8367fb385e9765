# SPDX-License-Identifier: Apache-2.0
"""A server with two connections to it, and pairs of databases, for tests of whatever Airflow does with them."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from airflow_provider_replicator.sandbox.couchdb.running import RunningCouch
from tests.contract.couchdb.client import Couch, Database, Doc, until
from tests.contract.couchdb.server import SCALE, Server, named
from tests.operators.couch_tasks import connection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_replicator.sandbox.couchdb.running import CouchControl

#: The connections that tests give to operators.
SOURCE, TARGET = "couch_source", "couch_target"
#: Options of a job whose server takes its time (see :meth:`World.slow`): without them it would not wait for an answer that long.
PATIENT = {"connection_timeout": 10_000_000}
#: A document of the source that the target does not take.
REFUSED = "refused"
PASSWORD = "s3cret+of/the=sandbox%2f zqkwj"
_VALIDATION = "function(doc) { if (doc._id === 'refused') { throw({forbidden: 'not here'}); } }"


@dataclass(slots=True)
class World:
    server: Server
    couch: Couch
    faults: CouchControl | None
    made: list[str] = field(default_factory=list)

    @property
    def control(self) -> CouchControl:
        if self.faults is None:
            pytest.skip("only the sandbox has faults on request")
        return self.faults

    def name(self, suffix: str = "") -> str:
        """Of a database that nobody has used, and that has to be escaped; dropped in the end."""
        self.made.append(f"air/flow+{uuid.uuid4().hex[:10]}{suffix}")
        return self.made[-1]

    def database(self, suffix: str = "") -> Database:
        name = self.name(suffix)
        self.couch.put(name)
        return Database(self.couch, name)

    def pair(self, documents: int = 20) -> tuple[Database, Database]:
        """A filled source and an empty target."""
        source, target = self.database("-s"), self.database("-t")
        if documents:
            source.fill(documents)
        return source, target

    def ends(self, source: Database, target: Database | str, **more: Any) -> dict[str, Any]:
        """Arguments of an operator."""
        target_db = target if isinstance(target, str) else target.name
        return {
            "source_conn_id": SOURCE,
            "source_db": source.name,
            "target_conn_id": TARGET,
            "target_db": target_db,
            "poll_interval": 0.2 if self.faults else 2,
            **more,
        }

    def refuse(self, target: Database) -> None:
        """From now on the target does not take the document :data:`REFUSED`."""
        target.put("_design/checks", {"validate_doc_update": _VALIDATION})

    def jobs(self) -> list[Doc]:
        """The documents of all jobs that read one of our databases."""
        rows = self.couch.get("_replicator", "_all_docs", include_docs=True)["rows"]
        docs = [row["doc"] for row in rows if not row["id"].startswith("_design/")]
        ours = {self.server.at(name) for name in self.made}
        return [doc for doc in docs if _address(doc) in ours]

    def job(self, source: Database) -> Doc | None:
        """The document of the job that reads ``source``, if there is one."""
        address = self.server.at(source.name)
        found = [doc for doc in self.jobs() if _address(doc) == address]
        assert len(found) <= 1, [doc["_id"] for doc in found]
        return found[0] if found else None

    def state(self, doc_id: str) -> str | None:
        state: str | None = self.couch.get("_scheduler", "docs", "_replicator", doc_id)["state"]
        return state

    def state_of_all(self) -> set[str | None]:
        return {self.state(job["_id"]) for job in self.jobs()}

    def once(self, source: Database, state: str) -> Doc:
        """The document of the job that reads ``source``, as soon as the job is in that state."""

        def reached() -> Doc | None:
            job = self.job(source)
            return job if job is not None and self.state(job["_id"]) == state else None

        found: Doc = self.until(reached)
        return found

    def until(self, check: Callable[[], Any]) -> Any:
        return until(check, within=self.server.patience)

    def slow(self, source: Database, seconds: float = 600.0) -> None:
        """From now on the source takes its time to hand out documents: jobs that read it (with :data:`PATIENT`) run so long."""
        name = quote(source.name, safe="")
        self.control.fault(path=f"/{name}/_bulk_get", method="POST", kind="delay", seconds=seconds, times=None)

    def lasting(self, source: Database) -> None:
        """From now on jobs that read it take a second, even with nothing to copy, so that none is over before a task looks at it."""
        if self.faults is not None:
            path = f"/{quote(source.name, safe='')}/_changes"
            self.faults.fault(path=path, kind="delay", seconds=1, times=None)

    def clear(self) -> None:
        if self.faults is not None:
            self.faults.clear_faults()
        for doc in self.jobs():
            self.until(partial(self._removed, doc["_id"]))
        for name in self.made:
            assert self.couch.ask("DELETE", name).status_code in (200, 404)

    def _removed(self, doc_id: str) -> bool:
        found = self.couch.ask("GET", "_replicator", doc_id)
        if found.status_code == 404:
            return True
        return self.couch.ask("DELETE", "_replicator", doc_id, rev=found.json()["_rev"]).ok


def _address(job: Doc) -> str:
    """Of the source; others may write it in other ways."""
    source = job.get("source")
    return str(source["url"] if isinstance(source, dict) else source).rstrip("/")


@pytest.fixture(scope="session")
def running_couch() -> Iterator[tuple[Server, CouchControl | None]]:
    """The sandbox, or in its place the server that ``COUCHDB_URL`` names, which cannot be slowed down."""
    if os.environ.get("COUCHDB_URL"):
        with named() as server:
            yield server, None
        return
    with RunningCouch(password=PASSWORD, args=("--time-scale", str(SCALE))) as running:
        server = Server(
            kind="sandbox",
            url=running.url,
            inner_url=running.url,
            username=running.username,
            password=running.password,
            scale=SCALE,
            patience=30,
        )
        yield server, running.control


@pytest.fixture
def world(running_couch: tuple[Server, CouchControl | None], monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    server, control = running_couch
    for name in (SOURCE, TARGET):
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", connection(server))
    with server.admin() as couch:
        made = World(server, couch, control)
        yield made
        made.clear()
