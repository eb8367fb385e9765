# SPDX-License-Identifier: Apache-2.0
"""How a job says who it is: with a session cookie where the server gives one, else with a basic header, else not at all."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Protocol
from urllib.parse import urlencode

from airflow_provider_replicator.sandbox.couchdb.replicator.endpoint import Endpoint
from airflow_provider_replicator.sandbox.couchdb.replicator.erlang import Atom, Chars
from airflow_provider_replicator.sandbox.couchdb.replicator.network import NetworkError, Reply, Sent
from airflow_provider_replicator.sandbox.couchdb.replicator.pace import Pace
from airflow_provider_replicator.sandbox.couchdb.replicator.texts import CrashError

#: seconds of CouchDB's time
_REFRESH = 550
_YOUNGEST = 5

Post = Callable[[Sent], Awaitable[Reply]]


class Auth(Protocol):
    async def headers(self) -> dict[str, str]:
        """What goes with the next request. Raises CrashError if no new session can be had."""

    def seen(self, status: int, cookies: tuple[str, ...], used: Mapping[str, str]) -> bool:
        """Look at an answer. True: ask again at once, with a new session."""


@dataclass(frozen=True, slots=True)
class Plain:
    endpoint: Endpoint

    async def headers(self) -> dict[str, str]:
        return _basic(self.endpoint)

    def seen(self, status: int, cookies: tuple[str, ...], used: Mapping[str, str]) -> bool:
        return False


def _basic(endpoint: Endpoint) -> dict[str, str]:
    if endpoint.username is None:
        return {}
    token = base64.b64encode(f"{endpoint.username}:{endpoint.password}".encode()).decode()
    return {"Authorization": f"Basic {token}"}


class _NoSessionsError(Exception):
    """The server knows no ``_session``."""


@dataclass(slots=True)
class Session:
    endpoint: Endpoint
    post: Post
    pace: Pace
    patience: float
    _cookie: str = ""
    _got_at: float = 0.0
    _refresh_at: float = float("inf")
    _wants_basic: bool = False
    _busy: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def headers(self) -> dict[str, str]:
        async with self._busy:
            if self.pace.now() >= self._refresh_at:
                self._refresh_at = float("inf")
                await self.login()
        return {"Cookie": f"AuthSession={self._cookie}"}

    def seen(self, status: int, cookies: tuple[str, ...], used: Mapping[str, str]) -> bool:
        if status not in (401, 403):
            if 200 <= status < 300:
                self._keep(cookies)
            return False
        if used.get("Cookie") != f"AuthSession={self._cookie}":
            return True  # there is a newer one
        young = self.pace.now() - self._got_at < _YOUNGEST
        self._schedule(self.pace.now() + (_YOUNGEST if young else 0))
        return not young

    async def login(self) -> None:
        """Raises CrashError, and _NoSessionsError where there are no sessions."""
        form = urlencode({"name": self.endpoint.username, "password": self.endpoint.password}).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if self._wants_basic:
            headers |= _basic(self.endpoint)
        url = self.endpoint.session_url
        try:
            reply = await self.post(Sent("POST", url, headers, form, self.patience, self.endpoint.proxy))
        except NetworkError as error:
            cause = error.cause[1] if isinstance(error.cause, tuple) else error.cause
            raise self._refused("session_request_failed", cause) from error
        if reply.status == 401 and "www-authenticate" in reply.headers and not self._wants_basic:
            self._wants_basic = True
            await self.login()
            return
        self._check(reply)
        if not self._keep(reply.cookies):
            raise CrashError((Atom("replication_auth_error"), Atom("cookie_not_found")))

    def _check(self, reply: Reply) -> None:
        if reply.status == 404:
            raise _NoSessionsError
        if reply.status == 401:
            raise self._refused("session_request_unauthorized")
        if reply.status == 403:
            raise self._refused("session_request_forbidden")
        if reply.status != 200:
            code = Chars(reply.status)
            who = (Chars(self.endpoint.session_url), Chars(self.endpoint.username))
            raise _auth_error((Atom("session_unexpected_result"), code, *who))

    def _refused(self, name: str, *more: object) -> CrashError:
        return _auth_error((Atom(name), Chars(self.endpoint.session_url), Chars(self.endpoint.username), *more))

    def _keep(self, cookies: tuple[str, ...]) -> bool:
        """Remember a session cookie, if there is one: it may come with any answer."""
        for line in cookies:
            try:
                morsel = SimpleCookie(line).get("AuthSession")
            except CookieError:
                continue
            if morsel is not None and morsel.value:
                self._remember(morsel.value, morsel["max-age"])
                return True
        return False

    def _remember(self, cookie: str, max_age: str) -> None:
        if cookie == self._cookie:
            return
        self._cookie, self._got_at = cookie, self.pace.now()
        # The age is the other server's, in real seconds.
        lasts = int(max_age) * 0.9 / self.pace.scale if max_age.isdigit() else _REFRESH
        self._schedule(self._got_at + lasts)

    def _schedule(self, moment: float) -> None:
        self._refresh_at = min(self._refresh_at, moment)


def _auth_error(reason: tuple[object, ...]) -> CrashError:
    return CrashError((Atom("replication_auth_error"), reason))


async def authenticate(endpoint: Endpoint, post: Post, pace: Pace, patience: float) -> Auth:
    """A session if credentials were given. Raises CrashError if the server refuses them."""
    if endpoint.username is None:
        return Plain(endpoint)
    session = Session(endpoint, post, pace, patience)
    try:
        await session.login()
    except _NoSessionsError:
        return Plain(endpoint)
    return session
