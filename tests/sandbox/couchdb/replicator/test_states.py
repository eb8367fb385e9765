# SPDX-License-Identifier: Apache-2.0
"""From the document's PUT to its last state, with everything that may come in between."""

from __future__ import annotations

import re
import socket
from typing import Any

import pytest

from tests.sandbox.couchdb.replicator.asking import Couch, until
from tests.sandbox.couchdb.replicator.conftest import Pair

_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


def nobody_listens() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    return f"http://127.0.0.1:{port}"


def test_the_first_document_of_a_new_database_has_no_state_for_half_an_interval(couch: Couch, pair: Pair) -> None:
    couch.configure("interval", "50000")  # half of it is half a second here
    until(lambda: couch.ask("PUT", "/mine%2F_replicator").status_code == 201)
    couch.submit("first", pair.job, "mine%2F_replicator")
    assert couch.shown("first", "mine%2F_replicator") == {
        "database": "mine/_replicator",
        "doc_id": "first",
        "id": None,
        "source": f"{couch.url}/{pair.source}/",
        "target": f"{couch.url}/{pair.target}/",
        "state": None,
        "error_count": 0,
        "info": None,
        "start_time": None,
        "last_updated": None,
    }
    assert couch.call("GET", "/_scheduler/docs/mine/_replicator") == {"total_rows": 1, "offset": 0, "docs": []}
    couch.becomes("first", "completed", repdb="mine%2F_replicator")
    couch.submit("second", pair.job, "mine%2F_replicator")
    couch.becomes("second", "completed", repdb="mine%2F_replicator")
    assert couch.ask("DELETE", "/mine%2F_replicator").status_code == 200


def test_a_one_shot_job_is_running_without_counters_and_then_completed(couch: Couch, pair: Pair) -> None:
    couch.fill(pair.source, 3)
    couch.configure("startup_jitter", "30000")
    couch.submit("job", pair.job)
    running = couch.becomes("job", "running")
    assert running["info"] is None
    assert re.fullmatch("[0-9a-f]{32}", running["id"])
    assert list(running)[:4] == ["database", "doc_id", "id", "node"]
    done = couch.becomes("job", "completed")
    assert (done["id"], done["error_count"], "node" in done) == (None, 0, False)
    assert done["info"]["docs_written"] == 3
    assert re.fullmatch(_TIME, done["start_time"])
    document = couch.call("GET", "/_replicator/job")
    assert document["_replication_state"] == "completed"
    assert document["_replication_stats"] == {**done["info"], "start_time": done["start_time"]}
    assert document["owner"] == "admin"


def test_crashes_say_why(couch: Couch, pair: Pair) -> None:
    here, nowhere, source = couch.url, nobody_listens(), f"{couch.url}/{pair.source}"
    refused = '{http_request_failed,"GET","NOWHERE/a/",{error,{error,{conn_failed,{error,econnrefused}}}}}'
    ends: dict[str, tuple[Any, str]] = {
        "missing": (couch.end("missing"), f"db_not_found: could not open {here}/missing/"),
        "anonymous": (source, f"unauthorized: unauthorized to access or create database {source}/"),
        "iam": (
            {"url": source, "auth": {"iam": {"api_key": "k"}}},
            f"unauthorized: unauthorized to access or create database {source}/",
        ),
        "password": (
            {"url": source, "auth": {"basic": {"username": "nobody", "password": "wrong"}}},
            f'{{replication_auth_error,{{session_request_unauthorized,"{here}/_session","nobody"}}}}',
        ),
        "refused": (f"{nowhere}/a", refused.replace("NOWHERE", nowhere)),
    }
    for name, (source_end, _) in ends.items():
        couch.submit(name, pair.job | {"source": source_end, "doc_ids": [name]})  # else some would be the same job
    for name, (_, reason) in ends.items():
        shown = couch.becomes(name, "crashing")
        assert re.sub(r"\n +", "", shown["info"]["error"]) == reason
        job = couch.job(name)
        assert job is not None
        # One, unless looking took longer than the first wait.
        assert 1 <= shown["error_count"] <= [event["type"] for event in job["history"]].count("crashed")
        couch.remove(name)


def test_a_wrong_password_locks_the_account_in_the_end(couch: Couch, pair: Pair) -> None:
    user = {"name": "jim", "password": "right", "roles": [], "type": "user"}
    assert couch.ask("PUT", "/_users/org.couchdb.user:jim", user).status_code == 201
    source = couch.end(pair.source) | {"auth": {"basic": {"username": "jim", "password": "wrong"}}}
    reasons = []
    for number in range(6):
        couch.submit(f"job{number}", pair.job | {"source": source, "doc_ids": [str(number)]})
        reasons.append(couch.becomes(f"job{number}", "crashing")["info"]["error"])
        couch.remove(f"job{number}")
    assert ["unauthorized" in reason for reason in reasons] == [True] * 5 + [False]
    assert "session_request_forbidden" in reasons[-1]


def test_a_sequence_that_is_none_crashes(couch: Couch, pair: Pair) -> None:
    couch.submit("job", pair.job | {"since_seq": "garbage"})
    shown = couch.becomes("job", "crashing")
    assert shown["info"]["error"].startswith("{changes_req_failed,400,")


