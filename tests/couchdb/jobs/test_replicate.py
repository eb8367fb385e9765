# SPDX-License-Identifier: Apache-2.0
"""Whole replications: what arrives, what is reported, and what fails a task although the server says completed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_replicator.couchdb import databases
from airflow_provider_replicator.couchdb.blocking import run
from airflow_provider_replicator.couchdb.jobs.choices import Policies, WaitLimits
from airflow_provider_replicator.couchdb.jobs.submit import submit
from airflow_provider_replicator.exceptions import (
    ConfigurationError,
    ReplicationFailedError,
    ReplicationStalledError,
)
from tests.couchdb.jobs.pair import NOWHERE, Pair


def test_a_replication(pair: Pair) -> None:
    pair.fill(50)
    log: list[str] = []
    report = pair.replicate(log=log)
    assert pair.ids() == pair.ids(pair.source)
    assert (report["state"], report["docs_written"], report["doc_write_failures"]) == ("completed", 50, 0)
    assert report["source"] == pair.url(pair.source)
    assert report["checkpoint_seq"].startswith("50-")
    assert report["started"] <= report["ended"]
    assert len(json.dumps(report)) < 4096
    assert log[-1].startswith("completed, 50 written")
    assert pair.jobs() == []  # it held credentials


@pytest.mark.usefixtures("runs_apart")
def test_reports_count_their_own_run(pair: Pair) -> None:
    pair.fill(20)
    runs = [pair.replicate(), pair.replicate()]
    pair.put("one more")
    runs.append(pair.replicate())
    assert [run["docs_written"] for run in runs] == [20, 0, 1]
    assert [run["docs_written_total"] for run in runs] == [20, 20, 21]


def test_ids_of_all_kinds_arrive(pair: Pair) -> None:
    odd = ["a%25b", "plus+x", "ünï/cödé", "with blank", "100%", "a&b=c?d#e", "_design/ü+%"]
    pair.put(*odd, "left out")
    report = pair.replicate(doc_ids=odd)
    rows = run(databases.all_docs(pair.client, pair.target))
    assert sorted(row["id"] for row in rows) == sorted(odd)
    assert report["docs_written"] == len(odd)


def test_a_selector_and_a_target_that_is_made(pair: Pair) -> None:
    run(databases.drop(pair.client, pair.target))
    pair.put("a", "b", kind="x")
    pair.put("c", kind="y")
    report = pair.replicate(selector={"kind": "x"}, create_target=True)
    assert pair.ids() == ["a", "b"]
    assert report["job_id"] is None or report["job_id"].endswith("+create_target")


def test_no_documents_asked_for_are_no_documents_copied(pair: Pair) -> None:
    pair.fill(3)
    assert pair.replicate(doc_ids=[])["docs_written"] == 0
    assert pair.ids() == []


@pytest.mark.usefixtures("runs_apart")
def test_completed_is_no_success_while_the_target_refuses(pair: Pair) -> None:
    """Fact 1, and that neither a retry nor a later run covers it up."""
    pair.refuse_bad()
    pair.fill(5)
    pair.put("bad1", "bad2", bad=True)
    owner = pair.owner()
    with pytest.raises(ReplicationFailedError, match=r"refused 2 revisions of bad., bad") as failed:
        pair.replicate(owner)
    report = failed.value.report
    assert (report["state"], report["docs_written"], report["doc_write_failures"]) == ("completed", 5, 2)
    assert sorted(report["refused_ids"]) == ["bad1", "bad2"]
    with pytest.raises(ReplicationFailedError, match="refused 2 revisions"):
        pair.replicate(owner)  # the retry
    later = pair.replicate()
    assert later["doc_write_failures"] == 0
    assert "earlier runs" in later["warnings"][0]
    assert len(pair.ids()) == 5


@pytest.mark.usefixtures("runs_apart")
def test_a_repair_brings_what_was_refused(pair: Pair) -> None:
    pair.refuse_bad()
    pair.put("bad1", bad=True)
    with pytest.raises(ReplicationFailedError):
        pair.replicate()
    pair.accept_bad()
    pair.replicate()
    assert pair.ids() == []  # the checkpoint is past it
    pair.replicate(since_seq="0")
    assert pair.ids() == ["bad1"]


@pytest.mark.parametrize(("policy", "warned"), [("warn", True), ("ignore", False)])
def test_refusals_may_be_tolerated(pair: Pair, policy: Any, warned: bool) -> None:
    pair.refuse_bad()
    pair.put("bad1", bad=True)
    report = pair.replicate(policies=Policies(on_write_failures=policy))
    assert report["doc_write_failures"] == 1
    assert bool(report["warnings"]) == warned


def test_a_part_does_not_spoil_later_runs(pair: Pair) -> None:
    """Fact 4: a run from the middle, then a whole one: everything arrives."""
    pair.fill(10)
    middle = run(databases.info(pair.client, pair.source))["update_seq"]
    pair.fill(2, "new")
    assert len(pair.ids()) == 0
    pair.replicate(since_seq=middle)
    assert pair.ids() == ["new0000", "new0001"]
    pair.replicate()
    assert len(pair.ids()) == 12


@pytest.mark.usefixtures("runs_apart")
def test_a_source_made_anew_is_copied_anew(pair: Pair) -> None:
    pair.fill(4)
    pair.replicate()
    run(databases.drop(pair.client, pair.source))
    run(databases.create(pair.client, pair.source))
    pair.put("x", "y", "z")
    report = pair.replicate()
    assert report["docs_written"] == 3
    assert len(pair.ids()) == 7  # the union: nothing is deleted


def test_a_target_made_anew_is_filled_anew(pair: Pair) -> None:
    pair.fill(4)
    pair.replicate()
    run(databases.drop(pair.client, pair.target))
    run(databases.create(pair.client, pair.target))
    report = pair.replicate()
    assert report["docs_written"] == 4
    assert len(pair.ids()) == 4


@pytest.mark.parametrize("missing", ["source", "target"])
def test_a_missing_database_fails_within_bounds_and_is_stopped(pair: Pair, missing: str) -> None:
    """Fact 2: the server would try for ever."""
    run(databases.drop(pair.client, getattr(pair, missing)))
    with pytest.raises(ReplicationFailedError, match="db_not_found") as failed:
        pair.replicate(limits=WaitLimits(timeout=60, grace_crashes=0))
    assert f"at the {missing}, " in str(failed.value)
    assert failed.value.report["stopped"] is True
    assert pair.jobs() == []


def test_crashing_for_ever_ends(pair: Pair) -> None:
    with pytest.raises(ReplicationStalledError, match="max_crashes") as stalled:
        pair.replicate(target_proxy=NOWHERE, limits=WaitLimits(timeout=60, max_crashes=1))
    assert stalled.value.report["crashes"] == 1
    assert pair.jobs() == []


def test_a_timeout_ends_and_stops(pair: Pair) -> None:
    with pytest.raises(ReplicationStalledError, match="timeout"):
        pair.replicate(target_proxy=NOWHERE, limits=WaitLimits(timeout=0.7, max_crashes=99))
    assert pair.jobs() == []


def test_the_sequence_of_another_database_is_refused(pair: Pair) -> None:
    pair.fill(3)
    pair.replicate()
    foreign = run(databases.info(pair.client, pair.target))["update_seq"]
    with pytest.raises(ConfigurationError, match="another database"):
        pair.replicate(since_seq=foreign)
    assert pair.jobs() == []


def test_a_server_without_replicator_database_is_told_what_to_do(pair: Pair) -> None:
    from dataclasses import replace

    elsewhere = replace(pair.connection, replicator_db="no_such_database")
    with elsewhere.blocking() as client, pytest.raises(ConfigurationError, match="no database no_such_database"):
        run(submit(client, pair.connection, pair.connection, pair.options(), owner=pair.owner(), policies=Policies()))
