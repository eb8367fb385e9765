# SPDX-License-Identifier: Apache-2.0
"""Many documents at once: ``_bulk_docs``, ``_bulk_get``, ``_revs_diff``, ``_missing_revs``, ``_purge``."""

from __future__ import annotations

import uuid
from typing import Any

import orjson

from airflow_provider_replicator.sandbox.couchdb.database import Database, Written
from airflow_provider_replicator.sandbox.couchdb.docs import open_revisions
from airflow_provider_replicator.sandbox.couchdb.drafts import LOCAL, Draft, check_id, read_draft
from airflow_provider_replicator.sandbox.couchdb.errors import CouchError, bad_request
from airflow_provider_replicator.sandbox.couchdb.query import Query
from airflow_provider_replicator.sandbox.couchdb.reading import read_view, render
from airflow_provider_replicator.sandbox.couchdb.revisions import Revision, order_of, parse_rev, position_of
from airflow_provider_replicator.sandbox.couchdb.routes import Call, answer
from airflow_provider_replicator.sandbox.couchdb.sizes import check_size
from airflow_provider_replicator.sandbox.http import Response


def bulk_docs(call: Call) -> Response:
    call.allow("POST")
    body = call.typed_object()
    documents = body.get("docs")
    if documents is None:
        raise bad_request("POST body must include `docs` parameter.")
    if not isinstance(documents, list):
        raise bad_request("`docs` parameter must be an array.")
    new_edits = body.get("new_edits", True)
    if not isinstance(new_edits, bool):
        raise bad_request("`new_edits` parameter must be a boolean.")
    drafts = [_draft(call, one, new_edits=new_edits) for one in documents]
    written = call.database.write(_without_local(call.database, drafts), user=call.user, new_edits=new_edits)
    if new_edits:
        results = iter(written)
        return answer([_result(_local_written(call, one) or next(results)) for one in drafts], 201)
    for one in drafts:
        _local_written(call, one)
    return answer([_failure(one, one.error) for one in written if one.error is not None], 201)


def _draft(call: Call, document: Any, *, new_edits: bool) -> Draft:
    if isinstance(document, dict) and "_id" not in document:
        document = {"_id": uuid.uuid4().hex, **document}
    draft = read_draft(document)
    if not new_edits and not draft.path:
        raise bad_request("When `new_edits: false`, the document needs `_rev` or `_revisions` specified")
    check_size(call.database, draft, draft.doc_id)
    return draft


def _without_local(database: Database, drafts: list[Draft]) -> list[Draft]:
    return [draft for draft in drafts if not draft.doc_id.startswith(LOCAL)]


def _local_written(call: Call, draft: Draft) -> Written | None:
    if not draft.doc_id.startswith(LOCAL):
        return None
    return Written(draft.doc_id, call.database.local.put(draft.doc_id, draft.whole()))


def _result(written: Written) -> dict[str, Any]:
    if written.error is None:
        return {"ok": True, "id": written.doc_id, "rev": written.rev}
    return {"id": written.doc_id, "error": written.error.error, "reason": written.error.reason}


def _failure(written: Written, error: CouchError) -> dict[str, Any]:
    """Of a revision that came with its name."""
    return {"id": written.doc_id, "rev": written.rev, "error": error.error, "reason": error.reason}


def bulk_get(call: Call) -> Response:
    call.allow("POST")
    wanted = call.typed_object().get("docs")
    if not isinstance(wanted, list):
        raise bad_request("Missing JSON list of 'docs'.")
    results = [_got(call, one) for one in wanted]
    return Response(200, b'{"results":[' + b",".join(results) + b"]}\n")


