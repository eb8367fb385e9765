# SPDX-License-Identifier: Apache-2.0
"""The DAGs that users copy, run from end to end against the sandbox."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_replicator.core.window import iso
from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox
from tests.dags.projects import DAY_MS, HOUR_MS, Project, fill
from tests.dags.running_dags import ROOT, DagRunResult, RunningDags

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "s3cret-of-the-sandbox-8f1e"
TARGETS = ("target", "chosen", "dry", "refused", "shards")
RESOURCES = ["data_sets", "labels", "assets", "events", "time_series", "datapoints", "raw"]
#: The last complete data interval of the DAG, which runs at 02:00.
END_MS = int((time.time() - 7200) // 86_400) * DAY_MS + 2 * HOUR_MS
BEGIN_MS = END_MS - DAY_MS
#: When the source was filled, and the first of three days of points, of which the last reaches into that interval.
FIRST_DAY_MS = END_MS - 2 * HOUR_MS - 3 * DAY_MS


@dataclass(frozen=True, slots=True)
class World:
    sandbox: RunningSandbox
    dags: RunningDags
    source: Project

    def project(self, name: str) -> Project:
        return Project(self.sandbox, name)

    def replicate(self, target: str = "target", *, logical_date: str | None = None, **conf: Any) -> DagRunResult:
        given = {"source_conn_id": "cdf_source", "target_conn_id": target, **conf}
        return self.dags.run("replicate_cdf_project", conf=given, logical_date=logical_date)


def connection(sandbox: RunningSandbox, project: str) -> str:
    return json.dumps({"conn_type": "cdf", "host": sandbox.base_url, "extra": {"project": project, "token": TOKEN}})


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with ExitStack() as stack:
        sandbox = stack.enter_context(RunningSandbox(projects=("source", *TARGETS), token=TOKEN))
        sandbox.control.freeze(FIRST_DAY_MS)
        connections = {f"AIRFLOW_CONN_{name.upper()}": connection(sandbox, name) for name in TARGETS}
        connections["AIRFLOW_CONN_CDF_SOURCE"] = connection(sandbox, "source")
        home, folder = tmp_path_factory.mktemp("airflow"), tmp_path_factory.mktemp("dags")
        for file in [*ROOT.glob("dags/*.py"), *ROOT.glob("tests/dags/more/*.py")]:
            (folder / file.name).symlink_to(file)
        dags = stack.enter_context(RunningDags(home=home, dags=folder, environment=connections))
        source = Project(sandbox, "source")
        fill(source, first_day_ms=FIRST_DAY_MS)
        yield World(sandbox, dags, source)


@pytest.fixture(scope="module")
def first(world: World) -> DagRunResult:
    """The first load of the target, that most other tests begin with."""
    return world.replicate(mode="full", verify_level="full")


def test_the_first_load_makes_the_target_equal_to_the_source(world: World, first: DagRunResult) -> None:
    assert first.state == "success"
    assert first.states == dict.fromkeys([*RESOURCES, "verify"], "success")
    assert world.project("target").content() == world.source.content()
    created = {resource: first.report(resource)["created"] for resource in ("data_sets", "labels", "assets", "events")}
    assert created == {"data_sets": 1, "labels": 1, "assets": 40, "events": 25}
    assert first.report("datapoints")["written"] == 6 * 72 + 3
    assert first.report("raw")["written"] == 30


def test_reports_are_small_and_say_what_was_done(first: DagRunResult) -> None:
    for name in (*RESOURCES, "verify"):
        assert len(json.dumps(first.report(name))) < 4096
        assert first.xcoms[f"{name}:return_value"] == first.xcoms[f"{name}:report"]
    report = first.report("assets")
    assert report["mode"] == "full"
    assert report["window"] is None
    assert (report["source"], report["target"]) == ("source", "target")


def test_every_copied_type_has_an_asset_event_with_its_counts(first: DagRunResult) -> None:
    assert {event["uri"] for event in first.events} == {f"cdf://target/{resource}" for resource in RESOURCES}
    event = next(event for event in first.events if event["task"] == "assets")
    assert event["extra"]["created"] == 40
    assert event["extra"]["source"] == "source"


def test_a_second_run_writes_nothing(world: World, first: DagRunResult) -> None:
    before = world.project("target").listed("assets")
    again = world.replicate(mode="full")
    assert again.state == "success"
    for resource in RESOURCES:
        report = again.report(resource)
        assert [report[name] for name in ("created", "updated", "deleted", "written", "failed")] == [0, 0, 0, 0, 0]
    assert world.project("target").listed("assets") == before


def test_a_run_with_a_data_interval_carries_over_what_changed_in_it(world: World, first: DagRunResult) -> None:
    source = world.source
    world.sandbox.control.freeze(END_MS - HOUR_MS)
    source.update("assets", "asset-7", name="Renamed", parentExternalId="asset-1")
    source.create("events", {"externalId": "event-new", "description": "new"})
    source.insert_rows("sap", "orders", {"order-0": {"number": 100}})
    source.insert("series-1", {BEGIN_MS: -1.0, BEGIN_MS + 1: -2.0})
    source.delete_points("series-1", BEGIN_MS + HOUR_MS, BEGIN_MS + 2 * HOUR_MS)

    result = world.replicate(logical_date=iso(END_MS))

    assert result.state == "success"
    assert world.project("target").content() == source.content()
    window = {"start": iso(BEGIN_MS), "end": iso(END_MS), "origin": "data interval"}
    assert [result.report(resource)["window"] for resource in RESOURCES] == [window] * len(RESOURCES)
    assert result.report("assets")["updated"] == 1
    assert result.report("events")["created"] == 1


def test_what_no_window_shows_is_found_in_mode_full(world: World, first: DagRunResult) -> None:
    """Objects deleted at the source, and history rewritten outside of every window."""
    source, target = world.source, world.project("target")
    source.post("/events/delete", {"items": [{"externalId": "event-24"}]})
    source.insert("series-2", {FIRST_DAY_MS + HOUR_MS: -100.0})
    source.delete_points("series-3", FIRST_DAY_MS, FIRST_DAY_MS + HOUR_MS)

    kept = world.replicate(mode="full")
    assert kept.report("events")["deleted"] == 0
    assert {item["externalId"] for item in target.listed("events")} >= {"event-24"}
    assert target.content()["datapoints"] == source.content()["datapoints"]

    deleted = world.replicate(mode="full", delete_missing=True)
    assert deleted.state == "success"
    assert deleted.report("events")["deleted"] == 1
    assert target.content() == source.content()


def test_resources_that_are_not_chosen_are_skipped_and_not_verified(world: World) -> None:
    result = world.replicate("chosen", mode="full", resources=["labels", "time_series", "raw"])
    assert result.state == "success"
    chosen = {"labels": "success", "time_series": "success", "raw": "success", "verify": "success"}
    assert result.states == dict.fromkeys(RESOURCES, "skipped") | chosen
    assert set(result.report("verify")["resources"]) == {"labels", "time_series", "raw"}
    assert world.project("chosen").listed("assets") == []
    assert len(world.project("chosen").listed("time_series")) == 7


def test_a_dry_run_reports_and_writes_nothing(world: World) -> None:
    world.sandbox.control.reset_counters()
    result = world.replicate("dry", mode="full", dry_run=True, resources=["labels", "assets", "raw"])
    assert result.state == "success"
    assert result.states["verify"] == "skipped"
    assert result.report("assets")["created"] == 40
    assert result.report("assets")["dry_run"] is True
    assert result.events == []
    dry = world.project("dry").content()
    assert not any(dry.values())


def test_a_window_in_the_form_goes_before_the_data_interval(world: World, first: DagRunResult) -> None:
    result = world.replicate(
        resources=["labels"],
        window_start="2020-01-01T00:00:00Z",
        window_end="2020-01-02T00:00:00Z",
        logical_date="2026-11-05T12:00:00+00:00",
    )
    assert result.report("labels")["window"] == {
        "start": "2020-01-01T00:00:00Z",
        "end": "2020-01-02T00:00:00Z",
        "origin": "params",
    }


def test_an_object_that_is_refused_fails_its_task_at_once_and_is_named_in_its_report(
    world: World, tmp_path: Path
) -> None:
    letters = tmp_path / "letters.jsonl"
    conf = {"target_conn_id": "refused", "external_ids": ["event-1"], "dead_letter_path": str(letters)}
    world.sandbox.control.fault(project="refused", path="/events", method="POST", kind="status", status=400, times=1000)
    try:
        failed = world.dags.run("some_events", conf=conf)
        tolerated = world.dags.run("some_events", conf=conf | {"max_failed": 1})
    finally:
        world.sandbox.control.clear_faults()
    assert failed.states == {"events": "failed"}
    assert failed.events == []
    assert failed.report("events")["failed"] == 1
    assert failed.report("events")["dead_letters"][0].startswith("event-1: ")
    assert "events:return_value" not in failed.xcoms
    assert tolerated.states == {"events": "success"}
    refused = [json.loads(line) for line in letters.read_text().splitlines()]
    assert [(letter["key"], letter["document"]["externalId"]) for letter in refused] == [("event-1", "event-1")] * 2


def test_selected_events_and_an_outlet_of_the_user(world: World, first: DagRunResult) -> None:
    result = world.dags.run("some_events", conf={"external_ids": "event-2, event-3"})
    assert result.report("events")["read"] == 2
    assert {(event["uri"], event["extra"]["read"]) for event in result.events} == {
        ("x-events-of-the-user", 2),
        ("cdf://target/events", 2),
    }


def test_a_verification_that_fails_leaves_counts_and_the_first_differences(world: World, first: DagRunResult) -> None:
    target = world.project("target")
    for number in range(3):
        target.update("events", f"event-{number}", description="changed by somebody")
    result = world.dags.run("verify_events")
    assert result.states == {"verify": "failed"}
    report = result.report("verify")
    assert report["resources"]["events"]["different"] == 3
    assert report["resources"]["labels"]["different"] == 0
    assert len(report["differences"]) == 2
    assert report["differences"][0].startswith("events: ")
    assert world.replicate(mode="full", resources=["events"]).state == "success"
    assert world.dags.run("verify_events").states == {"verify": "success"}


def test_a_task_ends_at_its_execution_timeout(world: World) -> None:
    world.sandbox.control.fault(
        project="source", path="/events/list", method="POST", kind="delay", seconds=60, times=100
    )
    started = time.monotonic()
    try:
        result = world.dags.run("too_slow")
    finally:
        world.sandbox.control.clear_faults()
    assert result.states == {"events": "failed"}
    assert time.monotonic() - started < 30
    assert "AirflowTaskTimeout" in world.dags.log.read_text()


def test_a_backfilled_day_is_spread_over_shards(world: World, first: DagRunResult) -> None:
    world.replicate("shards", mode="full", resources=["time_series"])
    result = world.dags.run(
        "backfill_cdf_datapoints",
        conf={"source_conn_id": "cdf_source", "target_conn_id": "shards", "shards": 3},
        logical_date=iso(FIRST_DAY_MS + 2 * DAY_MS),
    )
    assert result.state == "success"
    assert [result.labels[f"datapoints[{index}]"] for index in range(3)] == [f"shard {i + 1} of 3" for i in range(3)]
    reports = [result.report(f"datapoints[{index}]") for index in range(3)]
    assert sum(report["written"] for report in reports) == 6 * 24 + 1
    assert sum(1 for report in reports if report["written"]) > 1
    assert [event for event in result.events if "datapoints" in event["uri"]] == []  # mapped tasks name no assets
    begin, end = FIRST_DAY_MS + DAY_MS, FIRST_DAY_MS + 2 * DAY_MS
    for series in ("series-0", "series-5", "text"):
        assert world.project("shards").points(series) == world.source.points(series, begin, end)


def test_a_backfill_without_a_day_fails_and_names_the_three_ways_to_give_one(world: World) -> None:
    result = world.dags.run("backfill_cdf_datapoints", conf={"target_conn_id": "shards", "shards": 1})
    assert result.states == {"shards": "success", "datapoints[0]": "failed"}
    assert "There are three ways to give a window" in world.dags.log.read_text()


def test_a_connection_that_does_not_exist_fails_at_once(world: World) -> None:
    result = world.replicate("no_such_connection", mode="full", resources=["labels"])
    assert result.states["labels"] == "failed"


def test_source_and_target_must_differ(world: World) -> None:
    result = world.replicate("cdf_source", mode="full", resources=["labels"])
    assert result.states["labels"] == "failed"
    assert "are the same project, source at" in world.dags.log.read_text()


def test_no_secret_is_in_any_log_or_in_the_metadata_database(world: World, first: DagRunResult) -> None:
    """The last test of this module: all runs above have left their traces."""
    files = [path for path in Path(world.dags.home).rglob("*") if path.is_file()]
    assert {"airflow.db", "process.log"} <= {path.name for path in files}
    assert [path.name for path in files if TOKEN.encode() in path.read_bytes()] == []
