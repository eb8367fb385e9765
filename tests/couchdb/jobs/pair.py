# SPDX-License-Identifier: Apache-2.0
"""A source and a target for one test, and replications between them."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_replicator.couchdb import databases
from airflow_provider_replicator.couchdb.blocking import run
from airflow_provider_replicator.couchdb.jobs.choices import Owner, Policies, WaitLimits
from airflow_provider_replicator.couchdb.jobs.options import ReplicationOptions
from airflow_provider_replicator.couchdb.jobs.replicate import replicate
from airflow_provider_replicator.couchdb.jobs.states import JobState, read_state
from airflow_provider_replicator.couchdb.jobs.submit import submit

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_replicator.couchdb.client import CouchClient
    from airflow_provider_replicator.couchdb.connection import CouchConnection
    from airflow_provider_replicator.couchdb.jobs.job import Job
    from airflow_provider_replicator.couchdb.jobs.states import State

Doc = dict[str, Any]
T = TypeVar("T")
#: Enough for every wait of these tests, whoever else uses the machine.
LIMITS = WaitLimits(timeout=60, max_crashes=10)
REFUSE_BAD = "function(doc, old, user) { if (doc.bad) { throw({forbidden: 'no bad ones'}); } }"
#: Nobody listens there: a job with this proxy crashes for ever.
NOWHERE = "http://127.0.0.1:1"


class Pair:
    """``source`` and ``target`` are names of databases on the server of ``client``."""

    def __init__(self, client: CouchClient, suffix: str) -> None:
        self.client = client
        self.connection: CouchConnection = client.connection
        self.source = f"jobs/source+{suffix}"
        self.target = f"jobs/target+{suffix}"
        self.dag_id = f"dag-{suffix}"

    def create(self) -> None:
        for name in (self.source, self.target):
            run(databases.create(self.client, name))

    def drop(self) -> None:
        for name in (self.source, self.target):
            run(databases.drop(self.client, name))

    def jobs(self) -> list[str]:
        """Documents of the replicator database that are about these databases."""
        rows = run(databases.all_docs(self.client, self.connection.replicator_db, include_docs=True))
        ends = (f"{self.url(self.source)}", f"{self.url(self.target)}")
        return [row["id"] for row in rows if _url(row["doc"].get("source")).startswith(ends)]

    def url(self, database: str) -> str:
        url: str = self.connection.replication_endpoint(database)["url"]
        return url

    def put(self, *ids: str, database: str | None = None, **fields: Any) -> None:
        """New documents in the source."""
        docs = [{"_id": one, **fields} for one in ids]
        answers = run(databases.bulk_docs(self.client, database or self.source, docs))
        assert all(answer.get("ok") for answer in answers), answers

    def fill(self, count: int, prefix: str = "doc") -> None:
        self.put(*(f"{prefix}{number:04}" for number in range(count)))

    def ids(self, database: str | None = None) -> list[str]:
        rows = run(databases.all_docs(self.client, database or self.target))
        return [row["id"] for row in rows if not row["id"].startswith("_design/")]

    def refuse_bad(self) -> None:
        """From now on the target refuses documents with ``bad``."""
        run(databases.put_document(self.client, self.target, "_design/v", {"validate_doc_update": REFUSE_BAD}))

    def accept_bad(self) -> None:
        document = run(databases.get_document(self.client, self.target, "_design/v"))
        assert document is not None
        run(databases.delete_document(self.client, self.target, "_design/v", document["_rev"]))

    def options(self, **options: Any) -> ReplicationOptions:
        return ReplicationOptions.of(self.source, self.target, options)

    def owner(self, run_id: str | None = None, task_id: str = "copy") -> Owner:
        """Another run each time, unless it is named."""
        return Owner(dag_id=self.dag_id, task_id=task_id, run_id=run_id or uuid.uuid4().hex)

    def submit(self, owner: Owner | None = None, policies: Policies | None = None, **options: Any) -> Job:
        return run(
            submit(
                self.client,
                self.connection,
                self.connection,
                self.options(**options),
                owner=owner or self.owner(),
                policies=policies or Policies(),
            )
        )

    def replicate(
        self,
        owner: Owner | None = None,
        policies: Policies | None = None,
        limits: WaitLimits = LIMITS,
        log: list[str] | None = None,
        **options: Any,
    ) -> Doc:
        return run(
            replicate(
                self.client,
                self.client,
                self.client,
                self.options(**options),
                owner=owner or self.owner(),
                policies=policies or Policies(),
                limits=limits,
                on_progress=None if log is None else lambda progress: log.append(progress.line()),
            )
        )

    def state(self, job: Job) -> JobState:
        return run(read_state(self.client, job.replicator_db, job.doc_id))

    def until(self, job: Job, *states: State, within: float = 30.0) -> JobState:
        """The state of the job as soon as it is one of these."""
        return self.once(lambda: self.state(job), lambda state: state.state in states, within)

    def once(self, look: Callable[[], T], check: Callable[[T], bool], within: float = 30.0) -> T:
        """What there is to see as soon as it is as it should be."""
        for _ in range(round(within / 0.02)):
            seen = look()
            if check(seen):
                return seen
            run(self.client.transport.sleep(0.02))
        raise AssertionError(f"not within {within} s; last seen: {seen}")

    def foreign(self, doc_id: str, **fields: Any) -> None:
        """A replication that somebody else has begun."""
        ends = {
            "source": self.connection.replication_endpoint(self.source),
            "target": self.connection.replication_endpoint(self.target),
        }
        run(databases.put_document(self.client, self.connection.replicator_db, doc_id, ends | fields))


def _url(endpoint: Any) -> str:
    return str(endpoint.get("url") if isinstance(endpoint, dict) else endpoint)
