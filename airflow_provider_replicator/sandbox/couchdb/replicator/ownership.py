# SPDX-License-Identifier: Apache-2.0
"""What is special about writing and reading documents of a replicator database: owners, validation, hidden credentials."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from airflow_provider_replicator.sandbox.couchdb.database import Database
from airflow_provider_replicator.sandbox.couchdb.drafts import DESIGN, Draft
from airflow_provider_replicator.sandbox.couchdb.errors import forbidden
from airflow_provider_replicator.sandbox.couchdb.replicator.endpoint import without_credentials
from airflow_provider_replicator.sandbox.couchdb.replicator.texts import RejectedDocumentError
from airflow_provider_replicator.sandbox.couchdb.users import ADMIN_ROLE, User

#: writes states into documents; nobody else can have this role
REPLICATOR = User(None, (ADMIN_ROLE, "\0replicator"))
_NAME = "_replicator"
_MISSING = object()


def is_replicator_database(name: str) -> bool:
    return name == _NAME or name.endswith(f"/{_NAME}")


def guard(database: Database, check: Callable[[Mapping[str, Any]], object]) -> None:
    """Have documents of this database checked when written, by ``check`` whether they can be jobs, and shown with care."""

    def admit(database: Database, draft: Draft, current: dict[str, Any] | None, user: User, new_edits: bool) -> None:
        if draft.doc_id.startswith(DESIGN) or not new_edits or user is REPLICATOR:
            return
        _check_owner(database, draft, user)
        if draft.deleted or draft.body.get("_replication_state") == "failed":
            return
        try:
            check(draft.body)
        except RejectedDocumentError as error:
            raise forbidden(error.reason) from None

    database.admit.append(admit)
    database.after_read.append(_after_read)


def _check_owner(database: Database, draft: Draft, user: User) -> None:
    owner = draft.body.get("owner", _MISSING)
    if owner is _MISSING or (owner is None and user.name is not None and database.security.is_admin(user)):
        draft.body["owner"] = user.name
    elif owner != user.name and not database.security.is_admin(user):
        raise forbidden("Can't update replication documents from other users.")


def _after_read(database: Database, document: dict[str, Any], user: User) -> dict[str, Any]:
    """Somebody else's document: without credentials, and with a revision that cannot be used to change it."""
    shown_whole = database.security.is_admin(user) or document.get("owner") == user.name
    if shown_whole or str(document.get("_id")).startswith(DESIGN):
        return document
    hidden = {side: without_credentials(document[side]) for side in ("source", "target") if side in document}
    shown = document | hidden
    if "_rev" in document:
        number = str(document["_rev"]).partition("-")[0]
        digest = hashlib.md5(orjson.dumps(shown), usedforsecurity=False).hexdigest()
        shown["_rev"] = f"{number}-{digest}"
    return shown
