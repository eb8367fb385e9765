# SPDX-License-Identifier: Apache-2.0
"""Time series and files that belong to data-model nodes. CDF makes them itself when a node appears; here a control call does."""

from __future__ import annotations

from typing import Any

from airflow_provider_replicator.sandbox.cdf.collection import Collection
from airflow_provider_replicator.sandbox.cdf.fields import Check, record, text
from airflow_provider_replicator.sandbox.cdf.indexes import Document
from airflow_provider_replicator.sandbox.cdf.payload import checked
from airflow_provider_replicator.sandbox.cdf.project import Project
from airflow_provider_replicator.sandbox.cdf.resources import FILES, TIME_SERIES

_COLLECTIONS = {kind.name: Collection(kind) for kind in (TIME_SERIES, FILES)}
_instance: Check = record({"space": text(43, 1), "externalId": text(255, 1)}, required=("space", "externalId"))


def create_nodes(project: Project, resource: str, items: list[dict[str, Any]]) -> list[Document]:
    """``items`` are ``{"instanceId": {"space", "externalId"}, …}`` with the other properties of the resource (``"timeseries"`` or
    ``"files"``). They are addressed by ``instanceId``; the classic API neither creates nor deletes them. Raises 400."""
    collection = _COLLECTIONS[resource]
    docs = []
    for n, item in enumerate(items):
        doc = collection.document(item, f"items[{n}]")
        doc["instanceId"] = checked(f"items[{n}].instanceId", _instance, item.get("instanceId"))
        docs.append(doc)
    return [entry.doc for entry in collection.add(project, docs)]
