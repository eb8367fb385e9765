# SPDX-License-Identifier: Apache-2.0
"""Stopping a job: against the server's own writes, twice, and never somebody else's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from airflow_provider_replicator.core.retry import RetryPolicy
from airflow_provider_replicator.couchdb import databases
from airflow_provider_replicator.couchdb.blocking import run
from airflow_provider_replicator.couchdb.connection import CouchConnection
from airflow_provider_replicator.couchdb.jobs import stop as stopping
from airflow_provider_replicator.couchdb.jobs.choices import Owner
from airflow_provider_replicator.couchdb.jobs.stop import stop
from airflow_provider_replicator.exceptions import ReplicationFailedError, ReplicationStalledError
from tests.couchdb.jobs.pair import Pair
from tests.unit.scripted_server import ScriptedServer, Step, answer, reset

MARKER = {
    "by": "airflow-provider-replicator",
    "dag_id": "d",
    "task_id": "t",
    "run_id": "r",
    "map_index": -1,
    "fingerprint": "f",
}


def test_a_running_job_is_stopped_and_goes_on_later(pair: Pair) -> None:
    pair.fill(5)
    job = pair.submit(continuous=True)
    pair.once(pair.ids, lambda ids: len(ids) == 5)
    assert run(stop(pair.client, job.replicator_db, job.doc_id)) is True
    assert run(stop(pair.client, job.replicator_db, job.doc_id)) is False
    assert pair.jobs() == []
    pair.put("later")
    report = pair.replicate()
    assert len(pair.ids()) == 6
    assert report["docs_written_total"] >= 1


def test_many_jobs_are_stopped_while_the_server_writes_their_states(pair: Pair) -> None:
    """Fact 10: one in ten deletes meets such a write."""
    pair.fill(1)
    for number in range(12):
        job = pair.submit(selector={"part": number})
        assert run(stop(pair.client, job.replicator_db, job.doc_id)) is True
    assert pair.jobs() == []


def test_jobs_of_others_are_not_stopped(pair: Pair) -> None:
    doc_id = f"somebody-{pair.dag_id}"
    pair.foreign(doc_id, continuous=True)
    with pytest.raises(ReplicationFailedError, match="not made by Airflow"):
        run(stop(pair.client, "_replicator", doc_id))
    assert run(databases.get_document(pair.client, "_replicator", doc_id)) is not None
    assert run(stop(pair.client, "_replicator", doc_id, foreign=True)) is True


def test_jobs_of_other_tasks_are_not_stopped(pair: Pair) -> None:
    job = pair.submit(pair.owner(task_id="one"), continuous=True)
    with pytest.raises(ReplicationFailedError, match="belongs to task one"):
        run(stop(pair.client, job.replicator_db, job.doc_id, owner=pair.owner(task_id="two")))
    assert run(stop(pair.client, job.replicator_db, job.doc_id, owner=pair.owner(task_id="one"))) is True


def document(number: int, **fields: Any) -> Step:
    return answer(200, orjson.dumps({"_id": "x", "_rev": f"{number}-a", "airflow": MARKER} | fields))


CONFLICT = answer(409, b'{"error":"conflict","reason":"Document update conflict."}')
MISSING = answer(404, b'{"error":"not_found","reason":"deleted"}')
DONE = answer(200, b'{"ok":true,"id":"x","rev":"3-b"}')


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "_LONGEST_PAUSE", 0.02)


def stopped(steps: list[Step], check: Callable[[ScriptedServer, Any], None]) -> None:
    async def play() -> None:
        async with ScriptedServer(steps) as server:
            retry = RetryPolicy(attempts=3, connect_attempts=3, seconds=5, first_wait=0.01)
            client = CouchConnection(name="c", base_url=server.url, retry=retry).client()
            async with client:
                try:
                    result: Any = await stop(client, "_replicator", "x")
                except (ReplicationFailedError, ReplicationStalledError) as error:
                    result = error
            check(server, result)

    asyncio.run(play())


@pytest.mark.usefixtures("impatient")
def test_a_storm_of_conflicts_is_sat_out() -> None:
    def check(server: ScriptedServer, result: Any) -> None:
        assert result is True
        assert [seen.method for seen in server.seen] == ["GET", "DELETE"] * 4
        assert server.seen[-1].target == "/_replicator/x?rev=4-a"

    storm = [step for number in (1, 2, 3) for step in (document(number), CONFLICT)]
    stopped([*storm, document(4), DONE], check)


@pytest.mark.usefixtures("impatient")
def test_a_storm_that_does_not_end_is_an_error_that_may_pass() -> None:
    def check(server: ScriptedServer, result: Any) -> None:
        assert isinstance(result, ReplicationStalledError)
        assert len(server.seen) == 20

    stopped([step for _ in range(10) for step in (document(1), CONFLICT)], check)


def test_a_lost_answer_is_a_deleted_document() -> None:
    def check(server: ScriptedServer, result: Any) -> None:
        assert result is True
        assert [seen.method for seen in server.seen] == ["GET", "DELETE", "DELETE"]

    stopped([document(1), reset, MISSING], check)


def test_a_document_that_becomes_somebody_elses_is_left() -> None:
    def check(server: ScriptedServer, result: Any) -> None:
        assert isinstance(result, ReplicationFailedError)
        assert [seen.method for seen in server.seen] == ["GET", "DELETE", "GET"]

    stopped([document(1), CONFLICT, document(2, airflow=None)], check)


def test_an_owner_is_who_has_submitted_it(pair: Pair) -> None:
    owner = Owner(dag_id=pair.dag_id, task_id="copy", run_id="a")
    job = pair.submit(owner, continuous=True)
    other_run = Owner(dag_id=pair.dag_id, task_id="copy", run_id="b", map_index=4)
    assert run(stop(pair.client, job.replicator_db, job.doc_id, owner=other_run)) is True
