# SPDX-License-Identifier: Apache-2.0
"""The global space ``cdf_cdm``: the part of the core data model that time series, files, assets and their like live in, read-only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_replicator.sandbox.cdf import points_units
from airflow_provider_replicator.sandbox.cdf.models.containers import Container, parse_container
from airflow_provider_replicator.sandbox.cdf.models.instance_store import InstanceStore, encoded
from airflow_provider_replicator.sandbox.cdf.models.schema import DataModel, Schema, Space
from airflow_provider_replicator.sandbox.cdf.models.views import StoredView, parse_view
from airflow_provider_replicator.sandbox.clock import Clock

CORE = "cdf_cdm"
UNITS = "cdf_cdm_units"
VERSION = "v1"
#: (2024-06-01) older than anything that a project holds
MADE = 1_717_200_000_000


@dataclass(frozen=True, slots=True)
class Concept:
    """A view and the container of the same name. ``own`` is view property -> type: a type's name with ``[]`` for lists and ``!`` for
    what must be given, ``direct>View`` and ``enum:a|b``. ``inner`` is view property -> container property where they differ,
    ``reverse`` view property -> (view, its direct relation)."""

    own: Mapping[str, str]
    implements: tuple[str, ...] = ()
    used_for: str = "node"
    inner: Mapping[str, str] = field(default_factory=dict)
    reverse: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    immutable: frozenset[str] = frozenset()


_THING = ("CogniteDescribable", "CogniteSourceable")
_KIND = {"code": "text", "standard": "text"}

CONCEPTS: Mapping[str, Concept] = {
    "CogniteDescribable": Concept(
        {"name": "text", "description": "text", "tags": "text[]", "aliases": "text[]"}, used_for="all"
    ),
    "CogniteSourceable": Concept(
        {
            "sourceId": "text",
            "sourceContext": "text",
            "source": "direct>CogniteSourceSystem",
            "sourceCreatedTime": "timestamp",
            "sourceUpdatedTime": "timestamp",
            "sourceCreatedUser": "text",
            "sourceUpdatedUser": "text",
        },
        used_for="all",
    ),
    "CogniteSchedulable": Concept(
        {
            "startTime": "timestamp",
            "endTime": "timestamp",
            "scheduledStartTime": "timestamp",
            "scheduledEndTime": "timestamp",
        }
    ),
    "CogniteVisualizable": Concept({"object3D": "direct>Cognite3DObject"}),
    "CogniteSourceSystem": Concept({"version": "text", "manufacturer": "text"}, ("CogniteDescribable",)),
    "CogniteUnit": Concept(
        {"symbol": "text", "quantity": "text", "source": "text", "sourceReference": "text"}, ("CogniteDescribable",)
    ),
    "CogniteAssetClass": Concept(_KIND, ("CogniteDescribable",)),
    "CogniteAssetType": Concept({**_KIND, "assetClass": "direct>CogniteAssetClass"}, ("CogniteDescribable",)),
    "CogniteAsset": Concept(
        {
            "parent": "direct>CogniteAsset",
            "root": "direct>CogniteAsset",
            "path": "direct[]>CogniteAsset",
            "pathLastUpdatedTime": "timestamp",
            "assetClass": "direct>CogniteAssetClass",
            "type": "direct>CogniteAssetType",
        },
        ("CogniteVisualizable", *_THING),
        inner={
            "parent": "assetHierarchy_parent",
            "root": "assetHierarchy_root",
            "path": "assetHierarchy_path",
            "pathLastUpdatedTime": "assetHierarchy_path_last_updated_time",
        },
        reverse={
            "children": ("CogniteAsset", "parent"),
            "equipment": ("CogniteEquipment", "asset"),
            "activities": ("CogniteActivity", "assets"),
            "timeSeries": ("CogniteTimeSeries", "assets"),
            "files": ("CogniteFile", "assets"),
        },
    ),
    "CogniteEquipmentType": Concept(
        {**_KIND, "equipmentClass": "text", "standardReference": "text"}, ("CogniteDescribable",)
    ),
    "CogniteEquipment": Concept(
        {
            "asset": "direct>CogniteAsset",
            "serialNumber": "text",
            "manufacturer": "text",
            "equipmentType": "direct>CogniteEquipmentType",
            "files": "direct[]>CogniteFile",
        },
        _THING,
        reverse={"activities": ("CogniteActivity", "equipment"), "timeSeries": ("CogniteTimeSeries", "equipment")},
    ),
    "CogniteActivity": Concept(
        {
            "assets": "direct[]>CogniteAsset",
            "equipment": "direct[]>CogniteEquipment",
            "timeSeries": "direct[]>CogniteTimeSeries",
        },
        (*_THING, "CogniteSchedulable"),
    ),
    "CogniteTimeSeries": Concept(
        {
            "isStep": "boolean!",
            "type": "enum!:numeric|string",
            "sourceUnit": "text",
            "unit": "direct>CogniteUnit",
            "assets": "direct[]>CogniteAsset",
            "equipment": "direct[]>CogniteEquipment",
        },
        _THING,
        reverse={"activities": ("CogniteActivity", "timeSeries")},
        immutable=frozenset({"type"}),
    ),
    "CogniteFileCategory": Concept(
        {"code": "text!", "standard": "text", "standardReference": "text"}, ("CogniteDescribable",)
    ),
    "CogniteFile": Concept(
        {
            "assets": "direct[]>CogniteAsset",
            "mimeType": "text",
            "directory": "text",
            "isUploaded": "boolean",
            "uploadedTime": "timestamp",
            "category": "direct>CogniteFileCategory",
        },
        _THING,
        reverse={"equipment": ("CogniteEquipment", "files")},
    ),
    "Cognite3DObject": Concept(
        dict.fromkeys(("xMin", "xMax", "yMin", "yMax", "zMin", "zMax"), "float64"),
        ("CogniteDescribable",),
        reverse={"asset": ("CogniteAsset", "object3D")},
    ),
    "Cognite3DModel": Concept(
        {"type": "enum!:CAD|Image360|PointCloud", "thumbnail": "direct>CogniteFile"}, ("CogniteDescribable",)
    ),
    "CogniteAnnotation": Concept(
        {"confidence": "float64", "status": "enum:Approved|Rejected|Suggested"}, _THING, used_for="edge"
    ),
}


def install(schema: Schema) -> None:
    """Put the global spaces, containers, views and the data model ``CogniteCore`` into a schema."""
    times = {"created": MADE, "updated": MADE, "is_global": True}
    for name, description in ((CORE, "Core data model"), (UNITS, "Units of measurement")):
        space = Space({"space": name, "name": name, "description": description}, **times)  # type: ignore[arg-type]
        schema.spaces[space.key] = space
    for name, concept in CONCEPTS.items():
        container = Container(parse_container(_container(name, concept)), **times)  # type: ignore[arg-type]
        schema.containers[container.key] = container
        view = StoredView(parse_view(_view(name, concept)), **times)  # type: ignore[arg-type]
        schema.views[view.key] = view
    model = {
        "space": CORE,
        "externalId": "CogniteCore",
        "version": VERSION,
        "name": "Cognite core data model",
        "views": [_reference(name) for name in CONCEPTS],
    }
    core = DataModel(model, **times)  # type: ignore[arg-type]
    schema.data_models[core.key] = core
    schema.changed()


def unit_nodes(clock: Clock) -> InstanceStore:
    """The nodes of the space ``cdf_cdm_units``: one for each unit of the catalogue."""
    store = InstanceStore(clock)
    for quantity, units in points_units.UNITS.items():
        for name in units:
            unit = {"symbol": name, "quantity": quantity.capitalize()}
            described = {"name": name.upper(), "description": name.replace("_", " "), "aliases": [name]}
            data = {(CORE, "CogniteUnit"): encoded(unit), (CORE, "CogniteDescribable"): encoded(described)}
            store.create("node", UNITS, f"{quantity}:{name}", time=MADE, data=data)
    return store


def _reference(name: str) -> dict[str, str]:
    return {"type": "view", "space": CORE, "externalId": name, "version": VERSION}


def _container(name: str, concept: Concept) -> dict[str, Any]:
    return {
        "space": CORE,
        "externalId": name,
        "name": name,
        "usedFor": concept.used_for,
        "properties": {
            concept.inner.get(one, one): {
                "type": _type(spec),
                "nullable": "!" not in spec,
                "immutable": one in concept.immutable,
            }
            for one, spec in concept.own.items()
        },
    }


def _type(spec: str) -> dict[str, Any]:
    kind = spec.partition(">")[0].partition(":")[0].removesuffix("!")
    if kind == "enum":
        return {"type": "enum", "values": {value: {} for value in spec.partition(":")[2].split("|")}}
    return {"type": kind.removesuffix("[]"), "list": kind.endswith("[]")}


def _view(name: str, concept: Concept) -> dict[str, Any]:
    mapped = {
        one: {
            "container": {"type": "container", "space": CORE, "externalId": name},
            "containerPropertyIdentifier": concept.inner.get(one, one),
            **({"source": _reference(spec.partition(">")[2])} if ">" in spec else {}),
        }
        for one, spec in concept.own.items()
    }
    reverse = {
        one: {
            "connectionType": "multi_reverse_direct_relation",
            "source": _reference(view),
            "through": {"source": _reference(view), "identifier": relation},
        }
        for one, (view, relation) in concept.reverse.items()
    }
    return {
        "space": CORE,
        "externalId": name,
        "version": VERSION,
        "name": name,
        "implements": [_reference(one) for one in concept.implements],
        "properties": {**mapped, **reverse},
    }
