# SPDX-License-Identifier: Apache-2.0
"""``--legacy``: states are kept in the documents, as CouchDB 1 and PouchDB Server do; there is no scheduler."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_replicator.sandbox.couchdb.running import RunningCouch
from tests.sandbox.couchdb.replicator.asking import Couch, until
from tests.sandbox.couchdb.replicator.conftest import Pair, new_pair


@pytest.fixture(scope="module")
def old() -> Iterator[Couch]:
    with RunningCouch(args=("--legacy", "--version", "1.7.2", "--time-scale", "0.02")) as server:
        couch = Couch(server)
        couch.configure("startup_jitter", "0")
        yield couch
        couch.close()


@pytest.fixture
def pair(old: Couch) -> Pair:
    return new_pair(old)


def state(couch: Couch, doc_id: str) -> str | None:
    found: str | None = couch.call("GET", f"/_replicator/{doc_id}").get("_replication_state")
    return found


def becomes(couch: Couch, doc_id: str, wanted: str) -> dict[str, Any]:
    until(lambda: state(couch, doc_id) == wanted)
    document: dict[str, Any] = couch.call("GET", f"/_replicator/{doc_id}")
    return document


def remove(couch: Couch, doc_id: str) -> None:
    def deleted() -> bool:
        rev = couch.call("GET", f"/_replicator/{doc_id}")["_rev"]
        return couch.ask("DELETE", f"/_replicator/{doc_id}?rev={rev}").status_code == 200

    until(deleted)


def test_there_is_no_scheduler(old: Couch) -> None:
    assert "scheduler" not in old.call("GET", "/")["features"]
    assert old.ask("GET", "/_scheduler/docs").status_code == 404


def test_a_one_shot_job_is_triggered_and_completed(old: Couch, pair: Pair) -> None:
    old.fill(pair.source, 20)
    old.submit("job", pair.job)
    document = becomes(old, "job", "completed")
    assert len(document["_replication_id"]) == 32
    assert document["_replication_stats"]["docs_written"] == old.count(pair.target) == 20
    assert "_replication_state_time" in document


def test_a_run_counts_only_what_it_has_done_itself(old: Couch, pair: Pair) -> None:
    old.fill(pair.source, 5)
    old.submit("run1", pair.job)
    becomes(old, "run1", "completed")
    old.fill(pair.source, 1, 5)
    old.submit("run2", pair.job)
    assert becomes(old, "run2", "completed")["_replication_stats"]["docs_written"] == 1


def test_a_continuous_one_stays_triggered(old: Couch, pair: Pair) -> None:
    old.submit("lasting", pair.job | {"continuous": True})
    assert becomes(old, "lasting", "triggered")["_replication_id"].endswith("+continuous")
    old.fill(pair.source, 3)
    until(lambda: old.count(pair.target) == 3)
    assert state(old, "lasting") == "triggered"
    remove(old, "lasting")
    until(lambda: old.call("GET", "/_active_tasks") == [])


def test_an_error_is_tried_again(old: Couch, pair: Pair) -> None:
    old.submit("failing", pair.job | {"source": old.end("later1")})
    document = becomes(old, "failing", "error")
    assert document["_replication_state_reason"] == f"db_not_found: could not open {old.url}/later1/"
    old.make("later1")
    becomes(old, "failing", "completed")


def test_databases_of_the_server_may_be_named(old: Couch, pair: Pair) -> None:
    old.fill(pair.source, 2)
    old.submit("named", {"source": pair.source, "target": pair.target})
    becomes(old, "named", "completed")
    assert old.count(pair.target) == 2


def test_a_second_document_for_the_same_job_is_only_tagged(old: Couch, pair: Pair) -> None:
    old.submit("one", pair.job | {"continuous": True})
    job_id = becomes(old, "one", "triggered")["_replication_id"]
    old.submit("two", pair.job | {"continuous": True})
    until(lambda: old.call("GET", "/_replicator/two").get("_replication_id") == job_id)
    assert state(old, "two") is None
    remove(old, "one")


def test_what_cannot_be_a_job_is_an_error(old: Couch) -> None:
    old.submit("bad", {"source": "http://host:port/a", "target": "b"})
    assert "invalid url" in becomes(old, "bad", "error")["_replication_state_reason"]
    refused = old.ask("PUT", "/_replicator/worse", {"source": 5, "target": "b"})
    assert refused.status_code == 403
