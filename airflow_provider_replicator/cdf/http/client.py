# SPDX-License-Identifier: Apache-2.0
"""Asking CDF: one project, any path. Keeps within the published limits, retries hiccups, and says what a refusal means.

Everything below is asyncio with a given sleep and clock, over a :class:`~airflow_provider_replicator.cdf.http.transport.Transport`, so
that the same code runs over real sockets and, in the simulation, on a virtual clock.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import urlencode

from airflow_provider_replicator.cdf.http.categories import category, is_idempotent
from airflow_provider_replicator.cdf.http.refusals import access_error, message_of, request_error
from airflow_provider_replicator.cdf.http.settings import ClientSettings
from airflow_provider_replicator.cdf.http.transport import HttpRequest, TransportError
from airflow_provider_replicator.core.limits import Lane, Limit
from airflow_provider_replicator.core.retry import retry_after_seconds, verdict
from airflow_provider_replicator.exceptions import CdfConnectionError, CdfUnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Container, Mapping

    from airflow_provider_replicator.cdf.http.transport import HttpResponse, Transport
    from airflow_provider_replicator.exceptions import TransientError

_LOG = logging.getLogger(__name__)
_PROTOBUF = "application/protobuf"
_AUTO_RETRYABLE = "cdf-is-auto-retryable"
_NO_BOUND = Limit()
_Answer = TypeVar("_Answer")


def wall_clock_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def _loop_time() -> float:
    return asyncio.get_running_loop().time()


@dataclass(slots=True)
class RequestStats:
    """What a client did so far. ``requests`` are all attempts, ``retries`` those after the first of a call. Bytes are of bodies,
    uncompressed; ``bytes_sent`` counts a body again when it is sent again.
    """

    requests: int = 0
    retries: int = 0
    bytes_received: int = 0
    bytes_sent: int = 0


class CdfClient:
    """One CDF project. An async context manager; belongs to one event loop.

    Every call raises :class:`CdfAccessError` for 401 and 403 (never retried), :class:`CdfRequestError` or its
    :class:`CdfDuplicatedError` when the content is refused, :class:`CdfUnavailableError` or :class:`CdfConnectionError` when
    retries did not help. After a crash or a transient error a write may have been committed or not: ask again with the same keys.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        project: str,
        settings: ClientSettings | None = None,
        clock: Callable[[], int] = wall_clock_ms,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        random: Random | None = None,
    ) -> None:
        import orjson

        self.project = project
        self.settings = settings or ClientSettings()
        self.stats = RequestStats()
        #: The header ``Date`` of the latest answer that had one: the server's clock.
        self.server_date: str | None = None
        self.now_ms = clock
        self._transport = transport
        self._sleep = sleep
        self._random = random or Random()
        self._all = Lane(Limit(in_flight=self.settings.concurrency), time=_loop_time, sleep=sleep)
        self._lanes: dict[tuple[str, str | None], Lane] = {}
        self._encode = orjson.dumps
        self._decode = orjson.loads

    async def get_json(self, path: str, *, params: Mapping[str, Any] | None = None) -> Any:
        """GET, parsed. ``params``: None is left out, booleans are written as CDF wants them, lists repeat the name."""
        return await self._call(HttpRequest("GET", path + _query(params)), self._parsed)

    async def get_for_bytes(self, path: str, *, params: Mapping[str, Any] | None = None) -> bytes:
        """GET; the JSON answer as it came."""
        return await self._call(HttpRequest("GET", path + _query(params)), _unparsed)

    async def post_json(self, path: str, payload: Any) -> Any:
        """POST, parsed. ``payload`` is an object, or bytes that are JSON already."""
        return await self._call(HttpRequest("POST", path, self._body(payload)), self._parsed)

    async def post_for_bytes(
        self, path: str, payload: Any, *, accept: str = "application/json", at_once: Container[int] = ()
    ) -> bytes:
        """POST with a JSON payload (object or bytes); the answer as it came, of type ``accept``.

        ``at_once``: statuses that are not asked again but raised as CdfUnavailableError, because the caller will ask for less.
        """
        request = HttpRequest("POST", path, self._body(payload), accept=accept)
        return await self._call(request, _unparsed, at_once)

    async def post_protobuf(self, path: str, body: bytes) -> None:
        """POST of a serialised protobuf message; the (empty) answer is dropped."""
        await self._call(HttpRequest("POST", path, body, content_type=_PROTOBUF), _unparsed)

    def rate(self, method: str, path: str) -> float | None:
        """How many such requests a second this client allows itself; None: no bound. More in parallel would only wait."""
        api, kind = category(method, path)
        limits = [self.settings.limit(api), self.settings.limit(f"{api}.{kind}") if kind else None]
        rates = [limit.per_second for limit in limits if limit is not None and limit.per_second is not None]
        return min(rates, default=None)

    async def close(self) -> None:
        """Close the connections. What is in flight is cut."""
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    def _body(self, payload: Any) -> bytes:
        return payload if isinstance(payload, bytes) else self._encode(payload)

    def _parsed(self, response: HttpResponse) -> Any:
        try:
            return self._decode(response.body) if response.body else {}
        except ValueError as error:  # cut in a way the transport could not see, or not CDF at all
            raise TransportError(f"the answer is not JSON: {error}") from error

    def _lane(self, request: HttpRequest) -> Lane:
        key = category(request.method, request.path)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = self._new_lane(*key)
        return lane

    def _new_lane(self, api: str, kind: str | None) -> Lane:
        wide = self._lanes.get((api, None))
        if wide is None:
            limit = self.settings.limit(api) or _NO_BOUND
            wide = self._lanes[api, None] = Lane(limit, time=_loop_time, sleep=self._sleep, into=self._all)
        if kind is None:
            return wide
        narrow = self.settings.limit(f"{api}.{kind}") or _NO_BOUND
        return Lane(narrow, time=_loop_time, sleep=self._sleep, into=wide)

    async def _call(
        self, request: HttpRequest, read: Callable[[HttpResponse], _Answer], at_once: Container[int] = ()
    ) -> _Answer:
        """Ask until there is an answer, or the retries are used up."""
        lane = self._lane(request)
        retry = self.settings.retry
        failures = 0
        failing_since = 0.0
        unknown_outcome = False
        while True:
            try:
                return await self._attempt(request, lane, read, unknown_outcome)
            except _AttemptError as again:
                now = _loop_time()
                failing_since = failing_since if failures else now
                failures += 1
                unknown_outcome = unknown_outcome or (
                    again.maybe_done and not is_idempotent(request.method, request.path)
                )
                wait = retry.wait(
                    failures=failures,
                    elapsed=now - failing_since,
                    random=self._random,
                    retry_after=again.retry_after,
                    connected=again.connected,
                )
                if wait is None or again.status in at_once:
                    raise again.given_up(failures) from again.__cause__
                _LOG.info("%s %s; asking again in %.1f s", _where(request), again.reason, wait)
            self.stats.retries += 1
            await self._sleep(wait)

    async def _attempt(
        self, request: HttpRequest, lane: Lane, read: Callable[[HttpResponse], _Answer], unknown_outcome: bool
    ) -> _Answer:
        """Ask once. Raises _AttemptError for what time may cure, and what the package raises for the rest."""
        try:
            response = await self._exchange(request, lane)
            meaning = verdict(response.status, auto_retryable=response.headers.get(_AUTO_RETRYABLE) == "true")
            if meaning == "accepted":
                return read(response)
        except TransportError as error:
            raise _AttemptError(_where(request), str(error), maybe_done=error.sent, connected=error.sent) from error
        if meaning == "again":
            raise self._try_again(request, response, lane)
        if meaning == "access":
            raise access_error(response, _where(request))
        raise request_error(response, _where(request), unknown_outcome_before=unknown_outcome)

    async def _exchange(self, request: HttpRequest, lane: Lane) -> HttpResponse:
        stats = self.stats
        async with lane:
            stats.requests += 1
            size = len(request.body)
            stats.bytes_sent += size
            lane.spend(size)
            response = await self._transport.send(request)
            self.server_date = response.headers.get("date", self.server_date)
            size = len(response.body)
            stats.bytes_received += size
            lane.spend(size)
        return response

    def _try_again(self, request: HttpRequest, response: HttpResponse, lane: Lane) -> _AttemptError:
        status = response.status
        after = retry_after_seconds(response.headers.get("retry-after"), now_ms=self.now_ms())
        if status == 429 and after is not None and after <= self.settings.retry.seconds:
            lane.pause(after)  # whoever asks the same API before is refused too, and uses up the rate
        # Only a server that broke down may have written before it did; 4xx are refusals.
        return _AttemptError(
            _where(request), message_of(response), status=status, retry_after=after, maybe_done=status >= 500
        )


