# SPDX-License-Identifier: Apache-2.0
"""Two databases are replicated into each other: both jobs, their report, and what happens when one cannot."""

from __future__ import annotations

import asyncio
import json

import pytest

from airflow_provider_replicator.exceptions import ReplicationFailedError
from airflow_provider_replicator.operators.cloudant import CloudantBidirectionalReplicateOperator
from tests.contract.couchdb.client import Database
from tests.operators.couch_tasks import Task
from tests.operators.couch_world import PATIENT, REFUSED, World

both_ways = pytest.mark.parametrize("deferrable", [False, True], ids=["on the worker", "deferred"])


def operator(world: World, one: Database, two: Database, **arguments: object) -> CloudantBidirectionalReplicateOperator:
    return CloudantBidirectionalReplicateOperator(task_id="both", **world.ends(one, two, **arguments))


@both_ways
def test_both_databases_end_up_with_what_either_had(world: World, deferrable: bool) -> None:
    one, two = world.database("-1"), world.database("-2")
    one.fill(7)
    two.fill(9, start=100)
    one.put("both", {"from": "one"})
    two.put("both", {"from": "two"})
    world.lasting(one)
    world.lasting(two)
    task = Task(operator(world, one, two, verify="revisions", deferrable=deferrable))

    report = task.run()

    assert one.ids() == two.ids()
    assert len(one.ids()) == 17
    conflicts = [side.get("both", conflicts=True) for side in (one, two)]
    assert conflicts[0] == conflicts[1]
    assert len(conflicts[0]["_conflicts"]) == 1
    assert (report["docs_written"], report["back"]["docs_written"]) == (8, 10)
    assert report["verification"]["ok"]
    assert report["verification_back"]["ok"]
    assert len(json.dumps(report)) < 4000
    assert world.jobs() == []
    assert len(task.assets()) == 2
    assert len(task.deferrals) == int(deferrable)


@both_ways
def test_if_one_way_fails_the_task_fails_and_neither_job_goes_on(world: World, deferrable: bool) -> None:
    one, two = world.pair(3)
    two.put(REFUSED)
    world.refuse(one)
    world.refuse(two)
    with pytest.raises(ReplicationFailedError, match="refused 1 revision"):
        Task(operator(world, one, two, deferrable=deferrable)).run()
    assert world.state_of_all() <= {"completed"}


def test_a_way_that_can_never_work_ends_both(world: World) -> None:
    one = world.database("-1")
    missing = Database(world.couch, world.name("-2"))
    task = Task(operator(world, one, missing, limits={"grace_crashes": 0}))
    with pytest.raises(ReplicationFailedError, match="db_not_found"):
        task.run()
    assert world.jobs() == []


def test_a_user_who_stops_the_deferred_task_stops_both(world: World) -> None:
    one, two = world.pair(3)
    two.put("x")
    world.slow(one)
    world.slow(two)
    task = Task(operator(world, one, two, deferrable=True, options=PATIENT, doc_id="pair"))
    trigger = task.defer()
    assert {job["_id"] for job in world.jobs()} == {"pair", "pair-back"}
    asyncio.run(trigger.on_kill())
    assert world.jobs() == []
