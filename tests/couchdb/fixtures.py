# SPDX-License-Identifier: Apache-2.0
"""Servers that all tests of a folder share; its ``conftest.py`` imports what it wants."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.couchdb import servers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_replicator.couchdb.connection import CouchConnection


@pytest.fixture(scope="session")
def couch() -> Iterator[CouchConnection]:
    """An administrator's connection."""
    with servers.main_server() as server:
        yield servers.connection_to(server)


@pytest.fixture(scope="session")
def pouch() -> Iterator[CouchConnection]:
    with servers.pouch() as connection:
        yield connection
