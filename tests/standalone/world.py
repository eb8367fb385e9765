# SPDX-License-Identifier: Apache-2.0
"""A real Airflow with its servers, started once for all tests of this folder."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox
from airflow_provider_replicator.sandbox.couchdb.running import RunningCouch
from tests.dags.projects import DAY_MS, Project, fill
from tests.standalone.running_airflow import ROOT, RunningAirflow

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "s3cret-of-the-sandbox-4b7d"
PASSWORD = "s3cret+of/the=couch%2f zqkwj"
TARGETS = ("target", "probe", "followed", "by_cli", "by_rest", "killed", "stopped")
RESOURCES = ["data_sets", "labels", "assets", "events", "time_series", "datapoints", "raw"]
#: Six days for two backfills. Yesterday is not one of them: it gets a run by the schedule.
DAYS = 6
TODAY_MS = int(time.time()) // 86_400 * DAY_MS
FIRST_DAY_MS = TODAY_MS - (DAYS + 1) * DAY_MS
ASSETS, SERIES, POINTS = 8_000, 300, 2_000


@dataclass(frozen=True, slots=True)
class World:
    sandbox: RunningSandbox
    couch: RunningCouch
    airflow: RunningAirflow

    def project(self, name: str) -> Project:
        return Project(self.sandbox, name)


def connection(sandbox: RunningSandbox, project: str, **extra: Any) -> str:
    given = {"project": project, "token": TOKEN, **extra}
    return json.dumps({"conn_type": "cdf", "host": sandbox.base_url, "extra": given})


def connections(sandbox: RunningSandbox) -> dict[str, str]:
    found = {name: connection(sandbox, name) for name in (*TARGETS, "big")}
    found["cdf_source"] = connection(sandbox, "source")
    # One request at a time, so that there is a middle in which a task can be killed.
    found |= {name: connection(sandbox, name, concurrency=1) for name in ("killed", "stopped")}
    return {f"AIRFLOW_CONN_{name.upper()}": value for name, value in found.items()}


def couch_connection(couch: RunningCouch) -> str:
    given = {"conn_type": "couchdb", "host": couch.url, "login": couch.username, "password": couch.password}
    return json.dumps(given)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with ExitStack() as stack:
        sandbox = stack.enter_context(RunningSandbox(projects=("source", "big", *TARGETS), token=TOKEN))
        fill(Project(sandbox, "source"), first_day_ms=FIRST_DAY_MS, days=DAYS)
        fill_big(Project(sandbox, "big"))
        home, folder = tmp_path_factory.mktemp("airflow"), tmp_path_factory.mktemp("dags")
        for file in [*ROOT.glob("dags/*.py"), *ROOT.glob("tests/standalone/dags/*.py")]:
            (folder / file.name).symlink_to(file)
        couch = stack.enter_context(RunningCouch(password=PASSWORD, args=("--time-scale", "0.02")))
        found = {**connections(sandbox), "AIRFLOW_CONN_COUCH": couch_connection(couch)}
        environment = {**found, "AIRFLOW_CONN_COUCH_COPY": couch_connection(couch), "CDF_POOLS": "on"}
        airflow = stack.enter_context(RunningAirflow(home=home, dags=folder, environment=environment))
        airflow.command("pools", "import", str(ROOT / "dags" / "pools.json"))
        yield World(sandbox, couch, airflow)


def fill_big(project: Project) -> None:
    """Enough assets and points for a copy that can be killed in the middle."""
    roots = [{"externalId": f"root-{number}", "name": "root"} for number in range(ASSETS // 1000)]
    project.create("assets", *roots)
    for root in roots:
        children = [
            {"externalId": f"{root['externalId']}-{number}", "name": "a", "parentExternalId": root["externalId"]}
            for number in range(999)
        ]
        project.create("assets", *children)
    for target in (project.name, "killed"):
        series = [{"externalId": f"series-{number}"} for number in range(SERIES)]
        Project(project.sandbox, target).create("time_series", *series)
    for start in range(0, SERIES, 50):
        items = [
            {
                "externalId": f"series-{number}",
                "datapoints": [{"timestamp": FIRST_DAY_MS + n * 1000, "value": n + number} for n in range(POINTS)],
            }
            for number in range(start, start + 50)
        ]
        project.post("/timeseries/data", {"items": items})
