# SPDX-License-Identifier: Apache-2.0
"""The DAGs for Cloudant that users copy, run from end to end between two servers of the sandbox."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_replicator.sandbox.couchdb.running import RunningCouch
from tests.contract.couchdb.client import Couch, Database, until
from tests.contract.couchdb.server import SCALE
from tests.dags.running_dags import ROOT, DagRunResult, RunningDags

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD = "s3cret+of/the=servers%2f zqkwj"
MARK = "zqkwj"


@dataclass(frozen=True, slots=True)
class World:
    dags: RunningDags
    source: Couch
    target: Couch

    def database(self, name: str, documents: int) -> tuple[Database, Database]:
        self.source.put(name)
        database = Database(self.source, name)
        database.fill(documents)
        return database, Database(self.target, name)

    def jobs(self) -> list[dict[str, Any]]:
        rows = self.source.get("_replicator", "_all_docs", include_docs=True)["rows"]
        return [row["doc"] for row in rows if not row["id"].startswith("_design/")]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with ExitStack() as stack:
        servers = [
            stack.enter_context(RunningCouch(password=PASSWORD, args=("--time-scale", str(SCALE)))) for _ in range(2)
        ]
        connections = {
            f"AIRFLOW_CONN_CLOUDANT_{name}": json.dumps(
                {"conn_type": "couchdb", "host": server.url, "login": server.username, "password": server.password}
            )
            for name, server in zip(("SOURCE", "TARGET"), servers, strict=True)
        }
        home, folder = tmp_path_factory.mktemp("airflow"), tmp_path_factory.mktemp("dags")
        for file in [ROOT / "dags" / "replicate_cloudant.py", *ROOT.glob("tests/dags/more/cloudant*.py")]:
            (folder / file.name).symlink_to(file)
        dags = stack.enter_context(RunningDags(home=home, dags=folder, environment=connections))
        clients = [stack.enter_context(Couch(server.url, server.username, server.password)) for server in servers]
        yield World(dags, *clients)


def names(result: DagRunResult, count: int) -> list[str]:
    """The mapped tasks of a run."""
    return [f"replicate[{index}]" for index in range(count)]


def test_databases_are_mapped_copied_and_verified(world: World) -> None:
    pairs = [world.database("orders/2026", 25), world.database("customers", 10)]
    result = world.dags.run("replicate_cloudant", conf={"databases": ["orders/2026", "customers"]})
    assert result.states == {"databases": "success", "replicate[0]": "success", "replicate[1]": "success"}
    assert [result.labels[name] for name in names(result, 2)] == ["orders/2026", "customers"]
    assert all(source.ids() == target.ids() for source, target in pairs)
    reports = [result.report(name) for name in names(result, 2)]
    assert [report["docs_written"] for report in reports] == [25, 10]
    assert all(report["verification"]["ok"] for report in reports)
    assert len({report["doc_id"] for report in reports}) == 2
    assert world.jobs() == []

    link = result.xcoms["replicate[0]:_link_ReplicationDocumentLink"]
    assert f"/_utils/#/database/_replicator/{reports[0]['doc_id']}" in link
    assert MARK not in link


def test_a_second_run_copies_what_is_new_in_all_databases(world: World) -> None:
    source, target = world.database("second", 5)
    world.dags.run("replicate_cloudant", conf={"databases": ["second"]})
    source.put("new")
    result = world.dags.run("replicate_cloudant")
    reports = {result.labels[name]: result.report(name) for name in result.states if name.startswith("replicate[")}
    assert set(reports) >= {"second"}
    assert not any(name and name.startswith("_") for name in reports)
    assert reports["second"]["docs_written"] == 1
    assert target.ids() == source.ids()


def test_selected_documents_only(world: World) -> None:
    _, target = world.database("selected", 10)
    conf = {"databases": ["selected"], "selector": {"n": {"$lt": 4}}}
    result = world.dags.run("replicate_cloudant", conf=conf)
    assert result.state == "success"
    assert len(target.ids()) == 4


def test_a_refused_document_fails_its_database_alone_and_is_named(world: World) -> None:
    good, good_target = world.database("good", 3)
    bad, bad_target = world.database("bad", 3)
    world.target.put("bad")
    bad_target.put(
        "_design/d", {"validate_doc_update": "function(doc) { if (doc.n === 1) { throw({forbidden: 'no'}); } }"}
    )
    result = world.dags.run("replicate_cloudant", conf={"databases": ["good", "bad"]})
    assert result.states == {"databases": "success", "replicate[0]": "success", "replicate[1]": "failed"}
    assert good.ids() == good_target.ids()
    assert bad_target.ids() == bad.ids() - {"d0001"} | {"_design/d"}
    report = result.report("replicate[1]")
    assert (report["doc_write_failures"], report["refused_ids"]) == (1, ["d0001"])
    assert "replicate[1]:return_value" not in result.xcoms
    bad_target.remove("_design/d", bad_target.get("_design", "d")["_rev"])
    for job in world.jobs():
        world.source.delete("_replicator", job["_id"], rev=job["_rev"])
    repaired = world.dags.run("replicate_cloudant", conf={"databases": ["bad"], "repair": True})
    assert repaired.state == "success"
    assert bad_target.ids() == bad.ids()


def test_nothing_is_followed_unless_a_database_is_chosen(world: World) -> None:
    result = world.dags.run("follow_cloudant")
    assert result.states == {"follow": "skipped", "near": "skipped"}


def test_a_continuous_job_is_followed_by_run_after_run(world: World) -> None:
    source, target = world.database("followed", 8)
    conf = {"database": "followed", "max_pending": 0}
    first = world.dags.run("follow_cloudant", conf=conf)
    assert first.states == {"follow": "success", "near": "success"}
    assert target.ids() == source.ids()
    source.put("later")
    second = world.dags.run("follow_cloudant", conf=conf)
    assert second.states == {"follow": "success", "near": "success"}
    assert "later" in target.ids()
    reports = [result.report("follow") for result in (first, second)]
    assert [report["adopted"] for report in reports] == [False, True]
    (job,) = world.jobs()
    assert {report["doc_id"] for report in reports} == {job["_id"]}
    stopped = world.dags.run("cloudant_stop", conf={"doc_id": job["_id"]})
    assert stopped.report("stop")["stopped"] is True
    until(lambda: world.jobs() == [], within=10)


def test_days_are_backfilled_in_any_order(world: World) -> None:
    source, target = world.database("days", 5)
    for count, day in enumerate(("2026-11-05", "2026-11-03", "2026-11-04")):
        result = world.dags.run("backfill_cloudant", conf={"databases": ["days"]}, logical_date=f"{day}T12:00:00+00:00")
        assert result.state == "success"
        report = result.report("replicate[0]")
        assert report["window"]["end"] == f"{day}T00:00:00Z"
        assert report["verification"]["ok"]
        assert target.ids() == source.ids()
        source.fill(1, start=100 + count)


def test_a_backfill_without_a_day_fails_and_names_the_three_ways_to_give_one(world: World) -> None:
    world.database("no_day", 1)
    result = world.dags.run("backfill_cloudant", conf={"databases": ["no_day"]})
    assert result.states["replicate[0]"] == "failed"
    assert "There are three ways to give a window" in world.dags.log.read_text()


def test_an_unmapped_task_names_its_database_as_an_asset(world: World) -> None:
    world.database("asset", 2)
    result = world.dags.run("cloudant_one", conf={"database": "asset"})
    assert result.states == {"copy": "success", "verify": "success", "clean": "success"}
    (event,) = result.events
    address = world.target.url.removeprefix("http")
    assert (event["uri"], event["extra"]["docs_written"]) == (f"couchdb{address}/asset", 2)


def test_no_secret_is_in_any_log_or_in_the_metadata_database(world: World) -> None:
    """The last test of this module: all runs above have left their traces."""
    files = [path for path in Path(world.dags.home).rglob("*") if path.is_file()]
    assert {"airflow.db", "process.log"} <= {path.name for path in files}
    assert [path.name for path in files if MARK.encode() in path.read_bytes()] == []
