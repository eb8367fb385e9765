# SPDX-License-Identifier: Apache-2.0
"""The ASGI shell around :class:`CouchServer`: counters, faults, latency, and headers that every answer has."""

from __future__ import annotations

from urllib.parse import unquote

from airflow_provider_replicator.sandbox.couchdb.control import CouchControl
from airflow_provider_replicator.sandbox.couchdb.errors import CouchError
from airflow_provider_replicator.sandbox.couchdb.faults import CouchFault
from airflow_provider_replicator.sandbox.couchdb.server import CouchServer, error_answer
from airflow_provider_replicator.sandbox.couchdb.settings import CouchSettings
from airflow_provider_replicator.sandbox.exchange import Exchange
from airflow_provider_replicator.sandbox.faults import Fault, Faults
from airflow_provider_replicator.sandbox.http import HttpError, Request, Response
from airflow_provider_replicator.sandbox.shell import Shell

#: what requests that are about no database are counted under
OUTSIDE = "-"


class CouchApp(Shell):
    """``server`` holds the data; this holds what only a network has."""

    def __init__(self, server: CouchServer, settings: CouchSettings | None = None) -> None:
        super().__init__(server.instance.clock, settings or CouchSettings(), Faults(CouchFault))
        self.server = server
        self._controls = CouchControl(server, self.settings, self.faults, self.counters)

    def control(self, request: Request) -> Response:
        return self._controls.handle(request)

    def refusal(self, error: HttpError) -> Response:
        return error_answer(error)

    def injected(self, fault: Fault) -> Response:
        assert isinstance(fault, CouchFault)
        answer = error_answer(CouchError(fault.status, *fault.words()))
        answer.headers = fault.headers()
        return answer

    async def serve(self, exchange: Exchange, path: str) -> None:
        project, template = self._place(path)
        endpoint = f"{exchange.method} {template}"
        self.counters.enter(project, endpoint)
        try:
            request = await exchange.request(path, self.settings.max_body_bytes)
            self.counters.bytes_received[project] += exchange.received
            await self.answer(exchange, request, project)
        except HttpError as error:
            await self.send(exchange, project, self.refusal(error))
        finally:
            self.counters.leave(project, endpoint)

    async def handle(self, request: Request, project: str) -> Response:
        answer = await self.server.handle(request)
        if answer.content_type == "application/json":
            if not any(name == "Cache-Control" for name, _ in answer.headers):
                answer.headers.append(("Cache-Control", "must-revalidate"))
            if not _accepts_json(request):
                answer.content_type = "text/plain; charset=utf-8"
        return answer

    def standing_headers(self) -> list[tuple[bytes, bytes]]:
        (_, number), *_ = super().standing_headers()
        version = self.server.instance.options.version
        server = f"CouchDB/{version} (Erlang OTP/26)".encode()
        return [(b"server", server), (b"x-couch-request-id", number), (b"x-couchdb-body-time", b"0")]

    def _place(self, path: str) -> tuple[str, str]:
        """The database and what is asked of it: ``("source", "/_changes")``, ``("source", "/{docid}")``, ``("-", "/_session")``."""
        first, *rest = path[1:].rstrip("/").split("/")
        name = unquote(first)
        routes = self.server.instance.routes
        if not name or name in routes.server or (name.startswith("_") and name not in self.server.instance.databases):
            return OUTSIDE, path
        if not rest:
            return name, "/"
        if rest[0] in routes.database:
            return name, f"/{rest[0]}"
        if rest[0] in ("_local", "_design"):
            return name, f"/{rest[0]}/{{docid}}"
        return name, "/{docid}" if len(rest) == 1 else "/{docid}/{attachment}"


def _accepts_json(request: Request) -> bool:
    accepted = request.headers.get("accept", "*/*")
    return any(kind in accepted for kind in ("*/*", "application/json", "application/*"))
