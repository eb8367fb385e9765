# SPDX-License-Identifier: Apache-2.0
"""What all operators for CouchDB and Cloudant have in common: connections, blocking clients, and an end when they are told to stop."""

from __future__ import annotations

import threading
from asyncio import CancelledError
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk import BaseOperator

from airflow_provider_replicator.core.arguments import Kind, coerce, given
from airflow_provider_replicator.exceptions import ConfigurationError, TransientError

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Mapping, Sequence

    from airflow_provider_replicator.couchdb.connection import CouchConnection
    from airflow_provider_replicator.operators._cloudant_clients import Connections

T = TypeVar("T")

#: What selects documents, in the server's words.
SELECTION: dict[str, Kind] = {
    "doc_ids": "names",
    "selector": "mapping",
    "filter": "text",
    "query_params": "mapping",
    "winning_revs_only": "flag",
}
#: What to do in doubt.
POLICIES: dict[str, Kind] = {
    "if_completed": "text",
    "on_mismatch": "text",
    "on_duplicate": "text",
    "on_write_failures": "text",
    "keep_document": "flag",
}


class CouchOperator(BaseOperator):
    """Something done with servers, one request after the other."""

    ui_color = "#ffe8e0"

    _stop: threading.Event | None = None
    _told_to_stop = False

    def on_kill(self) -> None:
        """End at the next request or pause; called by Airflow's signal handler, at any time."""
        self._told_to_stop = True
        if self._stop is not None:
            self._stop.set()

    @contextmanager
    def _stoppable(self) -> Iterator[threading.Event]:
        """A block that ``on_kill`` ends with a TransientError, so that a worker that goes away leaves the task to another one."""
        self._stop = threading.Event()
        if self._told_to_stop:
            self._stop.set()
        try:
            yield self._stop
        except CancelledError:
            raise TransientError("the task was told to stop; a retry goes on with the same replication") from None

    def _given(self, kinds: Mapping[str, Kind]) -> dict[str, Any]:
        return given(self, kinds)


def blocking(coroutine: Coroutine[Any, Any, T]) -> T:
    """Drive what talks to servers through blocking clients to its end."""
    from airflow_provider_replicator.couchdb.blocking import run

    return run(coroutine)


def couch_connection(conn_id: str) -> CouchConnection:
    """The connection, read and checked. Nothing is opened."""
    from airflow_provider_replicator.hooks.cloudant import CloudantHook

    return CloudantHook(conn_id).get_couch_connection()


class CouchPairOperator(CouchOperator):
    """Something done with a source and a target database.

    :param source_conn_id: connection of type ``couchdb`` or ``cloudant`` of the server that is read
    :param source_db: name of the database there
    :param target_conn_id: connection of the server that is written
    :param target_db: name of the database there; None: like the source
    :param mediator_conn_id: connection of the server that runs replication jobs; None: the source's. Needs rights to its
        ``_replicator`` database, and must reach both servers (see ``replication_url`` of a connection)
    :param doc_ids: only documents with these ids
    :param selector: only documents that this Mango selector matches
    :param filter: only documents that pass this filter function of the source, ``design document/name``
    :param query_params: parameters of the filter function
    :param winning_revs_only: leave out conflicting revisions
    """

    template_fields: Sequence[str] = (
        "source_conn_id",
        "source_db",
        "target_conn_id",
        "target_db",
        "mediator_conn_id",
        *SELECTION,
    )
    template_fields_renderers = {"selector": "json", "query_params": "json"}  # noqa: RUF012 - as in Airflow

    def __init__(
        self,
        *,
        source_conn_id: str,
        source_db: str,
        target_conn_id: str,
        target_db: str | None = None,
        mediator_conn_id: str | None = None,
        doc_ids: Sequence[str] | str | None = None,
        selector: Mapping[str, Any] | str | None = None,
        filter: str | None = None,  # noqa: A002 - the server's name
        query_params: Mapping[str, str] | str | None = None,
        winning_revs_only: bool | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source_conn_id = source_conn_id
        self.source_db = source_db
        self.target_conn_id = target_conn_id
        self.target_db = target_db
        self.mediator_conn_id = mediator_conn_id
        self.doc_ids = doc_ids
        self.selector = selector
        self.filter = filter
        self.query_params = query_params
        self.winning_revs_only = winning_revs_only

    def _databases(self) -> tuple[str, str]:
        """The names of both databases."""
        source = coerce("source_db", self.source_db, "text")
        if source is None:
            raise ConfigurationError("source_db is empty: write the name of a database")
        return source, coerce("target_db", self.target_db, "text") or source

    def _connections(self) -> Connections:
        """All connections, read and checked, source and target being two databases."""
        from airflow_provider_replicator.operators._cloudant_clients import Connections

        source, target = couch_connection(self.source_conn_id), couch_connection(self.target_conn_id)
        mediator_id = coerce("mediator_conn_id", self.mediator_conn_id, "text")
        mediator = couch_connection(mediator_id) if mediator_id else source
        databases = self._databases()
        if (source.base_url, databases[0]) == (target.base_url, databases[1]):
            raise ConfigurationError(
                f"{self.source_conn_id} and {self.target_conn_id} are the same database, {databases[0]} at {source.base_url}"
            )
        self.log.info(
            "source: %s at %s; target: %s at %s; jobs run at %s",
            *(databases[0], source.base_url, databases[1], target.base_url, mediator.base_url),
        )
        return Connections(mediator=mediator, source=source, target=target)
