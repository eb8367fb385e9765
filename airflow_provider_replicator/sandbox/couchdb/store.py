# SPDX-License-Identifier: Apache-2.0
"""One CouchDB server's state: its databases, configuration, clock and routes. No sockets, no event loop."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Literal

from airflow_provider_replicator.sandbox.clock import Clock
from airflow_provider_replicator.sandbox.couchdb.config import Config
from airflow_provider_replicator.sandbox.couchdb.database import Commit, Database, Written
from airflow_provider_replicator.sandbox.couchdb.documents import Document
from airflow_provider_replicator.sandbox.couchdb.drafts import Draft
from airflow_provider_replicator.sandbox.couchdb.errors import CouchError, not_found
from airflow_provider_replicator.sandbox.couchdb.revisions import Revision
from airflow_provider_replicator.sandbox.couchdb.routes import Routes

__all__ = ["Commit", "CouchInstance", "Database", "Document", "Draft", "Options", "Revision", "Written"]

_NAME = re.compile(r"[a-z][a-z0-9_$()+/-]*")
_SYSTEM = re.compile(r"(?:[a-z][a-z0-9_$()+/-]*/)?_(?:users|replicator)|_global_changes")
_LONGEST_NAME = 238


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """``version`` is what the server says it is, and behaves like where versions differ. The scheduler's times are multiplied by
    ``time_scale``. ``legacy``: the states of replications are kept in their documents, and there is no scheduler."""

    version: str = "3.5.0"
    time_scale: float = 1.0
    legacy: bool = False

    @property
    def release(self) -> tuple[int, ...]:
        """``version`` to compare: (3, 5, 0)."""
        return tuple(int(part) for part in self.version.split(".")[:3])


Event = Literal["created", "deleted"]


class CouchInstance:
    """``url`` is the server's own address, known once it listens. ``background`` are started in the server's event loop before the
    first request, and cancelled at its end."""

    def __init__(self, *, options: Options | None = None, clock: Clock | None = None) -> None:
        self.options = options or Options()
        self.clock = clock or Clock()
        self.config = Config()
        self.routes = Routes()
        self.uuid = uuid.uuid4().hex
        self.url = ""
        self.databases: dict[str, Database] = {}
        self.background: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self._listeners: list[Callable[[Event, Database], None]] = []

    def create(self, name: str) -> Database:
        """Raises 400 for a name that is none, 412 for one that is taken."""
        if len(name) > _LONGEST_NAME:
            reason = f"At least one path segment of `{name}` is too long."
            raise CouchError(400, "database_name_too_long", reason)
        if not _NAME.fullmatch(name) and not _SYSTEM.fullmatch(name):
            raise CouchError(
                400,
                "illegal_database_name",
                f"Name: '{name}'. Only lowercase characters (a-z), digits (0-9), and any of the characters _, $, (, ), +, -, and / "
                "are allowed. Must begin with a letter.",
            )
        if name in self.databases:
            raise CouchError(412, "file_exists", "The database could not be created, the file already exists.")
        database = self.databases[name] = Database(name, self.config, self.clock.now_ms())
        self._tell("created", database)
        return database

    def delete(self, name: str) -> None:
        """Raises 404."""
        database = self.database(name)
        del self.databases[name]
        database.end()
        self._tell("deleted", database)

    def database(self, name: str) -> Database:
        """Raises 404."""
        found = self.databases.get(name)
        if found is None:
            raise not_found("Database does not exist.")
        return found

    def listen(self, callback: Callable[[Event, Database], None]) -> None:
        """Call ``callback`` for every database that is created or deleted from now on, before anything is written to it."""
        self._listeners.append(callback)

    def _tell(self, event: Event, database: Database) -> None:
        for callback in self._listeners:
            callback(event, database)
