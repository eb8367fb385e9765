# SPDX-License-Identifier: Apache-2.0
"""Deleting a document, and what can go wrong with that."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from airflow_provider_replicator.sandbox.couchdb.running import RunningCouch
from tests.sandbox.couchdb.replicator.asking import Couch, until
from tests.sandbox.couchdb.replicator.conftest import Pair, new_pair


def slow(couch: Couch, pair: Pair) -> None:
    """Every batch that is written takes its time."""
    couch.control.fault(path=f"/{pair.target}/_bulk_docs", kind="delay", seconds=0.1, times=None)


def test_a_stopped_job_leaves_a_checkpoint_and_the_next_one_goes_on_from_there(couch: Couch, pair: Pair) -> None:
    couch.fill(pair.source, 400)
    slow(couch, pair)
    small = {"worker_processes": 1, "worker_batch_size": 20}
    couch.submit("first", pair.job | small)
    until(lambda: ((couch.shown("first").get("info") or {}).get("docs_written") or 0) >= 60)
    couch.remove("first")
    until(lambda: couch.local(pair.target))
    (checkpoint,) = couch.local(pair.target)
    done = checkpoint["history"][0]["docs_written"]
    assert 60 <= done < 400
    copied = couch.count(pair.target)
    couch.control.clear_faults()
    info = couch.runs("second", pair.job)
    assert (couch.count(pair.target), info["revisions_checked"]) == (400, 400)
    assert info["docs_written"] <= 400 + (copied - done)
    (checkpoint,) = couch.local(pair.target)
    assert [entry["docs_written"] for entry in checkpoint["history"]] == [info["docs_written"], done]


def test_nothing_is_copied_after_a_stop(couch: Couch, pair: Pair) -> None:
    couch.submit("job", pair.job | {"continuous": True})
    couch.fill(pair.source, 2)
    until(lambda: couch.count(pair.target) == 2)
    couch.remove("job")
    until(lambda: couch.job("job") is None)
    couch.fill(pair.source, 2, 2)
    couch.runs("other", pair.job | {"doc_ids": ["d0000"]})
    assert couch.count(pair.target) == 2


def test_whoever_read_the_document_before_the_server_wrote_into_it_cannot_delete_it(couch: Couch, pair: Pair) -> None:
    couch.submit("job", pair.job)
    rev = couch.call("GET", "/_replicator/job")["_rev"]
    couch.becomes("job", "completed")
    assert couch.ask("DELETE", f"/_replicator/job?rev={rev}").status_code == 409


def test_the_same_id_can_be_used_again(couch: Couch, pair: Pair) -> None:
    couch.runs("job", pair.job)
    couch.remove("job")
    couch.fill(pair.source, 1)
    assert couch.runs("job", pair.job)["docs_written"] == 1


def test_a_changed_document_replaces_its_job(couch: Couch, pair: Pair) -> None:
    couch.submit("job", pair.job | {"continuous": True})
    before = couch.becomes("job", "running")
    couch.submit("job", couch.call("GET", "/_replicator/job") | {"selector": {"n": 1}})
    until(lambda: couch.shown("job")["id"] not in (None, before["id"]))
    assert couch.job("job") is not None


def test_a_deleted_replicator_database_ends_its_jobs(couch: Couch, pair: Pair) -> None:
    couch.make("gone%2F_replicator")
    couch.submit("job", pair.job | {"continuous": True}, "gone%2F_replicator")
    couch.becomes("job", "running", repdb="gone%2F_replicator")
    couch.ask("DELETE", "/gone%2F_replicator")
    until(lambda: couch.job("job") is None)


def test_without_workers_a_job_runs_for_ever_and_can_be_stopped(couch: Couch, pair: Pair) -> None:
    couch.fill(pair.source, 3)
    couch.submit("job", pair.job | {"worker_processes": 0})
    couch.becomes("job", "running")
    couch.runs("other", pair.job | {"doc_ids": ["d0000"]})
    shown = couch.shown("job")
    assert (shown["state"], shown["info"], couch.count(pair.target)) == ("running", None, 1)
    couch.remove("job")
    until(lambda: couch.job("job") is None)


@pytest.fixture(params=["3.5.0", "3.5.2"])
def doomed(request: pytest.FixtureRequest) -> Iterator[tuple[str, Couch]]:
    with RunningCouch(args=("--time-scale", "0.02", "--version", request.param)) as server:
        couch = Couch(server)
        yield request.param, couch
        couch.close()


def test_a_job_without_connections_that_is_deleted_wedges_the_replicator_up_to_3_5_1(
    doomed: tuple[str, Couch],
) -> None:
    version, couch = doomed
    pair = new_pair(couch)
    couch.submit("stuck", pair.job | {"http_connections": 0})
    stuck = couch.becomes("stuck", "running")
    assert stuck["info"] is None
    couch.remove("stuck")
    couch.submit("later", pair.job | {"doc_ids": ["a"]})
    if version == "3.5.2":
        couch.becomes("later", "completed")
        return
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        assert couch.shown("later")["state"] is None
        time.sleep(0.05)
    assert couch.job("stuck") is not None
