# SPDX-License-Identifier: Apache-2.0
"""The classic resource types of CDF, with their published limits: the one table that everything is driven by."""

from __future__ import annotations

from typing import Any

from airflow_provider_replicator.sandbox.cdf import assets, relationships, sequences
from airflow_provider_replicator.sandbox.cdf.fields import (
    Field,
    boolean,
    internal_id,
    list_of,
    number,
    text,
)
from airflow_provider_replicator.sandbox.cdf.filters import (
    Condition,
    active_at,
    any_of,
    equals,
    flag,
    label_filter,
    prefix,
    present,
    referring,
    time_range,
)
from airflow_provider_replicator.sandbox.cdf.geometry import geo_filter
from airflow_provider_replicator.sandbox.cdf.http import ApiError
from airflow_provider_replicator.sandbox.cdf.indexes import Document
from airflow_provider_replicator.sandbox.cdf.kinds import ALL_OPERATIONS, Kind
from airflow_provider_replicator.sandbox.cdf.project import Project
from airflow_provider_replicator.sandbox.cdf.store import DocumentStore
from airflow_provider_replicator.sandbox.cdf.vocabulary import (
    COMMON_FILTERS,
    DATA_SET_FILTER,
    EXTERNAL_ID,
    GEO_LOCATION,
    LABELS,
    REFERENCE,
    SECURITY_CATEGORIES,
    TIME,
    metadata_of,
)


def _typed_series(project: Project, docs: list[Document]) -> None:
    for doc in docs:
        doc["type"] = "string" if doc["isString"] else "numeric"


def _ends_after_start(project: Project, docs: list[Document]) -> None:
    for doc in docs:
        if "endTime" in doc and "startTime" in doc and doc["endTime"] < doc["startTime"]:
            raise ApiError(400, "endTime must not be before startTime")


def _still_ends_after_start(project: Project, changes: list[tuple[Document, Document]]) -> None:
    _ends_after_start(project, [new for _, new in changes])


def _unit_quantity(value: Any, project: Project, store: DocumentStore) -> Condition:
    wanted = text(64)(value).lower() + ":"
    return Condition(lambda doc: doc.get("unitExternalId", "").startswith(wanted))


ASSETS = Kind(
    name="assets",
    noun="asset",
    path="/assets",
    fields={
        "externalId": EXTERNAL_ID,
        "name": Field(text(140, 1), "required"),
        "parentId": Field(internal_id, "required"),
        "parentExternalId": Field(text(255), "required"),
        "description": Field(text(500)),
        "dataSetId": REFERENCE,
        "metadata": metadata_of(10_240),
        "source": Field(text(128)),
        "labels": LABELS,
        "geoLocation": GEO_LOCATION,
    },
    required=("name",),
    references={"dataSetId": "datasets", "labels": "labels"},
    filters={
        **COMMON_FILTERS,
        "dataSetIds": DATA_SET_FILTER,
        "name": equals("name"),
        "source": equals("source"),
        "parentIds": any_of("parentId", ids=True),
        "parentExternalIds": any_of("parentExternalId", ids=False),
        "rootIds": referring("rootId", "assets"),
        "assetSubtreeIds": assets.subtree("id"),
        "root": present("parentId", wanted_when_absent=True),
        "labels": label_filter,
        "geoLocation": geo_filter,
    },
    prepare=assets.plant,
    prepare_update=assets.transplant,
    created=assets.planted,
    updated=assets.transplanted,
    prepare_delete=assets.fell,
    decorate=assets.aggregated,
)

