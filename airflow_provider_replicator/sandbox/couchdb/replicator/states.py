# SPDX-License-Identifier: Apache-2.0
"""The server's own writes into replication documents: the states that are for ever, and in v1 all of them."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from airflow_provider_replicator.sandbox.couchdb.database import Database
from airflow_provider_replicator.sandbox.couchdb.errors import CouchError
from airflow_provider_replicator.sandbox.couchdb.replicator.ownership import REPLICATOR
from airflow_provider_replicator.sandbox.couchdb.replicator.pace import iso8601

log = logging.getLogger(__name__)

STATE, TIME, REASON = "_replication_state", "_replication_state_time", "_replication_state_reason"
STATS, ID = "_replication_stats", "_replication_id"


def write_completed(database: Database | None, doc_id: str, stats: Mapping[str, Any]) -> None:
    _update(database, doc_id, {STATE: "completed", REASON: None, STATS: dict(stats)})


def write_failed(database: Database | None, doc_id: str, reason: str) -> None:
    _update(database, doc_id, {STATE: "failed", STATS: None, REASON: reason})


def write_triggered(database: Database | None, doc_id: str, job_id: str) -> None:
    _update(database, doc_id, {STATE: "triggered", REASON: None, ID: job_id, STATS: None})


def write_error(database: Database | None, doc_id: str, reason: str, job_id: str | None) -> None:
    _update(database, doc_id, {STATE: "error", REASON: reason, STATS: None, ID: job_id})


def remove_state(database: Database | None, doc_id: str) -> None:
    _update(database, doc_id, dict.fromkeys((STATE, TIME, REASON, ID, STATS)))


def _update(database: Database | None, doc_id: str, changes: Mapping[str, Any]) -> None:
    """None removes a member. Whoever has read the document before cannot write or delete it any more: 409."""
    document = database.get(doc_id) if database is not None else None
    if database is None or document is None:
        return  # deleted in the meantime
    changed = dict(document)
    for name, value in changes.items():
        if value is None:
            changed.pop(name, None)
        elif changed.get(name) != value:
            changed[name] = value
            if name == STATE:
                changed[TIME] = iso8601(time.time())
    if changed == document:
        return
    try:
        database.put(changed, user=REPLICATOR)
    except CouchError as error:
        log.info("the state of %s could not be written: %s", doc_id, error)
