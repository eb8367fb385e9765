# SPDX-License-Identifier: Apache-2.0
"""The compressor data set as a data model: an equipment tree, work orders and work items, and the links between them as edges.

Every property type of CDF occurs, filled from the data set's own columns. Nothing here is needed to use the provider.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cognite.client.data_classes.data_modeling import ContainerApply, DataModelApply, SpaceApply, ViewApply

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cognite.client import CogniteClient

#: Where the definitions are, and where the instances are.
MODEL_SPACE, DATA_SPACE = "compressor_model", "compressor"
MODEL, VERSION = "CompressorModel", "v1"
Property = dict[str, Any]


def plain(kind: str, **more: Any) -> Property:
    """A property that may be empty."""
    return {"type": {"type": kind, "list": False, **more}}


def _list(kind: str) -> Property:
    return plain(kind, list=True)


def _enum(*values: str) -> Property:
    return {"type": {"type": "enum", "values": {value: {} for value in values}}}


#: Container and view of the same name -> property -> definition.
CONTAINERS: Mapping[str, Mapping[str, Property]] = {
    "Equipment": {
        "tag": {**plain("text"), "nullable": False},
        "description": plain("text"),
        "categoryId": plain("int32"),
        "areaId": plain("int64"),
        "isActive": plain("boolean"),
        "isCriticalLine": plain("boolean"),
        "createdDate": plain("timestamp"),
        "installed": plain("date"),
        "parent": plain("direct"),
        "path": _list("direct"),
        "tagParts": _list("text"),
        "meanValue": plain("float64"),
        "lastValue": plain("float32"),
        "yearlyMeans": _list("float64"),
        "measuredBy": plain("timeseries"),
        "drawing": plain("file"),
        "curve": plain("sequence"),
        "original": plain("json"),
    },
    "WorkOrder": {
        "title": plain("text"),
        "description": plain("text"),
        "status": plain("int32"),
        "percentageProgress": plain("float32"),
        "actualHours": plain("float64"),
        "isCompleted": plain("boolean"),
        "isSafetyCritical": _enum("YES", "NO"),
        "plannedStart": plain("timestamp"),
        "dueDate": plain("date"),
        "started": plain("timestamp"),
        "ended": plain("timestamp"),
        "milestones": _list("timestamp"),
        "program": plain("text"),
    },
    "WorkItem": {
        "itemName": plain("text"),
        "itemInfo": plain("text"),
        "criticality": _enum("HIGH", "SCE", "MEDIUM", "LOW"),
        "toBeDone": plain("boolean"),
        "workOrder": plain("direct"),
        "startedMs": plain("int64"),
    },
    "EquipmentLink": {"position": plain("int32"), "note": plain("text")},
}
#: Containers whose instances are edges.
EDGES = {"EquipmentLink"}
#: Edge types: what is linked to equipment.
ORDER_LINK, ITEM_LINK, CONTAINS = "workOrderEquipment", "workItemEquipment", "workOrderItems"


def apply(client: CogniteClient, *, extra: Mapping[str, Mapping[str, Property]] | None = None) -> None:
    """Create the spaces, containers, views and the data model, or add the ``extra`` properties to them: view -> property."""
    modeling = client.data_modeling
    modeling.spaces.apply([SpaceApply(space=MODEL_SPACE), SpaceApply(space=DATA_SPACE)])
    properties = {name: {**own, **(extra or {}).get(name, {})} for name, own in CONTAINERS.items()}
    modeling.containers.apply([ContainerApply.load(_container(name, own)) for name, own in properties.items()])
    modeling.views.apply([ViewApply.load(_view(name, own)) for name, own in properties.items()])
    modeling.data_models.apply(
        DataModelApply.load(
            {"space": MODEL_SPACE, "externalId": MODEL, "version": VERSION, "views": [view_id(n) for n in CONTAINERS]}
        )
    )


def view_id(name: str) -> dict[str, str]:
    return {"type": "view", "space": MODEL_SPACE, "externalId": name, "version": VERSION}


def _container(name: str, properties: Mapping[str, Property]) -> dict[str, Any]:
    used_for = "edge" if name in EDGES else "node"
    return {"space": MODEL_SPACE, "externalId": name, "usedFor": used_for, "properties": dict(properties)}


def _view(name: str, properties: Mapping[str, Property]) -> dict[str, Any]:
    container = {"type": "container", "space": MODEL_SPACE, "externalId": name}
    mapped: dict[str, Any] = {one: {"container": container, "containerPropertyIdentifier": one} for one in properties}
    return {
        "space": MODEL_SPACE,
        "externalId": name,
        "version": VERSION,
        "properties": mapped | dict(_connections(name)),
    }


def _connections(view: str) -> Iterable[tuple[str, Any]]:
    """What a view shows but does not hold: a table must leave it out."""
    if view == "WorkOrder":
        yield (
            "equipment",
            {
                "connectionType": "multi_edge_connection",
                "type": {"space": MODEL_SPACE, "externalId": ORDER_LINK},
                "source": view_id("Equipment"),
                "edgeSource": view_id("EquipmentLink"),
                "direction": "outwards",
            },
        )
        yield (
            "items",
            {
                "connectionType": "multi_reverse_direct_relation",
                "source": view_id("WorkItem"),
                "through": {"source": view_id("WorkItem"), "identifier": "workOrder"},
            },
        )
