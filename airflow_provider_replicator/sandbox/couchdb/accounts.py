# SPDX-License-Identifier: Apache-2.0
"""Who there is: admins of the configuration, documents of ``_users``, bearer tokens; and who is locked out."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from airflow_provider_replicator.sandbox.couchdb import passwords
from airflow_provider_replicator.sandbox.couchdb.errors import forbidden
from airflow_provider_replicator.sandbox.couchdb.store import CouchInstance
from airflow_provider_replicator.sandbox.couchdb.users import ADMIN_ROLE, User

USERS_DB = "_users"
PREFIX = "org.couchdb.user:"
_LOCKED = "Account is temporarily locked due to multiple authentication failures"
_LOCKED_MS = 300_000


@dataclass(slots=True)
class _Failures:
    count: int
    since_ms: int


@dataclass(frozen=True, slots=True)
class Token:
    user: User
    expires_ms: int | None


class Accounts:
    """Five wrong passwords for an account that exists lock it for five minutes of the sandbox's clock, even for the right one."""

    def __init__(self, instance: CouchInstance) -> None:
        self._instance = instance
        self._failures: dict[tuple[str, str], _Failures] = {}
        self._tokens: dict[str, Token] = {}
        #: API key -> who it is, and the seconds that its tokens live
        self.api_keys: dict[str, tuple[User, int]] = {}
        instance.config.listen(self._hash_admin)

    def _hash_admin(self, section: str, name: str, value: str | None) -> None:
        """An admin's password that was written to the configuration in the clear."""
        if section == "admins" and value is not None and not value.startswith("-pbkdf2:"):
            self._instance.config.sections[section][name] = passwords.ini_value(value, self._iterations)

    def set_admin(self, name: str, password: str) -> None:
        """An admin with the same password stays as it is, and so do the cookies."""
        found = self._instance.config.get("admins", name)
        if not found or not passwords.verify(password, passwords.from_ini(found)):
            self._instance.config.set("admins", name, password)

    @property
    def _iterations(self) -> int:
        return self._instance.config.integer("chttpd_auth", "iterations", 10)

    @property
    def admin_party(self) -> bool:
        """Without any admin, everybody is one."""
        return not self._instance.config.sections.get("admins")

    def find(self, name: str) -> tuple[User, dict[str, Any]] | None:
        """The user and the hashed password."""
        ini = self._instance.config.get("admins", name)
        document = self._document(name)
        roles = tuple(document.get("roles", ())) if document else ()
        if ini:
            return User(name, (ADMIN_ROLE, *roles)), passwords.from_ini(ini)
        if document is None or "derived_key" not in document:
            return None
        return User(name, roles), document

    def _document(self, name: str) -> dict[str, Any] | None:
        database = self._instance.databases.get(USERS_DB)
        return None if database is None else database.get(PREFIX + name)

    def login(self, name: str, password: str) -> User | None:
        """None: wrong name or password. Raises 403 for an account that is locked, whatever the password."""
        found = self.find(name)
        if found is None:
            return None
        user, stored = found
        key = name, str(stored["salt"])
        if self._locked(key):
            raise forbidden(_LOCKED)
        if passwords.verify(password, stored):
            return user
        failures = self._failures.setdefault(key, _Failures(0, self._instance.clock.now_ms()))
        failures.count += 1
        return None

    def _locked(self, key: tuple[str, str]) -> bool:
        config = self._instance.config
        failures = self._failures.get(key)
        if failures is None or config.get("chttpd_auth_lockout", "mode") != "enforce":
            return False
        if self._instance.clock.now_ms() - failures.since_ms >= _LOCKED_MS:
            del self._failures[key]
            return False
        return failures.count >= config.integer("chttpd_auth_lockout", "threshold", 5)

    def unlock(self) -> int:
        """Forget all failures; how many accounts had some."""
        count = len(self._failures)
        self._failures.clear()
        return count

    def grant(self, token: str, user: User, seconds: float | None = None) -> None:
        """``Authorization: Bearer <token>`` is this user, for so long."""
        expires = None if seconds is None else self._instance.clock.now_ms() + int(seconds * 1000)
        self._tokens[token] = Token(user, expires)

    def issue(self, api_key: str) -> tuple[str, int] | None:
        """A new token for an API key and the seconds it lives. None: no such key."""
        found = self.api_keys.get(api_key)
        if found is None:
            return None
        token = secrets.token_urlsafe(24)
        self.grant(token, *found)
        return token, found[1]

    def revoke(self) -> int:
        """End all tokens; how many there were."""
        count = len(self._tokens)
        self._tokens.clear()
        return count

    def bearer(self, token: str) -> User | None:
        found = self._tokens.get(token)
        if found is None or (found.expires_ms is not None and self._instance.clock.now_ms() >= found.expires_ms):
            return None
        return found.user
