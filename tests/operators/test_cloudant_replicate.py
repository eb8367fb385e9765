# SPDX-License-Identifier: Apache-2.0
"""A database is replicated by a task, on its worker or by way of the triggerer: what it does, reports, and leaves behind."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from airflow.sdk import Asset, AssetAlias

from airflow_provider_replicator.exceptions import (
    CouchAccessError,
    PermanentError,
    ReplicationFailedError,
    ReplicationStalledError,
    VerificationError,
)
from airflow_provider_replicator.operators.cloudant import CloudantReplicateOperator
from tests.contract.couchdb.client import Database
from tests.operators.couch_tasks import Task, connection
from tests.operators.couch_world import PATIENT, REFUSED, TARGET

if TYPE_CHECKING:
    from tests.operators.couch_world import World

both_ways = pytest.mark.parametrize("deferrable", [False, True], ids=["on the worker", "deferred"])


def replicate(world: World, source: Database, target: Database | str, **arguments: Any) -> CloudantReplicateOperator:
    return CloudantReplicateOperator(task_id="copy", **world.ends(source, target, **arguments))


@both_ways
def test_a_database_is_copied_verified_and_reported(world: World, deferrable: bool) -> None:
    source, target = world.database("-s"), Database(world.couch, world.name("-t"))
    source.fill(50)
    world.lasting(source)
    task = Task(replicate(world, source, target, create_target=True, verify="revisions", deferrable=deferrable))

    report = task.run()

    assert target.ids() == source.ids()
    assert len(task.deferrals) == int(deferrable)
    assert (report["state"], report["docs_written"], report["doc_write_failures"]) == ("completed", 50, 0)
    assert report["verification"] | {"documents": 50, "ok": True, "level": "revisions"} == report["verification"]
    assert task.pushed["report"] == report
    assert len(json.dumps(report)) < 4000
    assert world.job(source) is None  # its document holds credentials


@both_ways
def test_a_second_run_reports_what_it_has_copied_and_not_what_all_have(world: World, deferrable: bool) -> None:
    source, target = world.pair(100)
    Task(replicate(world, source, target, deferrable=deferrable)).run()
    source.put("one more")
    report = Task(replicate(world, source, target, deferrable=deferrable), run_id="run-2").run()
    assert (report["docs_written"], report["docs_written_total"]) == (1, 101)


def test_a_task_has_an_asset_event_for_the_target_database(world: World) -> None:
    source, target = world.pair(3)
    operator = replicate(world, source, target, outlets=[Asset("x-mine")])
    assert operator.outlets == [Asset("x-mine"), AssetAlias("couchdb:databases")]
    task = Task(operator)
    task.run()
    address = world.server.url.removeprefix("http")
    uri = f"couchdb{address}/{quote(target.name, safe='')}"
    assert {name: extra["docs_written"] for name, extra in task.assets().items()} == {uri: 3}
    assert task.events[Asset("x-mine")].extra["docs_written"] == 3


def test_one_of_several_mapped_tasks_names_no_asset_and_has_a_document_of_its_own(world: World) -> None:
    source, target = world.pair(3)
    tasks = [Task(replicate(world, source, target), map_index=index) for index in range(3)]
    reports = [task.run() for task in tasks]
    assert len({report["doc_id"] for report in reports}) == 3
    assert [task.assets() for task in tasks] == [{}, {}, {}]


@both_ways
def test_completed_is_no_success_while_the_target_refuses_documents(world: World, deferrable: bool) -> None:
    source, target = world.pair(10)
    source.put(REFUSED)
    world.refuse(target)
    task = Task(replicate(world, source, target, deferrable=deferrable))
    with pytest.raises(ReplicationFailedError, match=f"refused 1 revision.*{REFUSED}"):
        task.run()
    assert task.pushed["report"]["doc_write_failures"] == 1
    assert task.assets() == {}
    with pytest.raises(ReplicationFailedError):  # nor is it after a retry, which the server calls completed
        task.again().run()


@pytest.mark.parametrize("policy", ["warn", "ignore"])
def test_refused_documents_may_be_fine(world: World, policy: str) -> None:
    source, target = world.pair(5)
    source.put(REFUSED)
    world.refuse(target)
    report = Task(replicate(world, source, target, on_write_failures=policy)).run()
    assert report["doc_write_failures"] == 1
    assert bool(report["warnings"]) == (policy == "warn")


@both_ways
def test_a_verification_names_what_is_missing_and_repairs_it(world: World, deferrable: bool) -> None:
    source, target = world.pair(8)
    Task(replicate(world, source, target)).run()
    lost = target.get("d0003")
    target.post("_purge", json={"d0003": [lost["_rev"]]})

    task = Task(replicate(world, source, target, verify="revisions", deferrable=deferrable), run_id="again")
    with pytest.raises(VerificationError, match="d0003"):
        task.run()
    assert task.pushed["report"]["missing_ids"] == ["d0003"]

    world.lasting(source)
    repaired = Task(
        replicate(world, source, target, verify="revisions", repair=True, deferrable=deferrable), run_id="r"
    )
    report = repaired.run()
    assert report["verification"]["ok"]
    assert report["repair"]["docs_written"] == 1
    assert target.ids() == source.ids()
    assert len(repaired.deferrals) == 2 * int(deferrable)
    assert world.job(source) is None


def test_every_level_of_verification_is_fine_with_a_complete_copy(world: World) -> None:
    source, target = world.pair(5)
    for level in ("counts", "pending", "revisions", "bodies"):
        report = Task(replicate(world, source, target, verify=level), run_id=level).run()
        assert report["verification"]["level"] == level
        assert report["verification"]["ok"]


@both_ways
def test_what_can_never_work_fails_at_once_and_leaves_no_job(
    world: World, deferrable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = world.pair(1)
    wrong = json.loads(connection(world.server)) | {"password": "w-r-o-n-g"}
    monkeypatch.setenv(f"AIRFLOW_CONN_{TARGET.upper()}", json.dumps(wrong))
    task = Task(replicate(world, source, target, deferrable=deferrable))
    with pytest.raises((ReplicationFailedError, CouchAccessError)) as caught:
        task.run()
    assert isinstance(caught.value, PermanentError)
    assert "w-r-o-n-g" not in str(caught.value)
    assert world.job(source) is None


@both_ways
def test_a_job_that_keeps_crashing_fails_the_task_and_is_stopped(world: World, deferrable: bool) -> None:
    source = world.database("-s")
    missing = world.name("-missing")
    task = Task(replicate(world, source, missing, deferrable=deferrable, limits={"grace_crashes": 0}))
    with pytest.raises(ReplicationFailedError, match="db_not_found"):
        task.run()
    assert task.pushed["report"]["crashes"] >= 1
    assert world.job(source) is None


@both_ways
def test_a_wait_has_an_end_and_the_job_is_stopped(world: World, deferrable: bool) -> None:
    source = world.database("-s")
    limits = {"grace_crashes": 1000}
    operator = replicate(
        world,
        source,
        world.name(),
        deferrable=deferrable,
        timeout=timedelta(seconds=1),
        max_crashes=1000,
        limits=limits,
    )
    task = Task(operator)
    with pytest.raises(ReplicationStalledError, match="timeout"):
        task.run()
    assert world.job(source) is None


def test_a_failed_job_may_be_left_to_go_on(world: World) -> None:
    source = world.database("-s")
    operator = replicate(world, source, world.name(), cancel_on_failure=False, limits={"grace_crashes": 0})
    with pytest.raises(ReplicationFailedError):
        Task(operator).run()
    assert world.job(source) is not None


def test_a_retry_adopts_the_job_of_the_try_before(world: World) -> None:
    source, target = world.pair(5)
    world.lasting(source)
    first = Task(replicate(world, source, target, deferrable=True, keep_document=True))
    first.defer()  # the worker is gone, and no triggerer takes over
    job = world.job(source)
    assert job is not None
    second = first.again()
    report = second.run()
    assert report["doc_id"] == job["_id"]
    assert report["adopted"] is True
    assert report["docs_written"] == 5
    kept = world.job(source)
    assert kept is not None
    assert kept["_rev"].split("-")[0] <= "2"  # ours and the server's own writes: nobody has made it again


def test_a_retry_takes_a_completed_result_and_a_cleared_task_runs_again(world: World) -> None:
    source, target = world.pair(5)
    world.lasting(source)
    first = Task(replicate(world, source, target, deferrable=True, keep_document=True))
    first.defer()
    job = world.once(source, "completed")
    assert first.again().run()["docs_written"] == 5
    source.put("new")
    cleared = first.cleared()
    assert cleared.run()["docs_written"] == 1
    assert world.job(source)["_id"] == job["_id"]  # type: ignore[index]


def test_a_continuous_job_goes_on_and_later_runs_find_it(world: World) -> None:
    source, target = world.pair(2)
    reports = [
        Task(replicate(world, source, target, continuous=True, deferrable=deferrable), run_id=f"run {deferrable}").run()
        for deferrable in (True, False)
    ]
    assert [report["state"] for report in reports] == ["running", "running"]
    assert [report["adopted"] for report in reports] == [False, True]
    assert reports[0]["doc_id"] == reports[1]["doc_id"]
    source.put("later")
    world.until(lambda: "later" in target.ids())


def test_a_task_need_not_wait(world: World) -> None:
    source, target = world.pair(2)
    task = Task(replicate(world, source, target, wait_for_completion="false", doc_id="named by me+1"))
    report = task.run()
    assert (report["doc_id"], report["state"]) == ("named by me+1", "submitted")
    assert task.assets() == {}
    assert world.once(source, "completed")["_id"] == "named by me+1"


def test_a_document_of_somebody_else_is_left_alone(world: World) -> None:
    source, target = world.pair(1)
    foreign = {"source": world.server.endpoint(source), "target": world.server.endpoint(target)}
    world.couch.put("_replicator", "theirs", json=foreign)
    with pytest.raises(ReplicationFailedError, match="was not made by Airflow"):
        Task(replicate(world, source, target, doc_id="theirs")).run()
    assert world.job(source) is not None


@both_ways
@pytest.mark.parametrize("policy", ["fail", "adopt", "wait", "replace"])
def test_another_document_for_the_same_databases(world: World, policy: str, deferrable: bool) -> None:
    source, target = world.pair(3)
    world.slow(source, seconds=2)
    ends: dict[str, Any] = {"options": PATIENT, "deferrable": deferrable}
    Task(replicate(world, source, target, wait_for_completion=False, doc_id="other", **ends), run_id="other").run()
    world.once(source, "running")
    task = Task(replicate(world, source, target, on_duplicate=policy, doc_id="ours", **ends))
    if policy == "fail":
        with pytest.raises(ReplicationFailedError, match="document other in _replicator runs the same"):
            task.run()
        return
    report = task.run()
    assert report["doc_id"] == ("other" if policy == "adopt" else "ours")
    assert target.ids() == source.ids()
