# SPDX-License-Identifier: Apache-2.0
"""What somebody may ask for, by the path; what it does with a database's documents is looked at where it is done."""

from __future__ import annotations

from airflow_provider_replicator.sandbox.couchdb.errors import unauthorized
from airflow_provider_replicator.sandbox.couchdb.routes import Call
from airflow_provider_replicator.sandbox.couchdb.security import check_server_admin

_OPEN = {"_up", "_uuids", "_session", "_active_tasks", "_utils", "identity", "favicon.ico", ""}
_SYSTEM_DATABASES = {"_users", "_replicator"}
_SYSTEM_ADMIN_ONLY = {"_all_docs", "_changes"}
_SERVER_ADMIN = {"_purge", "_purged_infos_limit", "_sync_shards"}
_DATABASE_ADMIN = {"_compact", "_view_cleanup"}


def authorise(call: Call) -> None:
    """Raises 401 or 403. The database, if the path begins with one, has been found."""
    if call.found is not None:
        _database(call)
        return
    first = call.segments[0]
    if first in _OPEN or (first == "_replicate" and call.user.name is not None):
        return
    if first == "_replicate":
        raise unauthorized("You are not an authenticated user")
    creates = len(call.segments) == 1 and call.request.method in ("PUT", "DELETE")
    if first.startswith("_") or creates:
        check_server_admin(call.user)


def _database(call: Call) -> None:
    name, below = call.segments[0], call.segments[1] if len(call.segments) > 1 else ""
    alone = len(call.segments) == 1 and call.request.method in ("PUT", "DELETE")
    if alone or below in _SERVER_ADMIN or (name in _SYSTEM_DATABASES and below in _SYSTEM_ADMIN_ONLY):
        check_server_admin(call.user)
    elif below in _DATABASE_ADMIN:
        if not call.database.security.is_admin(call.user):
            raise unauthorized("You are not a server or db admin.")
    else:
        call.database.security.check_member(call.user)
