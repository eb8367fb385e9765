# SPDX-License-Identifier: Apache-2.0
"""Servers that are down, busy, gone or changed while a job runs."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_replicator.sandbox.couchdb.running import RunningCouch
from tests.sandbox.couchdb.replicator.asking import Couch, until
from tests.sandbox.couchdb.replicator.conftest import Pair


@pytest.fixture
def other() -> Iterator[RunningCouch]:
    """Another server, which a test may stop and start again."""
    with RunningCouch(databases=("theirs",)) as server:
        yield server


def theirs(server: RunningCouch) -> Couch:
    return Couch(server)


def test_a_job_goes_on_when_its_target_is_back(couch: Couch, pair: Pair, other: RunningCouch) -> None:
    couch.fill(pair.source, 5)
    there = theirs(other)
    body = pair.job | {"target": there.end("theirs"), "continuous": True}
    couch.submit("job", body)
    until(lambda: there.count("theirs") == 5)
    there.close()
    other.stop()
    couch.fill(pair.source, 5, 5)
    crashed = couch.becomes("job", "crashing")["info"]["error"]
    assert "_revs_diff" in crashed or "_ensure_full_commit" in crashed
    with RunningCouch(databases=("theirs",), port=other.port) as again:
        there = theirs(again)
        until(lambda: there.count("theirs") == 10)  # it has lost everything, so everything comes again
        there.close()


def test_a_target_that_is_dropped_while_a_job_runs(couch: Couch, pair: Pair) -> None:
    couch.fill(pair.source, 2)
    couch.submit("job", pair.job | {"continuous": True})
    until(lambda: couch.count(pair.target) == 2)
    couch.ask("DELETE", f"/{pair.target}")
    couch.fill(pair.source, 2, 2)
    reason = couch.becomes("job", "crashing")["info"]["error"]
    assert reason.startswith(("{revs_diff_failed,404,", "Failure on target commit"))
    couch.make(pair.target)
    until(lambda: couch.count(pair.target) == 4)


def test_a_target_that_is_made_again_behind_the_back_of_a_job(couch: Couch, pair: Pair) -> None:
    couch.fill(pair.source, 1)  # one, so that no checkpoint is due between DELETE and PUT
    couch.submit("job", pair.job | {"continuous": True, "checkpoint_interval": 1000, "worker_batch_size": 1})
    until(lambda: (couch.shown("job")["info"] or {}).get("checkpointed_source_seq", "0") != "0")
    couch.ask("DELETE", f"/{pair.target}")
    couch.control.advance(5000)  # else the new one would be of the same second
    couch.make(pair.target)
    couch.fill(pair.source, 2, 1)
    shown = couch.becomes("job", "crashing")
    assert shown["info"]["error"] == "instance_start_time on target database has changed since last checkpoint."
    until(lambda: couch.count(pair.target) == 3)


@pytest.mark.parametrize("kind", ["reset", "truncated_body", "status"])
def test_a_hiccup_is_no_crash(couch: Couch, pair: Pair, kind: str) -> None:
    couch.fill(pair.source, 200)
    for path in (f"/{pair.target}/_bulk_docs", f"/{pair.source}/_bulk_get", f"/{pair.target}/_revs_diff"):
        couch.control.fault(path=path, kind=kind, status=500, times=2)
    info = couch.runs("job", pair.job | {"worker_batch_size": 50})
    assert (couch.count(pair.target), info["doc_write_failures"]) == (200, 0)
    assert all(rule["happened"] == 2 for rule in couch.control.faults())


def test_a_cut_changes_feed_is_asked_for_the_rest(couch: Couch, pair: Pair) -> None:
    couch.fill(pair.source, 300)
    couch.control.fault(path=f"/{pair.source}/_changes", kind="truncated_body", times=1)
    assert couch.runs("job", pair.job)["revisions_checked"] == 300
    assert couch.count(pair.target) == 300


def test_a_source_that_refuses_its_changes_crashes_the_job(couch: Couch, pair: Pair) -> None:
    couch.control.fault(path=f"/{pair.source}/_changes", kind="status", status=500, times=None)
    couch.submit("job", pair.job)
    reason = couch.becomes("job", "crashing")["info"]["error"]
    assert reason.startswith('{changes_reader_died,\n    {http_request_failed,"GET",')


@pytest.mark.parametrize("wait", [None, 1])
def test_refusals_for_being_busy_slow_a_job_down(couch: Couch, pair: Pair, wait: int | None) -> None:
    couch.fill(pair.source, 50)
    more = {} if wait is None else {"retry_after": wait}
    couch.control.fault(path=f"/{pair.target}/_bulk_docs", kind="status", status=429, times=10, **more)
    assert couch.runs("job", pair.job)["docs_written"] == 50


def test_a_storm_of_refusals_crashes_a_job(couch: Couch, pair: Pair) -> None:
    couch.fill(pair.source, 1)
    couch.control.fault(path=f"/{pair.target}/_bulk_docs", kind="status", status=429, times=None)
    couch.submit("job", pair.job)
    assert "max_backoff" in couch.becomes("job", "crashing")["info"]["error"]


def test_a_session_that_ends_is_renewed(couch: Couch, pair: Pair) -> None:
    couch.configure("timeout", "2", "chttpd_auth")
    try:
        couch.submit("job", pair.job | {"continuous": True})
        couch.fill(pair.source, 1)
        until(lambda: couch.count(pair.target) == 1)
        time.sleep(0.15)  # a session that is refused in its first five seconds, scaled, is not renewed
        couch.control.advance(10_000)
        couch.fill(pair.source, 1, 1)
        until(lambda: couch.count(pair.target) == 2)
    finally:
        couch.configure("timeout", "600", "chttpd_auth")
    job = couch.job("job")
    assert job is not None
    assert "crashed" not in [event["type"] for event in job["history"]]


def test_a_job_goes_on_from_its_checkpoint_after_a_kill(other: RunningCouch, tmp_path: Path) -> None:
    there = theirs(other)
    there.fill("theirs", 400)
    there.make("copies")
    there.control.fault(path="/copies/_bulk_docs", kind="delay", seconds=0.05, times=None)
    args = ("--time-scale", "0.02", "--data", str(tmp_path / "couch"))
    small = {"worker_processes": 1, "worker_batch_size": 20, "checkpoint_interval": 5000}
    with RunningCouch(args=args) as server:
        couch, port = Couch(server), server.port
        couch.submit("job", {"source": there.end("theirs"), "target": there.end("copies"), **small})
        until(lambda: there.local("copies"))
        couch.close()
        os.kill(server.pid, signal.SIGKILL)
    (before,) = there.local("copies")
    with RunningCouch(args=args, port=port) as server:
        couch = Couch(server)
        info = couch.becomes("job", "completed")["info"]
        couch.close()
    (after,) = there.local("copies")
    assert (there.count("copies"), info["revisions_checked"]) == (400, 400)
    assert after["history"][1:] == before["history"]
    assert after["history"][0]["start_last_seq"] == before["source_last_seq"]
    there.close()


def test_a_server_between_two_others(couch: Couch, pair: Pair, other: RunningCouch) -> None:
    there = theirs(other)
    there.make("second")
    there.fill("theirs", 20)
    assert couch.runs("job", {"source": there.end("theirs"), "target": there.end("second")})["docs_written"] == 20
    assert there.leaves("second") == there.leaves("theirs")
    there.close()
