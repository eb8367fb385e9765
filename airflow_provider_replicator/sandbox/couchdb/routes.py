# SPDX-License-Identifier: Apache-2.0
"""From a path to a handler. Modules register what they answer; the server's own and another half's look the same."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

import orjson

from airflow_provider_replicator.sandbox.couchdb import jsons
from airflow_provider_replicator.sandbox.couchdb.errors import CouchError, bad_request
from airflow_provider_replicator.sandbox.couchdb.users import ANONYMOUS, User
from airflow_provider_replicator.sandbox.http import Request, Response

if TYPE_CHECKING:
    from airflow_provider_replicator.sandbox.couchdb.database import Database
    from airflow_provider_replicator.sandbox.couchdb.store import CouchInstance


NODE = "nonode@nohost"


@dataclass(slots=True)
class Call:
    """One request on its way. ``segments`` are the percent-decoded pieces of the path: ``("_scheduler", "docs", "a/b")``."""

    instance: CouchInstance
    request: Request
    segments: tuple[str, ...]
    user: User = ANONYMOUS
    #: for database routes: the database in the path
    found: Database | None = None
    #: headers that authentication adds to any answer (a renewed cookie)
    headers: list[tuple[str, str]] = field(default_factory=list)

    @property
    def method(self) -> str:
        """``HEAD`` is answered as ``GET``; the shell leaves the body out."""
        return "GET" if self.request.method == "HEAD" else self.request.method

    @property
    def database(self) -> Database:
        assert self.found is not None
        return self.found

    def json(self) -> Any:
        """The body. Raises 400 for what is no JSON."""
        try:
            return jsons.loads(self.request.body)
        except ValueError:
            raise bad_request("invalid UTF-8 JSON") from None

    def typed_object(self) -> dict[str, Any]:
        """As :meth:`json_object`, where CouchDB insists on the content type. Raises 415."""
        check_json(self)
        return self.json_object()

    def json_object(self) -> dict[str, Any]:
        value = self.json()
        if not isinstance(value, dict):
            raise bad_request("Request body must be a JSON object")
        return value

    def allow(self, *methods: str) -> None:
        """Raises 405 unless the request's method is one of these (HEAD counts as GET)."""
        if self.method not in methods:
            listed = ",".join(methods).replace("GET", "GET,HEAD")
            raise CouchError(405, "method_not_allowed", f"Only {listed} allowed", headers=(("Allow", listed),))


def check_json(call: Call) -> None:
    """Raises 415."""
    if call.request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise CouchError(415, "bad_content_type", "Content-Type must be application/json")


Handler = Callable[[Call], "Response | Awaitable[Response]"]


class Routes:
    """``server`` is by the first segment (``_scheduler``), ``database`` by the second (``_changes``). A handler answers everything
    below its name, whatever the method: see :meth:`Call.allow`. It may be a coroutine function."""

    def __init__(self) -> None:
        self.server: dict[str, Handler] = {}
        self.database: dict[str, Handler] = {}


def split(path: str) -> tuple[str, ...]:
    """The segments of a percent-encoded path; ``+`` is a blank to CouchDB. Raises 400 for what is no UTF-8."""
    try:
        return tuple(unquote_plus(part, errors="strict") for part in path.split("/") if part) or ("",)
    except UnicodeDecodeError:
        raise CouchError(400, "illegal_docid", "Document id must be valid UTF-8") from None


def answer(value: Any, status: int = 200, *headers: tuple[str, str]) -> Response:
    return Response(status, orjson.dumps(value) + b"\n", headers=list(headers))
