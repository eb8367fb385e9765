# SPDX-License-Identifier: Apache-2.0
"""Both ways: what is in either database is in both, conflicts as branches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_replicator.couchdb import databases
from airflow_provider_replicator.couchdb.blocking import run
from airflow_provider_replicator.couchdb.jobs.bidirectional import reversed_options, wait_both
from airflow_provider_replicator.couchdb.jobs.choices import Policies, WaitLimits
from airflow_provider_replicator.couchdb.jobs.finish import finish
from airflow_provider_replicator.couchdb.jobs.options import ReplicationOptions
from airflow_provider_replicator.couchdb.jobs.submit import submit
from airflow_provider_replicator.exceptions import ConfigurationError
from tests.couchdb.jobs.pair import LIMITS

if TYPE_CHECKING:
    from airflow_provider_replicator.couchdb.jobs.job import Job
    from airflow_provider_replicator.couchdb.jobs.outcome import Outcome
    from airflow_provider_replicator.couchdb.jobs.progress import Progress
    from tests.couchdb.jobs.pair import Pair


def submitted(pair: Pair, **options: Any) -> tuple[Job, Job]:
    """There and back, as a task submits them."""
    there = pair.options(**options)
    common: dict[str, Any] = {"owner": pair.owner("r"), "policies": Policies()}
    ends = pair.client, pair.connection, pair.connection
    return run(submit(*ends, there, **common)), run(submit(*ends, reversed_options(there), **common))


def waited(pair: Pair, jobs: tuple[Job, Job], limits: WaitLimits = LIMITS, **more: Any) -> tuple[Outcome, Outcome]:
    return run(wait_both(pair.client, jobs, limits, source=pair.client, target=pair.client, **more))


def test_both_ways(pair: Pair) -> None:
    pair.put("there", "both")
    pair.put("back", "both", database=pair.target, other=True)
    jobs = submitted(pair)
    assert jobs[0].doc_id != jobs[1].doc_id
    seen: list[tuple[str, Progress]] = []
    there, back = waited(pair, jobs, on_progress=lambda job, progress: seen.append((job.doc_id, progress)))
    reports = [run(finish(pair.client, pair.client, pair.client, one.job, one, Policies())) for one in (there, back)]
    assert pair.ids(pair.source) == pair.ids(pair.target) == ["back", "both", "there"]
    assert [report["docs_written"] for report in reports] == [2, 2]
    for database in (pair.source, pair.target):
        document = run(databases.get_document(pair.client, database, "both", conflicts=True))
        assert document is not None
        assert len(document["_conflicts"]) == 1
    assert {doc_id for doc_id, _ in seen} == {job.doc_id for job in jobs}
    assert pair.jobs() == []


def test_continuous_jobs_drain(pair: Pair) -> None:
    pair.fill(20)
    pair.put("back", database=pair.target)
    jobs = submitted(pair, continuous=True)
    outcomes = waited(pair, jobs, until="drained")
    assert [outcome.kind for outcome in outcomes] == ["completed", "completed"]
    assert pair.ids(pair.source) == pair.ids(pair.target)
    assert [job.adopted for job in submitted(pair, continuous=True)] == [True, True]


def test_one_way_that_fails_ends_the_wait(pair: Pair) -> None:
    run(databases.drop(pair.client, pair.target))
    there, back = waited(pair, submitted(pair), WaitLimits(timeout=60, grace_crashes=0))
    assert {there.kind, back.kind} <= {"failed", "stalled"}
    assert "failed" in (there.kind, back.kind)
    stalled = next((one for one in (there, back) if one.kind == "stalled"), None)
    assert stalled is None or "the other way has ended" in stalled.reason


def test_the_way_back() -> None:
    options = ReplicationOptions.of(
        "a",
        "b",
        {
            "create_target": True,
            "create_target_params": {"q": 1},
            "source_proxy": "http://one:1",
            "target_proxy": "http://two:2",
            "selector": {"x": 1},
            "worker_processes": 2,
        },
    )
    back = reversed_options(options)
    assert (back.source_db, back.target_db) == ("b", "a")
    assert back.sent() == {
        "selector": {"x": 1},
        "worker_processes": 2,
        "source_proxy": "http://two:2",
        "target_proxy": "http://one:1",
    }
    with pytest.raises(ConfigurationError, match="one database"):
        reversed_options(ReplicationOptions.of("a", "b", {"since_seq": "5-abc"}))
    assert reversed_options(ReplicationOptions.of("a", "b", {"since_seq": "0"})).since_seq == "0"
