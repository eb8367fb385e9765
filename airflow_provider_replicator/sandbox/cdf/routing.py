# SPDX-License-Identifier: Apache-2.0
"""From method and path to a handler. Paths stay percent-encoded until a segment is captured: names may contain slashes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from urllib.parse import unquote

from airflow_provider_replicator.sandbox.cdf.http import ApiError, Request, Response
from airflow_provider_replicator.sandbox.cdf.project import Project

Handler = Callable[[Project, Request], Response]
Route = tuple[str, str, Handler]

#: Routes below this need no token: they are for signed links, which carry their own permission.
PUBLIC_PREFIX = "/_public/"


class Router:
    """Templates such as ``/raw/dbs/{dbName}/tables``. Literal paths win over templates."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._literal: dict[tuple[str, str], tuple[str, Handler]] = {}
        self._templates: dict[tuple[str, int], list[tuple[list[str], str, Handler]]] = {}
        for method, template, handler in routes:
            if "{" in template:
                parts = template.split("/")
                self._templates.setdefault((method, len(parts)), []).append((parts, template, handler))
            else:
                self._literal[(method, template)] = (template, handler)

    def match(self, method: str, path: str) -> tuple[str, Handler, dict[str, str]]:
        """The template, its handler and what it captured. Raises 404."""
        found = self._literal.get((method, path))
        if found is not None:
            return found[0], found[1], {}
        segments = path.split("/")
        for parts, template, handler in self._templates.get((method, len(segments)), ()):
            params = _capture(parts, segments)
            if params is not None:
                return template, handler, params
        raise ApiError(404, f"No such endpoint: {method} {path}")


def _capture(parts: list[str], segments: list[str]) -> dict[str, str] | None:
    params = {}
    for part, segment in zip(parts, segments, strict=True):
        if part.startswith("{"):
            if not segment:
                return None
            params[part[1:-1]] = unquote(segment)
        elif part != segment:
            return None
    return params
