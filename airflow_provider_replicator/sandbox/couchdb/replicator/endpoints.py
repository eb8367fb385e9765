# SPDX-License-Identifier: Apache-2.0
"""``/_scheduler``, ``/_active_tasks`` and ``/_replicate`` over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from airflow_provider_replicator.sandbox.couchdb.database import Database
from airflow_provider_replicator.sandbox.couchdb.errors import CouchError, bad_request, not_found, unauthorized
from airflow_provider_replicator.sandbox.couchdb.replicator.documents import Identity
from airflow_provider_replicator.sandbox.couchdb.replicator.erlang import Atom, text
from airflow_provider_replicator.sandbox.couchdb.replicator.job import Job
from airflow_provider_replicator.sandbox.couchdb.replicator.options import Options
from airflow_provider_replicator.sandbox.couchdb.replicator.ownership import is_replicator_database
from airflow_provider_replicator.sandbox.couchdb.replicator.replication import Replication, read_replication
from airflow_provider_replicator.sandbox.couchdb.replicator.scheduler import Scheduler
from airflow_provider_replicator.sandbox.couchdb.replicator.texts import (
    CrashError,
    FilterFetchError,
    RejectedDocumentError,
)
from airflow_provider_replicator.sandbox.couchdb.replicator.views import Page, Views
from airflow_provider_replicator.sandbox.couchdb.routes import Call, answer
from airflow_provider_replicator.sandbox.couchdb.security import check_server_admin
from airflow_provider_replicator.sandbox.http import Response

STATES = ("initializing", "error", "running", "pending", "crashing", "completed", "failed")
#: words that Erlang knows for other reasons: they get another text
_ATOMS = ("triggered", "ok", "null", "true", "false", "stopped", "started", "added", "crashed", "scheduled")
_DEFAULT_JOBS, _DEFAULT_DOCS = 100, 2**60


class SchedulerEndpoints:
    def __init__(self, views: Views) -> None:
        self._views = views

    def scheduler(self, call: Call) -> Response:
        check_server_admin(call.user)
        if call.method != "GET":
            allowed = (("Allow", "GET,HEAD"),)
            raise CouchError(405, "method_not_allowed", "Only GET,HEAD allowed", headers=allowed)
        kind, *rest = call.segments[1:] or ("",)
        if kind == "jobs" and len(rest) <= 1:
            return self._jobs(call, rest)
        if kind == "docs":
            return self._docs(call, rest)
        return answer({"error": "not found"}, 404)

    def tasks(self, call: Call) -> Response:
        call.allow("GET")
        check_server_admin(call.user)
        return answer(self._views.tasks())

    def _jobs(self, call: Call, rest: list[str]) -> Response:
        if not rest:
            limit, skip = _count(call, "limit", _DEFAULT_JOBS), _count(call, "skip", 0)
            return answer(self._views.jobs(limit, skip))
        found = self._views.job(rest[0])
        if found is None:
            raise not_found()
        return answer(found)

    def _docs(self, call: Call, rest: list[str]) -> Response:
        name, doc_id = _path(rest)
        if doc_id is None:
            page = Page(
                states=_states(call),
                limit=_positive(call, "limit", _DEFAULT_DOCS),
                skip=_positive(call, "skip", 0),
                descending=call.request.query.get("descending") == ["true"],
            )
            return answer(self._views.documents(_database(call, name), page))
        found = self._views.document(_database(call, name), doc_id)
        if found is None:
            raise not_found()
        return answer(found)


def _database(call: Call, name: str) -> Database:
    return call.instance.database(name)


def _path(rest: list[str]) -> tuple[str, str | None]:
    """Database and document. The slashes in the name of a database need not be encoded."""
    if not rest:
        return "_replicator", None
    if is_replicator_database(rest[0]) and len(rest) <= 2:
        return rest[0], rest[1] if len(rest) == 2 else None
    if len(rest) > 1 and "_replicator" in rest:
        at = rest.index("_replicator")
        name, after = "/".join(rest[: at + 1]), rest[at + 1 :]
        if len(after) <= 1:
            return name, after[0] if after else None
    raise bad_request("Invalid path")


def _states(call: Call) -> frozenset[str]:
    asked = [one.lower() for one in call.request.query.get("states", [""])[0].split(",") if one]
    unknown = [one for one in asked if one not in STATES]
    if not unknown:
        return frozenset(asked)
    known = f"[{','.join(STATES)}]"
    if all(one in _ATOMS for one in unknown):
        raise bad_request(f"Unknown states [{','.join(unknown)}]. Choose from: {known}", "query_parse_error")
    raise bad_request(f"States must be one or more of {known}", "query_parse_error")


def _value(call: Call, name: str) -> str | None:
    return call.request.query.get(name, [None])[0]


def _count(call: Call, name: str, default: int) -> int:
    value = _value(call, name)
    if value is None:
        return default
    if not value.lstrip("+-").isdigit():
        raise bad_request(f"{name} must be an integer", "query_parse_error")
    if int(value) < 0:
        raise bad_request(f"{name} not in range of [0,infinity]", "query_parse_error")
    return int(value)


def _positive(call: Call, name: str, default: int) -> int:
    value = _value(call, name)
    if value is None:
        return default
    if not value.lstrip("+-").isdigit():
        raise bad_request(f'Invalid value for integer: "{value}"', "query_parse_error")
    if int(value) < 0:
        raise bad_request(f'Invalid value for positive integer: "{value}"', "query_parse_error")
    return int(value)


class ReplicateEndpoint:
    """Jobs without a document. A one-shot job is answered when it is done, whether the client still waits or not."""

    def __init__(self, scheduler: Scheduler, identity: Identity) -> None:
        self._scheduler = scheduler
        self._identity = identity

    async def replicate(self, call: Call) -> Response:
        if call.user.name is None and not call.user.is_admin:
            raise unauthorized("You are not an authenticated user")
        if call.method != "POST" and not call.request.body:
            raise bad_request("Missing request body")
        body = call.json_object()
        call.allow("POST")
        if not call.request.headers.get("content-type", "").startswith("application/json"):
            raise CouchError(415, "bad_content_type", "Content-Type must be application/json")
        try:
            return await self._answer(call, body)
        except RejectedDocumentError as error:
            raise _refused(error) from None
        except FilterFetchError as error:
            raise not_found(str(error)) from None

    async def _answer(self, call: Call, body: Mapping[str, Any]) -> Response:
        options = Options.read(body, call.instance.config)
        if options.cancel and options.id is not None:
            return await self._cancel(call, options.id)
        replication = read_replication(_with_urls(call, body), call.instance.config)
        base, job_id = await self._identity.of(replication)
        if options.cancel:
            return await self._cancel(call, job_id)
        return await self._run(call, replication, base, job_id)

    def _check_owner(self, call: Call, job_id: str) -> bool:
        """Whether there is such a job. Raises 401 if it is somebody else's."""
        existing = self._scheduler.jobs.get(job_id)
        if existing is not None and existing.user != call.user.name:
            check_server_admin(call.user)
        return existing is not None

    async def _cancel(self, call: Call, job_id: str) -> Response:
        if not self._check_owner(call, job_id):
            raise not_found()
        await self._scheduler.remove(job_id)
        return answer({"ok": True, "_local_id": job_id})

    async def _run(self, call: Call, replication: Replication, base: str, job_id: str) -> Response:
        self._check_owner(call, job_id)
        ended: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        job = Job(job_id, base, replication, self._identity.around.pace.shown(), user=call.user.name, ended=ended)
        await self._scheduler.add(job)
        if replication.options.continuous:
            return answer({"ok": True, "_local_id": job_id}, 202)
        existing = self._scheduler.jobs.get(job_id)
        if existing is not None and existing is not job:
            existing.ended = existing.ended or ended
            ended = existing.ended
        result = await asyncio.shield(ended)
        if isinstance(result, CrashError):
            raise _crashed(result)
        return answer({"ok": True, **result})


