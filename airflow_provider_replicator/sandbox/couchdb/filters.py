# SPDX-License-Identifier: Apache-2.0
"""Which documents a ``_changes`` feed is about: ``_doc_ids``, ``_selector``, ``_design``, or a function of a design document."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from airflow_provider_replicator.sandbox.couchdb import selectors
from airflow_provider_replicator.sandbox.couchdb.database import Database
from airflow_provider_replicator.sandbox.couchdb.documents import Document
from airflow_provider_replicator.sandbox.couchdb.drafts import DESIGN
from airflow_provider_replicator.sandbox.couchdb.errors import CouchError, bad_request, not_found
from airflow_provider_replicator.sandbox.couchdb.functions import compile_function, passes
from airflow_provider_replicator.sandbox.couchdb.query import Query
from airflow_provider_replicator.sandbox.couchdb.revisions import Revision
from airflow_provider_replicator.sandbox.couchdb.routes import Call

#: from a document and the leaves that are looked at, those that pass
Passes = Callable[[Document, list[Revision]], list[Revision]]
#: so many ids are looked up instead of walking through all changes
_MOST_LOOKED_UP = 1000


@dataclass(frozen=True, slots=True)
class Filter:
    """``lookup`` finds what passes without looking at everything else; None: there is no other way."""

    passes: Passes
    lookup: Callable[[Database], list[Document]] | None = None


def read_filter(call: Call, query: Query, body: dict[str, Any]) -> Filter | None:
    """Raises 400 for a filter that means nothing, 404 for one that is not there."""
    name = query.text("filter")
    if name == "_doc_ids":
        return _by_ids(_doc_ids(body.get("doc_ids") if call.method == "POST" else query.json("doc_ids")))
    if name == "_selector":
        return _by_selector(call, body)
    if name == "_design":
        return Filter(
            lambda document, leaves: leaves if document.doc_id.startswith(DESIGN) else [],
            lambda database: [one for one in database.documents.values() if one.doc_id.startswith(DESIGN)],
        )
    if name == "_view":
        raise bad_request("the sandbox has no JavaScript engine: the filter _view is not supported")
    if name.startswith("_"):
        raise bad_request("unknown builtin filter name")
    if name:
        return _by_function(call, name)
    return None


def _doc_ids(value: Any) -> list[str]:
    if not isinstance(value, list):
        raise bad_request("`doc_ids` filter parameter is not a list of doc ids.")
    return value


def _by_ids(listed: list[str]) -> Filter:
    ids = frozenset(listed)

    def lookup(database: Database) -> list[Document]:
        return [database.documents[one] for one in ids if one in database.documents]

    return Filter(
        lambda document, leaves: leaves if document.doc_id in ids else [],
        lookup if len(listed) <= _MOST_LOOKED_UP else None,
    )


def _by_selector(call: Call, body: dict[str, Any]) -> Filter:
    if call.method != "POST":
        raise bad_request("Selector must be specified in POST payload")
    selector = body.get("selector")
    if not isinstance(selector, dict):
        raise bad_request("Selector error: expected a JSON object")
    try:
        matches = selectors.compiled(selector)
    except CouchError as error:
        raise bad_request(error.reason or "") from None
    return Filter(lambda document, leaves: [leaf for leaf in leaves if matches(document.whole(leaf))])


def _by_function(call: Call, name: str) -> Filter:
    design, slash, function = name.partition("/")
    if not slash or "/" in function:
        raise bad_request("`filter` must be of the form `designname/filtername`")
    document = call.database.get(DESIGN + design)
    if document is None:
        raise not_found()
    source = document.get("filters", {}).get(function)
    if source is None:
        raise not_found(f"missing json key: {function}" if "filters" in document else "missing json key: filters")
    test = compile_function(source)
    request = {
        "query": {name: values[-1] for name, values in call.request.query.items()},
        "userCtx": {"db": call.database.name, "name": call.user.name, "roles": list(call.user.roles)},
        "method": call.request.method,
    }
    return Filter(lambda stored, leaves: [leaf for leaf in leaves if passes(test, stored.whole(leaf), request)])
