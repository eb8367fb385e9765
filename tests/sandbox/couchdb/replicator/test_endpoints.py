# SPDX-License-Identifier: Apache-2.0
"""``_scheduler``, ``_active_tasks`` and ``_replicate``: pages, refusals, who may ask, and no credentials in any answer."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.sandbox.couchdb.replicator.asking import Couch, until
from tests.sandbox.couchdb.replicator.conftest import Pair

USER: dict[str, Any] = {"password": "pw", "roles": [], "type": "user"}


@pytest.fixture
def seven(couch: Couch, pair: Pair) -> Couch:
    """Six completed documents and one that crashes for ever."""
    for number in range(6):
        couch.submit(f"l{number}", pair.job | {"doc_ids": [str(number)]})
    couch.submit("l9", pair.job | {"source": couch.end("missing"), "continuous": True})
    for number in range(6):
        couch.becomes(f"l{number}", "completed")
    couch.becomes("l9", "crashing")
    return couch


def ids(page: dict[str, Any]) -> list[str]:
    return [row["doc_id"] for row in page["docs"]]


@pytest.mark.parametrize(
    ("query", "offset", "found"),
    [
        ("", 0, ["l0", "l1", "l2", "l3", "l4", "l5", "l9"]),
        ("?limit=3", 0, ["l0", "l1", "l2"]),
        ("?limit=3&skip=2", 2, ["l2", "l3", "l4"]),
        ("?states=crashing", 0, ["l9"]),
        ("?states=completed,crashing&skip=5", 5, ["l5", "l9"]),
        ("?states=failed", 0, []),
        ("?limit=2&descending=true", 0, ["l9", "l5"]),
        ("?skip=99", 7, []),
        ("?limit=0", 0, []),
    ],
)
def test_pages_of_documents(seven: Couch, query: str, offset: int, found: list[str]) -> None:
    page = seven.call("GET", f"/_scheduler/docs{query}")
    assert (page["total_rows"], page["offset"], ids(page)) == (7, offset, found)


def test_a_limit_counts_before_the_states_do(seven: Couch) -> None:
    """Once per shard: l9 comes after l0, l1, l4 and l5 in its shard, so a limit of 4 does not reach it."""
    assert ids(seven.call("GET", "/_scheduler/docs?states=crashing&limit=4")) == []
    assert ids(seven.call("GET", "/_scheduler/docs?states=crashing&limit=5")) == ["l9"]


def test_jobs_are_those_that_live(seven: Couch) -> None:
    page = seven.call("GET", "/_scheduler/jobs")
    (job,) = page["jobs"]
    assert (page["total_rows"], page["offset"], job["doc_id"], job["pid"]) == (1, 0, "l9", None)
    assert seven.call("GET", f"/_scheduler/jobs/{job['id'].replace('+', '%2B')}")["id"] == job["id"]
    assert seven.call("GET", "/_scheduler/jobs?limit=0")["jobs"] == []
    assert seven.call("GET", "/_scheduler/jobs?skip=5") == {"total_rows": 1, "offset": 1, "jobs": []}


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        (
            "docs?states=nope",
            400,
            "States must be one or more of [initializing,error,running,pending,crashing,completed,failed]",
        ),
        (
            "docs?states=triggered",
            400,
            "Unknown states [triggered]. Choose from: [initializing,error,running,pending,crashing,completed,failed]",
        ),
        ("docs?limit=x", 400, 'Invalid value for integer: "x"'),
        ("docs?limit=-1", 400, 'Invalid value for positive integer: "-1"'),
        ("jobs?limit=x", 400, "limit must be an integer"),
        ("jobs?skip=-1", 400, "skip not in range of [0,infinity]"),
        ("docs/_replicator/nope", 404, "missing"),
        ("docs/nope", 400, "Invalid path"),
        ("docs/x%2F_replicator", 404, "Database does not exist."),
        ("jobs/nope", 404, "missing"),
    ],
)
def test_what_is_refused(couch: Couch, path: str, status: int, reason: str) -> None:
    answer = couch.ask("GET", f"/_scheduler/{path}")
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)


def test_only_admins_may_look(couch: Couch, pair: Pair) -> None:
    couch.ask("PUT", "/_users/org.couchdb.user:ann", USER | {"name": "ann"})
    for auth in (None, ("ann", "pw")):
        for path in ("/_scheduler/docs", "/_scheduler/jobs", "/_active_tasks"):
            answer = requests.get(couch.url + path, auth=auth, timeout=10)
            assert (answer.status_code, answer.json()["reason"]) == (401, "You are not a server admin.")
    anonymous = requests.post(f"{couch.url}/_replicate", json=pair.job, timeout=10)
    assert (anonymous.status_code, anonymous.json()["reason"]) == (401, "You are not an authenticated user")
    assert requests.post(f"{couch.url}/_replicate", json=pair.job, auth=("ann", "pw"), timeout=10).status_code == 200
    assert couch.ask("POST", "/_scheduler/jobs").status_code == 405


def test_no_answer_of_the_scheduler_holds_a_credential(couch: Couch, pair: Pair) -> None:
    secret = "s3cret-%s"
    for name, end in {
        "block": couch.end(pair.source) | {"auth": {"basic": {"username": "nobody", "password": secret % "block"}}},
        "url": f"http://noone:{secret % 'url'}@{couch.url[7:]}/{pair.source}",
        "header": {"url": f"{couch.url}/{pair.source}", "headers": {"Authorization": f"Bearer {secret % 'header'}"}},
    }.items():
        couch.submit(name, pair.job | {"source": end, "source_proxy": ""})
        shown = couch.becomes(name, "crashing")
        assert shown["source"] == f"{couch.url}/{pair.source}/"
    couch.submit("live", pair.job | {"continuous": True})
    until(lambda: couch.call("GET", "/_active_tasks"))
    for path in ("/_scheduler/docs", "/_scheduler/jobs", "/_active_tasks"):
        text = couch.ask("GET", path).text
        assert "s3cret" not in text
        assert "sandbox" not in text  # the password of the live job


def test_a_document_belongs_to_its_writer(couch: Couch, pair: Pair) -> None:
    for name in ("joe", "ann"):
        couch.ask("PUT", f"/_users/org.couchdb.user:{name}", USER | {"name": name})
    everybody = {"members": {"names": ["joe", "ann"]}, "admins": {"roles": ["_admin"]}}
    couch.ask("PUT", "/_replicator/_security", everybody)
    url, joe, ann = f"{couch.url}/_replicator/job", ("joe", "pw"), ("ann", "pw")
    assert requests.put(url, json=pair.job, auth=joe, timeout=10).status_code == 201
    couch.becomes("job", "completed")
    own = requests.get(url, auth=joe, timeout=10).json()
    other = requests.get(url, auth=ann, timeout=10).json()
    assert own["owner"] == "joe"
    assert "auth" in own["source"]
    assert other["source"] == {"url": f"{couch.url}/{pair.source}"}
    assert other["_rev"] != own["_rev"]
    refused = requests.put(url, json=own, auth=ann, timeout=10)
    assert (refused.status_code, refused.json()["reason"]) == (
        403,
        "Can't update replication documents from other users.",
    )
    couch.ask("PUT", "/_replicator/_security", {"members": {"roles": ["_admin"]}, "admins": {"roles": ["_admin"]}})


# POST /_replicate


def test_a_transient_job_is_answered_when_it_is_done(couch: Couch, pair: Pair) -> None:
    couch.fill(pair.source, 5)
    names = {"source": pair.source, "target": pair.target}
    first = couch.call("POST", "/_replicate", names)
    assert first["ok"]
    assert (first["history"][0]["docs_written"], first["history"][0]["start_last_seq"]) == (5, 0)
    second = couch.call("POST", "/_replicate", names)
    assert (second["no_changes"], second["session_id"]) == (True, first["session_id"])
    without = couch.call("POST", "/_replicate", names | {"use_checkpoints": False, "since_seq": "0"})
    assert without == {"ok": True, "use_checkpoints": False}
    assert couch.call("GET", "/_scheduler/jobs")["jobs"] == []


def test_a_continuous_one_goes_on_until_it_is_cancelled(couch: Couch, pair: Pair) -> None:
    body = pair.job | {"continuous": True}
    started = couch.ask("POST", "/_replicate", body)
    job_id = started.json()["_local_id"]
    assert (started.status_code, job_id[32:]) == (202, "+continuous")
    couch.fill(pair.source, 3)
    until(lambda: couch.count(pair.target) == 3)
    assert couch.ask("POST", "/_replicate", body).json()["_local_id"] == job_id
    couch.submit("job", body)
    assert "already running as a transient replication" in couch.becomes("job", "error")["info"]["error"]
    assert couch.call("POST", "/_replicate", body | {"cancel": True}) == {"ok": True, "_local_id": job_id}
    gone = couch.ask("POST", "/_replicate", {"cancel": True, "replication_id": job_id})
    assert (gone.status_code, gone.json()) == (404, {"error": "not_found", "reason": "missing"})


@pytest.mark.parametrize(
    ("change", "status", "error", "reason"),
    [
        ({"source": "nope"}, 500, "db_not_found", "could not open {url}/nope/"),
        ({"continuous": 5}, 400, "bad_request", "parameter `continuous` must be a boolean"),
        ({"target": {"url": "http://"}}, 400, "invalid_replication", "endpoint has an invalid url"),
        ({"filter": "nothing"}, 500, "error", "Invalid filter. Must match `ddocname/filtername`."),
        ({"worker_processes": "a few"}, 500, "unknown_error", "badarg"),
        ({"cancel": True}, 404, "not_found", "missing"),
        (
            {"source": "{url}/{source}"},
            401,
            "unauthorized",
            "unauthorized to access or create database {url}/{source}/",
        ),
    ],
)
def test_what_a_transient_job_is_refused_for(
    couch: Couch, pair: Pair, change: dict[str, Any], status: int, error: str, reason: str
) -> None:
    words = {"url": couch.url, "source": pair.source}
    change = {name: value.format(**words) if isinstance(value, str) else value for name, value in change.items()}
    answer = couch.ask("POST", "/_replicate", {"source": pair.source, "target": pair.target} | change)
    assert (answer.status_code, answer.json()) == (status, {"error": error, "reason": reason.format(**words)})


def test_a_crashed_transient_job_is_gone(couch: Couch, pair: Pair) -> None:
    couch.control.fault(path=f"/{pair.source}/", method="GET", kind="reset", times=None)
    answer = couch.ask("POST", "/_replicate", pair.job | {"retries_per_request": 1})
    assert (answer.status_code, answer.json()["error"]) == (500, "error")
    assert answer.json()["reason"].startswith("{http_request_failed,")
    assert couch.call("GET", "/_scheduler/jobs")["jobs"] == []
