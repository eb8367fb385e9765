# SPDX-License-Identifier: Apache-2.0
"""Where a task goes on when a try ends between two steps; other kinds of servers; what the log and the report hold."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from airflow_provider_replicator.couchdb.jobs.job import Job
from airflow_provider_replicator.couchdb.jobs.progress import Progress
from airflow_provider_replicator.couchdb.jobs.windows import WindowRun
from airflow_provider_replicator.exceptions import CouchUnavailableError
from airflow_provider_replicator.operators._cloudant_reports import brief
from airflow_provider_replicator.operators._cloudant_stage import Stage
from airflow_provider_replicator.operators.cloudant import (
    CloudantBidirectionalReplicateOperator,
    CloudantReplicateOperator,
)
from airflow_provider_replicator.sandbox.couchdb.running import RunningCouch
from airflow_provider_replicator.triggers._watching import ProgressLog
from tests.contract.couchdb.client import Couch, Database
from tests.contract.couchdb.server import SCALE
from tests.operators.couch_tasks import Task, connection
from tests.operators.couch_world import PASSWORD, TARGET

if TYPE_CHECKING:
    from tests.operators.couch_world import World


def test_a_stage_is_the_same_in_another_process() -> None:
    job = Job(doc_id="a", replicator_db="_replicator", source_db="s", target_db="t", submitted_at=1.5)
    run = WindowRun(stream="s", window="w", since_seq=None, previous=None, reason="", last_seq="1-a", identity={})
    stage = Stage(jobs=(job, job), started_at=2.5, report={"a": 1}, window=run, reached=("1-a", None), lost=1)
    assert Stage.from_dict(json.loads(json.dumps(stage.to_dict()))) == stage


def test_a_try_that_ends_while_it_verifies_has_not_to_replicate_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = world.pair(6)
    monkeypatch.setenv(f"AIRFLOW_CONN_{TARGET.upper()}", connection(world.server, retry_attempts=1))
    operator = CloudantReplicateOperator(task_id="copy", **world.ends(source, target, verify="bodies"))
    first = Task(operator)
    # The replicator does not ask the target for documents, the verification does.
    world.control.fault(path=f"/{quote(target.name, safe='')}/_bulk_get", kind="status", status=503, times=None)
    with pytest.raises(CouchUnavailableError):
        first.run()
    assert world.job(source) is None
    world.control.clear_faults()
    world.control.reset_counters()
    report = first.again().run()
    assert report["docs_written"] == 6
    assert report["verification"]["compared"] == 6
    assert not [name for name in world.control.counters()["requests"] if name.startswith("_replicator PUT")]


def test_a_server_that_keeps_states_in_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    with RunningCouch(password=PASSWORD, args=("--legacy", "--time-scale", str(SCALE))) as running:
        values = {"conn_type": "couchdb", "host": running.url, "login": running.username, "password": PASSWORD}
        monkeypatch.setenv("AIRFLOW_CONN_OLD", json.dumps(values))
        with Couch(running.url, running.username, PASSWORD) as couch:
            couch.put("a")
            source, target = Database(couch, "a"), Database(couch, "b")
            source.fill(12)
            ends: dict[str, Any] = {
                "source_conn_id": "old",
                "source_db": "a",
                "target_conn_id": "old",
                "target_db": "b",
            }
            for kind, deferrable in (
                (CloudantReplicateOperator, False),
                (CloudantReplicateOperator, True),
                (CloudantBidirectionalReplicateOperator, True),
            ):
                operator = kind(
                    task_id="copy",
                    **ends,
                    create_target=True,
                    verify="revisions",
                    poll_interval=0.2,
                    deferrable=deferrable,
                )
                report = Task(operator, run_id=f"{kind.__name__} {deferrable}").run()
                assert (report["state"], report["verification"]["ok"]) == ("completed", True)
                assert target.ids() == source.ids()
                source.put(f"since {report['doc_id']}")


def test_the_log_has_a_line_for_each_state_and_few_for_counts() -> None:
    lines: list[str] = []
    now = [0.0]
    log = ProgressLog(lambda text, *values: lines.append(text % values), every_seconds=10, clock=lambda: now[0])
    job = Job(doc_id="a", replicator_db="_replicator", source_db="s", target_db="t")
    looks = [
        (0, Progress(state="unseen")),
        (1, Progress(state="running")),
        (2, Progress(state="running", docs_written=10, pending=90, exact=True, rate=10.0, eta=9.0)),
        (5, Progress(state="running", docs_written=40, pending=60, exact=True, rate=10.0, eta=6.0)),
        (12, Progress(state="running", docs_written=70, pending=30, exact=True, rate=10.0, eta=3.0)),
        (13, Progress(state="crashing", error="conn_failed", error_count=1)),
        (14, Progress(state="crashing", error="conn_failed", error_count=2)),
        (15, Progress(state="crashing", error="conn_failed", error_count=2)),
        (16, Progress(state="completed")),
    ]
    for moment, progress in looks:
        now[0] = moment
        log(job, progress)
    assert lines == [
        "s -> t: unseen",
        "s -> t: running",
        "s -> t: running, 70 written, 30 to go, 10/s, 3 s left",
        "s -> t: crashing, crash 1: conn_failed",
        "s -> t: crashing, crash 2: conn_failed",
        "s -> t: completed",
    ]


def test_what_is_kept_of_a_second_job_is_short() -> None:
    report = {"doc_id": "a" * 100, "checkpoint_seq": "1-" + "x" * 1200, "docs_written": 3, "warnings": ["w" * 900]}
    assert brief(report) == {"doc_id": "a" * 100, "docs_written": 3}
