# SPDX-License-Identifier: Apache-2.0
"""Servers that do things otherwise: CouchDB 3.5.2 (since_seq is part of the job), CouchDB 1 and PouchDB (states in the documents)."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from airflow_provider_replicator.couchdb import databases
from airflow_provider_replicator.couchdb.auth.credentials import BasicAuth
from airflow_provider_replicator.couchdb.blocking import run
from airflow_provider_replicator.couchdb.connection import CouchConnection
from airflow_provider_replicator.couchdb.jobs.choices import Policies, WaitLimits
from airflow_provider_replicator.couchdb.jobs.listing import list_jobs
from airflow_provider_replicator.couchdb.jobs.stop import stop
from airflow_provider_replicator.couchdb.jobs.windows import begin
from airflow_provider_replicator.exceptions import ConfigurationError, ReplicationFailedError
from airflow_provider_replicator.sandbox.couchdb.running import RunningCouch
from tests.couchdb import servers
from tests.couchdb.jobs.pair import Pair

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def pair_on(connection: CouchConnection) -> Iterator[Pair]:
    with connection.blocking() as client:
        made = Pair(client, uuid.uuid4().hex[:8])
        made.create()
        yield made
        for doc_id in made.jobs():
            run(stop(client, connection.replicator_db, doc_id, foreign=True))
        made.drop()


@contextmanager
def sandbox(*args: str) -> Iterator[CouchConnection]:
    with RunningCouch(args=("--time-scale", "0.02", *args)) as server:
        yield CouchConnection(name="couch", base_url=server.url, auth=BasicAuth(server.username, server.password))


@pytest.fixture(scope="module")
def newer_server() -> Iterator[CouchConnection]:
    with sandbox("--version", "3.5.2") as connection:
        yield connection


@pytest.fixture(scope="module")
def v1_server() -> Iterator[CouchConnection]:
    with sandbox("--legacy") as connection:
        yield connection


@pytest.fixture(scope="module")
def pouch_server() -> Iterator[CouchConnection]:
    with servers.pouch() as connection:
        yield connection


@pytest.fixture
def newer(newer_server: CouchConnection) -> Iterator[Pair]:
    with pair_on(newer_server) as pair:
        yield pair


@pytest.fixture
def v1(v1_server: CouchConnection) -> Iterator[Pair]:
    with pair_on(v1_server) as pair:
        yield pair


@pytest.fixture
def pouch(pouch_server: CouchConnection) -> Iterator[Pair]:
    with pair_on(pouch_server) as pair:
        yield pair


@pytest.mark.usefixtures("runs_apart")
def test_parts_and_repairs_where_since_seq_makes_another_job(newer: Pair) -> None:
    newer.fill(5)
    assert newer.replicate()["docs_written"] == 5
    middle = run(databases.info(newer.client, newer.source))["update_seq"]
    newer.fill(2, "new")
    part = newer.replicate(since_seq=middle)
    assert (part["docs_written_total"], len(newer.ids())) == (2, 7)
    document = run(databases.get_document(newer.client, newer.target, "doc0001"))
    assert document is not None
    run(newer.client.post(newer.target, "_purge", json={"doc0001": [document["_rev"]]}))
    assert newer.replicate()["docs_written"] == 0
    for _ in range(2):  # no checkpoint of the first one keeps the second one from looking at everything
        newer.replicate(since_seq="0")
        assert len(newer.ids()) == 7
        document = run(databases.get_document(newer.client, newer.target, "doc0001"))
        assert document is not None
        run(newer.client.post(newer.target, "_purge", json={"doc0001": [document["_rev"]]}))


@pytest.mark.parametrize("where", ["v1", "pouch"])
def test_states_in_documents(where: str, request: pytest.FixtureRequest) -> None:
    pair: Pair = request.getfixturevalue(where)
    pair.fill(12)
    owner = pair.owner()
    report = pair.replicate(owner, Policies(keep_document=True))
    assert (report["state"], len(pair.ids())) == ("completed", 12)
    assert report.get("docs_written", 12) == 12
    (doc_id,) = pair.jobs()
    again = pair.replicate(owner, Policies(keep_document=True))
    assert (again["adopted"], again["doc_id"]) == (True, doc_id)
    pair.put("new")
    pair.replicate(owner, Policies(if_completed="rerun"))
    assert len(pair.ids()) == 13
    assert pair.jobs() == []


@pytest.mark.parametrize("where", ["v1", "pouch"])
def test_chosen_documents(where: str, request: pytest.FixtureRequest) -> None:
    pair: Pair = request.getfixturevalue(where)
    pair.put("plain", "plus+x", "a%25b", "ünï/cödé", "other")
    pair.replicate(doc_ids=["plain", "plus+x", "a%25b", "ünï/cödé"])
    assert sorted(pair.ids()) == sorted(["plain", "plus+x", "a%25b", "ünï/cödé"])


@pytest.mark.parametrize("where", ["v1", "pouch"])
def test_continuous_jobs_are_adopted_and_stopped(where: str, request: pytest.FixtureRequest) -> None:
    pair: Pair = request.getfixturevalue(where)
    pair.fill(3)
    job = pair.submit(continuous=True)
    pair.once(pair.ids, lambda ids: len(ids) == 3)
    assert pair.until(job, "running").state == "running"
    assert pair.submit(continuous=True).adopted
    assert run(stop(pair.client, job.replicator_db, job.doc_id)) is True
    assert pair.state(job).state == "gone"


def test_errors_of_v1_servers_end_the_wait(v1: Pair) -> None:
    run(databases.drop(v1.client, v1.source))
    with pytest.raises(ReplicationFailedError, match="db_not_found"):
        v1.replicate(limits=WaitLimits(timeout=30, grace_crashes=0))
    assert v1.jobs() == []


def test_jobs_of_v1_servers_are_listed_page_by_page(v1: Pair) -> None:
    done = v1.replicate(policies=Policies(keep_document=True))["doc_id"]
    live = v1.submit(continuous=True)
    v1.until(live, "running")

    async def listed() -> dict[str, str]:
        found = list_jobs(v1.client, prefix=f"airflow-{v1.dag_id}", page=1)
        return {job.doc_id: job.state.state async for job in found}

    assert run(listed()) == {done: "completed", live.doc_id: "running"}


def test_windows_need_sequences(pouch: Pair) -> None:
    with pytest.raises(ConfigurationError, match="windows need sequences"):
        run(begin(pouch.client, pouch.source, stream="s", window="2026-11-01T00:00:00Z"))
