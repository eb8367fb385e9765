# SPDX-License-Identifier: Apache-2.0
"""``_all_docs``, ``_design_docs``, ``_local_docs``: documents by id."""

from __future__ import annotations

from typing import Any

import orjson

from airflow_provider_replicator.sandbox.couchdb.database import Database
from airflow_provider_replicator.sandbox.couchdb.documents import Document
from airflow_provider_replicator.sandbox.couchdb.drafts import DESIGN
from airflow_provider_replicator.sandbox.couchdb.errors import CouchError, bad_request
from airflow_provider_replicator.sandbox.couchdb.query import Query
from airflow_provider_replicator.sandbox.couchdb.reading import View, render
from airflow_provider_replicator.sandbox.couchdb.routes import Call
from airflow_provider_replicator.sandbox.http import Response

_NO_LIMIT = 1_000_000_000_000


def all_docs(call: Call) -> Response:
    return _listed(call, _documents, "")


def design_docs(call: Call) -> Response:
    return _listed(call, _documents, DESIGN)


def local_docs(call: Call) -> Response:
    return _listed(call, _locals, "")


def _listed(call: Call, rows_of: Any, prefix: str) -> Response:
    call.allow("GET", "POST")
    if call.segments[2:] == ("queries",):
        queries = call.typed_object().get("queries")
        if not isinstance(queries, list):
            raise bad_request("POST body must include `queries` parameter.")
        answers = [_answer(call, Query({}, one), rows_of, prefix) for one in queries]
        return Response(200, b'{"results":[\r\n' + b",\r\n".join(answers) + b"\r\n]}")
    body = call.typed_object() if call.method == "POST" else {}
    return Response(200, _answer(call, Query(call.request.query, body), rows_of, prefix) + b"\n")


def _answer(call: Call, query: Query, rows_of: Any, prefix: str) -> bytes:
    keys = query.json("keys")
    if keys is not None and not isinstance(keys, list):
        raise bad_request("`keys` parameter must be an array.")
    rows, head = rows_of(call, query, keys, prefix)
    if query.flag("update_seq"):
        head = {**head, "update_seq": call.database.update_seq}
    return orjson.dumps(head)[:-1] + b',"rows":[\r\n' + b",\r\n".join(rows) + b"\r\n]}"


def _window(query: Query, found: list[Any]) -> list[Any]:
    skip, limit = query.number("skip", 0), query.number("limit", _NO_LIMIT)
    return found[skip : skip + limit]


def _bounds(query: Query, prefix: str) -> tuple[str | None, str | None]:
    """Start and end, the lower first."""
    key = query.json("key")
    if key is not None:
        return _as_text(key), _as_text(key)
    start, end = query.json("startkey", "start_key"), query.json("endkey", "end_key")
    if query.flag("descending"):
        start, end = end, start
    if prefix:
        start = start if isinstance(start, str) else prefix
        end = end if isinstance(end, str) else prefix[:-1] + chr(ord(prefix[-1]) + 1)
    return _as_text(start), _as_text(end)


def _as_text(bound: Any) -> str | None:
    """Where a key that is no string stands among strings: before all, or after."""
    if bound is None or isinstance(bound, str):
        return bound
    return "\U0010ffff" if isinstance(bound, list | dict) else ""


def _documents(call: Call, query: Query, keys: list[Any] | None, prefix: str) -> tuple[list[bytes], dict[str, Any]]:
    database, view = (
        call.database,
        View(
            attachments=query.flag("attachments"),
            encoding=query.flag("att_encoding_info"),
            conflicts=query.flag("conflicts"),
        ),
    )
    with_docs = query.flag("include_docs")
    total = database.doc_count if not prefix else len(database.sorted(*_bounds(Query({}), prefix)))
    if keys is not None:
        rows = [_by_key(call, key, view, with_docs=with_docs) for key in _window(query, keys)]
        return rows, {"total_rows": total, "offset": None}
    found = _range(database, query, prefix)
    offset = _offset(database, query, prefix, found)
    rows = [_row(call, one, view, with_docs=with_docs) for one in _window(query, found)]
    return rows, {"total_rows": total, "offset": min(offset + query.number("skip", 0), total)}


def _range(database: Database, query: Query, prefix: str) -> list[Document]:
    start, end = _bounds(query, prefix)
    inclusive = query.text("inclusive_end", "true") == "true"
    if not query.flag("descending"):
        return database.sorted(start, end, inclusive_end=inclusive)
    found = database.sorted(start, end)[::-1]
    return found if inclusive or not found or found[-1].doc_id != start else found[:-1]


def _offset(database: Database, query: Query, prefix: str, found: list[Document]) -> int:
    """How many documents come before the first."""
    if prefix:
        return 0
    start, end = _bounds(query, prefix)
    if query.flag("descending"):
        return len(database.sorted(end)) - (1 if end in database.documents else 0) if end is not None else 0
    return len(database.sorted(None, start, inclusive_end=False)) if start is not None else 0


def _row(call: Call, document: Document, view: View, *, with_docs: bool) -> bytes:
    text = b'{"id":%s,"key":%s,"value":{"rev":"%s"}' % (
        document.id_json,
        document.id_json,
        document.winner.rev.encode(),
    )
    return text + (_doc(call, document, view) if with_docs else b"") + b"}"


def _doc(call: Call, document: Document, view: View) -> bytes:
    try:
        return b',"doc":' + render(call.database, document, document.winner, view, call.user)
    except CouchError:
        return b',"doc":null'  # hidden from this user


def _by_key(call: Call, key: Any, view: View, *, with_docs: bool) -> bytes:
    document = call.database.documents.get(key) if isinstance(key, str) else None
    if document is None:
        return b'{"key":%s,"error":"not_found"}' % orjson.dumps(key)
    if document.deleted:
        gone = b'{"id":%s,"key":%s,"value":{"rev":"%s","deleted":true}' % (
            document.id_json,
            document.id_json,
            document.winner.rev.encode(),
        )
        return gone + (b',"doc":null' if with_docs else b"") + b"}"
    return _row(call, document, view, with_docs=with_docs)


def _locals(call: Call, query: Query, keys: list[Any] | None, _: str) -> tuple[list[bytes], dict[str, Any]]:
    local = call.database.local
    start, end = _bounds(query, "")
    ids = [one for one in local.ids() if (start is None or one >= start) and (end is None or one <= end)]
    if query.flag("descending"):
        ids.reverse()
    rows = []
    for doc_id in _window(query, ids if keys is None else keys):
        if doc_id not in local.stored:
            rows.append(b'{"key":%s,"error":"not_found"}' % orjson.dumps(doc_id))
            continue
        name = orjson.dumps(doc_id)
        text = b'{"id":%s,"key":%s,"value":{"rev":"0-%d"}' % (name, name, local.stored[doc_id][0])
        rows.append(text + (b',"doc":' + (local.json(doc_id) or b"null") if query.flag("include_docs") else b"") + b"}")
    return rows, {"total_rows": None, "offset": None}
