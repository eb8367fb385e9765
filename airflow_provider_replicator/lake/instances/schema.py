# SPDX-License-Identifier: Apache-2.0
"""The tables of a view: which columns they have, from the view's definition alone. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_replicator.lake.columns import Column, TableSchema, column_names
from airflow_provider_replicator.lake.feeds.layout import BATCH, ORDER, RESCUED, FeedLayout
from airflow_provider_replicator.lake.location import path_part
from airflow_provider_replicator.lake.stream import query_hash

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_replicator.lake.columns import Kind

Instances = Literal["nodes", "edges"]
#: What identifies an instance within its table.
KEY = ("_space", "_externalId")
DELETED = "_deletedTime"
_DELETED = Column(name=DELETED, kind="timestamp")
_ALL_EDGES = "instances/_edges/"

_KINDS: dict[str, Kind] = {
    "text": "text",
    "enum": "text",
    "timeseries": "text",
    "file": "text",
    "sequence": "text",
    "boolean": "boolean",
    "int32": "int32",
    "int64": "int64",
    "float32": "float32",
    "float64": "float64",
    "timestamp": "timestamp",
    "date": "date",
    "json": "json",
    "direct": "reference",
}
_NODES = (
    Column(name="_space", kind="text"),
    Column(name="_externalId", kind="text"),
    Column(name="_version", kind="int64"),
    Column(name="_createdTime", kind="timestamp"),
    Column(name="_lastUpdatedTime", kind="timestamp"),
    Column(name="_type", kind="reference"),
)
_EDGES = (*_NODES, Column(name="_startNode", kind="reference"), Column(name="_endNode", kind="reference"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewRef:
    """A view, as CDF names it."""

    space: str
    external_id: str
    version: str

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> ViewRef:
        return cls(space=document["space"], external_id=document["externalId"], version=document["version"])

    @property
    def source(self) -> dict[str, str]:
        return {"type": "view", "space": self.space, "externalId": self.external_id, "version": self.version}

    @property
    def key(self) -> str:
        """What properties of the view are under, below the space."""
        return f"{self.external_id}/{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceSource:
    """What one table holds: the nodes, or the edges, that ``filter`` matches, with the ``properties`` of a view (its mapped ones,
    as columns that are named as at the source), or with none.

    ``wider``: what to follow the changes of, if that is more. A view with a filter of its own is left by instances that live on, and
    CDF tells nobody who follows only that filter.
    """

    instances: Instances
    path: str
    filter: dict[str, Any] = field(hash=False)
    view: ViewRef | None = None
    properties: tuple[Column, ...] = ()
    wider: dict[str, Any] | None = field(default=None, hash=False)

    @property
    def question(self) -> str:
        """Identifies what is asked; a cursor is worth nothing for another question."""
        return query_hash(
            instances=self.instances,
            view=self.view.source if self.view else None,
            filter=self.filter,
            wider=self.wider,
            properties=sorted([column.source_name, column.kind, column.is_list] for column in self.properties),
        )


def properties_of(view: Mapping[str, Any]) -> tuple[Column, ...]:
    """The mapped properties of a view's definition, in its order; connections (edges, reverse relations) hold no data."""
    return tuple(
        _property(name, definition) for name, definition in view["properties"].items() if "container" in definition
    )


def _property(name: str, definition: Mapping[str, Any]) -> Column:
    of_type = definition["type"]
    about = {"cdf.type": str(of_type["type"])}
    unit = of_type.get("unit")
    if unit:
        about["cdf.unit"] = str(unit.get("externalId", ""))
        if unit.get("sourceUnit"):
            about["cdf.sourceUnit"] = str(unit["sourceUnit"])
    return Column(
        name=name,
        source_name=name,
        # A type that CDF adds tomorrow loses nothing as JSON.
        kind=_KINDS.get(of_type["type"], "json"),
        is_list=bool(of_type.get("list")) and of_type["type"] in _KINDS,
        about=about,
    )


def table_path(view: ViewRef, instances: Instances) -> str:
    """Where the table of a view is, below the lake's root."""
    return f"instances/{path_part(view.space)}/{path_part(view.external_id)}/{path_part(view.version)}/{instances}"


def layout_of(path: str) -> FeedLayout:
    """The tables that belong to the current-state table at ``path``: ``…/nodes`` has ``…/nodes_changes``. No space's name begins
    with an underscore, so what belongs to all edges of a space takes nobody's place either.
    """

    def beside(what: str) -> str:
        if path.startswith(_ALL_EDGES):
            return f"{_ALL_EDGES.rstrip('/')}_{what}/{path.removeprefix(_ALL_EDGES)}"
        return f"{path}_{what}"

    return FeedLayout(
        path=path,
        changes_path=beside("changes"),
        resync_path=beside("resync"),
        key=KEY,
        deleted=_DELETED,
        plain=("_externalId",),
    )


def layout_at(path: str) -> FeedLayout | None:
    """The same, if there may be such a table at ``path``."""
    parts = path.split("/")
    is_edges = len(parts) == 3 and parts[1] == "_edges"
    is_view = len(parts) == 5 and parts[4] in ("nodes", "edges")
    return layout_of(path) if parts[0] == "instances" and (is_edges or is_view) else None


def edges_path(space: str) -> str:
    """Where the table of all edges of a space is."""
    return f"{_ALL_EDGES}{path_part(space)}"


def current_schema(
    source: InstanceSource, known: Mapping[str, str] | None = None, *, rescue: bool = False
) -> TableSchema:
    """The columns of the current-state table. ``known``: property -> column, as the table that exists calls them."""
    system = system_columns(source.instances)
    ours = [column.name for column in system] + [DELETED, BATCH, ORDER, RESCUED]
    names = column_names(
        (column.source_name for column in source.properties), {**(known or {}), **{name: name for name in ours}}
    )
    columns = tuple(
        Column(
            name=names[column.source_name],
            kind=column.kind,
            is_list=column.is_list,
            source_name=column.source_name,
            about=column.about,
        )
        for column in source.properties
    )
    rescued = (Column(name=RESCUED, kind="json"),) if rescue else ()
    return TableSchema(columns=(*system, *columns, *rescued), key=KEY)


def system_columns(instances: Instances) -> tuple[Column, ...]:
    return _EDGES if instances == "edges" else _NODES
