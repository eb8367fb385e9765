# SPDX-License-Identifier: Apache-2.0
"""Two databases on one server, whose names have to be escaped, and clients to it: the sandbox, or what COUCHDB_URL names."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from airflow_provider_replicator.couchdb.blocking import run
from airflow_provider_replicator.couchdb.jobs import finish
from airflow_provider_replicator.couchdb.jobs.stop import stop
from tests.couchdb.jobs.pair import Pair
from tests.couchdb.servers import connection_to, main_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_replicator.couchdb.connection import CouchConnection


@pytest.fixture(scope="session")
def couch() -> Iterator[CouchConnection]:
    """An administrator's connection. In its ``replicator_db`` are the jobs of these tests only."""
    with main_server() as server:
        yield connection_to(server)


@pytest.fixture
def pair(couch: CouchConnection) -> Iterator[Pair]:
    """Two new databases; jobs that are left behind are stopped in the end."""
    with couch.blocking() as client:
        made = Pair(client, uuid.uuid4().hex[:8])
        made.create()
        yield made
        for doc_id in made.jobs():
            run(stop(client, couch.replicator_db, doc_id, foreign=True))
        made.drop()


@pytest.fixture
def runs_apart() -> None:
    """For tests that count what one of several runs has copied: a run waits until the next cannot begin in the same second."""


@pytest.fixture(autouse=True)
def runs_together(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """In all other tests they need not."""
    if "runs_apart" not in request.fixturenames:
        monkeypatch.setattr(finish, "_SHORT", 0.0)
