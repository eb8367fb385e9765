# SPDX-License-Identifier: Apache-2.0
"""A real Airflow: it schedules, backfills, kills and retries, and the target ends up right. Started once for all of these tests."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import psutil
import pytest

from airflow_provider_replicator.core.window import iso
from tests.dags.projects import DAY_MS, HOUR_MS, Project
from tests.standalone.running_airflow import RunningAirflow, wait_until
from tests.standalone.world import (
    ASSETS,
    FIRST_DAY_MS,
    PASSWORD,
    POINTS,
    RESOURCES,
    SERIES,
    TODAY_MS,
    TOKEN,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.standalone.world import World

pytestmark = pytest.mark.standalone

#: How often a backfill is made before the database counts as broken.
CREATIONS = 6


def window(start_ms: int, end_ms: int, origin: str = "data interval") -> dict[str, str]:
    return {"start": iso(start_ms), "end": iso(end_ms), "origin": origin}


def test_the_whole_project_is_replicated_by_a_run_that_is_triggered(world: World) -> None:
    airflow = world.airflow
    airflow.unpause("replicate_cdf_project")
    conf = {"target_conn_id": "target", "mode": "full", "verify_level": "full"}
    run_id = airflow.trigger("replicate_cdf_project", conf=conf)
    assert airflow.ended("replicate_cdf_project", run_id) == "success"
    assert {task["task_id"]: task["pool"] for task in airflow.tasks("replicate_cdf_project", run_id)} == {
        name: f"cdf_{name}" for name in (*RESOURCES, "verify")
    }
    assert world.project("target").content() == world.project("source").content()
    assert airflow.get("/importErrors")["import_errors"] == []


def test_every_kind_of_run_has_the_window_that_the_manual_says(world: World) -> None:
    airflow = world.airflow
    airflow.unpause("window_probe")
    noon = FIRST_DAY_MS + DAY_MS + 12 * HOUR_MS
    interval: dict[str, Any] = {"data_interval_start": iso(0), "data_interval_end": iso(noon)}
    given = {"window_start": iso(5 * DAY_MS), "window_end": iso(6 * DAY_MS)}
    # Alone, so that the asset is known when several end at once: Airflow 3.3 fails one of two tasks that make it known together.
    first = airflow.trigger("window_probe")
    assert airflow.ended("window_probe", first) == "success"
    expected = {
        first: None,
        # Airflow drops an interval that comes without a logical date.
        airflow.trigger("window_probe", **interval): None,
        airflow.trigger("window_probe", conf=given): window(5 * DAY_MS, 6 * DAY_MS, "params"),
        airflow.trigger("window_probe", logical_date=iso(noon)): window(FIRST_DAY_MS, FIRST_DAY_MS + DAY_MS),
        airflow.trigger("window_probe", logical_date=iso(noon + HOUR_MS), **interval): window(0, noon),
    }
    scheduled = wait_until("the scheduler has made a run", lambda: scheduled_runs(airflow, "window_probe"))
    assert len(scheduled) == 1
    expected[scheduled[0]] = window(TODAY_MS - DAY_MS, TODAY_MS)
    found = {}
    for run_id in expected:
        assert airflow.ended("window_probe", run_id) == "success"
        found[run_id] = airflow.report("window_probe", run_id, "labels")["window"]
    assert found == expected


def scheduled_runs(airflow: RunningAirflow, dag_id: str) -> list[str]:
    runs = airflow.get(f"/dags/{dag_id}/dagRuns?run_type=scheduled")["dag_runs"]
    return [run["dag_run_id"] for run in runs]


def test_a_dag_that_waits_for_the_copied_assets_is_started_and_has_no_window(world: World) -> None:
    airflow = world.airflow
    airflow.unpause("follower")
    run_id = airflow.trigger("window_probe")
    assert airflow.ended("window_probe", run_id) == "success"

    def started() -> list[str]:
        return [run["dag_run_id"] for run in airflow.get("/dags/follower/dagRuns?run_type=asset_triggered")["dag_runs"]]

    follower = wait_until("the follower is started", started)[0]
    assert airflow.ended("follower", follower) == "success"
    report = airflow.report("follower", follower, "labels")
    assert (report["mode"], report["window"]) == ("full", None)
    assert len(world.project("followed").listed("labels")) == 1


@pytest.mark.parametrize(
    ("way", "first"), [("by_cli", FIRST_DAY_MS), ("by_rest", FIRST_DAY_MS + 3 * DAY_MS)], ids=["by_cli", "by_rest"]
)
def test_three_days_are_backfilled(world: World, way: str, first: int) -> None:
    airflow, source, target = world.airflow, world.project("source"), world.project(way)
    target.create("time_series", *({"externalId": f"series-{number}"} for number in range(6)))
    target.create("time_series", {"externalId": "text", "isString": True})
    airflow.unpause("backfill_cdf_datapoints")
    conf = {"source_conn_id": "cdf_source", "target_conn_id": way, "shards": 2}
    create = {"by_cli": backfill_by_cli, "by_rest": backfill_by_rest}[way]
    create_backfill(airflow, lambda again: create(airflow, first, first + 2 * DAY_MS, conf, again))
    wait_until("the backfill ends", lambda: backfill_ended(airflow), seconds=180)
    # A run that was under way when half a backfill was made again belongs to none of them.
    wait_until("its runs end", lambda: all_succeeded(backfill_runs(airflow, first)), seconds=60)

    for series in [*(f"series-{number}" for number in range(6)), "text"]:
        assert target.points(series) == source.points(series, first, first + 3 * DAY_MS)
    windows = set()
    for run in backfill_runs(airflow, first):
        run_id = run["dag_run_id"]
        reports = [airflow.report("backfill_cdf_datapoints", run_id, "datapoints", index) for index in range(2)]
        assert sum(report["written"] for report in reports) == 6 * 24 + 1
        windows |= {json.dumps(report["window"]) for report in reports}
    assert airflow.get(f"/assets?uri_pattern=cdf://{way}/")["assets"] == []  # mapped tasks name none
    expected = [window(first + day * DAY_MS, first + (day + 1) * DAY_MS) for day in range(3)]
    assert windows == {json.dumps(one) for one in expected}


def backfill_by_cli(airflow: RunningAirflow, first: int, last: int, conf: dict[str, Any], again: str) -> None:
    days = ["--from-date", iso(first), "--to-date", iso(last), "--max-active-runs", "2"]
    more = ["--reprocess-behavior", again, "--dag-run-conf", json.dumps(conf)]
    airflow.command("backfill", "create", "--dag-id", "backfill_cdf_datapoints", *days, *more)


def backfill_by_rest(airflow: RunningAirflow, first: int, last: int, conf: dict[str, Any], again: str) -> None:
    days = {"from_date": iso(first), "to_date": iso(last), "max_active_runs": 2, "run_backwards": True}
    more = {"reprocess_behavior": again, "dag_run_conf": conf}
    airflow.post("/backfills", {"dag_id": "backfill_cdf_datapoints", **days, **more})


def create_backfill(airflow: RunningAirflow, create: Callable[[str], None]) -> None:
    """SQLite, and no other database, refuses a transaction that read before somebody else wrote. Airflow does not repeat it, and
    leaves half a backfill, which is cancelled here and made again.
    """
    for again in ("none", *["completed"] * (CREATIONS - 1)):
        try:
            with airflow.quiet():
                return create(again)
        except AssertionError as error:
            if "database is locked" not in f"{error}{airflow.log.read_text(errors='replace')}".lower():
                raise
            for backfill in backfills(airflow):
                if not backfill["completed_at"]:
                    airflow.call("PUT", f"/backfills/{backfill['id']}/cancel")
    raise AssertionError(f"the database was locked {CREATIONS} times")


def backfills(airflow: RunningAirflow) -> list[dict[str, Any]]:
    return list(airflow.get("/backfills?dag_id=backfill_cdf_datapoints")["backfills"])


def backfill_runs(airflow: RunningAirflow, first: int) -> list[dict[str, Any]]:
    runs = airflow.get("/dags/backfill_cdf_datapoints/dagRuns?run_type=backfill")["dag_runs"]
    days = [iso(first + day * DAY_MS) for day in range(3)]
    return [run for run in runs if run["logical_date"] in days]


def all_succeeded(runs: list[dict[str, Any]]) -> bool:
    states = {run["dag_run_id"]: run["state"] for run in runs}
    assert "failed" not in states.values(), states
    return list(states.values()) == ["success"] * 3


def backfill_ended(airflow: RunningAirflow) -> bool:
    return all(backfill["completed_at"] for backfill in backfills(airflow))


def test_killed_tasks_go_on_where_they_were_and_a_cleared_one_starts_over(world: World) -> None:
    airflow, control, killed = world.airflow, world.sandbox.control, world.project("killed")
    control.fault(project="killed", path="/assets", method="POST", kind="delay", seconds=1, times=1000)
    control.fault(project="killed", path="/timeseries/data", method="POST", kind="delay", seconds=3, times=1000)
    airflow.unpause("killed")
    run_id = airflow.trigger("killed")

    wait_until("some assets are written", lambda: count(killed, "assets") >= 2000)
    kill(airflow, run_id, "assets")
    wait_until("some points are written and remembered", lambda: checkpoint(airflow, run_id, "datapoints"))
    kill(airflow, run_id, "datapoints")
    control.clear_faults()

    assert airflow.ended("killed", run_id) == "success"
    assert [airflow.task("killed", run_id, task)["try_number"] for task in ("assets", "datapoints")] == [2, 2]
    report = airflow.report("killed", run_id, "assets")
    assert 0 < report["created"] < ASSETS
    assert report["created"] + report["unchanged"] == ASSETS
    assert tree(killed) == tree(world.project("big"))
    report = airflow.report("killed", run_id, "datapoints")
    assert report["resumed"] is True
    # What the killed try wrote but could not remember is in the target already, and is not counted by the next one.
    assert 0 < report["written"] <= SERIES * POINTS
    assert "an earlier try of this task left a checkpoint: going on there" in log(
        airflow, "killed", run_id, "datapoints", 2
    )
    assert checkpoint(airflow, run_id, "datapoints") == []
    for number in range(0, SERIES, 37):
        assert killed.points(f"series-{number}") == world.project("big").points(f"series-{number}")

    tries = airflow.task("killed", run_id, "datapoints")["max_tries"]
    clear = {"dry_run": False, "dag_run_id": run_id, "task_ids": ["datapoints"], "only_failed": False}
    airflow.post("/dags/killed/clearTaskInstances", clear)
    assert airflow.ended("killed", run_id) == "success"
    # That it rises is what tells a cleared task from a retried one.
    assert airflow.task("killed", run_id, "datapoints")["max_tries"] > tries
    assert airflow.report("killed", run_id, "datapoints")["resumed"] is False


def test_a_task_that_is_set_to_failed_stops_and_closes_its_connections(world: World) -> None:
    airflow, control, stopped = world.airflow, world.sandbox.control, world.project("stopped")
    control.fault(project="stopped", path="/assets", method="POST", kind="delay", seconds=2, times=1000)
    airflow.unpause("stopped")
    run_id = airflow.trigger("stopped")
    wait_until("some assets are written", lambda: count(stopped, "assets") >= 1000)
    path = f"/dags/stopped/dagRuns/{quote(run_id, safe='')}/taskInstances/assets"
    process = psutil.Process(airflow.task("stopped", run_id, "assets")["pid"])

    airflow.call("PATCH", path, {"new_state": "failed"})

    wait_until("the process ends", lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)
    control.clear_faults()
    written = count(stopped, "assets")
    assert written < ASSETS
    text = log(airflow, "stopped", run_id, "assets", 1)
    assert "the task was told to stop; a retry goes on at its last checkpoint" in text
    assert airflow.task("stopped", run_id, "assets")["state"] == "failed"
    assert count(stopped, "assets") == written


def log(airflow: RunningAirflow, dag_id: str, run_id: str, task_id: str, try_number: int) -> str:
    path = f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}/taskInstances/{task_id}/logs/{try_number}"
    return json.dumps(airflow.get(f"{path}?full_content=true"))


def count(project: Project, resource: str) -> int:
    return int(project.post(f"/{resource}/aggregate", {})["items"][0]["count"])


def tree(project: Project) -> dict[str, str | None]:
    return {asset["externalId"]: asset.get("parentExternalId") for asset in project.listed("assets")}


def checkpoint(airflow: RunningAirflow, run_id: str, task_id: str) -> list[Any]:
    stored = airflow.get(f"/dags/killed/dagRuns/{quote(run_id, safe='')}/taskInstances/{task_id}/state-store")
    return list(stored["task_state_store"])


def kill(airflow: RunningAirflow, run_id: str, task_id: str) -> None:
    """SIGKILL to the process of a running task."""
    task = airflow.task("killed", run_id, task_id)
    assert task["state"] == "running"
    os.kill(task["pid"], signal.SIGKILL)


def test_no_secret_is_in_any_log_or_in_the_metadata_database(world: World) -> None:
    """The last test of this folder: all runs before have left their traces."""
    files = [path for path in Path(world.airflow.home).rglob("*") if path.is_file()]
    assert any("task_id=datapoints" in str(path) for path in files)
    secrets = [TOKEN.encode(), PASSWORD.encode(), PASSWORD[-5:].encode()]
    assert [path.name for path in files for secret in secrets if secret in path.read_bytes()] == []
