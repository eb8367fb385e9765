# SPDX-License-Identifier: Apache-2.0
"""Jobs that cannot do their work, and what the scheduler says of them."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.couchdb.client import Couch, Database, accepted, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.contract.couchdb.jobs import Job, Jobs
    from tests.contract.couchdb.server import Server


@pytest.mark.parametrize("end", ["source", "target"])
def test_a_database_that_is_missing(
    jobs: Jobs, server: Server, db: Database, new_name: Callable[[], str], end: str
) -> None:
    missing = new_name()
    job = jobs.start(db, db, **{end: server.endpoint(missing)})
    seen = job.until("crashing", "failed", "completed", "error")
    assert seen["state"] == "crashing"
    assert seen["info"] == {"error": f"db_not_found: could not open {server.at(missing)}/"}
    assert seen["id"] is not None
    history = accepted(job.couch.ask("GET", "_scheduler", "jobs", seen["id"]))["history"]
    # One, unless looking took longer than the first wait.
    assert 1 <= seen["error_count"] <= [event["type"] for event in history].count("crashed")
    assert "_replication_state" not in job.doc(), "it is tried again for ever"


def test_it_recovers_by_itself(
    jobs: Jobs, admin: Couch, db: Database, target: Database, new_name: Callable[[], str]
) -> None:
    later = Database(admin, new_name())
    job = jobs.start(later, target)
    job.crashed()
    admin.put(later.name)
    later.fill(3)
    assert job.until("completed")["info"]["docs_written"] == 3
    assert target.ids() == later.ids()


def test_crashes_are_in_the_history(jobs: Jobs, server: Server, target: Database, new_name: Callable[[], str]) -> None:
    job = jobs.start(new_name(), target)
    error = job.crashed()
    found = job.couch.get("_scheduler", "jobs", job.seen()["id"])
    assert [each["type"] for each in found["history"]][-3:] == ["crashed", "started", "added"]
    assert found["history"][-3]["reason"] == error
    assert (found["pid"], found["info"]) == (None, None)
    assert job.id not in {task.get("doc_id") for task in job.couch.get("_active_tasks")}


def wrong(server: Server, db: Database, name: str) -> dict[str, Any]:
    return {"url": server.at(db.name), "auth": {"basic": {"username": name, "password": "wrong"}}}


def test_a_wrong_password(jobs: Jobs, server: Server, db: Database, target: Database) -> None:
    session = f'{{session_request_unauthorized,"{server.inner_url}/_session",'
    expected = "{replication_auth_error," + session + '"contract-nobody"}}'
    for end, database in (("source", db), ("target", target)):
        job = jobs.start(db, target, **{end: wrong(server, database, "contract-nobody")})
        assert "".join(job.crashed().split()) == expected
        job.remove()


def test_a_wrong_password_in_a_header(jobs: Jobs, server: Server, db: Database, target: Database) -> None:
    header = {"Authorization": "Basic " + base64.b64encode(b"contract-nobody:wrong").decode()}
    job = jobs.start(db, target, source={"url": server.at(db.name), "headers": header})
    assert "session_request_unauthorized" in job.crashed()


def test_no_credentials(jobs: Jobs, server: Server, db: Database, target: Database) -> None:
    job = jobs.start(db, target, source={"url": server.at(db.name)})
    expected = f"unauthorized: unauthorized to access or create database {server.at(db.name)}/"
    assert job.crashed() == expected


def test_credentials_that_this_server_does_not_know(jobs: Jobs, server: Server, db: Database, target: Database) -> None:
    job = jobs.start(db, target, source={"url": server.at(db.name), "auth": {"iam": {"api_key": "x"}}})
    assert job.crashed().startswith("unauthorized: ")


def test_nobody_listens(jobs: Jobs, db: Database) -> None:
    job = jobs.start(db, db, source="http://127.0.0.1:9/x")
    expected = '{http_request_failed,"GET","http://127.0.0.1:9/x/",{error,{error,{conn_failed,{error,econnrefused}}}}}'
    assert "".join(job.crashed().split()) == expected


def test_a_filter_that_is_missing(jobs: Jobs, server: Server, db: Database, target: Database) -> None:
    job = jobs.start(db, target, filter="no/such")
    seen = job.until("error", "crashing", "failed", "completed")
    assert (seen["state"], seen["id"]) == ("error", None)
    where = f"source database `{server.at(db.name)}/`"
    assert seen["info"] == {"error": f'Couldn\'t open document `_design/no` from {where}: {{error,<<"not_found">>}}'}
    assert seen["error_count"] >= 1


@pytest.mark.parametrize("since", ["garbage", 5, None], ids=str)
def test_a_sequence_that_is_none(jobs: Jobs, db: Database, target: Database, since: object) -> None:
    db.fill(2)
    job = jobs.start(db, target, since_seq=since)
    assert job.crashed().startswith("{changes_req_failed,400,")
    assert target.ids() == set()


def test_the_same_job_twice(jobs: Jobs, db: Database, target: Database) -> None:
    first = jobs.start(db, target, continuous=True)
    job_id = first.until("running")["id"]
    assert job_id.endswith("+continuous")
    second = jobs.start(db, target, continuous=True, airflow={"another": "document"})
    seen = second.until("failed")
    text = (
        f"Replication `{job_id}` specified by document `{second.id}` already started, "
        f"triggered by document `{first.id}` from db `_replicator`"
    )
    assert seen["info"] == {"error": text}
    assert (seen["id"], seen["error_count"]) == (None, 1)
    doc = second.doc()
    assert (doc["_replication_state"], doc["_replication_state_reason"]) == ("failed", text)
    first.remove()
    assert second.seen()["state"] == "failed", "it stays so"
    again(second)
    assert second.until("running", "failed")["state"] == "running"


def again(job: Job) -> None:
    """Written once more without what the server has added, a document starts anew."""
    doc = {name: value for name, value in job.doc().items() if not name.startswith("_replication")}
    job.couch.put(job.repdb, job.id, json=doc)


def test_a_completed_job_is_run_again_only_without_its_state(jobs: Jobs, db: Database, target: Database) -> None:
    db.fill(2)
    job = jobs.start(db, target)
    job.done()
    db.fill(1, start=2)
    job.couch.put(job.repdb, job.id, json={**job.doc(), "touched": True})
    assert job.seen()["state"] == "completed"
    assert target.get()["doc_count"] == 2
    again(job)
    job.once(lambda seen: seen["state"] == "completed" and seen["info"]["docs_written"] == 3)
    assert target.get()["doc_count"] == 3


def test_the_target_is_dropped_meanwhile(jobs: Jobs, admin: Couch, db: Database, target: Database) -> None:
    db.fill(3)
    job = jobs.start(db, target, continuous=True)
    until(lambda: target.ids() == db.ids(), within=job.server.patience)
    admin.delete(target.name)
    db.fill(1, start=3)
    assert job.crashed()
