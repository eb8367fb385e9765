# SPDX-License-Identifier: Apache-2.0
"""What describes a resource type: the one table that creation, retrieval, listing, update and deletion are driven by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_replicator.sandbox.cdf.fields import Field
from airflow_provider_replicator.sandbox.cdf.filters import Compiler
from airflow_provider_replicator.sandbox.cdf.indexes import Document
from airflow_provider_replicator.sandbox.cdf.project import Project
from airflow_provider_replicator.sandbox.cdf.store import Entry


def _nothing(project: Project, docs: list[Document]) -> None:
    return None


#: (old, new)
Change = tuple[Document, Document]


def _no_change(project: Project, changes: list[Change]) -> None:
    return None


def _just_these(project: Project, payload: Mapping[str, Any], entries: list[Entry]) -> list[Entry]:
    return entries


def _encoded(project: Project, payload: Mapping[str, Any], entries: list[Entry]) -> list[bytes]:
    return [entry.encoded for entry in entries]


ALL_OPERATIONS = frozenset({"create", "list", "list_get", "byids", "get", "update", "delete", "aggregate", "search"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """``name`` is the store of the project, ``noun`` what messages call one document, ``path`` the collection's path."""

    name: str
    noun: str
    path: str
    fields: Mapping[str, Field]
    filters: Mapping[str, Compiler]
    required: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    #: field -> store whose documents it refers to by id (or by externalId for labels)
    references: Mapping[str, str] = field(default_factory=dict)
    create_limit: int = 1000
    create_status: int = 201
    delete_status: int = 200
    item_limit: int = 1000
    default_limit: int = 100
    #: n > 10 is refused (True), becomes 10 (False), or there are no partitions (None)
    strict_partitions: bool | None = True
    has_ids: bool = True
    duplicate_in_request_status: int = 409
    #: properties that /search looks into, by weight
    search: tuple[str, ...] = ("name", "description")
    #: fills what the server derives into new documents, or refuses them
    prepare: Callable[[Project, list[Document]], None] = _nothing
    #: the same for updates
    prepare_update: Callable[[Project, list[Change]], None] = _no_change
    #: called when new documents are stored
    created: Callable[[Project, list[Document]], None] = _nothing
    #: called when updated documents are stored
    updated: Callable[[Project, list[Change]], None] = _no_change
    #: patches of fields whose ``patch`` is "custom": (old document, patch) -> new value
    custom_patches: Mapping[str, Callable[[Document, Any], Any]] = field(default_factory=dict)
    #: what the classic API may still change of documents that belong to data-model nodes
    node_fields: frozenset[str] = frozenset(
        {"externalId", "metadata", "assetId", "assetIds", "dataSetId", "securityCategories"}
    )
    #: everything that a delete request removes, or 400: (project, request body, entries it names)
    prepare_delete: Callable[[Project, Mapping[str, Any], list[Entry]], list[Entry]] = _just_these
    #: the JSON of entries in answers to list and byids: (project, request body, entries)
    decorate: Callable[[Project, Mapping[str, Any], list[Entry]], list[bytes]] = _encoded
    timestamps: tuple[str, ...] = ("createdTime", "lastUpdatedTime")
    operations: frozenset[str] = ALL_OPERATIONS