def _with_urls(call: Call, body: Mapping[str, Any]) -> dict[str, Any]:
    """Names of databases become addresses on this server, where the caller's own credentials are used."""
    changed = dict(body)
    for side in ("source", "target"):
        value = body.get(side)
        name = value.get("url") if isinstance(value, Mapping) else value
        if name is not None and not str(name).startswith(("http://", "https://")):
            headers = {key: call.request.headers.get(key, "") for key in ("authorization", "cookie")}
            changed[side] = {"url": f"{call.instance.url}/{quote(str(name), safe='')}", "headers": headers}
    return changed


def _refused(error: RejectedDocumentError) -> CouchError:
    """What the validation of documents calls by one name has several here."""
    term = error.term
    if not isinstance(term, tuple):
        if error.reason.endswith("has an invalid url"):
            return CouchError(400, "invalid_replication", error.reason)
        return CouchError(500, "error", error.reason)
    kind, reason = term
    if kind == "throw" and reason[0] == "bad_request":
        return bad_request(str(reason[1]))
    if kind == "throw":
        return CouchError(500, "case_clause", text(reason))
    if isinstance(reason, tuple):
        return CouchError(500, str(reason[0]), text(reason[1]))
    return CouchError(500, "unknown_error", str(reason))


_STATUSES = {"unauthorized": 401, "forbidden": 403}


def _crashed(error: CrashError) -> CouchError:
    reason = error.reason
    if isinstance(reason, tuple) and len(reason) == 2 and reason[0] == "error" and isinstance(reason[1], tuple):
        reason = reason[1]
    if isinstance(reason, tuple) and len(reason) == 2 and isinstance(reason[0], Atom):
        return CouchError(_STATUSES.get(reason[0], 500), str(reason[0]), text(reason[1]))
    return CouchError(500, "error", text(reason))
