# SPDX-License-Identifier: Apache-2.0
"""``_find``: documents by selector. Every query looks at all documents, in the order of an index if there is one that fits."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from airflow_provider_replicator.sandbox.couchdb import jsons, selectors
from airflow_provider_replicator.sandbox.couchdb.collation import Key, order, raw_order
from airflow_provider_replicator.sandbox.couchdb.documents import Document
from airflow_provider_replicator.sandbox.couchdb.drafts import DESIGN
from airflow_provider_replicator.sandbox.couchdb.errors import CouchError
from airflow_provider_replicator.sandbox.couchdb.indexes import Index, indexes_of
from airflow_provider_replicator.sandbox.couchdb.reading import View, render
from airflow_provider_replicator.sandbox.couchdb.routes import Call
from airflow_provider_replicator.sandbox.couchdb.selectors import field_of, parse_field
from airflow_provider_replicator.sandbox.http import Response

_DEFAULT_LIMIT = 25
_KNOWN = {"selector", "use_index", "bookmark", "limit", "skip", "sort", "fields", "partition", "r", "conflicts"} | {
    "stale",
    "update",
    "stable",
    "execution_stats",
    "allow_fallback",
}
_NO_INDEX = "No matching index found, create an index to optimize query time."
_MISSING = object()


@dataclass(frozen=True, slots=True)
class Asked:
    """``sort`` are paths and whether each is descending; ``start`` is how many matches a bookmark has left behind."""

    matches: selectors.Match
    selector: dict[str, Any]
    limit: int
    skip: int
    fields: tuple[str, ...] | None
    sort: tuple[tuple[str, bool], ...]
    start: int
    conflicts: bool
    stats: bool


def handle(call: Call) -> Response:
    call.allow("POST")
    asked = _read(call.typed_object())
    index = _index_for(call, asked)
    looked, found = _matching(call, asked, index)
    first = asked.start + asked.skip
    shown = found[first : first + asked.limit]
    view = View(conflicts=asked.conflicts)
    docs = [_projected(render(call.database, one, one.winner, view, call.user), asked.fields) for one in shown]
    told: dict[str, Any] = {"bookmark": _bookmark(first + len(shown)) if shown or asked.start else "nil"}
    if asked.stats:
        told["execution_stats"] = {
            "total_keys_examined": 0,
            "total_docs_examined": looked,
            "total_quorum_docs_examined": 0,
            "results_returned": len(shown),
            "execution_time_ms": 1.0,
        }
    if index is None:
        told["warning"] = _NO_INDEX
    tail = b",\r\n".join(b'"%s": %s' % (name.encode(), orjson.dumps(value)) for name, value in told.items())
    return Response(200, b'{"docs":[\r\n' + b",\r\n".join(docs) + b"\r\n],\r\n" + tail + b"}\r\n\n")


def _read(body: dict[str, Any]) -> Asked:
    for name in body:
        if name not in _KNOWN:
            raise CouchError(400, "invalid_key", f"Invalid key {name} for this request.")
    if "selector" not in body:
        raise CouchError(400, "missing_required_key", "Missing required key: selector")
    selector = body["selector"]
    if not isinstance(selector, dict):
        raise CouchError(
            400, "invalid_selector_json", f"Selector must be a JSON object, not: {orjson.dumps(selector).decode()}"
        )
    return Asked(
        matches=selectors.compiled(selector),
        selector=selector,
        limit=_count(body, "limit", _DEFAULT_LIMIT),
        skip=_count(body, "skip", 0),
        fields=_fields(body.get("fields", "all_fields")),
        sort=_sort(body.get("sort", [])),
        start=_position(body.get("bookmark", "nil")),
        conflicts=body.get("conflicts") is True,
        stats=body.get("execution_stats") is True,
    )


def _count(body: dict[str, Any], name: str, default: int) -> int:
    value = body.get(name, default)
    if type(value) is not int or value < 0:
        reason = f"{orjson.dumps(value).decode()} is not an integer greater than or equal to zero"
        raise CouchError(400, "invalid_non_neg_integer", reason)
    return value


def _fields(value: Any) -> tuple[str, ...] | None:
    if value in ("all_fields", []):
        return None
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise CouchError(
            400, "invalid_fields", f"Fields must be an array of strings, not: {orjson.dumps(value).decode()}"
        )
    return tuple(value)


def _sort(value: Any) -> tuple[tuple[str, bool], ...]:
    if not isinstance(value, list):
        raise CouchError(
            400, "invalid_sort_json", f"Sort must be an array of sort specs, not: {orjson.dumps(value).decode()}"
        )
    found = []
    for one in value:
        if isinstance(one, str):
            found.append((one, False))
        elif isinstance(one, dict) and len(one) == 1 and set(one.values()) <= {"asc", "desc"}:
            ((name, way),) = one.items()
            found.append((name, way == "desc"))
        else:
            raise CouchError(400, "invalid_sort_field", f"Invalid sort field: {orjson.dumps(one).decode()}")
    if len({descending for _, descending in found}) > 1:
        raise CouchError(
            400, "unsupported_mixed_sort", "Sorts currently only support a single direction for all fields."
        )
    return tuple(found)


def _bookmark(position: int) -> str:
    return "g1AAAA" + urlsafe_b64encode(b"%012d" % position).decode()


def _position(bookmark: Any) -> int:
    if bookmark in ("nil", "", None):
        return 0
    try:
        return int(urlsafe_b64decode(str(bookmark).removeprefix("g1AAAA")))
    except (ValueError, binascii.Error):
        raise CouchError(
            400, "invalid_bookmark", f"Invalid bookmark value: {orjson.dumps(bookmark).decode()}"
        ) from None


def _index_for(call: Call, asked: Asked) -> Index | None:
    """One that has the fields of the sort first, or else a field that the selector names. Raises 400 if a sort has none."""
    found = indexes_of(call.database)
    if asked.sort:
        names = tuple(name for name, _ in asked.sort)
        if names == ("_id",) and "_id" in asked.selector:
            return Index("", "_all_docs", ("_id",))
        for index in found:
            if index.fields[: len(names)] == names:
                return index
        raise CouchError(400, "no_usable_index", "No index exists for this sort, try indexing by the sort fields.")
    if "_id" in asked.selector:
        return Index("", "_all_docs", ("_id",))
    return next((index for index in found if all(name in asked.selector for name in index.fields)), None)


def _matching(call: Call, asked: Asked, index: Index | None) -> tuple[int, list[Document]]:
    """How many documents were looked at, and those that match in their order."""
    documents: Iterable[Document] = call.database.sorted()
    pairs = [(one, one.whole(one.winner)) for one in documents if not one.doc_id.startswith(DESIGN)]
    paths = [(name, parse_field(name)) for name in (index.fields if index is not None else ())]
    # What lacks a field of an index is not in it.
    indexed = [pair for pair in pairs if all(field_of(pair[1], path, _MISSING) is not _MISSING for _, path in paths)]
    found = [pair for pair in indexed if asked.matches(pair[1])]
    if index is not None:
        found.sort(key=lambda pair: _key(pair, paths), reverse=bool(asked.sort) and asked.sort[0][1])
    return len(indexed), [document for document, _ in found]


def _key(pair: tuple[Document, dict[str, Any]], paths: Sequence[tuple[str, tuple[str, ...]]]) -> list[Key]:
    document, whole = pair
    keys = [(raw_order if name == "_id" else order)(field_of(whole, path)) for name, path in paths]
    return [*keys, raw_order(document.doc_id)]


def _projected(text: bytes, fields: tuple[str, ...] | None) -> bytes:
    if fields is None:
        return text
    whole = jsons.loads(text)
    shown: dict[str, Any] = {}
    for name in fields:
        path = parse_field(name)
        value = field_of(whole, path, _MISSING)
        if value is not _MISSING:
            _place(shown, path, value)
    return jsons.dumps(shown)


def _place(shown: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for name in path[:-1]:
        shown = shown.setdefault(name, {})
    shown[path[-1]] = value
