# SPDX-License-Identifier: Apache-2.0
"""Servers for tests of the engines: the sandbox, or in its place the one that ``COUCHDB_URL`` names; and pouchdb-server."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from airflow_provider_replicator.couchdb.auth.credentials import BasicAuth, NoAuth
from airflow_provider_replicator.couchdb.connection import CouchConnection
from scripts.pouchdb import NotInstalledError
from tests.contract.couchdb import server as servers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from tests.contract.couchdb.server import Server


def main_server() -> AbstractContextManager[Server]:
    """Speaks as CouchDB 3.5 does."""
    return servers.named() if os.environ.get("COUCHDB_URL") else servers.sandbox()


@contextmanager
def pouch() -> Iterator[CouchConnection]:
    """A server of PouchDB: another implementation, with numbers for sequences. Skips where it is not installed."""
    try:
        with servers.pouchdb() as server:
            yield connection_to(server, "pouch")
    except NotInstalledError as missing:
        pytest.skip(str(missing))


def connection_to(server: Server, name: str = "couch") -> CouchConnection:
    """As an administrator."""
    auth = NoAuth() if server.username is None else BasicAuth(username=server.username, password=server.password)
    return CouchConnection(name=name, base_url=server.url, auth=auth)
