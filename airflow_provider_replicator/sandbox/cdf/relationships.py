# SPDX-License-Identifier: Apache-2.0
"""What only relationships have: both ends in one filter, and the resources at the ends fetched along."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from airflow_provider_replicator.sandbox.cdf.fields import Invalid, expected, list_of
from airflow_provider_replicator.sandbox.cdf.filters import Compiler, Condition, among
from airflow_provider_replicator.sandbox.cdf.indexes import Document
from airflow_provider_replicator.sandbox.cdf.payload import flag_of
from airflow_provider_replicator.sandbox.cdf.project import Project
from airflow_provider_replicator.sandbox.cdf.store import DocumentStore, Entry

STORES = {
    "asset": "assets",
    "timeSeries": "timeseries",
    "file": "files",
    "event": "events",
    "sequence": "sequences",
}

_SPELLINGS = {name.lower(): name for name in STORES}


def end_type(value: Any) -> Any:
    """``timeseries`` is taken for ``timeSeries``: the service does not mind case, and always answers in its own."""
    if type(value) is not str:
        raise expected("a string", value)
    if value.lower() not in _SPELLINGS:
        raise Invalid(f"must be one of {', '.join(STORES)}")
    return _SPELLINGS[value.lower()]


_end_types = list_of(end_type, 1000, 1)


def of_types(name: str) -> Compiler:
    def compiled(value: Any, project: Project, store: DocumentStore) -> Condition:
        return among(name, _end_types(value), store)

    return compiled


def either_end(value: Any, project: Project, store: DocumentStore) -> Condition:
    """``[{"type"?, "externalId"?}]``: the source or the target is this resource."""
    if type(value) is not list:
        raise expected("a list", value)
    if len(value) != 1 or type(value[0]) is not dict or not value[0]:
        raise Invalid("expected one object with type and externalId")
    wanted = []
    if "type" in value[0]:
        wanted.append(("Type", end_type(value[0]["type"])))
    if "externalId" in value[0]:
        wanted.append(("ExternalId", value[0]["externalId"]))

    def matches(doc: Document) -> bool:
        return any(all(doc[end + key] == element for key, element in wanted) for end in ("source", "target"))

    return Condition(matches)


def fetched(project: Project, payload: Mapping[str, Any], entries: list[Entry]) -> list[bytes]:
    """With ``fetchResources`` the documents at both ends, where they exist: relationships may dangle."""
    if not flag_of(payload, "fetchResources"):
        return [entry.encoded for entry in entries]
    return [orjson.dumps({**entry.doc, **_ends(project, entry.doc)}) for entry in entries]


def _ends(project: Project, doc: Document) -> Document:
    ends = {}
    for end in ("source", "target"):
        store = project.store(STORES[doc[f"{end}Type"]])
        found = store.resolve({"externalId": doc[f"{end}ExternalId"]})
        if found is not None:
            ends[end] = found
    return ends