class _AttemptError(Exception):
    """One attempt failed in a way that time may cure."""

    def __init__(
        self,
        where: str,
        reason: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        maybe_done: bool = False,
        connected: bool = True,
    ) -> None:
        super().__init__(reason)
        self.where = where
        self.reason = reason if status is None else f"{status} {reason}"
        self.status = status
        self.retry_after = retry_after
        self.maybe_done = maybe_done
        self.connected = connected

    def given_up(self, attempts: int) -> TransientError:
        """What the caller sees when the retries are used up."""
        tries = f"{attempts} attempts" if attempts > 1 else "1 attempt"
        later = f"; the server asks to come back in {self.retry_after:.0f} s" if self.retry_after is not None else ""
        if self.status is None:
            return CdfConnectionError(f"{self.where}: {self} ({tries}{later})")
        return CdfUnavailableError(self.status, f"{self} ({tries}{later})", path=self.where)


def _where(request: HttpRequest) -> str:
    """The path for messages and logs, without its query: cursors are long and say nothing."""
    return request.path.partition("?")[0]


def _unparsed(response: HttpResponse) -> bytes:
    return response.body


def _query(params: Mapping[str, Any] | None) -> str:
    if not params:
        return ""
    pairs = {
        name: ("true" if value else "false") if isinstance(value, bool) else value
        for name, value in params.items()
        if value is not None
    }
    return "?" + urlencode(pairs, doseq=True) if pairs else ""
