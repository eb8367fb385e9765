# SPDX-License-Identifier: Apache-2.0
"""The export DAG that users copy, run from end to end: the sandbox CDF into tables on a real S3 server."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from airflow_provider_replicator.core.window import iso
from airflow_provider_replicator.lake.location import Keys, Lake, S3Access
from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox
from airflow_provider_replicator.sandbox.s3.running import RunningS3
from tests.dags.projects import HOUR_MS, Project, fill
from tests.dags.running_dags import ROOT, DagRunResult, RunningDags

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN, SECRET = "s3cret-of-the-sandbox-52aa", "s3cret-of-the-lake-77d0"
EXPORTS = ["instances", "events", "datapoints", "raw"]
#: The last complete hour, and three days of points that reach into it.
END_MS = int(time.time() * 1000) // HOUR_MS * HOUR_MS
FIRST_DAY_MS = END_MS - 71 * HOUR_MS
SPACE = "plant"


@dataclass(frozen=True, slots=True)
class World:
    sandbox: RunningSandbox
    s3: RunningS3
    dags: RunningDags
    source: Project

    def export(self, *, logical_date: str | None = None, **conf: Any) -> DagRunResult:
        return self.dags.run("export_cdf_to_delta", conf={"space": SPACE, **conf}, logical_date=logical_date)

    def rows(self, path: str) -> list[dict[str, Any]]:
        frame = pl.scan_delta(self.lake.uri(path), storage_options=self.lake.options())
        return frame.collect().rows(named=True)

    @property
    def lake(self) -> Lake:
        keys = Keys(self.s3.access_key, self.s3.secret_key)
        access = S3Access(region=self.s3.region, keys=lambda: keys, endpoint_url=self.s3.url)
        return Lake(f"s3://{self.s3.bucket}/exported", access)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with ExitStack() as stack:
        sandbox = stack.enter_context(RunningSandbox(projects=("source",), token=TOKEN))
        s3 = stack.enter_context(RunningS3(secret_key=SECRET))
        extra = {"bucket": s3.bucket, "prefix": "exported", "endpoint_url": s3.url}
        lake = {"conn_type": "delta_lake_s3", "login": s3.access_key, "password": SECRET, "extra": extra}
        cdf = {"conn_type": "cdf", "host": sandbox.base_url, "extra": {"project": "source", "token": TOKEN}}
        environment = {"AIRFLOW_CONN_CDF_SOURCE": json.dumps(cdf), "AIRFLOW_CONN_DELTA_LAKE_DEFAULT": json.dumps(lake)}
        home = tmp_path_factory.mktemp("airflow")
        dags = stack.enter_context(RunningDags(home=home, dags=ROOT / "dags", environment=environment))
        source = Project(sandbox, "source")
        fill(source, first_day_ms=FIRST_DAY_MS)
        model(source)
        yield World(sandbox, s3, dags, source)


def model(source: Project) -> None:
    """One view with two pumps."""
    text = {"type": {"type": "text", "list": False}}
    container = {"type": "container", "space": SPACE, "externalId": "Pump"}
    view = {"properties": {"name": {"container": container, "containerPropertyIdentifier": "name"}}}
    named = {"space": SPACE, "externalId": "Pump"}
    source.post("/models/spaces", {"items": [{"space": SPACE}]})
    source.post("/models/containers", {"items": [{**named, "usedFor": "node", "properties": {"name": text}}]})
    source.post("/models/views", {"items": [{**named, "version": "v1", **view}]})
    pumps(source, "a", "b")


def pumps(source: Project, *names: str) -> None:
    where = {"type": "view", "space": SPACE, "externalId": "Pump", "version": "v1"}
    nodes = [
        {
            "instanceType": "node",
            "space": SPACE,
            "externalId": name,
            "sources": [{"source": where, "properties": {"name": f"pump {name}"}}],
        }
        for name in names
    ]
    source.post("/models/instances", {"items": nodes})


def names_of(world: World) -> set[str]:
    return {row["name"] for row in world.rows(f"instances/{SPACE}/Pump/v1/nodes")}


def test_the_first_run_fills_the_tables_and_publishes_them(world: World) -> None:
    run = world.export(mode="full")
    assert run.state == "success"
    assert run.states == dict.fromkeys([*EXPORTS, "snapshot", "upkeep"], "success")
    assert names_of(world) == {"pump a", "pump b"}
    assert len(world.rows("resources/events")) == len(world.source.listed("events"))
    manifest = json.loads(world.lake.objects().get("publish/cdf/manifest.json") or b"{}")
    sources = {table["source"] for table in manifest["tables"].values()}
    assert {f"instances/{SPACE}/Pump/v1/nodes", "resources/events", "datapoints/datapoints"} <= sources
    assert f"{world.lake.root}/resources/events" in {event["uri"] for event in run.events}
    everything = json.dumps([run.xcoms, run.rendered, run.events]) + world.dags.log.read_text(errors="replace")
    assert TOKEN not in everything
    assert SECRET not in everything


def test_a_run_with_a_data_interval_brings_what_changed(world: World) -> None:
    pumps(world.source, "c")
    points = len(world.rows("datapoints/datapoints"))
    run = world.export(logical_date=iso(END_MS))
    assert run.state == "success"
    assert names_of(world) == {"pump a", "pump b", "pump c"}
    window = run.report("datapoints")["window"]
    assert (window["start"], window["end"]) == (iso(END_MS - HOUR_MS), iso(END_MS))
    assert len(world.rows("datapoints/datapoints")) == points


def test_what_was_not_chosen_is_skipped(world: World) -> None:
    run = world.export(mode="full", exports=["events"], snapshot="events-only", tables=["resources/events"])
    assert run.state == "success"
    assert run.states == {
        **dict.fromkeys(EXPORTS, "skipped"),
        **dict.fromkeys(["events", "snapshot", "upkeep"], "success"),
    }
    assert run.report("events")["written"] == len(world.source.listed("events"))
