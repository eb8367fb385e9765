# SPDX-License-Identifier: Apache-2.0
"""Our own replications and verifications with every server, the main ones over both transports."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from airflow_provider_replicator.couchdb.auth.credentials import BasicAuth, NoAuth
from airflow_provider_replicator.couchdb.blocking import run
from airflow_provider_replicator.couchdb.connection import CouchConnection
from airflow_provider_replicator.couchdb.jobs.choices import Owner, Policies, WaitLimits
from airflow_provider_replicator.couchdb.jobs.options import ReplicationOptions
from airflow_provider_replicator.couchdb.jobs.replicate import replicate
from airflow_provider_replicator.couchdb.jobs.states import read_state
from airflow_provider_replicator.couchdb.jobs.stop import stop
from airflow_provider_replicator.couchdb.jobs.submit import submit
from airflow_provider_replicator.couchdb.jobs.wait import wait
from airflow_provider_replicator.couchdb.verify.run import verify
from airflow_provider_replicator.exceptions import ReplicationFailedError
from tests.contract.couchdb.client import Couch, Database, branch, rev, until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from airflow_provider_replicator.couchdb.client import CouchClient
    from airflow_provider_replicator.couchdb.jobs.job import Job
    from airflow_provider_replicator.couchdb.jobs.outcome import Outcome
    from airflow_provider_replicator.couchdb.verify.report import VerifyReport
    from tests.contract.couchdb.server import Server

pytestmark = pytest.mark.servers("sandbox", "sandbox legacy", "pouchdb", "real")
T = TypeVar("T")
both_transports = pytest.mark.parametrize("engine", ["blocking", "in a loop"], indirect=True)
with_scheduler = pytest.mark.servers("sandbox", "real")


class Engine:
    """Operations as a task (blocking) or a trigger (in an event loop) does them."""

    def __init__(self, connection: CouchConnection, *, blocking: bool) -> None:
        self.connection = connection
        self.blocking = blocking
        self.run_id = uuid.uuid4().hex[:12]
        self.limits = WaitLimits(poll_interval=0.1, timeout=120, max_crashes=2, grace_crashes=0)

    def do(self, operation: Callable[[CouchClient], Awaitable[T]]) -> T:
        async def inside(client: CouchClient) -> T:
            return await operation(client)

        async def alone() -> T:
            async with self.open(self.connection) as client:
                return await operation(client)

        if not self.blocking:
            return asyncio.run(alone())
        with self.open(self.connection) as client:
            return run(inside(client))

    def open(self, connection: CouchConnection) -> CouchClient:
        return connection.blocking() if self.blocking else connection.client()

    def owner(self, task_id: str = "copy") -> Owner:
        return Owner(dag_id="contract", task_id=task_id, run_id=self.run_id)

    def replicate(
        self,
        source: Database,
        target: Database | str,
        *,
        task_id: str = "copy",
        policies: Policies | None = None,
        source_connection: CouchConnection | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        name = target if isinstance(target, str) else target.name
        wanted = ReplicationOptions.of(source.name, name, options)

        async def operation(client: CouchClient) -> dict[str, Any]:
            chosen = policies or Policies()
            first = client if source_connection is None else self.open(source_connection)
            try:
                return await replicate(
                    client, first, client, wanted, owner=self.owner(task_id), policies=chosen, limits=self.limits
                )
            finally:
                if first is not client:
                    await first.close()

        return self.do(operation)

    def verify(self, source: Database, target: Database, **options: Any) -> VerifyReport:
        return self.do(lambda client: verify(client, source.name, client, target.name, **options))


def connection(server: Server) -> CouchConnection:
    auth = NoAuth() if server.username is None else BasicAuth(username=server.username, password=server.password)
    return CouchConnection(name="contract", base_url=server.url, auth=auth, replication_url=server.inner_url)


@pytest.fixture
def engine(request: pytest.FixtureRequest, server: Server, admin: Couch) -> Iterator[Engine]:
    made = Engine(connection(server), blocking=getattr(request, "param", "blocking") == "blocking")
    yield made
    for row in admin.get("_replicator", "_all_docs", include_docs=True)["rows"]:
        if (row["doc"].get("airflow") or {}).get("run_id") == made.run_id:
            made.do(lambda client, doc_id=row["id"]: stop(client, "_replicator", doc_id))  # type: ignore[misc]


@both_transports
def test_a_replication_is_reported(engine: Engine, admin: Couch, db: Database, target: Database) -> None:
    db.fill(12)
    db.graft(branch("k", "a", "c"), branch("k", "b", "c"), branch("gone", "d", _deleted=True))
    report = engine.replicate(db, target)
    assert report["outcome"] == "completed"
    assert report["docs_written"] == 15
    assert report["doc_write_failures"] == 0
    assert admin.ask("GET", "_replicator", report["doc_id"]).status_code == 404, "it holds credentials"
    found = engine.verify(db, target, level="revisions")
    assert found.ok, found.message
    assert (found.documents, found.conflicts, found.tombstones) == (14, 1, 1)


def test_counts_are_those_of_the_run(engine: Engine, db: Database, target: Database) -> None:
    db.fill(5)
    assert engine.replicate(db, target)["docs_written"] == 5
    assert engine.replicate(db, target)["docs_written"] == 0
    db.fill(2, start=5)
    assert engine.replicate(db, target)["docs_written"] == 2


def test_ids_with_signs(engine: Engine, db: Database, target: Database) -> None:
    ids = ["a%25b", "plus+x", "ünï/cödé", "a b", "p%q"]
    for doc_id in [*ids, "left out"]:
        db.put(doc_id)
    engine.replicate(db, target, doc_ids=ids)
    assert target.ids() == set(ids)


def test_a_target_is_made(engine: Engine, admin: Couch, db: Database, new_name: Callable[[], str]) -> None:
    db.fill(2)
    name = new_name()
    engine.replicate(db, name, create_target=True)
    assert Database(admin, name).ids() == db.ids()


@both_transports
def test_a_job_is_adopted_and_stopped(engine: Engine, db: Database, target: Database) -> None:
    options = ReplicationOptions(source_db=db.name, target_db=target.name, continuous=True)

    async def start(client: CouchClient) -> Job:
        ends = (client.connection, client.connection)
        return await submit(client, *ends, options, owner=engine.owner(), policies=Policies())

    job, again = engine.do(start), engine.do(start)
    assert (job.adopted, again.adopted, again.doc_id) == (False, True, job.doc_id)
    db.fill(3)
    until(lambda: target.ids() == db.ids(), within=30)

    async def end(client: CouchClient) -> tuple[bool, bool, str]:
        first = await stop(client, "_replicator", job.doc_id, owner=engine.owner())
        second = await stop(client, "_replicator", job.doc_id, owner=engine.owner())
        return first, second, (await read_state(client, "_replicator", job.doc_id)).state

    assert engine.do(end) == (True, False, "gone")


def test_what_is_missing_is_found(engine: Engine, db: Database, target: Database) -> None:
    db.fill(6)
    db.graft(branch("k", "a", "c"))
    engine.replicate(db, target)
    db.graft(branch("k", "b", "c"))
    db.put("late")
    found = engine.verify(db, target, level="revisions")
    assert not found.ok
    assert (found.missing_documents, found.missing_revisions) == (2, 2)
    assert set(found.missing_ids) == {"k", "late"}


@both_transports
def test_bodies_are_compared(engine: Engine, db: Database, target: Database) -> None:
    db.graft(branch("same", "a", x=1), branch("other", "b", x=1))
    target.graft(branch("same", "a", x=1), branch("other", "b", x=2))
    assert engine.verify(db, target, level="revisions").ok
    found = engine.verify(db, target, level="bodies", sample=None)
    assert (found.compared, found.different_ids) == (2, ("other",))
    assert rev(1, "b") == target.get("other")["_rev"]


@both_transports
@with_scheduler
def test_a_continuous_job_is_waited_for(engine: Engine, db: Database, target: Database) -> None:
    db.fill(3)
    options = ReplicationOptions(source_db=db.name, target_db=target.name, continuous=True)

    async def drain(client: CouchClient) -> Outcome:
        ends = (client.connection, client.connection)
        job = await submit(client, *ends, options, owner=engine.owner(), policies=Policies())
        return await wait(client, job, engine.limits, until="drained", source=client, target=client)

    outcome = engine.do(drain)
    assert (outcome.kind, outcome.state.state) == ("completed", "running")
    assert target.ids() == db.ids()


@both_transports
@with_scheduler
def test_completed_is_not_enough(engine: Engine, db: Database, target: Database) -> None:
    db.fill(5)
    target.put("_design/v", {"validate_doc_update": "function (doc) { if (doc.n > 3) { throw ({forbidden: 'no'}); } }"})
    with pytest.raises(ReplicationFailedError, match="d0004") as failed:
        engine.replicate(db, target)
    assert failed.value.report["doc_write_failures"] == 1
    found = engine.verify(db, target, level="revisions")
    assert found.missing_ids == ("d0004",)


@with_scheduler
def test_a_missing_source_is_said(engine: Engine, admin: Couch, target: Database, new_name: Callable[[], str]) -> None:
    with pytest.raises(ReplicationFailedError, match="db_not_found"):
        engine.replicate(Database(admin, new_name()), target)


@with_scheduler
def test_a_wrong_password_is_tried_once(engine: Engine, user: tuple[str, str], db: Database, target: Database) -> None:
    wrong = CouchConnection(
        name="wrong",
        base_url=engine.connection.base_url,
        auth=BasicAuth(username=user[0], password="not-the-password"),
        replication_url=engine.connection.replication_url,
    )
    with pytest.raises(ReplicationFailedError) as failed:
        engine.replicate(db, target, source_connection=wrong)
    assert "not-the-password" not in str(failed.value)
    assert failed.value.report["crashes"] == 1


@with_scheduler
def test_a_selector(engine: Engine, db: Database, target: Database) -> None:
    db.fill(10)
    selector = {"n": {"$gte": 7}}
    report = engine.replicate(db, target, selector=selector)
    assert report["docs_written"] == 3
    found = engine.verify(db, target, level="counts")
    assert not found.ok