TIME_SERIES = Kind(
    name="timeseries",
    noun="time series",
    path="/timeseries",
    fields={
        "externalId": EXTERNAL_ID,
        "name": Field(text(255)),
        "isString": Field(boolean, None),
        "isStep": Field(boolean, "required"),
        "metadata": metadata_of(10_000),
        "unit": Field(text(32)),
        "unitExternalId": Field(text(64)),
        "assetId": REFERENCE,
        "description": Field(text(1000)),
        "securityCategories": SECURITY_CATEGORIES,
        "dataSetId": REFERENCE,
    },
    defaults={"isString": False, "isStep": False},
    references={"dataSetId": "datasets", "assetId": "assets"},
    filters={
        **COMMON_FILTERS,
        "dataSetIds": DATA_SET_FILTER,
        "name": equals("name"),
        "unit": equals("unit"),
        "unitExternalId": equals("unitExternalId"),
        "unitQuantity": _unit_quantity,
        "isString": flag("isString"),
        "isStep": flag("isStep"),
        "assetIds": any_of("assetId", ids=True),
        "assetExternalIds": assets.by_external_id("assetId"),
        "rootAssetIds": assets.subtree("assetId"),
        "assetSubtreeIds": assets.subtree("assetId"),
    },
    strict_partitions=False,
    duplicate_in_request_status=422,
    operations=ALL_OPERATIONS - {"get"},
    prepare=_typed_series,
)

EVENTS = Kind(
    name="events",
    noun="event",
    path="/events",
    fields={
        "externalId": EXTERNAL_ID,
        "dataSetId": REFERENCE,
        "startTime": TIME,
        "endTime": TIME,
        "type": Field(text(64)),
        "subtype": Field(text(64)),
        "description": Field(text(500)),
        "metadata": metadata_of(200_000, 128_000),
        "assetIds": Field(list_of(internal_id, 10_000, unique=True), "list"),
        "source": Field(text(128)),
    },
    references={"dataSetId": "datasets", "assetIds": "assets"},
    filters={
        **COMMON_FILTERS,
        "dataSetIds": DATA_SET_FILTER,
        "type": equals("type"),
        "subtype": equals("subtype"),
        "source": equals("source"),
        "startTime": time_range("startTime"),
        "endTime": time_range("endTime"),
        "activeAtTime": active_at,
        "assetIds": any_of("assetIds", ids=True, maximum=5000),
        "assetExternalIds": assets.by_external_id("assetIds"),
        "assetSubtreeIds": assets.subtree("assetIds"),
    },
    search=("description",),
    prepare=_ends_after_start,
    prepare_update=_still_ends_after_start,
)


FILES = Kind(
    name="files",
    noun="file",
    path="/files",
    fields={
        "externalId": EXTERNAL_ID,
        "name": Field(text(256, 1), None),
        "directory": Field(text(512)),
        "source": Field(text(128)),
        "mimeType": Field(text(256)),
        "metadata": metadata_of(10_240),
        "assetIds": Field(list_of(internal_id, 1000, unique=True), "list"),
        "dataSetId": REFERENCE,
        "sourceCreatedTime": TIME,
        "sourceModifiedTime": TIME,
        "securityCategories": SECURITY_CATEGORIES,
        "labels": LABELS,
        "geoLocation": GEO_LOCATION,
    },
    required=("name",),
    defaults={"uploaded": False},
    references={"dataSetId": "datasets", "assetIds": "assets", "labels": "labels"},
    filters={
        **COMMON_FILTERS,
        "dataSetIds": DATA_SET_FILTER,
        "name": equals("name"),
        "directoryPrefix": prefix("directory"),
        "mimeType": equals("mimeType"),
        "source": equals("source"),
        "assetIds": any_of("assetIds", ids=True, maximum=100),
        "assetExternalIds": assets.by_external_id("assetIds"),
        "rootAssetIds": assets.subtree("assetIds"),
        "assetSubtreeIds": assets.subtree("assetIds"),
        "uploadedTime": time_range("uploadedTime"),
        "sourceCreatedTime": time_range("sourceCreatedTime"),
        "sourceModifiedTime": time_range("sourceModifiedTime"),
        "uploaded": flag("uploaded"),
        "labels": label_filter,
        "geoLocation": geo_filter,
    },
    search=("name",),
    operations=ALL_OPERATIONS - {"create"},
)

