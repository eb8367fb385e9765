# SPDX-License-Identifier: Apache-2.0
"""The whole of CDF behind one synchronous, pure call: no sockets, no event loop, no waiting.

The ASGI application is a shell around :meth:`CdfServer.handle`; a simulation may call it directly.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterable, Sequence

import orjson

from airflow_provider_replicator.sandbox.cdf.auth import Access
from airflow_provider_replicator.sandbox.cdf.http import ApiError, Request, Response
from airflow_provider_replicator.sandbox.cdf.project import Project
from airflow_provider_replicator.sandbox.cdf.routing import Route, Router
from airflow_provider_replicator.sandbox.cdf.settings import Settings
from airflow_provider_replicator.sandbox.clock import Clock

log = logging.getLogger(__name__)

_PACKAGE = "airflow_provider_replicator.sandbox.cdf"
#: Modules with a ``routes()``. A new feature module is switched on by its name here.
FEATURES = ("classic", "datapoints", "subscriptions", "raw", "sequence_rows", "file_content", "units", "models.routes")


class CdfServer:
    """``token`` is a bearer token with every capability (None: no token is asked for). All projects share clock and settings."""

    def __init__(
        self,
        projects: Sequence[str],
        *,
        token: str | None = "sandbox",  # noqa: S107 - a published default, for loopback only
        clock: Clock | None = None,
        settings: Settings | None = None,
    ) -> None:
        self.clock = clock or Clock()
        self.settings = settings or Settings()
        self.projects = {name: Project(name, clock=self.clock, settings=self.settings) for name in projects}
        self.access = Access(token=token, clock=self.clock, projects=tuple(projects))
        self.router = Router(_routes(FEATURES))

    def handle(self, request: Request, project: str) -> Response:
        """Answer one request to a project. Effects are committed when this returns. Never raises: a bug of ours is a 500."""
        try:
            _, handler, request.params = self.router.match(request.method, request.path)
            found = self.projects.get(project)
            if found is None:
                raise ApiError(401, "Unauthorized")
            return handler(found, request)
        except ApiError as error:
            return error_answer(error)
        except Exception:
            log.exception("%s %s", request.method, request.path)
            return error_answer(ApiError(500, "Internal server error"))


def error_answer(error: ApiError) -> Response:
    """CDF's error body."""
    details = {"code": error.status, "message": error.message, **error.extra}
    return Response(error.status, orjson.dumps({"error": details}))


def _routes(features: Iterable[str]) -> list[Route]:
    modules = [importlib.import_module(f"{_PACKAGE}.{name}") for name in features]
    return [route for module in modules for route in module.routes()]
