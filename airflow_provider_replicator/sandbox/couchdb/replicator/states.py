# SPDX-License-Identifier: Apache-2.0
"""The server's own writes into replication documents: the states that are for ever, and in v1 all of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from airflow_provider_replicator.sandbox.couchdb.database import Database
from airflow_provider_replicator.sandbox.couchdb.errors import CouchError
from airflow_provider_replicator.sandbox.couchdb.replicator.ownership import REPLICATOR
from airflow_provider_replicator.sandbox.couchdb.replicator.pace import Pace, iso8601

log = logging.getLogger(__name__)

STATE, TIME, REASON = "_replication_state", "_replication_state_time", "_replication_state_reason"
STATS, ID = "_replication_stats", "_replication_id"
_REMOVED = object()


class States:
    """Whoever has read a document before a state is written cannot write or delete it any more: 409."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace

    def completed(self, database: Database | None, doc_id: str, stats: Mapping[str, Any]) -> None:
        self._update(database, doc_id, {STATE: "completed", REASON: _REMOVED, STATS: dict(stats)})

    def failed(self, database: Database | None, doc_id: str, reason: str) -> None:
        self._update(database, doc_id, {STATE: "failed", STATS: _REMOVED, REASON: reason})

    def triggered(self, database: Database | None, doc_id: str, job_id: str) -> None:
        self._update(database, doc_id, {STATE: "triggered", REASON: _REMOVED, ID: job_id, STATS: _REMOVED})

    def error(self, database: Database | None, doc_id: str, reason: str, job_id: str | None) -> None:
        self._update(database, doc_id, {STATE: "error", REASON: reason, STATS: _REMOVED, ID: job_id})

    def tagged(self, database: Database | None, doc_id: str, job_id: str) -> None:
        """All that CouchDB 1 did with a document that asks for what another one has started."""
        self._update(database, doc_id, {ID: job_id})

    def removed(self, database: Database | None, doc_id: str) -> None:
        self._update(database, doc_id, dict.fromkeys((STATE, TIME, REASON, ID, STATS), _REMOVED))

    def _update(self, database: Database | None, doc_id: str, changes: Mapping[str, Any]) -> None:
        document = database.get(doc_id) if database is not None else None
        if database is None or document is None:
            return  # deleted in the meantime
        changed = dict(document)
        for name, value in changes.items():
            if value is _REMOVED:
                changed.pop(name, None)
            elif changed.get(name, _REMOVED) != value:
                changed[name] = value
                if name == STATE:
                    changed[TIME] = iso8601(self._pace.shown())
        if changed == document:
            return
        try:
            database.put(changed, user=REPLICATOR)
        except CouchError as error:
            log.info("the state of %s could not be written: %s", doc_id, error)
