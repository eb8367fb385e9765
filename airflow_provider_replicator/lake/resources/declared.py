# SPDX-License-Identifier: Apache-2.0
"""The columns of every classic resource type: the fields of the objects that the API returns, by their names.

Whatever a field is, it is one of these kinds; ``[]`` is a list. A field that the API returns and that is not declared here goes to the
column ``_more``, as JSON {field: value}, so that nothing is lost before the package knows it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, cast

from airflow_provider_replicator.cdf.resources import RESOURCES, Resource
from airflow_provider_replicator.exceptions import ConfigurationError
from airflow_provider_replicator.lake.columns import Column, Kind, TableSchema

Document = dict[str, Any]
#: Takes one field out of many documents.
Getter = Callable[[Sequence[Document]], Sequence[Any]]

#: Columns of the package's own: fields that are not declared, and values that did not fit their column.
MORE = "_more"
RESCUED = "_rescued"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How documents become rows. ``key``: the field and column that no two rows share; ``time``: the column that says which of two
    versions of a row is the newer one. ``getters``: for columns that are not just the field of the same name. ``declared``: the fields
    that have a column; None if there is no column for others.
    """

    name: str
    path: str
    schema: TableSchema
    key: str
    time: str
    getters: Mapping[str, Getter] = field(default_factory=dict)
    declared: frozenset[str] | None = None

    @property
    def key_column(self) -> str:
        return self.schema.key[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassicTable:
    """A resource type: how it is listed, and what its table looks like."""

    listing: Resource
    layout: Layout


_TIMES = {"createdTime": "timestamp", "lastUpdatedTime": "timestamp"}
_NAMED = {"id": "int64", "externalId": "text", "name": "text", "description": "text"}

_FIELDS: dict[str, dict[str, str]] = {
    "assets": {
        **_NAMED,
        "parentId": "int64",
        "parentExternalId": "text",
        "rootId": "int64",
        "dataSetId": "int64",
        "source": "text",
        "labels": "text[]",
        "geoLocation": "json",
        "metadata": "map",
        "childCount": "int64",
        "depth": "int32",
        "path": "int64[]",
        **_TIMES,
    },
    "events": {
        "id": "int64",
        "externalId": "text",
        "type": "text",
        "subtype": "text",
        "description": "text",
        "startTime": "timestamp",
        "endTime": "timestamp",
        "dataSetId": "int64",
        "source": "text",
        "assetIds": "int64[]",
        "metadata": "map",
        **_TIMES,
    },
    "timeseries": {
        **_NAMED,
        "instanceId": "reference",
        "type": "text",
        "isString": "boolean",
        "isStep": "boolean",
        "unit": "text",
        "unitExternalId": "text",
        "assetId": "int64",
        "dataSetId": "int64",
        "securityCategories": "int64[]",
        "metadata": "map",
        **_TIMES,
    },
    "files": {
        "id": "int64",
        "externalId": "text",
        "instanceId": "reference",
        "name": "text",
        "directory": "text",
        "mimeType": "text",
        "source": "text",
        "uploaded": "boolean",
        "uploadedTime": "timestamp",
        "sourceCreatedTime": "timestamp",
        "sourceModifiedTime": "timestamp",
        "dataSetId": "int64",
        "assetIds": "int64[]",
        "labels": "text[]",
        "securityCategories": "int64[]",
        "geoLocation": "json",
        "metadata": "map",
        **_TIMES,
    },
    "sequences": {
        **_NAMED,
        "assetId": "int64",
        "dataSetId": "int64",
        "columns": "json",
        "metadata": "map",
        **_TIMES,
    },
    "relationships": {
        "externalId": "text",
        "sourceExternalId": "text",
        "sourceType": "text",
        "targetExternalId": "text",
        "targetType": "text",
        "startTime": "timestamp",
        "endTime": "timestamp",
        "confidence": "float64",
        "dataSetId": "int64",
        "labels": "text[]",
        **_TIMES,
    },
    "labels": {
        "externalId": "text",
        "name": "text",
        "description": "text",
        "dataSetId": "int64",
        "createdTime": "timestamp",
    },
    "data_sets": {**_NAMED, "writeProtected": "boolean", "metadata": "map", **_TIMES},
}

#: How they are listed, where that is not told already for copying them.
_LISTINGS = {
    "assets": RESOURCES["assets"],
    "events": RESOURCES["events"],
    "timeseries": RESOURCES["time_series"],
    "labels": RESOURCES["labels"],
    "data_sets": RESOURCES["data_sets"],
    "files": Resource(name="files", path="/files", read_only=frozenset(), subtree_filter=True),
    "sequences": Resource(name="sequences", path="/sequences", read_only=frozenset(), subtree_filter=True),
    # One chain of pages: without aggregates nobody knows how many there are.
    "relationships": Resource(
        name="relationships",
        path="/relationships",
        read_only=frozenset(),
        partitions=1,
        has_ids=False,
        prefix_filter=False,
    ),
}


def classic_table(name: str) -> ClassicTable:
    """Raises ConfigurationError for a name that is none of a resource type."""
    try:
        fields, listing = _FIELDS[name], _LISTINGS[name]
    except KeyError:
        raise ConfigurationError(f"resource is {name!r}: write one of {', '.join(_FIELDS)}") from None
    key = "id" if listing.has_ids else "externalId"
    columns = tuple(_column(field, kind, key) for field, kind in fields.items())
    own = (Column(name=MORE, kind="json"), Column(name=RESCUED, kind="json"))
    return ClassicTable(
        listing=listing,
        layout=Layout(
            name=name,
            path=f"resources/{name}",
            schema=TableSchema(columns=(*columns, *own), key=(key,)),
            key=key,
            time="lastUpdatedTime" if listing.can_filter_by_time else "createdTime",
            getters={name: getter for name, getter in _GETTERS.items() if name in fields},
            declared=frozenset(fields) - frozenset(_AGGREGATED) | {_AGGREGATES},
        ),
    )


def _column(name: str, kind: str, key: str) -> Column:
    plain = cast("Kind", kind.removesuffix("[]"))
    return Column(name=name, kind=plain, is_list=kind.endswith("[]"), nullable=name != key)


# -- fields that are not simply columns

_AGGREGATES = "aggregates"
_AGGREGATED = ("childCount", "depth", "path")


def _label_names(documents: Sequence[Document]) -> list[Any]:
    """[{"externalId"}] as texts; anything else as it is, which then does not fit."""
    return [_externals(document.get("labels")) for document in documents]


def _externals(labels: Any) -> Any:
    try:
        return None if labels is None else [label["externalId"] for label in labels]
    except (TypeError, KeyError):
        return labels


def _aggregate(name: str) -> Getter:
    def get(documents: Sequence[Document]) -> list[Any]:
        return [document.get(_AGGREGATES, _NOTHING).get(name) for document in documents]

    return get


def _path(documents: Sequence[Document]) -> list[Any]:
    paths = _aggregate("path")(documents)
    return [None if path is None else [step["id"] for step in path] for path in paths]


_NOTHING: Mapping[str, Any] = MappingProxyType({})
_GETTERS: dict[str, Getter] = {
    "labels": _label_names,
    "childCount": _aggregate("childCount"),
    "depth": _aggregate("depth"),
    "path": _path,
}
