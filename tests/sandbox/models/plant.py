# SPDX-License-Identifier: Apache-2.0
"""A small data model to ask questions about: pumps with a parent and edges between them."""

from __future__ import annotations

from typing import Any

from tests.sandbox.caller import Caller

SPACE = "plant"
PUMP = {"type": "view", "space": SPACE, "externalId": "Pump", "version": "v1"}
TAG = {"type": "view", "space": SPACE, "externalId": "Tag", "version": "v1"}
CONTAINER = {"type": "container", "space": SPACE, "externalId": "Pump"}
FLOWS = {"space": SPACE, "externalId": "flows"}

_TEXT, _NUMBER = {"type": {"type": "text"}}, {"type": {"type": "int64"}}
PROPERTIES = {
    "name": _TEXT,
    "size": _NUMBER,
    "power": {"type": {"type": "float64", "unit": {"externalId": "pressure:bar"}}},
    "running": {"type": {"type": "boolean"}},
    "aliases": {"type": {"type": "text", "list": True}},
    "parent": {"type": {"type": "direct"}},
}


def build(cdf: Caller) -> Caller:
    """The space, container ``Pump`` (with a cursorable index on ``size``) and view ``Pump``; container and view ``Tag``."""
    cdf.create("/models/spaces", {"space": SPACE})
    cdf.create(
        "/models/containers",
        {
            "space": SPACE,
            "externalId": "Pump",
            "properties": PROPERTIES,
            "indexes": {"bySize": {"indexType": "btree", "properties": ["size"], "cursorable": True}},
        },
        {"space": SPACE, "externalId": "Tag", "usedFor": "all", "properties": {"label": _TEXT}},
    )
    cdf.create(
        "/models/views", *(view(name, properties) for name, properties in (("Pump", PROPERTIES), ("Tag", ["label"])))
    )
    return cdf


def view(name: str, properties: Any) -> dict[str, Any]:
    source = {"type": "container", "space": SPACE, "externalId": name}
    mapped = {one: {"container": source, "containerPropertyIdentifier": one} for one in properties}
    return {"space": SPACE, "externalId": name, "version": "v1", "properties": mapped}


def of_pump(name: str) -> list[str]:
    return [SPACE, "Pump/v1", name]


def reference(name: str) -> dict[str, str]:
    return {"space": SPACE, "externalId": name}


def pump(name: str, /, **properties: Any) -> dict[str, Any]:
    sources = [{"source": PUMP, "properties": properties}] if properties else []
    return {"instanceType": "node", **reference(name), "sources": sources}


def pipe(start: str, end: str, **tag: Any) -> dict[str, Any]:
    sources = [{"source": TAG, "properties": tag}] if tag else []
    ends = {"startNode": reference(start), "endNode": reference(end)}
    return {"instanceType": "edge", **reference(f"{start}-{end}"), "type": FLOWS, **ends, "sources": sources}


def apply(cdf: Caller, *items: dict[str, Any], **options: Any) -> list[dict[str, Any]]:
    return cdf.items("/models/instances", {"items": list(items), **options})


def delete(cdf: Caller, *names: str, kind: str = "node") -> None:
    items = [{"instanceType": kind, **reference(name)} for name in names]
    cdf.post("/models/instances/delete", {"items": items})


def names(items: list[dict[str, Any]]) -> list[str]:
    return [item["externalId"] for item in items]


def shown(*properties: str) -> dict[str, Any]:
    """A ``select`` of pumps with these properties, or with all of them."""
    return {"sources": [{"source": PUMP, "properties": list(properties) or ["*"]}]}
