# SPDX-License-Identifier: Apache-2.0
"""The ASGI shell around :class:`CdfServer`: tokens, compression, latency, faults, limits and counters."""

from __future__ import annotations

import asyncio

from airflow_provider_replicator.sandbox.cdf.control import CdfControl
from airflow_provider_replicator.sandbox.cdf.faults import CdfFault
from airflow_provider_replicator.sandbox.cdf.http import ApiError, Request, Response, Wait
from airflow_provider_replicator.sandbox.cdf.limits import Limiter
from airflow_provider_replicator.sandbox.cdf.routing import PUBLIC_PREFIX
from airflow_provider_replicator.sandbox.cdf.server import CdfServer, error_answer
from airflow_provider_replicator.sandbox.exchange import Exchange
from airflow_provider_replicator.sandbox.faults import Faults
from airflow_provider_replicator.sandbox.http import HttpError
from airflow_provider_replicator.sandbox.shell import Shell

_PROJECTS = "/api/v1/projects/"
#: the "project" of what belongs to none, ``/oauth/token`` and ``/api/v1/token/inspect``, in counters and fault rules
OUTSIDE = "-"
_POLL_SECONDS = 0.05


class App(Shell):
    """``server`` holds the data; this holds what only a network has."""

    def __init__(self, server: CdfServer) -> None:
        super().__init__(server.clock, server.settings, Faults(CdfFault))
        self.server = server
        self.limiter = Limiter(server.clock, server.settings)
        self._controls = CdfControl(server, self.faults, self.counters)

    async def serve(self, exchange: Exchange, path: str) -> None:
        if path.startswith(_PROJECTS):
            project, slash, rest = path[len(_PROJECTS) :].partition("/")
            await self._serve(exchange, project, slash + rest)
        else:
            await self._serve(exchange, OUTSIDE, path)

    def control(self, request: Request) -> Response:
        return self._controls.handle(request)

    def refusal(self, error: HttpError) -> Response:
        return error_answer(error if isinstance(error, ApiError) else ApiError(error.status, error.message))

    def _outside(self, request: Request) -> Response:
        access = self.server.access
        try:
            if request.path == "/oauth/token":
                return access.issue(request)
            if request.path == "/api/v1/token/inspect":
                return access.inspect(access.identify(request.headers.get("authorization")))
            raise ApiError(404, f"No such endpoint: {request.method} {request.path}")
        except ApiError as error:
            return error_answer(error)

    async def handle(self, request: Request, project: str) -> Response:
        if project == OUTSIDE:
            return self._outside(request)
        answer = self.server.handle(request, project)
        return answer if answer.wait is None else await _better(answer, answer.wait)

    async def _serve(self, exchange: Exchange, project: str, path: str) -> None:
        endpoint = f"{exchange.method} {self._template(exchange.method, path, project)}"
        counters = self.counters
        counters.enter(project, endpoint)
        gates = []
        try:
            request = await exchange.request(path, self.server.settings.max_body_bytes)
            counters.bytes_received[project] += exchange.received
            identity = self._identify(request, project)
            if self.server.settings.rate_limits:
                gates = self.limiter.enter(project, identity, exchange.method, path)
            await self.answer(exchange, request, project)
            volume = {"received": exchange.received, "sent": exchange.sent}
            self.limiter.spend(project, identity, exchange.method, path, **volume)
        except HttpError as error:
            if error.status == 429:
                counters.throttled[project] += 1
            await self.send(exchange, project, self.refusal(error))
        finally:
            self.limiter.leave(gates)
            counters.leave(project, endpoint)

    def _template(self, method: str, path: str, project: str) -> str:
        if project == OUTSIDE:
            return path
        try:
            return self.server.router.match(method, path)[0]
        except ApiError:
            return "(unknown)"

    def _identify(self, request: Request, project: str) -> str:
        if project == OUTSIDE or request.path.startswith(PUBLIC_PREFIX):
            return "public"
        identity = self.server.access.identify(request.headers.get("authorization"))
        self.server.access.authorise(identity, project, request.method, request.path)
        return identity.subject


async def _better(answer: Response, wait: Wait) -> Response:
    """What a long poll waits for, or the answer that there is when its time is up."""
    loop = asyncio.get_running_loop()
    end = loop.time() + wait.seconds
    while (left := end - loop.time()) > 0:
        await asyncio.sleep(min(_POLL_SECONDS, left))
        found = wait.again()
        if found is not None:
            return found
    return answer


def create_app(server: CdfServer) -> App:
    """The ASGI application; its ``counters``, ``faults`` and ``control`` are the in-process side of ``/_sandbox/*``."""
    return App(server)
