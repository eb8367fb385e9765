# SPDX-License-Identifier: Apache-2.0
"""What a request carries to say who we are: fixed headers, a session's cookie, a token of IAM."""

from __future__ import annotations

import asyncio
import logging
import re
from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from airflow_provider_replicator.couchdb.auth.credentials import BasicAuth, BearerAuth, IamAuth, NoAuth, SessionAuth
from airflow_provider_replicator.exceptions import CouchAccessError, CouchConnectionError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from airflow_provider_replicator.couchdb.connection import CouchConnection
    from airflow_provider_replicator.couchdb.transport import Answer, Request

    Send = Callable[[Request], Awaitable[Answer]]
    Clock = Callable[[], float]

_LOG = logging.getLogger(__name__)
#: Cookies and tokens are renewed when this part of their life is over.
RENEW_AT = 0.8
#: Seconds until the next try where renewing failed, while what there is still lives.
_TRY_AGAIN = 10.0
#: Cookies or tokens that may still be in a late answer.
_REMEMBERED = 8


def is_header(secret: str) -> bool:
    """Whether a header can hold it. What cannot be sent is named in the errors of HTTP libraries."""
    return re.fullmatch(r"[\x21-\x7e]+", secret) is not None


class SignInError(Exception):
    """The address that gives cookies or tokens answered with something else."""

    def __init__(self, answer: Answer, where: str) -> None:
        super().__init__(f"{where}: {answer.status}")
        self.answer = answer
        self.where = where


class Signer(Protocol):
    """Headers for requests to one server. Safe for many coroutines at once."""

    async def headers(self) -> Mapping[str, str]:
        """Raises CouchAccessError where they are refused, then and ever after; SignInError or CouchConnectionError for hiccups."""

    async def renewed(self, rejected: Mapping[str, str]) -> Mapping[str, str] | None:
        """Others than those that the server answers with 401; None if there are none, or if ``rejected`` never worked."""

    def saw(self, answer: Answer, headers: Mapping[str, str]) -> None:
        """An answer to a request with ``headers`` came back."""

    def secrets(self) -> tuple[str, ...]:
        """What was obtained meanwhile, and may be seen nowhere."""


class Fixed:
    """Headers that never change."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = dict(headers)

    async def headers(self) -> Mapping[str, str]:
        return self._headers

    async def renewed(self, rejected: Mapping[str, str]) -> Mapping[str, str] | None:
        return None

    def saw(self, answer: Answer, headers: Mapping[str, str]) -> None:
        pass

    def secrets(self) -> tuple[str, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class Credential:
    """Headers, what is secret in them, and the seconds that they live from now on."""

    headers: Mapping[str, str] = field(repr=False)
    secret: str = field(repr=False)
    lifetime: float


class Renewing(ABC):
    """Headers that die: obtained when they are first needed, again after 80 % of their life, and once when the server says 401.

    A refusal is final: asked again and again, servers lock accounts.
    """

    def __init__(self, connection: CouchConnection, send: Send, clock: Clock) -> None:
        self._connection = connection
        self._send = send
        self._clock = clock
        # Never waited for in a task, which asks one thing at a time and has no event loop.
        self._lock = asyncio.Lock()
        self._headers: Mapping[str, str] | None = None
        self._worked: Mapping[str, str] | None = None
        self._secrets: deque[str] = deque(maxlen=_REMEMBERED)
        self._renew_at = self._dies_at = float("-inf")
        self._refusal: CouchAccessError | None = None

    @abstractmethod
    async def obtain(self) -> Credential:
        """Ask for new ones, once. Raises CouchAccessError, SignInError or CouchConnectionError."""

    async def headers(self) -> Mapping[str, str]:
        async with self._lock:
            if self._headers is None or self._clock() >= self._dies_at:
                return await self._new()
            if self._clock() < self._renew_at:
                return self._headers
            try:
                return await self._new()
            except (SignInError, CouchConnectionError) as error:
                _LOG.warning("connection %r: signing in again did not work yet: %s", self._connection.name, error)
                self._renew_at = self._clock() + _TRY_AGAIN
                return self._headers

    async def renewed(self, rejected: Mapping[str, str]) -> Mapping[str, str] | None:
        async with self._lock:
            if self._headers != rejected:
                return self._headers  # somebody else has renewed them meanwhile
            return await self._new() if self._worked == rejected else None

    def saw(self, answer: Answer, headers: Mapping[str, str]) -> None:
        if answer.status != 401:
            self._worked = headers

    def secrets(self) -> tuple[str, ...]:
        return tuple(self._secrets)

    def keep(self, credential: Credential) -> Mapping[str, str]:
        """From now on these are used."""
        now = self._clock()
        self._headers = credential.headers
        self._secrets.append(credential.secret)
        self._renew_at = now + credential.lifetime * RENEW_AT
        self._dies_at = now + credential.lifetime
        return credential.headers

    async def _new(self) -> Mapping[str, str]:
        if self._refusal is not None:
            # a new one each time: a traceback must not grow with every request
            raise CouchAccessError(
                self._refusal.status, self._refusal.error, self._refusal.reason, path=self._refusal.path
            )
        try:
            return self.keep(await self.obtain())
        except CouchAccessError as refusal:
            self._refusal = refusal
            raise


def signer(connection: CouchConnection, send: Send, clock: Clock) -> Signer:
    """The signer for the kind of credentials that the connection has."""
    from airflow_provider_replicator.couchdb.auth.iam import IamSigner
    from airflow_provider_replicator.couchdb.auth.session import SessionSigner

    match connection.auth:
        case SessionAuth() as auth:
            return SessionSigner(connection, auth, send, clock)
        case IamAuth() as auth:
            return IamSigner(connection, auth, send, clock)
        case BasicAuth() | BearerAuth() as auth:
            return Fixed({"Authorization": auth.authorization()})
        case NoAuth():
            return Fixed({})
