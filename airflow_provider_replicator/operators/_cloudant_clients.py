# SPDX-License-Identifier: Apache-2.0
"""The servers of a replication, and open clients of them."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from airflow_provider_replicator.couchdb.client import CouchClient
    from airflow_provider_replicator.couchdb.connection import CouchConnection


@dataclass(frozen=True, slots=True, kw_only=True)
class Clients:
    """Open clients. Where two of them are the same connection, they are the same client."""

    mediator: CouchClient
    source: CouchClient
    target: CouchClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Connections:
    """The server that runs the job, and the two between which it copies."""

    mediator: CouchConnection
    source: CouchConnection
    target: CouchConnection

    @contextmanager
    def open(self, stop: threading.Event | None) -> Iterator[Clients]:
        """Blocking clients, which end with CancelledError once ``stop`` is set."""
        with ExitStack() as stack:
            opened: dict[str, CouchClient] = {}
            for connection in (self.mediator, self.source, self.target):
                if connection.name not in opened:
                    opened[connection.name] = stack.enter_context(connection.blocking(stop))
            yield Clients(
                mediator=opened[self.mediator.name],
                source=opened[self.source.name],
                target=opened[self.target.name],
            )


def hurried(connection: CouchConnection) -> CouchConnection:
    """The same, for someone who has three seconds: Airflow kills a task five seconds after it told it to stop."""
    return replace(
        connection,
        connect_timeout=min(connection.connect_timeout, 1.5),
        read_timeout=min(connection.read_timeout, 3.0),
        retry=replace(connection.retry, attempts=2, connect_attempts=2, seconds=1.5),
    )
