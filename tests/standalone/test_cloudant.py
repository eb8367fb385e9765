# SPDX-License-Identifier: Apache-2.0
"""A replication is waited for by a real triggerer; a user who fails the deferred task stops the job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from tests.contract.couchdb.client import Couch, Database
from tests.standalone.running_airflow import wait_until
from tests.standalone.world import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.standalone.running_airflow import RunningAirflow
    from tests.standalone.world import World

pytestmark = pytest.mark.standalone

DAG_ID, TASK = "cloudant_jobs", "copy"


@pytest.fixture
def couch(world: World) -> Iterator[Couch]:
    with Couch(world.couch.url, world.couch.username, world.couch.password) as client:
        yield client
    world.couch.control.clear_faults()


def deferred(world: World, couch: Couch, name: str, seconds: float) -> tuple[str, dict[str, Any]]:
    """A run whose task is deferred, as its source takes so long to hand out documents: its id, and the job's document."""
    couch.put(name)
    Database(couch, name).fill(20)
    path = f"/{quote(name, safe='')}/_bulk_get"
    world.couch.control.fault(path=path, method="POST", kind="delay", seconds=seconds, times=None)
    airflow = world.airflow
    run_id = airflow.trigger(DAG_ID, conf={"database": name})
    wait_until("the task is deferred", lambda: airflow.task(DAG_ID, run_id, TASK)["state"] == "deferred")
    (job,) = jobs(couch)
    return run_id, job


def jobs(couch: Couch) -> list[dict[str, Any]]:
    rows = couch.get("_replicator", "_all_docs", include_docs=True)["rows"]
    return [row["doc"] for row in rows if not row["id"].startswith("_design/")]


def links(airflow: RunningAirflow, run_id: str) -> dict[str, str | None]:
    path = f"/dags/{DAG_ID}/dagRuns/{quote(run_id, safe='')}/taskInstances/{TASK}/links"
    found: dict[str, str | None] = airflow.get(path)["extra_links"]
    return found


def trigger_log(airflow: RunningAirflow, run_id: str) -> str:
    files = airflow.home.glob(f"logs/dag_id={DAG_ID}/run_id={run_id}/task_id={TASK}/*.trigger.*.log")
    return "".join(file.read_text() for file in files)


def test_a_deferred_task_ends_with_its_job_and_one_that_is_failed_ends_its_job(world: World, couch: Couch) -> None:
    airflow = world.airflow
    airflow.unpause(DAG_ID)
    run_id, job = deferred(world, couch, "orders", seconds=8)
    assert links(airflow, run_id)["Replication document"] == (
        f"{world.couch.url}/_utils/#/database/_replicator/{job['_id']}"
    )
    assert airflow.task(DAG_ID, run_id, TASK)["trigger"]["classpath"].endswith("ReplicationStateTrigger")
    stored = [path.read_bytes() for path in airflow.home.glob("airflow.db*")]
    assert any(job["_id"].encode() in content for content in stored)  # the trigger's arguments
    assert not any(PASSWORD[-5:].encode() in content for content in stored)
    assert airflow.ended(DAG_ID, run_id) == "success"
    report = airflow.report(DAG_ID, run_id, TASK)
    assert (report["docs_written"], report["verification"]["ok"], report["doc_id"]) == (20, True, job["_id"])
    (event,) = airflow.get(f"/assets/events?source_dag_id={DAG_ID}")["asset_events"]
    assert event["uri"] == f"couchdb{world.couch.url.removeprefix('http')}/orders-copy"
    assert event["extra"]["docs_written"] == 20
    assert jobs(couch) == []

    run_id, _ = deferred(world, couch, "stopped", seconds=600)
    # Airflow has no way to tell a trigger that has not begun.
    wait_until("the trigger has begun", lambda: "running" in trigger_log(airflow, run_id))
    path = f"/dags/{DAG_ID}/dagRuns/{quote(run_id, safe='')}/taskInstances/{TASK}"
    airflow.call("PATCH", path, {"new_state": "failed"})
    wait_until("the triggerer has stopped the job", lambda: not jobs(couch), seconds=60)
    assert airflow.task(DAG_ID, run_id, TASK)["state"] == "failed"
