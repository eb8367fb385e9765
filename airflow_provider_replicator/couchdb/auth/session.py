# SPDX-License-Identifier: Apache-2.0
"""Name and password once, then a cookie."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_replicator.couchdb.auth.signing import Credential, Renewing, SignInError, is_header
from airflow_provider_replicator.couchdb.refusals import refusal
from airflow_provider_replicator.couchdb.transport import Request
from airflow_provider_replicator.exceptions import CouchAccessError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_replicator.couchdb.auth.credentials import SessionAuth
    from airflow_provider_replicator.couchdb.auth.signing import Clock, Send
    from airflow_provider_replicator.couchdb.connection import CouchConnection
    from airflow_provider_replicator.couchdb.transport import Answer

_COOKIE = "AuthSession"
#: Seconds that a cookie lives where the server does not say it: CouchDB's own setting, unless somebody changed it.
_LIFETIME = 600.0


class SessionSigner(Renewing):
    """``POST /_session``, and whatever newer cookie any answer brings.

    CouchDB takes a request with an expired cookie for one of nobody's: what is public it answers as if nothing were wrong. So the
    cookie is renewed before it expires, not when something fails.
    """

    def __init__(self, connection: CouchConnection, auth: SessionAuth, send: Send, clock: Clock) -> None:
        super().__init__(connection, send, clock)
        self._auth = auth

    async def obtain(self) -> Credential:
        import orjson

        where = f"POST {self._connection.base_url}/_session"
        answer = await self._send(
            Request(
                method="POST",
                url=f"{self._connection.base_url}/_session",
                headers={"Accept": "application/json", "Content-Type": "application/json"},
                body=orjson.dumps({"name": self._auth.username, "password": self._auth.password}),
            )
        )
        if answer.status in (401, 403):
            raise refusal(answer, where, self._connection, self.secrets())
        if not 200 <= answer.status < 300:
            raise SignInError(answer, where)
        cookie = _cookie(answer)
        if cookie is None:
            raise CouchAccessError(
                answer.status, "no_cookie", "signing in brought no cookie: write auth_type basic", path=where
            )
        return cookie

    def saw(self, answer: Answer, headers: Mapping[str, str]) -> None:
        super().saw(answer, headers)
        newer = _cookie(answer)
        # An answer to an older cookie may come late: it must not replace the newer one's successor.
        if newer is not None and headers == self._headers:
            self.keep(newer)
            self._worked = newer.headers


def _cookie(answer: Answer) -> Credential | None:
    """The session's cookie, if the answer brings one that lives."""
    for line in answer.headers.get("set-cookie", "").split("\n"):
        value, *attributes = (part.strip() for part in line.split(";"))
        name, _, value = value.partition("=")
        if name == _COOKIE and value.strip('"') and is_header(value):
            named = dict(part.lower().split("=", 1) for part in attributes if "=" in part)
            age = named.get("max-age", "")
            lifetime = float(age) if age.isdigit() and int(age) > 0 else _LIFETIME
            return Credential({"Cookie": f"{_COOKIE}={value}"}, value.strip('"'), lifetime)
    return None
