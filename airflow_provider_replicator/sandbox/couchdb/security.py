# SPDX-License-Identifier: Apache-2.0
"""``_security``: who may read and write a database, and who may change its design."""

from __future__ import annotations

from typing import Any

from airflow_provider_replicator.sandbox.couchdb.config import Config
from airflow_provider_replicator.sandbox.couchdb.errors import CouchError, bad_request, forbidden, unauthorized
from airflow_provider_replicator.sandbox.couchdb.users import ADMIN_ROLE, User

Group = dict[str, list[str]]


class Security:
    """``value`` is what was put; until then everything is for server admins (``[couchdb] default_security``)."""

    def __init__(self, config: Config) -> None:
        group: Group = {"roles": [ADMIN_ROLE]} if config.get("couchdb", "default_security") == "admin_only" else {}
        self.value: dict[str, Any] = {"members": group, "admins": group} if group else {}

    def put(self, value: Any) -> None:
        """Raises 400 unless admins and members are objects with lists of strings."""
        if not isinstance(value, dict):
            raise bad_request("Request body must be a JSON object")
        for group in ("admins", "members", "readers"):
            if not isinstance(value.get(group, {}), dict):
                raise bad_request(f"{group} must be a JSON object")
            for kind in ("names", "roles"):
                listed = value.get(group, {}).get(kind, [])
                if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
                    raise bad_request(f"{kind} must be a JSON list of strings")
        self.value = value

    def is_admin(self, user: User) -> bool:
        return user.is_admin or self._within("admins", user)

    def check_admin(self, user: User) -> None:
        """Raises 401 for somebody unknown, 403 for somebody known."""
        if not self.is_admin(user):
            raise (unauthorized if user.name is None else forbidden)("You are not a db or server admin.")

    def check_member(self, user: User) -> None:
        """Raises 401 for somebody unknown, 403 for somebody known."""
        members = self.value.get("members") or self.value.get("readers") or {}
        if not members.get("names") and not members.get("roles"):
            return  # open to everybody
        if self.is_admin(user) or self._within("members", user):
            return
        if user.name is None:
            raise unauthorized("You are not authorized to access this db.")
        raise forbidden("You are not allowed to access this db.")

    def _within(self, group: str, user: User) -> bool:
        listed = self.value.get(group, {})
        return user.name in listed.get("names", ()) or any(role in listed.get("roles", ()) for role in user.roles)


def check_server_admin(user: User) -> None:
    if not user.is_admin:
        raise CouchError(401, "unauthorized", "You are not a server admin.")
