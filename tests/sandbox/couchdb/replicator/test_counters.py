# SPDX-License-Identifier: Apache-2.0
"""What jobs count: over all their runs, and also what was not written."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_replicator.sandbox.couchdb.running import RunningCouch
from tests.sandbox.couchdb.replicator.asking import Couch, until
from tests.sandbox.couchdb.replicator.conftest import Pair, new_pair


def test_counters_add_up_over_the_runs(couch: Couch, pair: Pair) -> None:
    couch.fill(pair.source, 100)
    written: list[int] = []
    for more in (0, 0, 1):
        couch.fill(pair.source, more, 100)
        written.append(couch.runs(f"run{len(written)}", pair.job)["docs_written"])
    assert written == [100, 100, 101]
    (checkpoint,) = couch.local(pair.target)
    counted = [(entry["docs_written"], entry["missing_checked"]) for entry in checkpoint["history"]]
    assert counted == [(101, 101), (100, 100)]  # the run without changes left no trace
    assert checkpoint["source_last_seq"] == couch.shown("run2")["info"]["checkpointed_source_seq"]
    assert checkpoint == couch.local(pair.source)[0] | {"_rev": checkpoint["_rev"]}


def test_runs_of_a_job_begin_in_different_seconds(couch: Couch, pair: Pair) -> None:
    started = []
    for number in range(3):
        couch.fill(pair.source, 1, number)
        couch.runs(f"run{number}", pair.job)
        started.append(couch.shown(f"run{number}")["start_time"])
    assert sorted(set(started)) == started


def test_what_a_target_refuses_is_counted_and_never_tried_again(couch: Couch, pair: Pair) -> None:
    couch.fill(pair.source, 5)
    couch.ask("PUT", f"/{pair.source}/large", {"text": "x" * 9000})
    couch.ask("PUT", f"/{pair.source}/_design/app", {"views": {}})
    couch.ask("PUT", "/_users/org.couchdb.user:joe", {"name": "joe", "password": "pw", "roles": [], "type": "user"})
    couch.ask("PUT", f"/{pair.target}/_security", {"members": {"names": ["joe"]}, "admins": {"roles": ["_admin"]}})
    joe = {"url": f"{couch.url}/{pair.target}", "auth": {"basic": {"username": "joe", "password": "pw"}}}
    couch.configure("max_document_size", "5000", "couchdb")
    try:
        info = couch.runs("first", pair.job | {"target": joe})
    finally:
        couch.configure("max_document_size", "8000000", "couchdb")
    assert (info["docs_written"], info["doc_write_failures"]) == (5, 2)
    again = couch.runs("second", pair.job | {"target": joe})
    assert (again["doc_write_failures"], couch.count(pair.target)) == (2, 5)
    repair = {"since_seq": "0", "use_checkpoints": False}
    repaired = couch.runs("repair", pair.job | repair)
    assert (repaired["doc_write_failures"], couch.count(pair.target)) == (2 * 0, 7)


def test_without_checkpoints_the_old_ones_still_count(couch: Couch, pair: Pair) -> None:
    couch.fill(pair.source, 12)
    couch.runs("first", pair.job)
    again = couch.runs("second", pair.job | {"use_checkpoints": False, "since_seq": "0"})
    assert (again["revisions_checked"], again["docs_written"]) == (24, 12)
    (checkpoint,) = couch.local(pair.target)
    assert len(checkpoint["history"]) == 1


def window(couch: Couch, pair: Pair) -> dict[str, Any]:
    """A source with 20 documents after the sequence that is returned, and 100 before."""
    couch.fill(pair.source, 100)
    seq = couch.call("GET", f"/{pair.source}/_changes?since=now&limit=0")["last_seq"]
    couch.fill(pair.source, 20, 100)
    return {"since_seq": seq}


def test_a_window_spoils_the_next_run_up_to_3_5_1(couch: Couch, pair: Pair) -> None:
    asked = window(couch, pair)
    assert couch.runs("window", pair.job | asked)["docs_written"] == 20
    assert couch.runs("all", pair.job)["docs_written"] == 20
    assert couch.count(pair.target) == 20


def test_a_window_without_checkpoints_spoils_nothing(couch: Couch, pair: Pair) -> None:
    asked = window(couch, pair) | {"use_checkpoints": False}
    assert couch.runs("window", pair.job | asked)["docs_written"] == 20
    couch.runs("all", pair.job)
    assert couch.count(pair.target) == 120


@pytest.fixture(scope="module")
def newer() -> Any:
    with RunningCouch(args=("--time-scale", "0.02", "--version", "3.5.2")) as server:
        couch = Couch(server)
        couch.configure("startup_jitter", "0")
        yield couch
        couch.close()


def test_from_3_5_2_on_a_window_is_a_job_of_its_own_and_its_checkpoint_wins(newer: Couch) -> None:
    pair = new_pair(newer)
    asked = window(newer, pair)
    newer.runs("window", pair.job | asked)
    newer.runs("all", pair.job)
    assert newer.count(pair.target) == 120
    newer.fill(pair.source, 3, 120)
    assert newer.runs("window2", pair.job | asked)["revisions_checked"] == 23  # 20 before, and the 3 since then
    assert len(newer.local(pair.target)) == 2


def test_the_number_of_pending_changes_is_old(couch: Couch, pair: Pair) -> None:
    couch.fill(pair.source, 10)
    couch.submit("job", pair.job | {"continuous": True, "connection_timeout": 60_000, "checkpoint_interval": 1000})
    until(lambda: (couch.shown("job")["info"] or {}).get("docs_written") == 10)
    assert couch.shown("job")["info"]["changes_pending"] is None
    until(lambda: (couch.shown("job")["info"] or {}).get("changes_pending") == 0)
    couch.fill(pair.source, 5, 10)
    until(lambda: couch.shown("job")["info"]["docs_written"] == 15)
    assert couch.shown("job")["info"]["changes_pending"] == 0


def test_a_recreated_end_starts_from_the_beginning(couch: Couch, pair: Pair) -> None:
    couch.fill(pair.source, 10)
    couch.runs("first", pair.job)
    couch.ask("DELETE", f"/{pair.source}")
    couch.make(pair.source)
    couch.fill(pair.source, 3, 10)
    assert couch.runs("second", pair.job)["docs_written"] == 3
    assert couch.count(pair.target) == 13
    couch.ask("DELETE", f"/{pair.target}")
    couch.make(pair.target)
    assert couch.runs("third", pair.job)["docs_written"] == 3


def test_a_history_has_fifty_entries_at_most(couch: Couch, pair: Pair) -> None:
    for number in range(52):
        couch.fill(pair.source, 1, number)
        assert couch.ask("POST", "/_replicate", pair.job).status_code == 200
    (checkpoint,) = couch.local(pair.target)
    assert len(checkpoint["history"]) == 50
    assert checkpoint["history"][0]["docs_written"] == 52
