# SPDX-License-Identifier: Apache-2.0
"""``_users`` databases: passwords are hashed on the way in, and users see nobody but themselves."""

from __future__ import annotations

from typing import Any

from airflow_provider_replicator.sandbox.couchdb import passwords
from airflow_provider_replicator.sandbox.couchdb.accounts import PREFIX
from airflow_provider_replicator.sandbox.couchdb.database import Database
from airflow_provider_replicator.sandbox.couchdb.drafts import DESIGN, Draft
from airflow_provider_replicator.sandbox.couchdb.errors import forbidden, not_found
from airflow_provider_replicator.sandbox.couchdb.store import Event
from airflow_provider_replicator.sandbox.couchdb.users import User

_SECRETS = ("password_scheme", "pbkdf2_prf", "salt", "iterations", "derived_key")
_DEFAULT_ITERATIONS = 10


def watch(event: Event, database: Database) -> None:
    if event == "created" and (database.name == "_users" or database.name.endswith("/_users")):
        database.before_write.append(_check)
        database.after_read.append(_hide)


def _check(database: Database, draft: Draft, current: dict[str, Any] | None, user: User, new_edits: bool) -> None:
    if draft.doc_id.startswith(DESIGN):
        return
    if draft.deleted:
        if not database.security.is_admin(user) and _name(draft.doc_id) != user.name:
            raise forbidden("You may only delete your own user doc.")
        return
    _check_shape(draft.doc_id, draft.body)
    if not database.security.is_admin(user):
        _check_own(draft, current, user)
    password = draft.body.get("password")
    if isinstance(password, str):
        iterations = database.config.integer("chttpd_auth", "iterations", _DEFAULT_ITERATIONS)
        rest = {name: value for name, value in draft.body.items() if name != "password" and name not in _SECRETS}
        draft.body = rest | passwords.hashed(password, iterations)


def _name(doc_id: str) -> str:
    return doc_id.removeprefix(PREFIX)


def _check_shape(doc_id: str, body: dict[str, Any]) -> None:
    if body.get("type") != "user":
        raise forbidden("doc.type must be user")
    if not body.get("name"):
        raise forbidden("doc.name is required")
    roles = body.get("roles")
    if roles is None:
        raise forbidden("doc.roles must exist")
    if not isinstance(roles, list):
        raise forbidden("doc.roles must be an array")
    if doc_id != PREFIX + str(body["name"]):
        raise forbidden("Doc ID must be of the form org.couchdb.user:name")
    if any(not isinstance(role, str) for role in roles):
        raise forbidden("doc.roles can only contain strings")
    if any(role.startswith("_") for role in roles):
        raise forbidden("No system roles (starting with underscore) in users db.")


def _check_own(draft: Draft, current: dict[str, Any] | None, user: User) -> None:
    if current is None:
        if draft.body["roles"]:
            raise forbidden("Only _admin may set roles")
    elif user.name != draft.body["name"]:
        raise forbidden("You may only update your own user document.")
    elif draft.body["roles"] != current.get("roles"):
        raise forbidden("Only _admin may edit roles")


def _hide(database: Database, document: dict[str, Any], user: User) -> dict[str, Any]:
    """Others' documents are not there for a user; the hash is there for whom the document is."""
    if (
        database.security.is_admin(user)
        or str(document["_id"]).startswith(DESIGN)
        or _name(document["_id"]) == user.name
    ):
        return document
    raise not_found()
