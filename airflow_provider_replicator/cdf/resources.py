# SPDX-License-Identifier: Apache-2.0
"""What the engine has to know of each resource type. Fields that are not named here are copied as they are.

Limits and rules are CDF's published ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from airflow_provider_replicator.exceptions import ConfigurationError

_TIMES = frozenset({"createdTime", "lastUpdatedTime"})
_NO_REFERENCES: Mapping[str, Reference] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Reference:
    """A field that points to other objects: one id, several ids, or ``[{"externalId"}]`` (labels keep theirs in the target)."""

    to: str
    kind: Literal["id", "ids", "names"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One resource type.

    ``read_only``: made by the server, never sent. ``not_updatable``: sent with a create, refused in an update. ``skipped``:
    objects with such a field are left out, field -> reason. ``metadata_bytes``: total size of all keys and values, None if the type
    has no metadata. ``parent``: has parentId and parentExternalId, so objects must be created after what they hang from.
    """

    name: str
    path: str
    read_only: frozenset[str]
    references: Mapping[str, Reference] = field(default_factory=lambda: _NO_REFERENCES)
    not_updatable: frozenset[str] = frozenset()
    skipped: Mapping[str, str] = field(default_factory=dict)
    metadata_bytes: int | None = None
    create_limit: int = 1000
    partitions: int = 10
    parent: bool = False
    has_ids: bool = True
    can_update: bool = True
    can_delete: bool = True
    can_filter_by_time: bool = True
    #: How many data sets one list filter may name; None: the type has no such filter.
    data_set_filter: int | None = 100
    prefix_filter: bool = True
    subtree_filter: bool = False
    advanced_filter: bool = True

    @property
    def asset_fields(self) -> tuple[str, ...]:
        """The fields that say which assets an object belongs to."""
        return tuple(name for name, reference in self.references.items() if reference.to == "assets")


_DATA_SET = Reference("data_sets", "id")

_ALL = (
    Resource(
        name="data_sets",
        path="/datasets",
        read_only=_TIMES | {"id"},
        metadata_bytes=10_240,
        create_limit=10,
        partitions=1,
        can_delete=False,
        data_set_filter=None,
        advanced_filter=False,
    ),
    Resource(
        name="labels",
        path="/labels",
        read_only=_TIMES,
        references={"dataSetId": _DATA_SET},
        partitions=1,
        has_ids=False,
        can_update=False,
        can_filter_by_time=False,
        data_set_filter=1000,
        advanced_filter=False,
    ),
    Resource(
        name="assets",
        path="/assets",
        # parentId is the server's number for what parentExternalId names; the copy is hung up by name.
        read_only=_TIMES | {"id", "rootId", "parentId", "aggregates"},
        references={"labels": Reference("labels", "names"), "dataSetId": _DATA_SET},
        metadata_bytes=10_240,
        parent=True,
        data_set_filter=1000,
        subtree_filter=True,
    ),
    Resource(
        name="events",
        path="/events",
        read_only=_TIMES | {"id"},
        references={"assetIds": Reference("assets", "ids"), "dataSetId": _DATA_SET},
        metadata_bytes=200_000,
        subtree_filter=True,
    ),
    Resource(
        name="time_series",
        path="/timeseries",
        read_only=_TIMES | {"id", "type"},
        references={"assetId": Reference("assets", "id"), "dataSetId": _DATA_SET},
        not_updatable=frozenset({"isString"}),
        # A series with an instanceId is made by CDF from a data model node, and cannot be created here. Security categories
        # are numbers that mean something else in another project; a copy without them would be open to everybody.
        skipped={"instanceId": "instance_id", "securityCategories": "security_categories"},
        metadata_bytes=10_000,
        subtree_filter=True,
    ),
)

RESOURCES: Mapping[str, Resource] = MappingProxyType({resource.name: resource for resource in _ALL})


def resource_named(name: str) -> Resource:
    """Raises ConfigurationError for a name that is not in the table."""
    try:
        return RESOURCES[name]
    except KeyError:
        raise ConfigurationError(f"resource is {name!r}: write one of {', '.join(RESOURCES)}") from None
