# SPDX-License-Identifier: Apache-2.0
"""``validate_doc_update`` of design documents: what may be written to a database."""

from __future__ import annotations

from typing import Any

from airflow_provider_replicator.sandbox.couchdb.database import Commit, Database, Validator
from airflow_provider_replicator.sandbox.couchdb.drafts import DESIGN
from airflow_provider_replicator.sandbox.couchdb.functions import compile_function
from airflow_provider_replicator.sandbox.couchdb.store import Event
from airflow_provider_replicator.sandbox.couchdb.users import User


def watch_designs(event: Event, database: Database) -> None:
    if event == "created":
        database.listen(_renew)


def _renew(commit: Commit) -> None:
    """Take up the functions of design documents that were just written."""
    for document in commit.documents:
        if document.doc_id.startswith(DESIGN):
            design = commit.database.get(document.doc_id)
            source = None if design is None else design.get("validate_doc_update")
            if source is None:
                commit.database.validators.pop(document.doc_id, None)
            else:
                commit.database.validators[document.doc_id] = _validator(commit.database, source)


def _validator(database: Database, source: Any) -> Validator:
    def validate(new: dict[str, Any], old: dict[str, Any] | None, user: User, security: dict[str, Any]) -> None:
        context = {"db": database.name, "name": user.name, "roles": list(user.roles)}
        compile_function(source)(new, old, context, security)

    return validate
