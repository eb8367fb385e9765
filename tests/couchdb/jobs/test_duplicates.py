# SPDX-License-Identifier: Apache-2.0
"""Another document replicates the same pair: fact 5, and the four ways out."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from airflow_provider_replicator.couchdb import databases
from airflow_provider_replicator.couchdb.blocking import run
from airflow_provider_replicator.couchdb.jobs.choices import Policies, WaitLimits
from airflow_provider_replicator.couchdb.jobs.job import Job
from airflow_provider_replicator.couchdb.jobs.stop import stop
from airflow_provider_replicator.couchdb.jobs.wait import wait
from airflow_provider_replicator.exceptions import (
    ConfigurationError,
    ReplicationFailedError,
    ReplicationStalledError,
)
from tests.couchdb.jobs.pair import LIMITS, NOWHERE, Pair


def blocked(pair: Pair) -> Job:
    """A job of an earlier run that Airflow has made, and that crashes for ever."""
    job = pair.submit(target_proxy=NOWHERE)
    pair.until(job, "running", "crashing")
    return job


def blocked_by_somebody(pair: Pair, **fields: Any) -> str:
    doc_id = f"somebody-{pair.dag_id}"
    pair.foreign(doc_id, **({"target_proxy": NOWHERE} | fields))
    job = Job(doc_id=doc_id, replicator_db="_replicator", source_db="", target_db="")
    pair.until(job, "running", "crashing")
    return doc_id


def test_fail_names_the_other_document(pair: Pair) -> None:
    other = blocked_by_somebody(pair)
    with pytest.raises(ReplicationFailedError, match=other) as failed:
        pair.replicate()
    assert "on_duplicate" in str(failed.value)
    assert pair.jobs() == [other]  # ours, which had failed for ever, is gone


def test_adopt_follows_the_other_document(pair: Pair) -> None:
    """It is never touched, whatever becomes of it."""
    pair.fill(3)
    other = blocked_by_somebody(pair)
    with pytest.raises(ReplicationStalledError, match=other) as stalled:
        pair.replicate(policies=Policies(on_duplicate="adopt"), limits=WaitLimits(timeout=60, max_crashes=1))
    assert stalled.value.report["doc_id"] == other
    assert stalled.value.report["stopped"] is False
    assert pair.jobs() == [other]


def test_adopt_succeeds_with_the_other_document(pair: Pair) -> None:
    pair.fill(30)
    other = f"somebody-{pair.dag_id}"
    pair.foreign(other, continuous=True)
    running = Job(doc_id=other, replicator_db="_replicator", source_db="", target_db="")
    pair.once(lambda: pair.state(running), lambda state: state.counters is not None and len(pair.ids()) == 30)
    report = pair.replicate(policies=Policies(on_duplicate="adopt"), continuous=True)
    assert (report["doc_id"], report["state"], report["adopted"]) == (other, "running", True)
    assert report["docs_written"] == 30
    assert pair.jobs() == [other]


def test_replace_stops_what_airflow_has_made(pair: Pair) -> None:
    pair.fill(3)
    other = blocked(pair)
    report = pair.replicate(policies=Policies(on_duplicate="replace"))
    assert report["docs_written"] == 3
    assert pair.state(other).state == "gone"


def test_replace_leaves_what_others_have_made(pair: Pair) -> None:
    other = blocked_by_somebody(pair)
    with pytest.raises(ReplicationFailedError, match="not made by Airflow"):
        pair.replicate(policies=Policies(on_duplicate="replace"))
    assert other in pair.jobs()


def test_wait_runs_when_the_other_has_ended(pair: Pair) -> None:
    pair.fill(3)
    other = blocked_by_somebody(pair)

    def end() -> None:
        with pair.connection.blocking() as client:
            run(stop(client, "_replicator", other, foreign=True))

    timer = threading.Timer(0.7, end)
    timer.start()
    try:
        report = pair.replicate(policies=Policies(on_duplicate="wait"))
    finally:
        timer.join()
    assert report["docs_written"] == 3
    assert report["seconds"] > 0.7
    assert pair.jobs() == []


def test_wait_is_bounded(pair: Pair) -> None:
    other = blocked_by_somebody(pair)
    with pytest.raises(ReplicationStalledError, match=f"{other} in _replicator was waited for"):
        pair.replicate(policies=Policies(on_duplicate="wait"), limits=WaitLimits(timeout=1, max_crashes=99))


def test_there_is_no_end_of_a_continuous_job_to_wait_for(pair: Pair) -> None:
    blocked_by_somebody(pair, continuous=True)
    with pytest.raises(ConfigurationError, match="adopt"):
        pair.replicate(policies=Policies(on_duplicate="wait"), continuous=True)


def test_the_same_pair_with_another_selection_is_no_duplicate(pair: Pair) -> None:
    blocked(pair)
    pair.put("a", kind="x")
    assert pair.replicate(selector={"kind": "x"})["docs_written"] == 1


def test_ids_of_others_may_hold_anything(pair: Pair) -> None:
    doc_id = f"ünï`/ from db `x` %2F+ {pair.dag_id}"
    pair.foreign(doc_id, target_proxy=NOWHERE)
    pair.until(Job(doc_id=doc_id, replicator_db="_replicator", source_db="", target_db=""), "running", "crashing")
    outcome = run(wait(pair.client, pair.submit(), LIMITS))
    assert outcome.duplicate is not None
    assert outcome.duplicate.doc_id == doc_id
    assert run(databases.get_document(pair.client, "_replicator", doc_id)) is not None
