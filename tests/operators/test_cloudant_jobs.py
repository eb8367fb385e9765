# SPDX-License-Identifier: Apache-2.0
"""Replications are stopped, verified on their own, and cleared away: only those that Airflow has made."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_replicator.exceptions import ConfigurationError, ReplicationFailedError, VerificationError
from airflow_provider_replicator.operators.cloudant import (
    CloudantCleanupReplicationsOperator,
    CloudantReplicateOperator,
    CloudantStopReplicationOperator,
    CloudantVerifyReplicationOperator,
)
from tests.operators.couch_tasks import Task
from tests.operators.couch_world import SOURCE

if TYPE_CHECKING:
    from tests.contract.couchdb.client import Database
    from tests.operators.couch_world import World


def stop(doc_id: str, **arguments: Any) -> Any:
    return Task(
        CloudantStopReplicationOperator(task_id="stop", cloudant_conn_id=SOURCE, doc_id=doc_id, **arguments)
    ).run()


def clean(**arguments: Any) -> Any:
    return Task(CloudantCleanupReplicationsOperator(task_id="clean", cloudant_conn_id=SOURCE, **arguments)).run()


def replicated(world: World, source: Database, target: Database, **arguments: Any) -> dict[str, Any]:
    operator = CloudantReplicateOperator(task_id="copy", **world.ends(source, target, **arguments))
    report: dict[str, Any] = Task(operator).run()
    return report


def test_a_continuous_replication_is_stopped_once_and_for_all(world: World) -> None:
    source, target = world.pair(2)
    doc_id = replicated(world, source, target, continuous=True)["doc_id"]
    assert stop(doc_id) == {"doc_id": doc_id, "replicator_db": "_replicator", "stopped": True}
    assert world.job(source) is None
    assert stop(doc_id)["stopped"] is False
    with pytest.raises(ReplicationFailedError, match="to stop"):
        stop(doc_id, missing_ok=False)


def test_what_others_have_made_is_stopped_only_if_that_is_meant(world: World) -> None:
    source, target = world.pair(1)
    ends = {"source": world.server.endpoint(source), "target": world.server.endpoint(target), "continuous": True}
    world.couch.put("_replicator", "theirs/1", json=ends)
    with pytest.raises(ReplicationFailedError, match="not made by Airflow"):
        stop("theirs/1")
    assert world.job(source) is not None
    assert stop("theirs/1", foreign="true")["stopped"] is True


def test_ended_replications_of_airflow_are_cleared_away_when_they_are_old_enough(world: World) -> None:
    source, target = world.pair(1)
    doc_id = replicated(world, source, target, keep_document=True)["doc_id"]
    other, their_target = world.pair(1)
    ends = {"source": world.server.endpoint(other), "target": world.server.endpoint(their_target)}
    world.couch.put("_replicator", "theirs", json=ends)
    world.once(other, "completed")

    assert clean()["deleted"] == 0  # none of them is a week old
    found = clean(older_than=timedelta(0), dry_run=True)
    assert (found["deleted"], found["foreign"], found["ids"]) == (1, 1, [doc_id])
    assert clean(older_than="0", dag_id_of_jobs="another")["deleted"] == 0
    assert world.job(source) is not None
    assert clean(older_than=0, dag_id_of_jobs="dag")["deleted"] == 1
    assert world.job(source) is None
    assert world.job(other) is not None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"older_than": "a week"}, "older_than is 'a week'"),
        ({"older_than": -1}, "older_than is -1"),
        ({"states": ""}, "states is empty"),
    ],
)
def test_clearing_away_needs_an_age_and_states(arguments: dict[str, Any], words: str) -> None:
    operator = CloudantCleanupReplicationsOperator(task_id="clean", cloudant_conn_id="none", **arguments)
    with pytest.raises(ConfigurationError, match=words):
        Task(operator).run()


@pytest.mark.parametrize("doc_id", ["", "None"])
def test_stopping_needs_an_id(doc_id: str) -> None:
    with pytest.raises(ConfigurationError, match="doc_id is empty"):
        Task(CloudantStopReplicationOperator(task_id="stop", cloudant_conn_id="none", doc_id=doc_id)).run()


def verification(world: World, source: Database, target: Database, **arguments: Any) -> Task:
    return Task(CloudantVerifyReplicationOperator(task_id="verify", **world.ends(source, target, **arguments)))


def test_a_verification_of_its_own_names_what_is_missing(world: World) -> None:
    source, target = world.pair(5)
    with pytest.raises(VerificationError, match="5 of 5 documents") as caught:
        verification(world, source, target).run()
    assert caught.value.differences
    task = verification(world, source, target, max_missing="5")
    assert task.run()["verification"]["missing_documents"] == 5
    selected = verification(world, source, target, selector={"n": {"$gt": 99}})
    assert selected.run()["verification"]["documents"] == 0


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_verification_repairs_what_is_missing(world: World, deferrable: bool) -> None:
    source, target = world.pair(5)
    task = verification(world, source, target, level="bodies", sample="2", repair="true", deferrable=deferrable)
    report = task.run()
    assert target.ids() == source.ids()
    assert report["verification"] | {"ok": True, "compared": 2} == report["verification"]
    assert report["repair"]["state"] == "completed"
    assert world.job(source) is None
    assert task.assets() == {}


def test_pending_is_no_level_of_a_verification_of_its_own() -> None:
    operator = CloudantVerifyReplicationOperator(
        task_id="v", source_conn_id="none", source_db="a", target_conn_id="none", level="pending"
    )
    with pytest.raises(ConfigurationError, match="is about one run of a job"):
        Task(operator).run()
