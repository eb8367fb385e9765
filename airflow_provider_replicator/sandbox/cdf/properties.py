# SPDX-License-Identifier: Apache-2.0
"""Property paths such as ``["name"]`` and ``["metadata", "key"]``, as advanced filters, sorting and aggregates use them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_provider_replicator.sandbox.cdf.http import ApiError
from airflow_provider_replicator.sandbox.cdf.indexes import Document
from airflow_provider_replicator.sandbox.cdf.kinds import Kind
from airflow_provider_replicator.sandbox.cdf.project import Project

Getter = Callable[[Document], Any]

_SERVER_MADE = frozenset({"id", "createdTime", "lastUpdatedTime", "rootId", "type", "uploadedTime", "uploaded"})
_ROOT_OF_ASSET = frozenset({"assetRootId", "rootAssetId", "rootAssetIds"})


def parse_property(kind: Kind, project: Project, value: Any, path: str) -> tuple[tuple[str, ...], Getter]:
    """The path and what reads it from a document (None: not there). 400 for paths that the resource does not have."""
    if isinstance(value, str):
        value = [value]
    if type(value) is not list or not 1 <= len(value) <= 3 or not all(type(part) is str and part for part in value):
        raise ApiError(400, f"{path}: expected a list of one or two names")
    parts: tuple[str, ...] = tuple(value)
    return parts, _getter(kind, project, parts, path)


def _getter(kind: Kind, project: Project, parts: tuple[str, ...], path: str) -> Getter:
    name = parts[0]
    if name == "metadata":
        return _metadata(parts, path)
    if name == "instanceId" and len(parts) == 2:
        return lambda doc: doc.get("instanceId", {}).get(parts[1])
    if len(parts) > 1:
        raise ApiError(400, f"{path}: unknown property {list(parts)}")
    if name in _ROOT_OF_ASSET:
        return lambda doc: _root(project, doc)
    if name == "unitQuantity":
        return lambda doc: doc["unitExternalId"].partition(":")[0] if "unitExternalId" in doc else None
    if name == "labels":
        return lambda doc: [label["externalId"] for label in doc["labels"]] if "labels" in doc else None
    if name in kind.fields or name in _SERVER_MADE:
        return lambda doc: doc.get(name)
    raise ApiError(400, f"{path}: unknown property {list(parts)}")


def _metadata(parts: tuple[str, ...], path: str) -> Getter:
    if len(parts) == 1:
        return lambda doc: list(doc["metadata"]) if "metadata" in doc else None
    if len(parts) != 2:
        raise ApiError(400, f"{path}: unknown property {list(parts)}")
    key = parts[1].lower()

    def read(doc: Document) -> Any:
        for name, value in doc.get("metadata", {}).items():
            if name.lower() == key:
                return value
        return None

    return read


def _root(project: Project, doc: Document) -> Any:
    asset = project.assets.by_id.get(doc.get("assetId", 0))
    return None if asset is None else asset.doc["rootId"]
