# SPDX-License-Identifier: Apache-2.0
"""Asking a CouchDB server. Signs in, asks again after hiccups, and says what a refusal means.

Written once, as coroutines over a :class:`~airflow_provider_replicator.couchdb.transport.Transport`: it waits for nothing else, so
that :func:`airflow_provider_replicator.couchdb.blocking.run` can drive it in a task.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_replicator.core.retry import retry_after_seconds, verdict
from airflow_provider_replicator.couchdb import urls
from airflow_provider_replicator.couchdb.answers import parsed
from airflow_provider_replicator.couchdb.answers import where as where_of
from airflow_provider_replicator.couchdb.auth.signing import SignInError, signer
from airflow_provider_replicator.couchdb.blocking import run
from airflow_provider_replicator.couchdb.refusals import refusal, said
from airflow_provider_replicator.couchdb.server import ServerInfo
from airflow_provider_replicator.couchdb.transport import Answer, Request
from airflow_provider_replicator.exceptions import CouchConnectionError, CouchUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from airflow_provider_replicator.couchdb.connection import CouchConnection
    from airflow_provider_replicator.couchdb.transport import Transport
    from airflow_provider_replicator.exceptions import TransientError

_LOG = logging.getLogger(__name__)
_JSON = "application/json"


class CouchClient:
    """One server. A context manager of both kinds (plain over requests, async over aiohttp); one thread, one event loop.

    Every call raises :class:`CouchAccessError` for 401 and 403, which are never asked again, except that an expired cookie or token
    is renewed once; :class:`CouchNotFoundError`, :class:`CouchConflictError` or their parent :class:`CouchRequestError` when the
    server refuses; :class:`CouchUnavailableError` or :class:`CouchConnectionError` when asking again did not help. After one of the
    last two a write may have been committed or not.
    """

    def __init__(
        self,
        connection: CouchConnection,
        transport: Transport,
        *,
        clock: Callable[[], float] = time.monotonic,
        random: Random | None = None,
    ) -> None:
        self.connection = connection
        self.transport = transport
        #: HTTP requests sent so far, those for cookies and tokens included.
        self.requests = 0
        self._signer = signer(connection, self._send_once, clock)
        self._clock = clock
        self._random = random or Random()
        self._info: ServerInfo | None = None

    async def get(
        self, *segments: str, params: Mapping[str, Any] | None = None, read_timeout: float | None = None
    ) -> Any:
        """GET, parsed. Each of ``segments`` is a whole segment of the path, written as it is: ``("my/db", "an id")``.

        ``params``: None is left out; ``keys`` and what else CouchDB reads as JSON is encoded so.
        """
        return parsed(await self.answer("GET", *segments, params=params, read_timeout=read_timeout), segments)

    async def post(
        self,
        *segments: str,
        json: Any,
        params: Mapping[str, Any] | None = None,
        read_timeout: float | None = None,
        idempotent: bool = True,
    ) -> Any:
        """POST of JSON, parsed. ``idempotent=False``: not sent again where the server may have done it already."""
        answer = await self.answer(
            "POST", *segments, params=params, json=json, read_timeout=read_timeout, idempotent=idempotent
        )
        return parsed(answer, segments)

    async def put(self, *segments: str, json: Any | None = None, params: Mapping[str, Any] | None = None) -> Any:
        """PUT, parsed; ``json=None``: without a body. After a lost answer it is sent again: a conflict may then be our own doing."""
        return parsed(await self.answer("PUT", *segments, params=params, json=json), segments)

    async def delete(self, *segments: str, params: Mapping[str, Any] | None = None) -> Any:
        """DELETE, parsed. After a lost answer it is sent again: "not found" or a conflict may then be our own doing."""
        return parsed(await self.answer("DELETE", *segments, params=params), segments)

    async def answer(
        self,
        method: str,
        *segments: str,
        params: Mapping[str, Any] | None = None,
        json: Any | None = None,
        read_timeout: float | None = None,
        idempotent: bool = True,
        max_bytes: int | None = None,
        at_once: Collection[int] = (),
    ) -> Answer:
        """The whole answer: status, headers, bytes. Its status is 2xx; everything else raises.

        ``max_bytes``: a larger body raises CouchTooLargeError before it fills the memory. ``at_once``: statuses that are not asked
        again but raised as CouchUnavailableError, because the caller will ask for less.
        """
        import orjson

        url = self.connection.base_url + (urls.path(*segments) if segments else "/") + urls.query(params)
        body = None if json is None else orjson.dumps(json)
        request = Request(
            method=method,
            url=url,
            headers=_headers(body),
            body=body,
            read_timeout=read_timeout,
            max_bytes=max_bytes,
        )
        return await self._until_answered(request, idempotent=idempotent, at_once=at_once)

    async def features(self) -> ServerInfo:
        """What the server says of itself; asked once."""
        if self._info is None:
            self._info = ServerInfo.of(await self.get())
        return self._info

    async def close(self) -> None:
        """Close the connections. Calling it twice is harmless."""
        await self.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        run(self.close())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def _until_answered(self, request: Request, *, idempotent: bool, at_once: Collection[int]) -> Answer:
        """Ask until there is an answer, or asking again is no use."""
        retry = self.connection.retry
        failures, since = 0, self._clock()
        while True:
            failed = await self._attempt(request)
            if isinstance(failed, Answer):
                return failed
            failures += 1
            wait = retry.wait(
                failures=failures,
                elapsed=self._clock() - since,
                random=self._random,
                retry_after=failed.retry_after,
                connected=failed.connected,
            )
            if wait is None or (failed.maybe_done and not idempotent) or failed.status in at_once:
                raise self._given_up(failed, failures)
            _LOG.info("%s: %s; asking again in %.1f s", failed.where, failed.reason, wait)
            await self.transport.sleep(wait)

    async def _attempt(self, request: Request) -> Answer | Failure:
        """Ask once, with an expired cookie or token renewed. Returns what time may cure; raises the rest."""
        where, asked = where_of(request), False
        try:
            credentials = await self._signer.headers()
            asked = True
            answer = await self._signed(request, credentials)
        except SignInError as failed:  # the address that gives cookies or tokens has hiccups of its own
            answer, where, asked = failed.answer, failed.where, False
        except CouchConnectionError as error:
            maybe_done = asked and error.sent
            return Failure(where=where, reason=str(error), connected=error.sent, maybe_done=maybe_done)
        meaning = verdict(answer.status)
        if meaning == "accepted":
            return answer
        if meaning == "again":
            return self._passing(answer, where, asked=asked)
        raise refusal(answer, where, self.connection, self._signer.secrets())

    async def _signed(self, request: Request, credentials: Mapping[str, str]) -> Answer:
        answer = await self._send_once(_with(request, credentials))
        if answer.status == 401:
            renewed = await self._signer.renewed(credentials)
            if renewed is not None:
                credentials = renewed
                answer = await self._send_once(_with(request, renewed))
        self._signer.saw(answer, credentials)
        return answer

    async def _send_once(self, request: Request) -> Answer:
        self.requests += 1
        return await self.transport.send(request)

    def _passing(self, answer: Answer, where: str, *, asked: bool) -> Failure:
        error, reason = said(answer, self.connection, self._signer.secrets())
        return Failure(
            where=where,
            reason=f"{answer.status} {error}: {reason}",
            answer=answer,
            retry_after=retry_after_seconds(answer.headers.get("retry-after"), now_ms=time.time_ns() // 1_000_000),
            maybe_done=asked and answer.status != 429,
        )

    def _given_up(self, failed: Failure, attempts: int) -> TransientError:
        """What the caller sees when asking again did not help."""
        tries = f"{attempts} attempts" if attempts > 1 else "1 attempt"
        later = "" if failed.retry_after is None else f"; the server asks to come back in {failed.retry_after:.0f} s"
        if failed.answer is None:
            return CouchConnectionError(f"{failed.where}: {failed.reason} ({tries})", sent=failed.maybe_done)
        error, reason = said(failed.answer, self.connection, self._signer.secrets())
        return CouchUnavailableError(failed.answer.status, error, f"{reason} ({tries}{later})", path=failed.where)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One attempt failed in a way that time may cure. ``maybe_done``: the server may have done what was asked."""

    where: str
    reason: str
    answer: Answer | None = None
    retry_after: float | None = None
    connected: bool = True
    maybe_done: bool

    @property
    def status(self) -> int | None:
        return None if self.answer is None else self.answer.status


def _headers(body: bytes | None) -> dict[str, str]:
    return {"Accept": _JSON} if body is None else {"Accept": _JSON, "Content-Type": _JSON}


def _with(request: Request, credentials: Mapping[str, str]) -> Request:
    return replace(request, headers={**request.headers, **credentials})
