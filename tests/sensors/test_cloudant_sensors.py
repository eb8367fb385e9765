# SPDX-License-Identifier: Apache-2.0
"""Sensors wait for replications that somebody else looks after, in each of the ways in which Airflow can wait."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk.exceptions import AirflowRescheduleException, AirflowSensorTimeout, AirflowSkipException

from airflow_provider_replicator.exceptions import (
    ConfigurationError,
    ReplicationFailedError,
    ReplicationStalledError,
    TransientError,
)
from airflow_provider_replicator.sensors.cloudant import CloudantReplicationLagSensor, CloudantReplicationSensor
from tests.operators.couch_tasks import Task
from tests.operators.couch_world import PATIENT, SOURCE, TARGET

if TYPE_CHECKING:
    from tests.contract.couchdb.client import Database
    from tests.operators.couch_world import World

ways = pytest.mark.parametrize("deferrable", [False, True], ids=["poke", "deferred"])


def start(world: World, source: Database, target: Database | str, **fields: Any) -> str:
    """A replication that nobody of Airflow has made; its id has to be escaped."""
    body = {"source": world.server.endpoint(source), "target": world.server.endpoint(target), **fields}
    world.couch.put("_replicator", "by hand/1+", json=body)
    return "by hand/1+"


def sensor(doc_id: str, **arguments: Any) -> CloudantReplicationSensor:
    given = {"cloudant_conn_id": SOURCE, "poke_interval": 0.2, "timeout": 20, **arguments}
    return CloudantReplicationSensor(task_id="sensor", doc_id=doc_id, **given)


def lag_sensor(source: Database, doc_id: str, **arguments: Any) -> CloudantReplicationLagSensor:
    given = {"cloudant_conn_id": SOURCE, "poke_interval": 0.2, "timeout": 20, **arguments}
    return CloudantReplicationLagSensor(
        task_id="lag", doc_id=doc_id, source_conn_id=SOURCE, source_db=source.name, **given
    )


@ways
def test_it_waits_until_the_replication_has_completed(world: World, deferrable: bool) -> None:
    source, target = world.pair(3)
    world.slow(source, seconds=1)
    doc_id = start(world, source, target, **PATIENT)
    task = Task(sensor(doc_id, deferrable=deferrable))
    task.run()
    assert target.ids() == source.ids()
    assert world.state(doc_id) == "completed"
    assert bool(task.deferrals) == deferrable
    assert task.pushed["_link_ReplicationDocumentLink"].endswith("/_replicator/by%20hand%2F1%2B")


@ways
def test_it_waits_until_a_continuous_replication_runs(world: World, deferrable: bool) -> None:
    source, target = world.pair(3)
    doc_id = start(world, source, target, continuous=True)
    Task(sensor(doc_id, until="running", deferrable=deferrable)).run()
    assert world.state(doc_id) == "running"


@ways
def test_what_cannot_come_to_an_end_fails_it(world: World, deferrable: bool) -> None:
    source = world.database("-s")
    doc_id = start(world, source, world.name("-missing"))
    with pytest.raises((ReplicationStalledError, ReplicationFailedError), match="db_not_found"):
        Task(sensor(doc_id, max_crashes="1", deferrable=deferrable)).run()
    with pytest.raises(ReplicationFailedError, match="no such document"):
        Task(sensor("never made", deferrable=deferrable)).run()
    assert world.job(source) is not None  # it is not the sensor's


@ways
def test_it_does_not_wait_for_ever(world: World, deferrable: bool) -> None:
    source, target = world.pair(1)
    world.slow(source)
    doc_id = start(world, source, target, **PATIENT)
    with pytest.raises(AirflowSensorTimeout):
        Task(sensor(doc_id, timeout=1, deferrable=deferrable)).run()
    with pytest.raises(AirflowSkipException):
        Task(sensor(doc_id, timeout=0.5, soft_fail=True, deferrable=deferrable)).run()


def test_a_triggerer_that_fails_again_and_again_is_an_error_that_passes(world: World) -> None:
    source, target = world.pair(1)
    world.slow(source)
    task = Task(sensor(start(world, source, target, **PATIENT), deferrable=True))
    memo = task.defer().memo  # type: ignore[attr-defined]
    event = {"error": {"kind": "ImportError", "message": "no aiohttp"}, "memo": {**memo, "lost": 2}}
    with pytest.raises(TransientError, match="3 times in a row"):
        task.resume(event)


@ways
def test_a_target_is_near_after_several_looks_that_find_nothing_pending(world: World, deferrable: bool) -> None:
    source, target = world.pair(5)
    doc_id = start(world, source, target, continuous=True)
    world.until(lambda: target.ids() == source.ids())
    Task(lag_sensor(source, doc_id, checks=3, deferrable=deferrable)).run()
    assert target.ids() == source.ids()


def test_a_target_that_is_behind_is_not_near(world: World) -> None:
    source, target = world.pair(5)
    doc_id = start(world, source, target, continuous=True, **PATIENT)
    world.until(lambda: target.ids() == source.ids())
    world.slow(source)
    source.fill(10, start=5)
    with pytest.raises(AirflowSensorTimeout):
        Task(lag_sensor(source, doc_id, checks=2, timeout=1.0)).run()
    Task(lag_sensor(source, doc_id, checks=2, max_pending="10")).run()


def test_looks_in_a_row_are_counted_over_reschedules_but_not_over_tries(world: World) -> None:
    source, target = world.pair(2)
    doc_id = start(world, source, target, continuous=True)
    world.until(lambda: target.ids() == source.ids())
    operator = lag_sensor(source, doc_id, checks=3, mode="reschedule")
    looks = Task(operator)
    for _ in range(2):  # each in a process of its own
        assert operator.poke(looks.context) is False
        looks = Task(lag_sensor(source, doc_id, checks=3, mode="reschedule"), store=looks.store)
    assert looks.again().operator.poke(looks.again().context) is False
    first = Task(operator, try_number=3, store=looks.store)
    assert [operator.poke(first.context) for _ in range(3)] == [False, False, True]
    assert [operator.poke(first.context) for _ in range(3)] == [False, False, True]  # it begins anew


def test_rescheduling_gives_the_worker_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = world.pair(2)
    world.slow(source)
    operator = sensor(start(world, source, target, **PATIENT), mode="reschedule")
    context = Task(operator).context
    context["ti"].get_first_reschedule_date = lambda _: None
    with pytest.raises(AirflowRescheduleException):
        operator.execute(context)


def test_seconds_of_lag_are_measured_with_a_heartbeat(world: World) -> None:
    source, target = world.pair(1)
    doc_id = start(world, source, target, continuous=True)
    begin = time.time()
    ends = {"max_seconds": 5, "target_conn_id": TARGET, "target_db": target.name}
    Task(lag_sensor(source, doc_id, checks=2, max_pending=1, **ends)).run()
    (heartbeat,) = [target.get(name) for name in target.ids() if name.startswith("replication-heartbeat:")]
    assert heartbeat["at"] >= begin


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda: sensor(""), "doc_id is empty"),
        (lambda: sensor("a", until="failed"), "until is 'failed'"),
        (
            lambda: CloudantReplicationLagSensor(
                task_id="l", doc_id="a", source_conn_id="none", source_db="a", max_seconds=3
            ),
            "write target_conn_id as well",
        ),
    ],
)
def test_what_has_no_meaning_is_refused_before_anything_is_opened(made: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        Task(made()).run()
