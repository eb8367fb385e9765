# SPDX-License-Identifier: Apache-2.0
"""Documents as somebody wants them to be stored: the special members taken apart from the body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_replicator.sandbox.couchdb import jsons
from airflow_provider_replicator.sandbox.couchdb.errors import CouchError, bad_request
from airflow_provider_replicator.sandbox.couchdb.revisions import parse_rev, path_of

_IGNORED = {"_revs_info", "_local_seq", "_conflicts", "_deleted_conflicts"}
#: special members that are part of the body: the server's own replicator writes them
_KEPT = {
    "_access",
    "_replication_state",
    "_replication_state_time",
    "_replication_state_reason",
    "_replication_id",
    "_replication_stats",
}
LOCAL, DESIGN = "_local/", "_design/"


@dataclass(slots=True)
class Draft:
    """``path`` has the revision this is (replicated) or was made from (edited), then its ancestors; ``[]``: none was said.
    ``follows`` are the attachments that came beside the document, by name."""

    doc_id: str
    path: list[str]
    body: dict[str, Any]
    deleted: bool = False
    members: dict[str, Any] | None = None
    follows: dict[str, bytes] = field(default_factory=dict)
    _fields: bytes | None = None

    def fields(self, *, anew: bool = False) -> bytes:
        """The body as JSON without the braces. ``anew``: it may have been changed since."""
        if self._fields is None or anew:
            self._fields = jsons.dumps(self.body)[1:-1]
        return self._fields

    def whole(self) -> dict[str, Any]:
        """As a document again, with ``_id``, ``_rev`` and ``_deleted``."""
        rev = {"_rev": self.path[0]} if self.path else {}
        gone = {"_deleted": True} if self.deleted else {}
        return {"_id": self.doc_id, **rev, **self.body, **gone}


def read_draft(document: Any, doc_id: str | None = None) -> Draft:
    """``doc_id`` (of the URL) wins over ``_id``. Raises 400 for what CouchDB does not accept as a document."""
    if not isinstance(document, Mapping):
        raise bad_request("Document must be a JSON object")
    if doc_id is None:
        doc_id = document.get("_id")
    check_id(doc_id)
    assert isinstance(doc_id, str)
    body = {name: value for name, value in document.items() if not name.startswith("_")}
    draft = Draft(doc_id, _path(document), body)
    if len(body) < len(document):
        draft.body = _special(document, draft)
    return draft


def _special(document: Mapping[str, Any], draft: Draft) -> dict[str, Any]:
    body = {}
    for name, value in document.items():
        if not name.startswith("_") or name in _KEPT:
            body[name] = value
        elif name == "_deleted" and isinstance(value, bool):
            draft.deleted = value
        elif name == "_attachments" and isinstance(value, dict):
            draft.members = value
        elif name not in _IGNORED and name not in ("_id", "_rev", "_revisions"):
            raise CouchError(400, "doc_validation", f"Bad special document member: {name}")
    return body


def _path(document: Mapping[str, Any]) -> list[str]:
    history = document.get("_revisions")
    if isinstance(history, Mapping):
        start, names = history.get("start"), history.get("ids")
        if type(start) is not int:
            raise CouchError(400, "doc_validation", "_revisions.start isn't an integer.")
        if type(names) is not list:
            raise CouchError(400, "doc_validation", "_revisions.ids isn't a array.")
        if any(type(name) is not str for name in names):
            raise CouchError(400, "doc_validation", "RevId isn't a string")
        return path_of(start, names)
    return [parse_rev(document["_rev"])] if "_rev" in document else []


def check_id(doc_id: Any) -> None:
    if type(doc_id) is not str:
        raise CouchError(400, "illegal_docid", "Document id must be a string")
    if not doc_id:
        raise CouchError(400, "illegal_docid", "Document id must not be empty")
    if doc_id in (DESIGN, LOCAL):
        raise CouchError(400, "illegal_docid", f"Illegal document id `{doc_id}`")
    if doc_id.startswith("_") and not doc_id.startswith((DESIGN, LOCAL)):
        raise CouchError(400, "illegal_docid", "Only reserved document ids may start with underscore.")
