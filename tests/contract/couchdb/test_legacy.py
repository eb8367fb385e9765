# SPDX-License-Identifier: Apache-2.0
"""The replicator of old: no scheduler, states are written into the documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.couchdb.client import Couch, Database, branch, refused, rev, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.contract.couchdb.jobs import Job, Jobs

pytestmark = pytest.mark.servers("sandbox legacy", "pouchdb")


def test_there_is_no_scheduler(admin: Couch) -> None:
    assert "scheduler" not in admin.get().get("features", [])
    assert admin.ask("GET", "_scheduler", "docs").status_code == 404
    assert admin.get("_active_tasks") == []


def test_a_job_from_its_beginning_to_its_end(jobs: Jobs, db: Database, target: Database) -> None:
    db.fill(10)
    job = jobs.start(db, target, airflow={"dag_id": "x"})
    doc = job.told("completed", "error")
    assert doc["_replication_state"] == "completed"
    assert doc["_rev"].startswith("3-"), "written when it began and when it ended"
    assert doc["_replication_id"]
    assert doc["_replication_state_time"].startswith("20")
    stats = doc["_replication_stats"]
    assert (stats["docs_read"], stats["docs_written"], stats["doc_write_failures"]) == (10, 10, 0)
    assert doc["airflow"] == {"dag_id": "x"}
    assert target.ids() == db.ids()


def test_conflicts_and_tombstones_go_with_it(jobs: Jobs, db: Database, target: Database) -> None:
    db.graft(branch("k", "a", "c", side="a"), branch("k", "b", "c", side="b"), branch("gone", "d", _deleted=True))
    jobs.start(db, target).told("completed")
    assert target.get("k", conflicts=True)["_conflicts"] == [rev(2, "a")]
    assert target.get("gone", rev=rev(1, "d"))["_deleted"] is True


def test_only_what_is_new_is_copied_again(jobs: Jobs, db: Database, target: Database) -> None:
    db.fill(3)
    jobs.start(db, target).told("completed")
    db.fill(1, start=3)
    jobs.start(db, target).told("completed")
    assert target.ids() == db.ids()


def test_named_documents(jobs: Jobs, db: Database, target: Database) -> None:
    db.fill(5)
    jobs.start(db, target, doc_ids=["d0001", "d0003"]).told("completed")
    assert target.ids() == {"d0001", "d0003"}


def test_a_target_is_made(jobs: Jobs, db: Database, admin: Couch, new_name: Callable[[], str]) -> None:
    db.fill(2)
    made = Database(admin, new_name())
    jobs.start(db, made.name, create_target=True).told("completed")
    assert made.ids() == db.ids()


def test_a_continuous_job_is_deleted(jobs: Jobs, db: Database, target: Database) -> None:
    job = jobs.start(db, target, continuous=True)
    assert "_replication_stats" not in job.told("triggered")
    db.fill(2)
    until(lambda: target.ids() == db.ids(), within=job.server.patience)
    job.remove()
    assert job.couch.ask("GET", "_replicator", job.id).status_code == 404


def again(job: Job) -> None:
    doc = {name: value for name, value in job.doc().items() if not name.startswith("_replication")}
    job.couch.put(job.repdb, job.id, json=doc)


def test_without_its_state_a_document_is_run_again(jobs: Jobs, db: Database, target: Database) -> None:
    db.fill(2)
    job = jobs.start(db, target)
    job.told("completed")
    db.fill(1, start=2)
    again(job)
    job.told("completed")
    assert target.ids() == db.ids()


def test_an_id_is_taken_once(jobs: Jobs, db: Database, target: Database) -> None:
    job = jobs.start(db, target)
    _, answer = jobs.put(jobs.body(db, target), job.id)
    # One looks at the revision first, the other at the state: only the replicator may write while it is "triggered".
    assert refused(answer)[:2] in ((409, "conflict"), (403, "forbidden"))


def test_documents_without_an_end_are_refused(jobs: Jobs, db: Database) -> None:
    body: dict[str, Any] = jobs.body(db, db)
    del body["target"]
    reason = "The `target' property must exist and be either a string or an object."
    assert refused(jobs.put(body)[1]) == (403, "forbidden", reason)
