# SPDX-License-Identifier: Apache-2.0
"""The servers that the contract is held against."""

from __future__ import annotations

import base64
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from airflow_provider_replicator.sandbox.couchdb.running import RunningCouch
from tests.contract.couchdb.client import Couch, Database
from tests.contract.couchdb.pouchdb import RunningPouch

if TYPE_CHECKING:
    from collections.abc import Iterator

#: How the sandbox's timers run: its half minute is over in less than one second.
SCALE = 0.02


@dataclass(frozen=True, kw_only=True)
class Server:
    """``url`` has no credentials, ``inner_url`` is that under which the server reaches itself; ``username`` is that of an admin.

    ``scale``: what a second of the server's own timers takes. ``patience``: seconds after which a wait for one of them has failed.
    """

    kind: str
    url: str
    inner_url: str
    username: str | None
    password: str
    scale: float
    patience: float
    #: States are in the documents of ``_replicator``, and there is no scheduler.
    legacy: bool = False

    def couch(self, username: str | None = None, password: str = "") -> Couch:
        """Of a user, or without a name. To be closed."""
        return Couch(self.url, username, password)

    def admin(self) -> Couch:
        return Couch(self.url, self.username, self.password)

    def at(self, database: str) -> str:
        """The database as the server reaches it, without credentials."""
        return f"{self.inner_url}/{quote(database, safe='')}"

    def endpoint(self, database: Database | str) -> dict[str, Any]:
        """The database as a document for the replicator names it."""
        url = self.at(database if isinstance(database, str) else database.name)
        if self.username is None:
            return {"url": url, "headers": {}}
        if self.legacy:
            basic = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
            return {"url": url, "headers": {"Authorization": f"Basic {basic}"}}
        return {"url": url, "auth": {"basic": {"username": self.username, "password": self.password}}}

    def version(self) -> tuple[int, ...]:
        with self.couch() as anonymous:
            return tuple(int(part) for part in anonymous.get()["version"].split(".")[:3])


@contextmanager
def sandbox(*args: str) -> Iterator[Server]:
    with RunningCouch(args=("--time-scale", str(SCALE), *args)) as running:
        yield Server(
            kind="sandbox",
            url=running.url,
            inner_url=running.url,
            username=running.username,
            password=running.password,
            scale=SCALE,
            patience=30,
            legacy="--legacy" in args,
        )


@contextmanager
def pouchdb() -> Iterator[Server]:
    """Nobody has to sign in there. Raises NotInstalledError."""
    with RunningPouch() as url:
        yield Server(
            kind="pouchdb",
            url=url,
            inner_url=url,
            username=None,
            password="",
            scale=1,
            patience=30,
            legacy=True,
        )


@contextmanager
def named() -> Iterator[Server]:
    """``COUCHDB_URL``, with the credentials of an admin in it; ``COUCHDB_REPLICATION_URL`` if it reaches itself elsewhere."""
    parts = urlsplit(os.environ["COUCHDB_URL"])
    url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")
    yield Server(
        kind="real",
        url=url,
        inner_url=os.environ.get("COUCHDB_REPLICATION_URL", url).rstrip("/"),
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password or ""),
        scale=1,
        patience=120,
    )