def test_a_time_out_that_is_too_short_is_a_failed_login(couch: Couch, pair: Pair) -> None:
    couch.control.fault(path="/_session", kind="delay", seconds=0.3, times=None)
    couch.submit("job", pair.job | {"connection_timeout": 1})
    assert "req_timedout" in couch.becomes("job", "crashing")["info"]["error"]


def test_a_crashing_job_is_tried_again_later_and_later(couch: Couch, pair: Pair) -> None:
    couch.submit("job", pair.job | {"source": couch.end("later")})
    until(lambda: couch.shown("job").get("error_count") == 2)
    job = couch.job("job")
    assert job is not None
    kinds = [event["type"] for event in job["history"]]
    assert kinds[-5:] == ["crashed", "started", "crashed", "started", "added"]
    assert "could not open" in job["history"][-3]["reason"]
    couch.make("later")
    couch.fill("later", 2)
    couch.becomes("job", "completed")


def test_a_job_that_runs_again_still_shows_its_crashes_for_a_while(couch: Couch, pair: Pair) -> None:
    couch.configure("health_threshold", "60")
    couch.control.fault(path=f"/{pair.source}/", method="GET", kind="status", status=503, times=6)
    couch.submit("job", pair.job | {"continuous": True})
    crashed = couch.becomes("job", "crashing")
    assert crashed["info"]["error"] == f'{{http_error_code,503,<<"GET {couch.url}/{pair.source}/">>}}'
    assert couch.becomes("job", "running")["error_count"] == 1


def test_a_missing_filter_is_an_error_and_tried_again(couch: Couch, pair: Pair) -> None:
    couch.submit("job", pair.job | {"filter": "app/mine"})
    shown = couch.becomes("job", "error")
    source = f"{couch.url}/{pair.source}/"
    reason = f'Couldn\'t open document `_design/app` from source database `{source}`: {{error,<<"not_found">>}}'
    assert (shown["info"], shown["id"], "source" in shown) == ({"error": reason}, None, False)
    assert couch.job("job") is None
    couch.remove("job")


def test_two_documents_for_the_same_job_cannot_run_at_once(couch: Couch, pair: Pair) -> None:
    couch.submit("first", pair.job | {"continuous": True})
    job_id = couch.becomes("first", "running")["id"]
    couch.submit("second", pair.job | {"continuous": True})
    reason = (
        f"Replication `{job_id}` specified by document `second` already started, "
        "triggered by document `first` from db `_replicator`"
    )
    failed = couch.becomes("second", "failed")
    assert (failed["info"], failed["error_count"], failed["id"]) == ({"error": reason}, 1, None)
    assert couch.call("GET", "/_replicator/second")["_replication_state_reason"] == reason
    couch.remove("first")
    assert couch.shown("second")["state"] == "failed"


def test_jobs_wait_for_their_turn(couch: Couch, pair: Pair) -> None:
    couch.configure("max_jobs", "1")
    couch.submit("first", pair.job | {"continuous": True})
    couch.becomes("first", "running")
    couch.submit("second", pair.job)
    pending = couch.becomes("second", "pending")
    assert (pending["info"], pending["error_count"]) == (None, 0)
    couch.becomes("second", "completed")


@pytest.mark.parametrize("field", ["batch_size", "worker_proceses", "cancel"])
def test_fields_without_a_meaning_are_ignored(couch: Couch, pair: Pair, field: str) -> None:
    assert couch.runs("job", pair.job | {field: True})["docs_written"] == 0


def test_a_finished_document_runs_again_only_without_the_servers_fields(couch: Couch, pair: Pair) -> None:
    couch.fill(pair.source, 1)
    couch.runs("job", pair.job)
    couch.fill(pair.source, 1, 1)
    document = couch.call("GET", "/_replicator/job")
    couch.submit("job", document | {"mine": 1})
    assert (couch.shown("job")["state"], couch.count(pair.target)) == ("completed", 1)
    document = couch.call("GET", "/_replicator/job")
    couch.submit("job", {name: value for name, value in document.items() if not name.startswith("_replication")})
    until(lambda: couch.count(pair.target) == 2)


def test_a_document_that_changes_in_nothing_else_leaves_its_job_alone(couch: Couch, pair: Pair) -> None:
    couch.submit("job", pair.job | {"continuous": True})
    couch.becomes("job", "running")
    couch.submit("job", couch.call("GET", "/_replicator/job") | {"mine": {"run": 2}})
    couch.submit("other", {**pair.job, "doc_ids": ["x"]})
    couch.becomes("other", "completed")  # so the change has been seen
    job = couch.job("job")
    assert job is not None
    assert [event["type"] for event in job["history"]] == ["started", "added"]


def test_no_state_is_lost_when_it_is_asked_for_all_the_time(couch: Couch, pair: Pair) -> None:
    couch.fill(pair.source, 2000)
    couch.submit("job", pair.job)
    states: list[str | None] = []
    while not states or states[-1] != "completed":
        shown = couch.shown("job")
        if not states or states[-1] != shown["state"]:
            states.append(shown["state"])
    assert [state for state in states if state not in (None, "initializing")] == ["running", "completed"]
