# SPDX-License-Identifier: Apache-2.0
"""One contract, several servers: the sandbox, pouchdb-server for the tests that say so, and the one that COUCHDB_URL names.

``@pytest.mark.servers(...)`` says which of them a test is for. What a test makes is removed after it.
"""

from __future__ import annotations

import os
import uuid
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import pytest

from scripts.pouchdb import NotInstalledError
from tests.contract.couchdb import server as servers
from tests.contract.couchdb.client import Couch, Database
from tests.contract.couchdb.jobs import Jobs
from tests.contract.couchdb.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_STARTS: dict[str, Callable[[], AbstractContextManager[Server]]] = {
    "sandbox": servers.sandbox,
    "sandbox 3.5.2": lambda: servers.sandbox("--version", "3.5.2"),
    "sandbox legacy": lambda: servers.sandbox("--legacy"),
    "pouchdb": servers.pouchdb,
    "real": servers.named,
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "server" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("servers")
        kinds = marker.args if marker else ("sandbox", "real")
        there = [kind for kind in kinds if kind != "real" or "COUCHDB_URL" in os.environ]
        metafunc.parametrize("server", there, indirect=True, scope="session")


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    try:
        with _STARTS[request.param]() as running:
            yield running
    except NotInstalledError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def admin(server: Server) -> Iterator[Couch]:
    with server.admin() as couch:
        yield couch


@pytest.fixture
def new_name(admin: Couch) -> Iterator[Callable[[], str]]:
    """Names of databases that nobody has used; they need not be created, but are dropped in the end."""
    given: list[str] = []

    def name(suffix: str = "") -> str:
        given.append(f"contract-{uuid.uuid4().hex[:12]}{suffix}")
        return given[-1]

    yield name
    for each in given:
        assert admin.ask("DELETE", each).status_code in (200, 404)


@pytest.fixture
def new_db(admin: Couch, new_name: Callable[[], str]) -> Callable[[], Database]:
    def create() -> Database:
        name = new_name()
        admin.put(name)
        return Database(admin, name)

    return create


@pytest.fixture
def db(new_db: Callable[[], Database]) -> Database:
    return new_db()


@pytest.fixture
def target(new_db: Callable[[], Database]) -> Database:
    return new_db()


@pytest.fixture
def user(admin: Couch) -> Iterator[tuple[str, str]]:
    """Name and password of somebody who has the role ``reader`` and nothing else."""
    name, password = f"contract-{uuid.uuid4().hex[:12]}", "pässw/+%:@ \"'&?#"
    path = ("_users", f"org.couchdb.user:{name}")
    made = admin.put(*path, json={"name": name, "password": password, "roles": ["reader"], "type": "user"})
    yield name, password
    admin.delete(*path, rev=made["rev"])


@pytest.fixture
def jobs(server: Server, admin: Couch) -> Iterator[Jobs]:
    started = Jobs(server, admin)
    yield started
    started.remove_all()
