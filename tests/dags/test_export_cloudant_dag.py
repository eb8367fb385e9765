# SPDX-License-Identifier: Apache-2.0
"""The DAG that users copy for documents in a Delta table, run from end to end: the sandbox CouchDB into a real S3 server."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
import requests

from airflow_provider_replicator.lake.location import Keys, Lake, S3Access
from airflow_provider_replicator.sandbox.couchdb.running import RunningCouch
from airflow_provider_replicator.sandbox.s3.running import RunningS3
from tests.dags.running_dags import ROOT, DagRunResult, RunningDags

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD, SECRET = "s3cret-of-the-couch-81/+%", "s3cret-of-the-lake-77d0"
TASKS = ["documents", "snapshot", "upkeep"]


@dataclass(frozen=True, slots=True)
class World:
    couch: RunningCouch
    s3: RunningS3
    dags: RunningDags

    def export(self, **conf: Any) -> DagRunResult:
        return self.dags.run("export_cloudant_to_delta", conf={"database": "orders", **conf})

    def write(self, *documents: dict[str, Any]) -> dict[str, str]:
        """The new revisions by id."""
        answer = requests.post(
            f"{self.couch.url}/orders/_bulk_docs",
            json={"docs": documents},
            auth=(self.couch.username, PASSWORD),
            timeout=30,
        )
        return {one["id"]: one["rev"] for one in answer.json()}

    def rows(self, name: str) -> dict[str, dict[str, Any]]:
        frame = pl.scan_delta(self.lake.uri(f"documents/{name}"), storage_options=self.lake.options())
        return {row["_id"]: row for row in frame.collect().rows(named=True)}

    @property
    def lake(self) -> Lake:
        keys = Keys(self.s3.access_key, self.s3.secret_key)
        access = S3Access(region=self.s3.region, keys=lambda: keys, endpoint_url=self.s3.url)
        return Lake(f"s3://{self.s3.bucket}/exported", access)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with ExitStack() as stack:
        couch = stack.enter_context(RunningCouch(databases=("orders",), password=PASSWORD))
        s3 = stack.enter_context(RunningS3(secret_key=SECRET))
        extra = {"bucket": s3.bucket, "prefix": "exported", "endpoint_url": s3.url}
        lake = {"conn_type": "delta_lake_s3", "login": s3.access_key, "password": SECRET, "extra": extra}
        server = {"conn_type": "couchdb", "host": couch.url, "login": couch.username, "password": PASSWORD}
        environment = {
            "AIRFLOW_CONN_CLOUDANT_SOURCE": json.dumps(server),
            "AIRFLOW_CONN_DELTA_LAKE_DEFAULT": json.dumps(lake),
        }
        home = tmp_path_factory.mktemp("airflow")
        dags = stack.enter_context(RunningDags(home=home, dags=ROOT / "dags", environment=environment))
        yield World(couch, s3, dags)


def test_runs_follow_the_database_and_publish_the_table(world: World) -> None:
    first = world.write({"_id": "a/1", "title": "Pump", "times": {"start": "2026-01-02T03:04:05Z"}}, {"_id": "b"})
    run = world.export()
    assert run.states == dict.fromkeys(TASKS, "success")
    assert {name: row["_rev"] for name, row in world.rows("orders").items()} == first
    assert json.loads(world.rows("orders")["a/1"]["document"])["title"] == "Pump"
    assert f"{world.lake.root}/documents/orders" in {event["uri"] for event in run.events}
    world.write({"_id": "b", "_rev": first["b"], "_deleted": True}, {"_id": "c"})
    run = world.export()
    assert run.state == "success"
    assert set(world.rows("orders")) == {"a/1", "c"}
    manifest = json.loads(world.lake.objects().get("publish/cloudant/manifest.json") or b"{}")
    assert {table["source"]: table["rows"] for table in manifest["tables"].values()} == {"documents/orders": 2}
    assert world.export().states == dict.fromkeys(TASKS, "success"), "nothing has changed"
    everything = json.dumps([run.xcoms, run.rendered, run.events]) + world.dags.log.read_text(errors="replace")
    assert PASSWORD not in everything
    assert SECRET not in everything


def test_params_choose_the_table_its_columns_and_what_becomes_of_deleted_documents(world: World) -> None:
    revision = world.write({"_id": "gone"})["gone"]
    columns = {"title": "text", "started": {"type": "timestamp", "path": "times.start"}}
    chosen: dict[str, Any] = {"table_name": "chosen", "columns": columns, "deletes": "mark", "snapshot": "chosen"}
    assert world.export(**chosen).state == "success"
    world.write({"_id": "gone", "_rev": revision, "_deleted": True})
    assert world.export(**chosen).state == "success"
    rows = world.rows("chosen")
    assert rows["gone"]["_deleted"] is True
    assert rows["a/1"]["title"] == "Pump"
    assert rows["a/1"]["started"].isoformat() == "2026-01-02T03:04:05+00:00"


def test_without_a_database_nothing_is_done(world: World) -> None:
    run = world.export(database=None)
    assert (run.state, run.states) == ("success", dict.fromkeys(TASKS, "skipped"))
