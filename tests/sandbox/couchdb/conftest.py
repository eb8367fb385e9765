# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from airflow_provider_replicator.sandbox.couchdb.running import RunningCouch
from tests.sandbox.couchdb.caller import Caller

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def couchdb() -> Iterator[RunningCouch]:
    with RunningCouch() as server:
        yield server


@pytest.fixture
def call(couchdb: RunningCouch) -> Iterator[Caller]:
    """The whole server, shared by all tests: what a test switches is switched back, what it stores stays."""
    before = couchdb.control.settings()
    yield Caller(couchdb)
    couchdb.control.clear_faults()
    couchdb.control.resume()
    couchdb.control.unlock()
    couchdb.control.revoke_tokens()
    couchdb.control.settings(**before)


@pytest.fixture
def db(call: Caller) -> Caller:
    """A database of the test's own."""
    name = f"db{next(_numbers)}"
    assert call("PUT", f"/{name}").status == 201
    return Caller(call.server, f"/{name}")