def _got(call: Call, wanted: Any) -> bytes:
    if not isinstance(wanted, dict) or not wanted:
        return _failed(None, None, CouchError(400, "bad_request", "document must be a JSON object"))
    doc_id = wanted.get("id")
    if doc_id is None:
        return _failed(None, None, CouchError(400, "bad_request", "document id missed"))
    try:
        check_id(doc_id)
        rev = parse_rev(wanted["rev"]) if "rev" in wanted else None
    except CouchError as error:
        return _failed(doc_id, wanted.get("rev"), error)
    try:
        since = _since(wanted.get("atts_since"))
    except CouchError as error:
        return _failed(doc_id, _wrong(wanted["atts_since"]), error)
    query = Query(call.request.query)
    view = read_view(query).of_revision().since(since)
    document = call.database.documents.get(doc_id)
    found: list[Revision | str]
    if rev is None:
        found = [*document.tree.by_branch()] if document is not None else ["undefined"]
    else:
        found = open_revisions(document, [rev], latest=query.loose_flag("latest"))
        if document is not None and len(found) > 1:
            found = [leaf for leaf in document.tree.by_branch() if leaf in found]
    docs = [
        _problem(doc_id, one, CouchError(404, "not_found", "missing"))
        if isinstance(one, str) or document is None
        else b'{"ok":' + render(call.database, document, one, view, call.user) + b"}"
        for one in found
    ]
    return b'{"id":' + orjson.dumps(doc_id) + b',"docs":[' + b",".join(docs) + b"]}"


def _since(value: Any) -> list[str]:
    if value is not None and not isinstance(value, list):
        raise bad_request("att_since value must be array of revs.")
    return [parse_rev(one) for one in value or ()]


def _wrong(revs: Any) -> Any:
    """What is named in the error: the first that is no revision."""
    return revs if not isinstance(revs, list) else next((one for one in revs if "-" not in str(one)), None)


def _failed(doc_id: str | None, rev: Any, error: CouchError) -> bytes:
    return b'{"id":' + orjson.dumps(doc_id) + b',"docs":[' + _problem(doc_id, rev, error) + b"]}"


def _problem(doc_id: str | None, rev: Any, error: CouchError) -> bytes:
    return orjson.dumps({"error": {"id": doc_id, "rev": rev, "error": error.error, "reason": error.reason}})


def revs_diff(call: Call) -> Response:
    call.allow("POST")
    pieces = []
    for doc_id, revs in call.typed_object().items():
        missing, ancestors = _missing(call.database, doc_id, revs)
        if missing:
            told = {"missing": missing, "possible_ancestors": ancestors} if ancestors else {"missing": missing}
            pieces.append(orjson.dumps(doc_id) + b":" + orjson.dumps(told))
    return Response(200, b"{" + b",".join(pieces) + b"}\n")


def missing_revs(call: Call) -> Response:
    call.allow("POST")
    found = {doc_id: _missing(call.database, doc_id, revs)[0] for doc_id, revs in call.typed_object().items()}
    return answer({"missing_revs": {doc_id: revs for doc_id, revs in found.items() if revs}})


def _missing(database: Database, doc_id: str, revs: Any) -> tuple[list[str], list[str]]:
    """Those of the revisions that are not known here, and leaves of ours that could be their ancestors."""
    document = database.documents.get(doc_id)
    if document is not None and type(revs) is list:
        known = document.tree.revisions
        for rev in revs:
            if rev not in known:
                break
        else:
            return [], []
    named = _revs(revs)
    if document is None:
        return named, []
    missing = sorted((rev for rev in named if rev not in document.tree.revisions), key=order_of)
    newest = max((position_of(rev) for rev in missing), default=0)
    return missing, [leaf.rev for leaf in document.tree.leaves if position_of(leaf.rev) < newest]


def _revs(revs: Any) -> list[str]:
    if not isinstance(revs, list):
        raise bad_request("Invalid list of revisions")
    return [parse_rev(rev) for rev in revs]


def purge(call: Call) -> Response:
    call.allow("POST")
    asked = {doc_id: _revs(revs) for doc_id, revs in call.typed_object().items()}
    purged = {doc_id: call.database.purge(doc_id, revs) for doc_id, revs in asked.items()}
    return answer({"purge_seq": None, "purged": purged}, 201)
