# SPDX-License-Identifier: Apache-2.0
"""``/{db}`` and what there is below it besides documents."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from airflow_provider_replicator.sandbox.couchdb import bulk, changes, docs, find, indexes, listing
from airflow_provider_replicator.sandbox.couchdb.database import Database
from airflow_provider_replicator.sandbox.couchdb.errors import CouchError, bad_request
from airflow_provider_replicator.sandbox.couchdb.routes import NODE, Call, Routes, answer, check_json
from airflow_provider_replicator.sandbox.http import Response


def register(routes: Routes) -> None:
    routes.database.update(
        {
            "_all_docs": listing.all_docs,
            "_design_docs": listing.design_docs,
            "_local_docs": listing.local_docs,
            "_bulk_docs": bulk.bulk_docs,
            "_bulk_get": bulk.bulk_get,
            "_changes": changes.handle,
            "_compact": _later,
            "_ensure_full_commit": _full_commit,
            "_find": find.handle,
            "_index": indexes.handle,
            "_missing_revs": bulk.missing_revs,
            "_purge": bulk.purge,
            "_revs_diff": bulk.revs_diff,
            "_revs_limit": _revs_limit,
            "_security": _security,
            "_shards": _shards,
            "_view_cleanup": _later,
        }
    )


def create(call: Call) -> Response:
    """``PUT /{db}``: sharding is accepted and means nothing."""
    name = call.segments[0]
    for number in ("q", "n"):
        given = call.request.query.get(number)
        if given is not None and (not given[-1].isdigit() or int(given[-1]) < 1):
            raise bad_request(f"The `{number}` value should be a positive integer.")
    database = call.instance.create(name)
    database.shards = int(call.request.query.get("q", ["2"])[-1])
    database.note("shards")
    return answer({"ok": True}, 201, ("Location", f"{call.request.base_url}/{quote(name, safe='')}"))


def handle(call: Call) -> Response:
    """The database itself."""
    call.allow("DELETE", "GET", "POST")
    if call.method == "GET":
        return answer(describe(call.database))
    if call.method == "POST":
        return docs.create(call)
    if "rev" in call.request.query:
        raise bad_request(
            "You tried to DELETE a database with a ?=rev parameter. Did you mean to DELETE a document instead?"
        )
    call.instance.delete(call.database.name)
    return answer({"ok": True})


def describe(database: Database) -> dict[str, Any]:
    size = database.bytes
    return {
        "instance_start_time": _started(database),
        "db_name": database.name,
        "purge_seq": database.sequences.encode(database.purge_seq).decode(),
        "update_seq": database.update_seq,
        "sizes": {"file": size + 16_700, "external": size, "active": size},
        "props": {},
        "doc_del_count": database.doc_del_count,
        "doc_count": database.doc_count,
        "disk_format_version": 8,
        "compact_running": False,
        "cluster": {"q": database.shards, "n": 1, "w": 1, "r": 1},
    }


def _started(database: Database) -> str:
    return str(database.created_ms // 1000)


def _later(call: Call) -> Response:
    call.allow("POST")
    check_json(call)
    return answer({"ok": True}, 202)


def _full_commit(call: Call) -> Response:
    call.allow("POST")
    check_json(call)
    return answer({"ok": True, "instance_start_time": _started(call.database)}, 201)


def _revs_limit(call: Call) -> Response:
    call.allow("PUT", "GET")
    if call.method == "GET":
        return answer(call.database.revs_limit)
    call.database.security.check_admin(call.user)
    limit = call.json()
    if type(limit) is not int or limit < 1:
        raise bad_request("`revs_limit` must be a positive integer")
    call.database.revs_limit = limit
    call.database.log.skip()
    call.database.note("revs_limit")
    return answer({"ok": True})


def _security(call: Call) -> Response:
    call.allow("PUT", "GET")
    if call.method == "GET":
        return answer(call.database.security.value)
    try:
        call.database.security.check_admin(call.user)
        call.database.security.put(call.json())
        call.database.log.skip()
        call.database.note("security")
    except CouchError:  # each shard refuses, and CouchDB only says that too few agreed
        raise CouchError(500, "error", "no_majority") from None
    return answer({"ok": True})


def _shards(call: Call) -> Response:
    call.allow("GET")
    return answer({"shards": {"00000000-ffffffff": [NODE]}})
