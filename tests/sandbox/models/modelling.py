# SPDX-License-Identifier: Apache-2.0
"""A project with a container of every property type, and short words to write definitions and instances with."""

from __future__ import annotations

from typing import Any

from tests.sandbox.caller import Caller

SPACE = "sp"
EVERY_TYPE: dict[str, dict[str, Any]] = {
    "text": {"type": "text"},
    "flag": {"type": "boolean"},
    "f32": {"type": "float32"},
    "f64": {"type": "float64"},
    "i32": {"type": "int32"},
    "i64": {"type": "int64"},
    "moment": {"type": "timestamp"},
    "day": {"type": "date"},
    "json": {"type": "json"},
    "to": {"type": "direct"},
    "series": {"type": "timeseries"},
    "file": {"type": "file"},
    "sequence": {"type": "sequence"},
    "colour": {"type": "enum", "values": {"red": {"name": "Red"}, "green": {}, "other": {}}, "unknownValue": "other"},
}


def container_ref(name: str, space: str = SPACE) -> dict[str, str]:
    return {"type": "container", "space": space, "externalId": name}


def view_ref(name: str, version: str = "1", space: str = SPACE) -> dict[str, str]:
    return {"type": "view", "space": space, "externalId": name, "version": version}


def node_ref(name: str, space: str = SPACE) -> dict[str, str]:
    return {"space": space, "externalId": name}


def container(external_id: str, properties: dict[str, dict[str, Any]], /, **more: Any) -> dict[str, Any]:
    """``properties`` are types, or whole definitions if they have one under ``type``."""
    whole = {key: one if isinstance(one["type"], dict) else {"type": one} for key, one in properties.items()}
    return {"space": SPACE, "externalId": external_id, "properties": whole, **more}


def mapped(container_name: str, identifier: str, /, **more: Any) -> dict[str, Any]:
    return {"container": container_ref(container_name), "containerPropertyIdentifier": identifier, **more}


def view(external_id: str, properties: dict[str, Any], /, version: str = "1", **more: Any) -> dict[str, Any]:
    return {"space": SPACE, "externalId": external_id, "version": version, "properties": properties, **more}


def node(name: str, *sources: tuple[dict[str, str], dict[str, Any]], **more: Any) -> dict[str, Any]:
    item: dict[str, Any] = {"instanceType": "node", "space": SPACE, "externalId": name, **more}
    if sources:
        item["sources"] = [{"source": source, "properties": properties} for source, properties in sources]
    return item


def edge(
    name: str, start: str, end: str, *sources: tuple[dict[str, str], dict[str, Any]], **more: Any
) -> dict[str, Any]:
    item = node(name, *sources, **more)
    return {
        "type": node_ref("link"),
        **item,
        "instanceType": "edge",
        "startNode": node_ref(start),
        "endNode": node_ref(end),
    }


def key(name: str, kind: str = "node") -> dict[str, str]:
    return {"instanceType": kind, "space": SPACE, "externalId": name}


def apply(cdf: Caller, *items: dict[str, Any], **options: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cdf.post("/models/instances", {"items": list(items), **options})["items"]
    return found


def read(cdf: Caller, name: str, *views: dict[str, str], kind: str = "node") -> dict[str, Any] | None:
    """The instance as ``/byids`` answers it, through these views."""
    payload: dict[str, Any] = {"items": [key(name, kind)], "sources": [{"source": one} for one in views]}
    found = cdf.items("/models/instances/byids", payload)
    return found[0] if found else None


def properties(cdf: Caller, name: str, through: dict[str, str], kind: str = "node") -> dict[str, Any]:
    found = read(cdf, name, through, kind=kind)
    assert found is not None
    shown: dict[str, Any] = found["properties"][through["space"]][f"{through['externalId']}/{through['version']}"]
    return shown


def with_every_type(cdf: Caller) -> Caller:
    """The space ``sp`` with container and view ``All`` (every type) and ``Lists`` (lists of every type but enum)."""
    lists = {name: {**one, "list": True} for name, one in EVERY_TYPE.items() if one["type"] != "enum"}
    cdf.create("/models/spaces", {"space": SPACE})
    cdf.create(
        "/models/containers", container("All", EVERY_TYPE, usedFor="all"), container("Lists", lists, usedFor="all")
    )
    cdf.create(
        "/models/views",
        view("All", {name: mapped("All", name) for name in EVERY_TYPE}),
        view("Lists", {name: mapped("Lists", name) for name in lists}),
    )
    return cdf
