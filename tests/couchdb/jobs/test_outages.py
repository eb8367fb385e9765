# SPDX-License-Identifier: Apache-2.0
"""Servers that stumble, are full, are down, or lose what was there: against the sandbox, which fails by rule."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_replicator.core.retry import RetryPolicy
from airflow_provider_replicator.couchdb import databases
from airflow_provider_replicator.couchdb.auth.credentials import BasicAuth
from airflow_provider_replicator.couchdb.blocking import run
from airflow_provider_replicator.couchdb.connection import CouchConnection
from airflow_provider_replicator.couchdb.jobs.choices import Owner, Policies, WaitLimits
from airflow_provider_replicator.couchdb.jobs.options import ReplicationOptions
from airflow_provider_replicator.couchdb.jobs.stop import stop
from airflow_provider_replicator.couchdb.jobs.submit import submit
from airflow_provider_replicator.couchdb.jobs.wait import wait
from airflow_provider_replicator.exceptions import CouchAccessError, CouchConnectionError, CouchUnavailableError
from airflow_provider_replicator.sandbox.couchdb.running import RunningCouch
from tests.couchdb.jobs.pair import LIMITS, NOWHERE, Pair

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What a client does not try again, the wait has to tolerate.
ONCE = RetryPolicy(attempts=1, connect_attempts=1, seconds=1)
QUICK = WaitLimits(timeout=60, max_crashes=99, poll_interval=0.05)


@pytest.fixture(scope="module")
def server() -> Iterator[RunningCouch]:
    with RunningCouch(args=("--time-scale", "0.02")) as running:
        yield running


@pytest.fixture
def pair(server: RunningCouch) -> Iterator[Pair]:
    connection = CouchConnection(
        name="couch", base_url=server.url, auth=BasicAuth(server.username, server.password), retry=ONCE
    )
    with connection.blocking() as client:
        made = Pair(client, uuid.uuid4().hex[:8])
        made.create()
        yield made
        server.control.clear_faults()
        for doc_id in made.jobs():
            run(stop(client, "_replicator", doc_id, foreign=True))
        made.drop()


def configured(pair: Pair, name: str, value: str) -> str:
    """Set a setting of the replicator; what it was before."""
    return str(run(pair.client.put("_node", "_local", "_config", "replicator", name, json=value)))


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 503},
        {"kind": "status", "status": 429},
        {"kind": "status", "status": 429, "retry_after": 1},
        {"kind": "reset"},
        {"kind": "truncated_body"},
    ],
)
def test_looks_may_fail_for_a_while(pair: Pair, server: RunningCouch, fault: dict[str, Any]) -> None:
    pair.fill(3)
    job = pair.submit()
    server.control.fault(path="/_scheduler/docs/*", times=5, **fault)
    outcome = run(wait(pair.client, job, QUICK))
    assert outcome.ok
    assert outcome.polls >= 6
    assert server.control.faults()[0]["happened"] == 5


@pytest.mark.parametrize(
    ("fault", "error"),
    [({"kind": "status", "status": 503}, CouchUnavailableError), ({"kind": "reset"}, CouchConnectionError)],
)
def test_a_server_that_stays_down_ends_the_wait(
    pair: Pair, server: RunningCouch, fault: dict[str, Any], error: type[Exception]
) -> None:
    job = pair.submit(continuous=True)
    server.control.fault(path="/_scheduler/docs/*", times=None, **fault)
    with pytest.raises(error):
        run(wait(pair.client, job, replace(QUICK, error_tolerance=0.5), until="drained", source=pair.client))


def test_a_look_is_one_request(pair: Pair) -> None:
    job = pair.submit(target_proxy=NOWHERE)
    before = pair.client.requests
    outcome = run(wait(pair.client, job, replace(QUICK, timeout=1.5)))
    assert outcome.kind == "stalled"
    assert outcome.polls == outcome.requests == pair.client.requests - before > 5


@pytest.mark.parametrize("kind", ["reset_after_commit", "status_after_commit"])
def test_a_lost_answer_to_the_document_makes_no_second_job(pair: Pair, server: RunningCouch, kind: str) -> None:
    pair.fill(3)
    patient = replace(pair.connection, retry=RetryPolicy(attempts=4, connect_attempts=4, seconds=10, first_wait=0.05))
    server.control.fault(path="/_replicator/airflow-*", method="PUT", kind=kind, status=503)
    owner = pair.owner()
    with patient.blocking() as client:
        job = run(submit(client, patient, patient, pair.options(), owner=owner, policies=Policies()))
    assert job.adopted is False
    assert pair.jobs() == [job.doc_id]
    assert pair.until(job, "completed").state == "completed"


def test_a_worker_that_dies_after_the_document_is_written_is_healed(pair: Pair, server: RunningCouch) -> None:
    pair.fill(3)
    server.control.fault(path="/_replicator/airflow-*", method="PUT", kind="reset_after_commit")
    owner = pair.owner()
    with pytest.raises(CouchConnectionError):
        pair.submit(owner)  # it never learns of its job
    report = pair.replicate(owner)
    assert (report["adopted"], report["docs_written"]) == (True, 3)


def test_a_full_queue_is_waited_for_within_bounds(pair: Pair) -> None:
    before = configured(pair, "max_jobs", "1")
    try:
        pair.until(pair.submit(continuous=True, selector={"a": 1}), "running")
        job = pair.submit(selector={"a": 2})
        outcome = run(wait(pair.client, job, replace(QUICK, pending_timeout=0.3)))
        assert (outcome.kind, outcome.state.state) == ("stalled", "pending")
        assert "queue" in outcome.reason
        waited = run(wait(pair.client, job, QUICK))  # a one-shot job comes to its turn
        assert waited.ok
    finally:
        configured(pair, "max_jobs", before)


def test_a_document_that_is_not_picked_up_is_said_to_be_so() -> None:
    """Fact 6: null, for half a minute in a new replicator database."""
    with RunningCouch(args=("--time-scale", "0.3"), databases=("one", "two")) as server:
        own = CouchConnection(
            name="own",
            base_url=server.url,
            auth=BasicAuth(server.username, server.password),
            replicator_db="team/_replicator",
        )
        options = ReplicationOptions.of("one", "two")
        owner = Owner(dag_id="d", task_id="t", run_id="r")
        with own.blocking() as mediator:
            job = run(submit(mediator, own, own, options, owner=owner, policies=Policies()))
            outcome = run(wait(mediator, job, replace(QUICK, not_picked_up_timeout=0.2)))
            assert outcome.kind == "stalled"
            assert "not picked it up" in outcome.reason
            again = run(wait(mediator, job, LIMITS))
            assert again.ok
            assert again.states[0] == "unseen"


def test_a_document_that_somebody_deletes_ends_the_wait(pair: Pair) -> None:
    job = pair.submit(target_proxy=NOWHERE)
    run(stop(pair.client, job.replicator_db, job.doc_id))
    outcome = run(wait(pair.client, job, replace(QUICK, gone_tolerance=0.2)))
    assert (outcome.kind, outcome.state.state) == ("gone", "gone")


def test_a_target_that_is_dropped_meanwhile_ends_the_wait(pair: Pair) -> None:
    pair.fill(3)
    job = pair.submit(continuous=True)
    pair.once(pair.ids, lambda ids: len(ids) == 3)
    run(databases.drop(pair.client, pair.target))
    pair.put("new")
    limits = replace(QUICK, max_crashes=2, drained_checks=1000)
    outcome = run(wait(pair.client, job, limits, until="drained", source=pair.client))
    assert outcome.kind in ("failed", "stalled")
    assert outcome.state.crashing


def test_a_job_recovers_when_the_target_is_back(pair: Pair, server: RunningCouch) -> None:
    pair.fill(3)
    path = f"/{pair.target.replace('/', '%2F').replace('+', '%2B')}*"
    server.control.fault(path=path, kind="status", status=503, times=3)
    outcome = run(wait(pair.client, pair.submit(retries_per_request=1), QUICK))
    assert outcome.ok
    assert len(pair.ids()) == 3


def test_wrong_credentials_fail_at_once(pair: Pair, server: RunningCouch) -> None:
    """Fact 12: asked five times, the account would be locked."""
    assert isinstance(pair.connection.auth, BasicAuth)
    wrong = replace(pair.connection, auth=BasicAuth(pair.connection.auth.username, "wrong"))
    server.control.reset_counters()
    with wrong.blocking() as client, pytest.raises(CouchAccessError):
        run(submit(client, wrong, wrong, pair.options(), owner=pair.owner(), policies=Policies()))
    statuses = server.control.counters()["statuses"]
    assert sum(count for name, count in statuses.items() if name.endswith("401")) == 1
    server.control.unlock()
    outcome = run(
        wait(
            pair.client,
            run(
                submit(
                    pair.client,
                    replace(pair.connection, auth=BasicAuth("nobody", "wrong")),
                    pair.connection,
                    pair.options(),
                    owner=pair.owner(),
                    policies=Policies(),
                )
            ),
            QUICK,
        )
    )
    assert (outcome.kind, outcome.crashes, outcome.state.error_class) == ("failed", 1, "fatal")
    server.control.unlock()