SEQUENCES = Kind(
    name="sequences",
    noun="sequence",
    path="/sequences",
    fields={
        "externalId": EXTERNAL_ID,
        "name": Field(text(255)),
        "description": Field(text(1000)),
        "assetId": REFERENCE,
        "dataSetId": REFERENCE,
        "metadata": metadata_of(10_000),
        "columns": Field(sequences.columns, "custom"),
    },
    required=("columns",),
    references={"dataSetId": "datasets", "assetId": "assets"},
    filters={
        **COMMON_FILTERS,
        "dataSetIds": DATA_SET_FILTER,
        "name": equals("name"),
        "assetIds": any_of("assetId", ids=True, maximum=100),
        "rootAssetIds": assets.subtree("assetId"),
        "assetSubtreeIds": assets.subtree("assetId"),
    },
    strict_partitions=False,
    prepare=sequences.stamp,
    prepare_update=sequences.restamp,
    custom_patches={"columns": sequences.patch_columns},
    operations=ALL_OPERATIONS - {"get"},
)

RELATIONSHIPS = Kind(
    name="relationships",
    noun="relationship",
    path="/relationships",
    fields={
        "externalId": Field(text(255, 1), None),
        "sourceExternalId": Field(text(255, 1), "required"),
        "sourceType": Field(relationships.end_type, "required"),
        "targetExternalId": Field(text(255, 1), "required"),
        "targetType": Field(relationships.end_type, "required"),
        "startTime": TIME,
        "endTime": TIME,
        "confidence": Field(number(0, 1)),
        "dataSetId": REFERENCE,
        "labels": LABELS,
    },
    required=("externalId", "sourceExternalId", "sourceType", "targetExternalId", "targetType"),
    references={"dataSetId": "datasets", "labels": "labels"},
    filters={
        "createdTime": COMMON_FILTERS["createdTime"],
        "lastUpdatedTime": COMMON_FILTERS["lastUpdatedTime"],
        "dataSetIds": DATA_SET_FILTER,
        "sourceExternalIds": any_of("sourceExternalId", ids=False),
        "sourceTypes": relationships.of_types("sourceType"),
        "targetExternalIds": any_of("targetExternalId", ids=False),
        "targetTypes": relationships.of_types("targetType"),
        "startTime": time_range("startTime"),
        "endTime": time_range("endTime"),
        "activeAtTime": active_at,
        "confidence": time_range("confidence"),
        "labels": label_filter,
        "sourcesOrTargets": relationships.either_end,
    },
    delete_status=202,
    strict_partitions=False,
    has_ids=False,
    decorate=relationships.fetched,
    operations=ALL_OPERATIONS - {"aggregate", "search", "get"},
)

LABELS_KIND = Kind(
    name="labels",
    noun="label",
    path="/labels",
    fields={
        "externalId": Field(text(255), None),
        "name": Field(text(140, 1), None),
        "description": Field(text(500), None),
        "dataSetId": Field(internal_id, None),
    },
    required=("externalId", "name"),
    references={"dataSetId": "datasets"},
    filters={
        "name": equals("name"),
        "externalIdPrefix": COMMON_FILTERS["externalIdPrefix"],
        "dataSetIds": DATA_SET_FILTER,
    },
    strict_partitions=None,
    has_ids=False,
    timestamps=("createdTime",),
    operations=frozenset({"create", "list", "byids", "delete"}),
)

DATA_SETS = Kind(
    name="datasets",
    noun="data set",
    path="/datasets",
    fields={
        "externalId": EXTERNAL_ID,
        "name": Field(text(50, 1)),
        "description": Field(text(500, 1)),
        "metadata": metadata_of(10_240),
        "writeProtected": Field(boolean, "required"),
    },
    defaults={"writeProtected": False},
    filters={**COMMON_FILTERS, "writeProtected": flag("writeProtected")},
    create_limit=10,
    create_status=200,
    strict_partitions=None,
    operations=frozenset({"create", "list", "byids", "update", "aggregate"}),
)

KINDS = (ASSETS, TIME_SERIES, EVENTS, FILES, SEQUENCES, RELATIONSHIPS, LABELS_KIND, DATA_SETS)
