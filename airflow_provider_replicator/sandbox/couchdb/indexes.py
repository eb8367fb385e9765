# SPDX-License-Identifier: Apache-2.0
"""``_index``: which indexes there are. They decide what may be sorted, and nothing else: a query is never faster for one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import orjson

from airflow_provider_replicator.sandbox.couchdb.database import Database
from airflow_provider_replicator.sandbox.couchdb.drafts import DESIGN
from airflow_provider_replicator.sandbox.couchdb.errors import CouchError, bad_request, not_found
from airflow_provider_replicator.sandbox.couchdb.routes import Call, answer
from airflow_provider_replicator.sandbox.http import Response

_SPECIAL = {"ddoc": None, "name": "_all_docs", "type": "special", "def": {"fields": [{"_id": "asc"}]}}


@dataclass(frozen=True, slots=True)
class Index:
    """``ddoc`` is the id of its design document; ``fields`` are all ascending or all descending."""

    ddoc: str
    name: str
    fields: tuple[str, ...]
    descending: bool = False

    def describe(self) -> dict[str, Any]:
        way = "desc" if self.descending else "asc"
        fields = [{name: way} for name in self.fields]
        return {"ddoc": self.ddoc, "name": self.name, "type": "json", "partitioned": False, "def": {"fields": fields}}


def indexes_of(database: Database) -> list[Index]:
    """Those that design documents of the language ``query`` define."""
    found = []
    for document in database.sorted(DESIGN, DESIGN + "\U0010ffff"):
        body = document.body(document.winner)
        if body.get("language") == "query":
            for name, view in body.get("views", {}).items():
                fields = view["map"]["fields"]
                found.append(Index(document.doc_id, name, tuple(fields), "desc" in fields.values()))
    return sorted(found, key=lambda one: (one.ddoc, one.name))


def handle(call: Call) -> Response:
    if len(call.segments) > 2:
        return _delete(call)
    call.allow("GET", "POST")
    if call.method == "POST":
        return _create(call)
    found = [_SPECIAL, *[one.describe() for one in indexes_of(call.database)]]
    return answer({"total_rows": len(found), "indexes": found})


def _create(call: Call) -> Response:
    call.database.security.check_admin(call.user)
    body = call.typed_object()
    if "index" not in body:
        raise CouchError(400, "missing_required_key", "Missing required key: index")
    fields = _fields(body["index"])
    digest = hashlib.sha1(orjson.dumps([fields, body.get("type")]), usedforsecurity=False).hexdigest()
    name = body.get("name", digest)
    ddoc = DESIGN + str(body.get("ddoc", digest)).removeprefix(DESIGN)
    stored = call.database.get(ddoc) or {"_id": ddoc, "language": "query", "views": {}}
    view = {"map": {"fields": fields, "partial_filter_selector": {}}, "reduce": "_count"}
    view["options"] = {"def": {"fields": body["index"]["fields"]}}
    existed = name in stored["views"] and stored["views"][name]["map"] == view["map"]
    if not existed:
        views = {**stored["views"], name: view}
        call.database.put({**stored, "views": views}, user=call.user)
    return answer({"result": "exists" if existed else "created", "id": ddoc, "name": name})


def _fields(definition: Any) -> dict[str, str]:
    listed = definition.get("fields") if isinstance(definition, dict) else None
    if not isinstance(listed, list) or not listed:
        raise CouchError(400, "missing_required_key", "Missing required key: fields")
    fields = {}
    for one in listed:
        ((name, way),) = one.items() if isinstance(one, dict) and len(one) == 1 else ((one, "asc"),)
        if not isinstance(name, str) or way not in ("asc", "desc"):
            raise CouchError(400, "invalid_sort_field", f"Invalid sort field: {orjson.dumps(one).decode()}")
        fields[name] = way
    return fields


def _delete(call: Call) -> Response:
    """``/{db}/_index/{ddoc}/json/{name}``."""
    call.allow("DELETE")
    call.database.security.check_admin(call.user)
    path = call.segments[2:]
    if path[0] == "_design":
        path = path[1:]
    if len(path) != 3 or path[1] != "json":
        raise bad_request("expected {ddoc}/json/{name}")
    ddoc = DESIGN + path[0].removeprefix(DESIGN)
    stored = call.database.get(ddoc)
    if stored is None or path[2] not in stored.get("views", {}):
        raise not_found("missing")
    views = {name: view for name, view in stored["views"].items() if name != path[2]}
    change = {"views": views} if views else {"_deleted": True}
    call.database.put({**stored, **change}, user=call.user)
    return answer({"ok": True})
