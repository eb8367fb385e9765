# SPDX-License-Identifier: Apache-2.0
"""One sandbox CouchDB for all tests here; each test has databases of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_replicator.couchdb.connection import CouchConnection
from airflow_provider_replicator.sandbox.couchdb.running import RunningCouch
from tests.couchdb.client.asking import connection

#: Whatever can be typed, and more.
PASSWORD = "".join(map(chr, range(0x20, 0x7F))) + "äß€"


@pytest.fixture(scope="session")
def couch() -> Iterator[RunningCouch]:
    with RunningCouch(password=PASSWORD) as running:
        yield running


@pytest.fixture
def to(couch: RunningCouch) -> CouchConnection:
    """A connection with a session of the administrator."""
    return connection(couch.url, couch.username, couch.password)
