# SPDX-License-Identifier: Apache-2.0
"""``/{db}/{docid}/{attachment}``: reading, writing and deleting one attachment."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from airflow_provider_replicator.sandbox.couchdb import attachments
from airflow_provider_replicator.sandbox.couchdb.attachments import Attachment
from airflow_provider_replicator.sandbox.couchdb.docs import location
from airflow_provider_replicator.sandbox.couchdb.documents import Document
from airflow_provider_replicator.sandbox.couchdb.drafts import Draft, check_id
from airflow_provider_replicator.sandbox.couchdb.errors import CouchError, conflict, not_found
from airflow_provider_replicator.sandbox.couchdb.http_headers import given_rev, not_modified, unchanged
from airflow_provider_replicator.sandbox.couchdb.revisions import Revision, parse_rev
from airflow_provider_replicator.sandbox.couchdb.routes import Call, answer
from airflow_provider_replicator.sandbox.http import Response


def handle(call: Call, doc_id: str, name: str) -> Response:
    call.allow("DELETE", "GET", "PUT")
    check_id(doc_id)
    attachments.check_name(name)
    if call.method == "GET":
        return _get(call, doc_id, name)
    if call.method == "PUT":
        return _put(call, doc_id, name)
    return _delete(call, doc_id, name)


def _get(call: Call, doc_id: str, name: str) -> Response:
    asked = call.request.query.get("rev")
    document = call.database.documents.get(doc_id)
    revision = None
    if document is not None:
        revision = document.tree.revisions.get(parse_rev(asked[-1])) if asked else document.winner
    if revision is None or (not asked and revision.deleted):
        raise not_found("deleted" if revision is not None else "missing")
    found = (revision.attachments or {}).get(name)
    if found is None:
        raise not_found("Document is missing attachment")
    return _sent(call, found)


def _sent(call: Call, found: Attachment) -> Response:
    etag = f'"{found.digest.removeprefix("md5-")}"'
    if unchanged(call, etag):
        return not_modified(etag)
    headers = [("ETag", etag), ("Cache-Control", "must-revalidate")]
    packed = found.encoding == "gzip"
    headers.append(("Accept-Ranges", "none" if packed else "bytes"))
    if packed and "gzip" in call.request.headers.get("accept-encoding", ""):
        headers.append(("Content-Encoding", "gzip"))
        return Response(200, found.data, content_type=found.content_type, headers=headers)
    data = found.plain()
    wanted = call.request.headers.get("range", "")
    if wanted.startswith("bytes=") and not packed:
        return _part(data, wanted, found.content_type, headers)
    return Response(200, data, content_type=found.content_type, headers=headers)


def _part(data: bytes, wanted: str, content_type: str, headers: list[tuple[str, str]]) -> Response:
    first, _, last = wanted.removeprefix("bytes=").partition("-")
    try:
        start = int(first) if first else max(0, len(data) - int(last))
        end = int(last) + 1 if first and last else len(data)
    except ValueError:
        return Response(200, data, content_type=content_type, headers=headers)
    if start >= len(data):
        raise CouchError(416, "requested_range_not_satisfiable", "Requested range not satisfiable")
    end = min(end, len(data))
    headers.append(("Content-Range", f"bytes {start}-{end - 1}/{len(data)}"))
    return Response(206, data[start:end], content_type=content_type, headers=headers)


def _base(call: Call, doc_id: str) -> tuple[Document | None, Revision | None]:
    """The leaf that is changed. None: the document is made anew. Raises 409."""
    rev = given_rev(call, None)
    document = call.database.documents.get(doc_id)
    if document is None or document.deleted:
        if rev is not None:
            raise conflict()
        return document, None
    leaf = document.tree.leaf(rev) if rev is not None else None
    if leaf is None:
        raise conflict()
    return document, leaf


def _put(call: Call, doc_id: str, name: str) -> Response:
    document, base = _base(call, doc_id)
    kind = call.request.headers.get("content-type", attachments.DEFAULT_TYPE)
    draft = _draft(doc_id, document, base)
    draft.members = {name: {"content_type": kind, "follows": True}} | _others(draft, name)
    draft.follows[name] = call.request.body
    return _stored(call, draft, 201, ("Location", f"{location(call, doc_id)}/{quote(name, safe='')}"))


def _delete(call: Call, doc_id: str, name: str) -> Response:
    document, base = _base(call, doc_id)
    if base is None:
        raise not_found("missing" if document is None else "deleted")
    draft = _draft(doc_id, document, base)
    if name not in (draft.members or {}):
        raise not_found("Document is missing attachment")
    draft.members = _others(draft, name)
    return _stored(call, draft, 200)


def _draft(doc_id: str, document: Document | None, base: Revision | None) -> Draft:
    """The document as it is, its attachments as stubs."""
    if document is None or base is None:
        return Draft(doc_id, [], {}, members={})
    kept = {name: one.describe("stub") for name, one in (base.attachments or {}).items()}
    return Draft(doc_id, [base.rev], document.body(base), members=kept)


def _others(draft: Draft, name: str) -> dict[str, Any]:
    return {other: member for other, member in (draft.members or {}).items() if other != name}


def _stored(call: Call, draft: Draft, status: int, *headers: tuple[str, str]) -> Response:
    (written,) = call.database.write([draft], user=call.user)
    if written.error is not None:
        raise written.error
    told = {"ok": True, "id": draft.doc_id, "rev": written.rev}
    return answer(told, status, *headers)
