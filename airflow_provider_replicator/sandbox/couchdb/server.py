# SPDX-License-Identifier: Apache-2.0
"""The whole of CouchDB behind one call: no sockets. Only feeds and another half's handlers wait for anything."""

from __future__ import annotations

import inspect
import logging
import re
from pathlib import Path

import orjson

from airflow_provider_replicator.sandbox.couchdb import attachment_routes, databases, docs, root, users_db
from airflow_provider_replicator.sandbox.couchdb.access import authorise
from airflow_provider_replicator.sandbox.couchdb.accounts import Accounts
from airflow_provider_replicator.sandbox.couchdb.auth import Authentication
from airflow_provider_replicator.sandbox.couchdb.errors import CouchError, bad_request, not_found, unauthorized
from airflow_provider_replicator.sandbox.couchdb.journal import Journal
from airflow_provider_replicator.sandbox.couchdb.replicator.service import Replicator
from airflow_provider_replicator.sandbox.couchdb.routes import Call, Handler, split
from airflow_provider_replicator.sandbox.couchdb.store import CouchInstance
from airflow_provider_replicator.sandbox.couchdb.validation import watch_designs
from airflow_provider_replicator.sandbox.http import HttpError, Request, Response

log = logging.getLogger(__name__)

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
SYSTEM_DATABASES = ("_replicator", "_users")


class CouchServer:
    """``instance`` is what it stores. ``admins`` are names and passwords; without any, everybody may everything. ``data`` is where
    everything is written down, and read from now."""

    def __init__(
        self, instance: CouchInstance | None = None, *, admins: dict[str, str] | None = None, data: Path | None = None
    ) -> None:
        self.instance = instance or CouchInstance()
        self.accounts = Accounts(self.instance)
        self.authentication = Authentication(self.instance, self.accounts)
        root.register(self.instance.routes)
        databases.register(self.instance.routes)
        self.instance.routes.server["_session"] = self.authentication.session
        self.instance.routes.server["identity"] = self.authentication.identity_token
        self.instance.listen(users_db.watch)
        self.instance.listen(watch_designs)
        Replicator(self.instance, grant=self.accounts.grant).install()
        if data is not None:
            Journal(data, self.instance).start()
        for name, password in (admins or {}).items():
            self.accounts.set_admin(name, password)
        for name in SYSTEM_DATABASES:
            if name not in self.instance.databases:
                self.instance.create(name)

    async def handle(self, request: Request) -> Response:
        """Never raises: a bug of ours is a 500."""
        call = Call(self.instance, request, ("",))
        try:
            found = self._route(call)(call)
            answer = await found if inspect.isawaitable(found) else found
        except HttpError as error:
            answer = error_answer(error)
        except Exception:
            log.exception("%s %s", request.method, request.path)
            answer = error_answer(CouchError(500, "unknown_error", "the sandbox has a bug: see what it logged"))
        if not any(name == "Set-Cookie" for name, _ in answer.headers):
            answer.headers += call.headers
        return answer

    def _route(self, call: Call) -> Handler:
        if _BAD_ESCAPE.search(call.request.path):
            raise bad_request("invalid_url_encoding")
        call.segments = split(call.request.path)
        call.user = self.authentication.identify(call)
        config = self.instance.config
        if call.user.name is None and not call.user.is_admin and config.boolean("chttpd", "require_valid_user"):
            raise unauthorized("Authentication required.")
        first = call.segments[0]
        call.found = self.instance.databases.get(first)
        authorise(call)
        if call.found is None:
            return self._without_database(call, first)
        return self._in_database(call)

    def _without_database(self, call: Call, first: str) -> Handler:
        handler = self.instance.routes.server.get(first)
        if handler is not None:
            return handler
        if len(call.segments) == 1 and call.request.method == "PUT":
            return databases.create
        raise not_found("Database does not exist.")

    def _in_database(self, call: Call) -> Handler:
        if len(call.segments) == 1:
            return databases.create if call.request.method == "PUT" else databases.handle
        name = call.segments[1]
        handler = self.instance.routes.database.get(name)
        if handler is not None:
            return handler
        rest = call.segments[1:]
        if call.method == "GET" and name.startswith("_design/"):
            return _redirected
        if name in ("_design", "_local"):
            if len(rest) == 1:
                raise not_found() if name == "_design" else bad_request("Invalid _local document id.")
            rest = (f"{name}/{rest[1]}", *rest[2:])
        doc_id, attachment = rest[0], "/".join(rest[1:])
        if not attachment:
            return lambda one: docs.handle(one, doc_id)
        if name == "_local":
            raise bad_request("_local documents do not accept attachments.")
        if name == "_design" and attachment.startswith("_"):
            return _of_design
        return lambda one: attachment_routes.handle(one, doc_id, attachment)


def _of_design(call: Call) -> Response:
    """Views and their like: there is no JavaScript engine."""
    call.database.find(f"_design/{call.segments[2]}")
    raise CouchError(501, "not_implemented", f"the sandbox has no {call.segments[3]}")


def _redirected(call: Call) -> Response:
    """The slash of a design document's id must not be escaped."""
    path = re.sub("_design%2F", "_design/", call.request.path, count=1, flags=re.I)
    return Response(301, b"", content_type="text/plain", headers=[("Location", call.request.base_url + path)])


def error_answer(error: HttpError) -> Response:
    """CouchDB's error body."""
    if not isinstance(error, CouchError):
        names = {413: "too_large", 415: "bad_content_type", 404: "not_found"}
        error = CouchError(error.status, names.get(error.status, "bad_request"), error.message)
    body = orjson.dumps({"error": error.error, "reason": error.reason}) + b"\n"
    return Response(error.status, body, headers=list(error.headers))
