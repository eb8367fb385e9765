# SPDX-License-Identifier: Apache-2.0
"""``/{db}/{docid}``: reading, writing, deleting and copying one document."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, unquote

import orjson

from airflow_provider_replicator.sandbox.couchdb import multipart
from airflow_provider_replicator.sandbox.couchdb.documents import Document
from airflow_provider_replicator.sandbox.couchdb.drafts import LOCAL, Draft, check_id, read_draft
from airflow_provider_replicator.sandbox.couchdb.errors import bad_request, not_found
from airflow_provider_replicator.sandbox.couchdb.http_headers import accepts, given_rev, not_modified, unchanged
from airflow_provider_replicator.sandbox.couchdb.query import Query
from airflow_provider_replicator.sandbox.couchdb.reading import View, meta, read_view, render
from airflow_provider_replicator.sandbox.couchdb.revisions import Revision, order_of, parse_rev
from airflow_provider_replicator.sandbox.couchdb.routes import Call, answer, check_json
from airflow_provider_replicator.sandbox.couchdb.sizes import check_size
from airflow_provider_replicator.sandbox.http import Response


def handle(call: Call, doc_id: str) -> Response:
    if doc_id.startswith(LOCAL):
        return _local(call, doc_id)
    call.allow("DELETE", "GET", "POST", "PUT", "COPY")
    if call.method == "GET":
        return _get(call, doc_id)
    if call.method == "PUT":
        return _put(call, doc_id)
    if call.method == "DELETE":
        return _delete(call, doc_id)
    if call.method == "COPY":
        return _copy(call, doc_id)
    raise bad_request("Referer header required.")


def create(call: Call) -> Response:
    """``POST /{db}``: the server names the document if it has no name."""
    check_json(call)
    document = call.json()
    if isinstance(document, dict) and "_id" not in document:
        document = {"_id": uuid.uuid4().hex, **document}
    draft = read_draft(document)
    return _write(call, draft, draft.doc_id, etag=False)


# reading


def _get(call: Call, doc_id: str) -> Response:
    query = Query(call.request.query)
    view = read_view(query)
    view = view.since([parse_rev(one) for one in query.json("atts_since") or ()])
    document = call.database.documents.get(doc_id)
    if query.text("open_revs").strip() not in ("", "[]"):
        return _open_revs(call, document, query, view.of_revision())
    revision = _asked(document, query)
    assert document is not None
    if "rev" in query and not query.loose_flag("latest"):
        view = view.of_revision()
    etag = f'"{revision.rev}"'
    bare = not meta(document, revision, view)
    if bare and unchanged(call, etag):
        return not_modified(etag)
    headers = [("ETag", etag)] if bare else []
    if view.attachments and revision.attachments and accepts(call, "multipart/related"):
        return multipart.related(call, document, revision, view, headers)
    return Response(200, render(call.database, document, revision, view, call.user) + b"\n", headers=headers)


def _asked(document: Document | None, query: Query) -> Revision:
    """The winner or the revision that is asked for. Raises 404."""
    if document is None:
        raise not_found()
    if "rev" not in query or query.loose_flag("latest"):
        if document.deleted and not query.loose_flag("deleted"):
            raise not_found("deleted")
        return document.winner
    revision = document.tree.revisions.get(parse_rev(query.text("rev")))
    if revision is None or revision.fields is None:
        raise not_found()
    return revision


def _open_revs(call: Call, document: Document | None, query: Query, view: View) -> Response:
    found: list[Revision | str]
    if query.text("open_revs") == "all":
        if document is None:
            raise not_found()
        found = list(document.tree.by_name())
    else:
        revs = query.json("open_revs")
        if not isinstance(revs, list):
            raise bad_request("Invalid list of revisions")
        found = open_revisions(document, [parse_rev(rev) for rev in revs], latest=query.loose_flag("latest"))
        found.sort(key=lambda one: (1, (0, b"")) if isinstance(one, str) else (0, order_of(one.rev)))
    if accepts(call, "multipart/mixed"):
        return multipart.mixed(call, document, found, view)
    parts = [_opened(call, document, one, view) for one in found]
    return Response(200, b"[" + b",".join(parts) + b"]\n")


def _opened(call: Call, document: Document | None, found: Revision | str, view: View) -> bytes:
    if isinstance(found, str) or document is None:
        return orjson.dumps({"missing": found if isinstance(found, str) else found.rev})
    return b'{"ok":%s}' % render(call.database, document, found, view, call.user)


def open_revisions(document: Document | None, revs: Iterable[str], *, latest: bool) -> list[Revision | str]:
    """Each revision, or its name if it is not there. ``latest``: the leaves that come from it instead."""
    if document is None:
        return list(revs)
    found: dict[str, Revision | str] = {}
    for rev in revs:
        revision = document.tree.revisions.get(rev)
        if revision is not None and latest:
            found.update({leaf.rev: leaf for leaf in document.tree.descendants(rev)})
        else:
            found[rev] = rev if revision is None or revision.fields is None else revision
    return list(found.values())


# writing


def _put(call: Call, doc_id: str) -> Response:
    check_id(doc_id)
    document, follows = _body(call)
    draft = read_draft(document, doc_id)
    draft.follows = follows
    return _write(call, draft, str(document.get("_id", "")))


def _body(call: Call) -> tuple[Any, dict[str, bytes]]:
    """The document, and attachments that follow it in the same body."""
    kind = call.request.headers.get("content-type", "")
    if kind.startswith("multipart/related"):
        return multipart.read_related(kind, call.request.body)
    return call.json(), {}


def _write(call: Call, draft: Draft, named: str, *, etag: bool = True) -> Response:
    """``named`` is what the document calls itself."""
    new_edits = call.request.query.get("new_edits") != ["false"]
    rev = given_rev(call, draft.path[0] if draft.path else None)
    if not draft.path and rev is not None:
        draft.path = [rev]
    if not new_edits and not draft.path:
        raise bad_request("When `new_edits: false`, the document needs `_rev` or `_revisions` specified")
    check_size(call.database, draft, named)
    (written,) = call.database.write([draft], user=call.user, new_edits=new_edits)
    if written.error is not None:
        raise written.error
    if call.request.query.get("batch") == ["ok"]:
        return answer({"ok": True, "id": draft.doc_id}, 202)
    headers = [("Location", location(call, draft.doc_id))]
    if etag:
        headers.append(("ETag", f'"{written.rev}"'))
    return answer({"ok": True, "id": draft.doc_id, "rev": written.rev}, 200 if draft.deleted else 201, *headers)


def location(call: Call, doc_id: str) -> str:
    return f"{call.request.base_url}/{quote(call.database.name, safe='')}/{quote(doc_id, safe=':')}"


def _delete(call: Call, doc_id: str) -> Response:
    call.database.find(doc_id)
    rev = given_rev(call, None)
    draft = Draft(doc_id, [rev] if rev else [], {}, deleted=True)
    (written,) = call.database.write([draft], user=call.user)
    if written.error is not None:
        raise written.error
    return answer({"ok": True, "id": doc_id, "rev": written.rev}, 200, ("ETag", f'"{written.rev}"'))


def _copy(call: Call, doc_id: str) -> Response:
    query = Query(call.request.query)
    target, rev = _destination(call)
    check_id(target)
    source = call.database.documents.get(doc_id)
    revision = _asked(source, query)
    assert source is not None
    draft = Draft(target, [rev] if rev else [], source.body(revision))
    if revision.attachments:
        draft.members = {name: one.describe("data") for name, one in revision.attachments.items()}
    (written,) = call.database.write([draft], user=call.user)
    if written.error is not None:
        raise written.error
    headers = ("Location", location(call, target)), ("ETag", f'"{written.rev}"')
    return answer({"ok": True, "id": target, "rev": written.rev}, 201, *headers)


def _destination(call: Call) -> tuple[str, str | None]:
    header = call.request.headers.get("destination")
    if header is None:
        raise bad_request("Destination header is mandatory for COPY.")
    if header.startswith(("http://", "https://")):
        raise bad_request("Destination URL must be relative.")
    target, question, query = header.partition("?")
    return unquote(target), parse_rev(query.partition("=")[2]) if question else None


# _local documents


def _local(call: Call, doc_id: str) -> Response:
    call.allow("DELETE", "GET", "PUT", "COPY")
    local = call.database.local
    if call.method == "GET":
        found = local.json(doc_id)
        if found is None:
            raise not_found()
        etag = f'"{hashlib.md5(found, usedforsecurity=False).hexdigest().upper()[:25]}"'
        return Response(200, found + b"\n", headers=[("ETag", etag)])
    if call.method == "DELETE":
        return answer({"ok": True, "id": doc_id, "rev": local.delete(doc_id)})
    if call.method == "COPY":
        return _copy_local(call, doc_id)
    document = call.json_object()
    check_size(call.database, read_draft(document, doc_id), str(document.get("_id", "")))
    rev = given_rev(call, document.get("_rev"))
    stored = local.put(doc_id, {**document, "_rev": rev} if rev else document)
    return answer({"ok": True, "id": doc_id, "rev": stored}, 201, ("Location", location(call, doc_id)))


def _copy_local(call: Call, doc_id: str) -> Response:
    source = call.database.local.get(doc_id)
    if source is None:
        raise not_found()
    target, _ = _destination(call)
    body = {name: value for name, value in source.items() if not name.startswith("_")}
    local = target.startswith(LOCAL)
    rev = call.database.local.put(target, body) if local else call.database.put({"_id": target, **body}, user=call.user)
    return answer({"ok": True, "id": target, "rev": rev}, 201, ("Location", location(call, target)))
