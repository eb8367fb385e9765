# SPDX-License-Identifier: Apache-2.0
"""Continuous jobs, what the scheduler lists, and how jobs are stopped."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.contract.couchdb.client import Couch, Database, Doc, accepted, refused, until
from tests.contract.couchdb.jobs import Job, Jobs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.contract.couchdb.server import Server

LIVE = {
    "database",
    "doc_id",
    "id",
    "node",
    "source",
    "target",
    "state",
    "info",
    "error_count",
    "last_updated",
    "start_time",
    "source_proxy",
    "target_proxy",
}


@pytest.fixture
def running(jobs: Jobs, db: Database, target: Database) -> Job:
    """A continuous job that has copied three documents."""
    db.fill(3)
    job = jobs.start(db, target, continuous=True)
    job.once(lambda seen: (seen["info"] or {}).get("docs_written") == 3)
    return job


def test_a_continuous_job(running: Job, db: Database, target: Database) -> None:
    seen = running.seen()
    assert seen.keys() == LIVE
    assert seen["state"] == "running"
    assert re.fullmatch(r"[0-9a-f]{32}\+continuous", seen["id"])
    info = seen["info"]
    assert {"source_seq", "through_seq", "checkpointed_source_seq", "changes_pending"} <= info.keys()
    assert info["source_seq"].startswith("3-")
    db.fill(2, start=3)
    later = running.once(lambda seen: seen["info"]["docs_written"] == 5)["info"]
    assert target.ids() == db.ids()
    assert later["through_seq"].startswith("5-")
    assert db.changes(since=later["through_seq"], limit=0)["pending"] == 0
    assert "_replication_state" not in running.doc()


def test_among_the_jobs(running: Job) -> None:
    job_id = running.seen()["id"]
    job = running.couch.get("_scheduler", "jobs", job_id)
    assert (job["id"], job["doc_id"], job["database"]) == (job_id, running.id, "_replicator")
    assert [each["type"] for each in job["history"]] == ["started", "added"]
    assert job["info"]["docs_written"] == 3
    assert {"pid", "user", "node", "start_time", "source", "target"} <= job.keys()
    listed = running.couch.get("_scheduler", "jobs")
    assert listed["total_rows"] >= 1
    assert job_id in {each["id"] for each in listed["jobs"]}
    assert refused(running.couch.ask("GET", "_scheduler", "jobs", "never")) == (404, "not_found", "missing")
    running.remove()
    until(
        lambda: running.couch.ask("GET", "_scheduler", "jobs", job_id).status_code == 404,
        within=running.server.patience,
    )


def test_among_the_active_tasks(running: Job, server: Server) -> None:
    tasks: list[Doc] = running.couch.get("_active_tasks")
    (task,) = (each for each in tasks if each["type"] == "replication" and each["doc_id"] == running.id)
    assert task["replication_id"] == running.seen()["id"]
    assert task["continuous"] is True
    assert task["docs_written"] == 3
    assert task["source"] == running.seen()["source"]
    assert isinstance(task["started_on"], int)
    assert isinstance(task["updated_on"], int)
    assert {"checkpoint_interval", "checkpointed_source_seq", "through_seq", "user", "pid", "node"} <= task.keys()


def test_credentials_are_not_shown(running: Job, server: Server) -> None:
    shown = [running.couch.ask("GET", "_scheduler", each).text for each in ("docs", "jobs")]
    shown.append(running.couch.ask("GET", "_active_tasks").text)
    for text in shown:
        assert running.id in text
        assert f"{server.username}:" not in text
        assert f'"{server.password}"' not in text


def test_deleting_the_document_stops_the_job(running: Job, db: Database, target: Database) -> None:
    running.remove()
    gone = refused(running.couch.ask("GET", "_scheduler", "docs", "_replicator", running.id))
    assert gone == (404, "not_found", "missing")
    kept = until(target.local, within=running.server.patience)
    (checkpoint,) = kept.values()
    assert checkpoint["source_last_seq"].startswith("3-"), "the last thing that it does"
    db.fill(1, start=3)
    assert target.ids() == {"d0000", "d0001", "d0002"}


def test_another_document_goes_on_where_it_was_stopped(
    running: Job, jobs: Jobs, db: Database, target: Database
) -> None:
    running.remove()
    until(target.local, within=running.server.patience)
    db.fill(1, start=3)
    info = jobs.run(db, target)
    assert (info["docs_read"], info["docs_written"]) == (4, 4)
    (history,) = (each["history"] for each in target.local().values())
    assert history[0]["start_last_seq"] == history[1]["end_last_seq"]


def test_a_changed_document_replaces_the_job(
    running: Job, jobs: Jobs, db: Database, new_db: Callable[[], Database]
) -> None:
    before = running.seen()["id"]
    other = new_db()
    doc = {**running.doc(), "target": jobs.server.endpoint(other)}
    running.couch.put("_replicator", running.id, json=doc)
    until(lambda: other.ids() == db.ids(), within=running.server.patience)
    assert running.seen()["id"] != before


def test_documents_are_deleted_while_they_start(jobs: Jobs, db: Database, target: Database) -> None:
    """Somewhere in between the server writes a state, so that a revision just read is not the newest any more."""
    db.fill(2)
    for _ in range(5):
        job = jobs.start(db, target)
        job.remove()
        assert job.couch.ask("GET", "_replicator", job.id).status_code == 404
        again, answer = jobs.put(jobs.body(db, target), job.id)
        assert answer.status_code == 201, "the same id can be used again"
        again.remove()


def test_pages_of_documents(jobs: Jobs, db: Database, target: Database) -> None:
    mine = [jobs.start(db, target, selector={"n": n}) for n in range(4)]
    for job in mine:
        job.done()

    def page(**params: int | str) -> Doc:
        found: Doc = jobs.couch.get("_scheduler", "docs", "_replicator", **params)
        return found

    whole = page(limit=1000)
    ids = [doc["doc_id"] for doc in whole["docs"]]
    assert whole["offset"] == 0
    assert whole["total_rows"] >= len(ids) >= 4
    assert ids == sorted(ids)
    assert {job.id for job in mine} <= set(ids)
    part = page(limit=2, skip=1)
    assert ([doc["doc_id"] for doc in part["docs"]], part["offset"]) == (ids[1:3], 1)
    assert part["total_rows"] == whole["total_rows"]
    assert page(limit=0)["docs"] == []

    completed = page(states="completed", limit=1000)
    assert {doc["state"] for doc in completed["docs"]} == {"completed"}
    assert completed["total_rows"] == whole["total_rows"], "the filter is not counted"


def test_states_that_do_not_exist(admin: Couch) -> None:
    names = "initializing,error,running,pending,crashing,completed,failed"
    answer = refused(admin.ask("GET", "_scheduler", "docs", states="nope"))
    assert answer == (400, "query_parse_error", f"States must be one or more of [{names}]")
    limit = refused(admin.ask("GET", "_scheduler", "docs", limit="x"))
    assert limit[:2] == (400, "query_parse_error")


def test_documents_that_are_not_there(admin: Couch) -> None:
    missing = (404, "not_found", "missing")
    assert refused(admin.ask("GET", "_scheduler", "docs", "_replicator", "contract-never")) == missing
    assert refused(admin.ask("GET", "_scheduler", "docs", "contract-never/_replicator")) == (
        404,
        "not_found",
        "Database does not exist.",
    )


def test_a_replicator_database_of_ones_own(
    jobs: Jobs, admin: Couch, db: Database, target: Database, new_name: Callable[[str], str]
) -> None:
    name = new_name("/_replicator")
    admin.put(name, q=1)  # what a limit does depends on where documents lie
    db.fill(2)
    own = Jobs(jobs.server, admin, name)
    crashing, _ = own.put(jobs.body(new_name("-never"), target), "1")
    completed, _ = own.put(jobs.body(db, target), "2")
    assert completed.done()["docs_written"] == 2
    crashing.crashed()
    seen = completed.seen()
    assert (seen["database"], seen["doc_id"]) == (name, "2")
    raw = admin.ask("GET", "_scheduler", "docs", *name.split("/"), "2")
    assert accepted(raw)["state"] == "completed", "the slash may be written as it is"

    def listed(**params: int | str) -> list[str]:
        return [doc["doc_id"] for doc in admin.get("_scheduler", "docs", name, **params)["docs"]]

    assert listed() == ["1", "2"]
    assert listed(states="completed") == ["2"]
    assert listed(states="completed,crashing") == ["1", "2"]
    assert listed(states="completed", limit=1) == [], "the limit counts before the filter does"


def test_one_job_at_a_time(
    one_job: None, jobs: Jobs, db: Database, target: Database, new_db: Callable[[], Database]
) -> None:
    jobs.start(db, target, continuous=True).until("running", "pending")
    seen = jobs.start(db, new_db()).until("pending", "completed")
    assert (seen["state"], seen["info"], seen["error_count"]) == ("pending", None, 0)


@pytest.fixture
def one_job(admin: Couch) -> Iterator[None]:
    """The server runs one job, for as long as a test takes."""
    setting = ("_node", "_local", "_config", "replicator", "max_jobs")
    before = admin.ask("GET", *setting)
    admin.put(*setting, json="1")
    yield
    admin.put(*setting, json=before.json() if before.ok else "500")
    if not before.ok:
        admin.delete(*setting)  # which alone would leave the server with one job


def test_without_a_document(
    admin: Couch, server: Server, db: Database, target: Database, new_name: Callable[[], str]
) -> None:
    db.fill(3)
    body = {"source": server.endpoint(db), "target": server.endpoint(target)}
    done = admin.post("_replicate", json=body)
    assert done["ok"] is True
    assert done["source_last_seq"].startswith("3-")
    assert (done["history"][0]["docs_written"], target.ids()) == (3, db.ids())
    missing = refused(admin.ask("POST", "_replicate", json={**body, "source": server.endpoint(new_name())}))
    assert missing[:2] == (500, "db_not_found")
    job = admin.ask("POST", "_replicate", json={**body, "continuous": True})
    assert job.status_code == 202
    cancelled = admin.post("_replicate", json={**body, "continuous": True, "cancel": True})
    assert cancelled["_local_id"] == job.json()["_local_id"]
    never = refused(admin.ask("POST", "_replicate", json={**body, "continuous": True, "cancel": True}))
    assert never[:2] == (404, "not_found")
