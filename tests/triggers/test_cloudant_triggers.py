# SPDX-License-Identifier: Apache-2.0
"""Triggers live in Airflow's database between two processes: what is stored, and what restarts, users and dead servers do to them."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_replicator.couchdb.jobs.choices import WaitLimits
from airflow_provider_replicator.couchdb.jobs.job import Job
from airflow_provider_replicator.couchdb.jobs.outcome import Outcome
from airflow_provider_replicator.operators.cloudant import CloudantReplicateOperator
from airflow_provider_replicator.triggers._watching import LagLimits
from airflow_provider_replicator.triggers.cloudant import ReplicationLagTrigger, ReplicationStateTrigger
from tests.operators.couch_tasks import Task, first_event, stored
from tests.operators.couch_world import PASSWORD, PATIENT, SOURCE, TARGET

if TYPE_CHECKING:
    from airflow.triggers.base import BaseTrigger

    from tests.contract.couchdb.client import Database
    from tests.operators.couch_world import World

JOB = Job(doc_id="a/b+c", replicator_db="_replicator", source_db="s", target_db="t")
STATE: dict[str, Any] = {
    "mediator_conn_id": SOURCE,
    "jobs": [JOB.to_dict()],
    "limits": WaitLimits(timeout=5.0).as_dict(),
    "started_at": 1_793_836_800.5,
    "until": None,
    "source_conn_id": SOURCE,
    "target_conn_id": TARGET,
    "owner": {"dag_id": "dag", "task_id": "copy", "run_id": "r", "map_index": -1},
    "cancel_on_kill": True,
    "memo": {"anything": [1, "two", None]},
}
LAG: dict[str, Any] = {
    "mediator_conn_id": SOURCE,
    "source_conn_id": SOURCE,
    "job": JOB.to_dict(),
    "limits": asdict(LagLimits(max_pending=3)),
    "poll_interval": 0.5,
    "deadline": 1_793_836_800.5,
    "target_conn_id": None,
    "memo": {"lost": 0},
}


@pytest.mark.parametrize(("kind", "kwargs"), [(ReplicationStateTrigger, STATE), (ReplicationLagTrigger, LAG)])
def test_a_trigger_is_the_same_after_it_was_stored(kind: type[BaseTrigger], kwargs: dict[str, Any]) -> None:
    trigger = kind(**kwargs)
    path, kept = trigger.serialize()
    assert path == f"airflow_provider_replicator.triggers.cloudant.{kind.__name__}"
    assert kept == kwargs
    again = stored(trigger)
    assert type(again) is kind
    assert again.serialize() == (path, kept)


def deferred(world: World, source: Database, target: Database, **arguments: Any) -> tuple[Task, BaseTrigger]:
    """A task that waits for a job which takes its time."""
    ends = world.ends(source, target, options=PATIENT, deferrable=True, **arguments)
    task = Task(CloudantReplicateOperator(task_id="copy", **ends))
    return task, task.defer()


def cut(trigger: BaseTrigger, seconds: float) -> list[Any]:
    """The events of a triggerer that is stopped after a while."""

    async def run() -> list[Any]:
        events = []

        async def follow() -> None:
            async for event in trigger.run():
                events.append(event.payload)  # noqa: PERF401 - the trigger is stopped in the middle

        task = asyncio.create_task(follow())
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await trigger.cleanup()
        return events

    return asyncio.run(run())


def test_a_restarted_triggerer_goes_on_and_the_job_never_knew(world: World) -> None:
    source, target = world.pair(4)
    world.slow(source, seconds=2.5)
    task, trigger = deferred(world, source, target)
    assert cut(trigger, 1.0) == []
    job = world.once(source, "running")
    event = first_event(stored(trigger))
    assert [outcome["kind"] for outcome in event["outcomes"]] == ["completed"]
    report = task.resume(event)
    assert (report["doc_id"], report["docs_written"]) == (job["_id"], 4)
    assert task.pushed["report"] == report


def test_a_restart_does_not_make_the_wait_longer(world: World) -> None:
    source, target = world.pair(1)
    world.slow(source)
    _, trigger = deferred(world, source, target, timeout=5)
    begin = time.time()
    assert cut(trigger, 3.0) == []
    (outcome,) = first_event(stored(trigger))["outcomes"]
    assert outcome["kind"] == "stalled"
    assert "timeout" in outcome["reason"]
    assert time.time() - begin < 7.5  # another five seconds would end later


def test_a_user_who_stops_a_deferred_task_stops_its_job(world: World) -> None:
    source, target = world.pair(1)
    world.slow(source)
    _, trigger = deferred(world, source, target)
    cut(trigger, 0.5)
    assert world.job(source) is not None
    asyncio.run(stored(trigger).on_kill())
    assert world.job(source) is None
    asyncio.run(stored(trigger).on_kill())  # what is gone is gone


def test_a_job_goes_on_where_nobody_wants_it_stopped(world: World) -> None:
    source, target = world.pair(1)
    world.slow(source)
    _, trigger = deferred(world, source, target, cancel_on_kill=False)
    asyncio.run(trigger.on_kill())
    assert world.job(source) is not None


def test_a_continuous_job_of_an_earlier_run_outlives_the_task_that_looks_after_it(world: World) -> None:
    source, target = world.pair(1)
    ends = world.ends(source, target, continuous=True, options=PATIENT)
    Task(CloudantReplicateOperator(task_id="copy", **ends), run_id="first").run()
    _, trigger = deferred(world, source, target, continuous=True)
    asyncio.run(trigger.on_kill())
    assert world.job(source) is not None


def test_a_server_that_cannot_be_asked_is_an_event_and_the_task_looks_itself(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = world.pair(2)
    world.lasting(source)
    task, trigger = deferred(world, source, target)
    nobody = {"conn_type": "couchdb", "host": world.server.url, "login": "nobody", "password": "x"}
    with monkeypatch.context() as patch:
        patch.setenv(f"AIRFLOW_CONN_{SOURCE.upper()}", json.dumps(nobody))
        event = first_event(trigger)
    assert event["error"]["kind"] == "CouchAccessError"
    assert task.resume(event)["docs_written"] == 2


def test_what_the_event_says_is_not_believed(world: World) -> None:
    source, target = world.pair(2)
    world.slow(source, seconds=1.5)
    task, trigger = deferred(world, source, target)
    event = {"error": {"kind": "Lie", "message": "all is lost"}, "memo": trigger.memo}  # type: ignore[attr-defined]
    assert task.resume(event)["docs_written"] == 2
    assert len(task.deferrals) == 2  # it went on waiting


def test_an_event_that_calls_a_running_job_completed_fails_the_task(world: World) -> None:
    source, target = world.pair(2)
    world.slow(source)
    task, trigger = deferred(world, source, target)
    job = world.once(source, "running")
    kept = Job.from_dict(trigger.memo["jobs"][0])  # type: ignore[attr-defined]
    assert kept.doc_id == job["_id"]
    seen = {"kind": "completed", "job": kept.to_dict(), "state": {"state": "completed"}, "reason": "completed"}
    event = {"outcomes": [Outcome.from_dict(seen).to_dict()], "memo": trigger.memo}  # type: ignore[attr-defined]
    with pytest.raises(Exception, match="running again"):
        task.resume(event)
    assert "report" in task.pushed
    assert task.assets() == {}


def test_neither_a_trigger_nor_its_event_holds_a_secret(world: World) -> None:
    source, target = world.pair(2)
    world.lasting(source)
    task, trigger = deferred(world, source, target)
    event = first_event(trigger)
    texts = [repr(trigger.serialize()), repr(event), repr(task.pushed), repr(task.store.__dict__), repr(task.deferrals)]
    assert PASSWORD.endswith("zqkwj")
    assert [text for text in texts if "zqkwj" in text] == []


def test_a_lag_is_near_enough_only_several_times_in_a_row(world: World) -> None:
    source, target = world.pair(5)
    operator = CloudantReplicateOperator(task_id="follow", **world.ends(source, target, continuous=True))
    report = Task(operator).run()
    job = Job(doc_id=report["doc_id"], replicator_db="_replicator", source_db=source.name, target_db=target.name)
    world.until(lambda: target.ids() == source.ids())
    trigger = ReplicationLagTrigger(**LAG | {"job": job.to_dict(), "deadline": time.time() + 30, "poll_interval": 0.1})
    assert first_event(stored(trigger)) == {"near": True, "memo": {"lost": 0}}
    late = ReplicationLagTrigger(**LAG | {"job": job.to_dict() | {"doc_id": "gone"}, "deadline": time.time() + 30})
    assert first_event(late)["error"]["kind"] == "ReplicationFailedError"
