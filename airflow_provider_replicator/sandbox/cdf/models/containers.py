# SPDX-License-Identifier: Apache-2.0
"""Containers: where properties live, with their types, constraints and indexes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_replicator.sandbox.cdf.fields import Invalid
from airflow_provider_replicator.sandbox.cdf.http import ApiError
from airflow_provider_replicator.sandbox.cdf.models import checks
from airflow_provider_replicator.sandbox.cdf.models.instance_store import ContainerKey
from airflow_provider_replicator.sandbox.cdf.models.values import parse_type, value_check

MAX_PROPERTIES = 1000
MAX_INDEXES = 10
_NULL = object()


class Property:
    """One property of a container. ``check`` turns a value that is written into the one that is stored, or raises Invalid."""

    __slots__ = ("auto_increment", "check", "default", "definition", "immutable", "name", "nullable", "relates", "type")

    def __init__(self, name: str, definition: Mapping[str, Any]) -> None:
        self.name = name
        self.definition = definition
        self.type: dict[str, Any] = definition["type"]
        self.nullable: bool = definition["nullable"]
        self.immutable: bool = definition["immutable"]
        self.auto_increment: bool = definition["autoIncrement"]
        self.default: Any = definition.get("defaultValue")
        self.check = value_check(self.type)
        self.relates: bool = self.type["type"] == "direct"

    @property
    def required(self) -> bool:
        """Must be given when an instance gets data in the container."""
        return not self.nullable and self.default is None and not self.auto_increment

    @property
    def is_list(self) -> bool:
        return bool(self.type.get("list"))

    def described(self) -> dict[str, Any]:
        """As in answers: the definition and the state of what is enforced (there is nothing to wait for here)."""
        state = {} if self.nullable else {"nullability": "current"}
        state |= {name: "current" for name in ("maxListSize", "maxTextSize") if name in self.type}
        return {**self.definition, "constraintState": state}


class Container:
    """``definition`` is what was written, with defaults; ``doc`` what is answered."""

    def __init__(self, definition: dict[str, Any], *, created: int, updated: int, is_global: bool = False) -> None:
        self.definition = definition
        self.key: ContainerKey = (definition["space"], definition["externalId"])
        self.created = created
        self.updated = updated
        self.is_global = is_global
        self.used_for: str = definition["usedFor"]
        self.properties = {name: Property(name, value) for name, value in definition["properties"].items()}
        #: containers that an instance with data here must have data in, too
        self.requires: list[ContainerKey] = [
            (one["require"]["space"], one["require"]["externalId"])
            for one in definition["constraints"].values()
            if one["constraintType"] == "requires"
        ]
        #: (names of properties, is it by space) of constraints of uniqueness
        self.unique: list[tuple[tuple[str, ...], bool]] = [
            (tuple(one["properties"]), one["bySpace"])
            for one in definition["constraints"].values()
            if one["constraintType"] == "uniqueness"
        ]

    @property
    def doc(self) -> dict[str, Any]:
        return {
            **self.definition,
            "properties": {name: one.described() for name, one in self.properties.items()},
            "constraints": {name: {**one, "state": "current"} for name, one in self.definition["constraints"].items()},
            "indexes": {name: {**one, "state": "current"} for name, one in self.definition["indexes"].items()},
            "createdTime": self.created,
            "lastUpdatedTime": self.updated,
            "isGlobal": self.is_global,
        }

    @property
    def reference(self) -> dict[str, str]:
        return {"type": "container", "space": self.key[0], "externalId": self.key[1]}

    def is_for(self, instance_type: str) -> bool:
        return self.used_for in ("all", instance_type)


def parse_container(item: checks.Item) -> dict[str, Any]:
    """The definition in an item of a request. Raises 400."""
    properties = checks.an_object(item.get("properties"), "properties")
    if not 1 <= len(properties) <= MAX_PROPERTIES:
        raise checks.violation(f"properties size must be between 1 and {MAX_PROPERTIES}")
    used_for = checks.one_of(item, "usedFor", ("node", "edge", "all", "record"), "node")
    definition: dict[str, Any] = {
        "space": checks.identifier(item, "space", checks.SPACE),
        "externalId": checks.identifier(item, "externalId", checks.EXTERNAL_ID),
        **checks.texts(item, name=255, description=1024),
        "usedFor": used_for,
        "properties": {name: _property(name, value) for name, value in properties.items()},
    }
    known = definition["properties"]
    definition["constraints"] = {
        name: _constraint(name, value, known) for name, value in _named(item, "constraints").items()
    }
    definition["indexes"] = {name: _index(name, value, known) for name, value in _named(item, "indexes").items()}
    return definition


def _property(name: str, value: Any) -> dict[str, Any]:
    path = f"properties.{name}"
    if not checks.PROPERTY.fullmatch(name) or name in checks.RESERVED_PROPERTIES:
        raise checks.violation(f'{name!r} is no identifier of a property: it must match "^{checks.PROPERTY.pattern}$"')
    item = checks.an_object(value, path)
    kind = parse_type(item.get("type"), f"{path}.type")
    definition = {
        "type": kind,
        "nullable": checks.flag(item, "nullable", default=True),
        "immutable": checks.flag(item, "immutable"),
        "autoIncrement": checks.flag(item, "autoIncrement"),
        **checks.texts(item, name=255, description=1024),
    }
    if definition["autoIncrement"] and (kind["type"] not in ("int32", "int64") or kind.get("list")):
        raise ApiError(400, f"{path}.autoIncrement: only for int32 and int64")
    if item.get("defaultValue") is not None:
        definition["defaultValue"] = _default(item["defaultValue"], kind, path)
    return definition


def _default(value: Any, kind: dict[str, Any], path: str) -> Any:
    if kind.get("list"):
        raise ApiError(400, f"{path}.defaultValue: lists have no default value")
    try:
        return value_check(kind)(value)
    except Invalid as error:
        raise ApiError(400, f"{path}.defaultValue: {error}") from error


def _named(item: checks.Item, name: str) -> dict[str, Any]:
    value = item.get(name)
    if value is None:
        return {}
    entries = checks.an_object(value, name)
    if len(entries) > MAX_INDEXES:
        raise checks.violation(f"{name} size must be between 0 and {MAX_INDEXES}")
    for key in entries:
        if not 1 <= len(key) <= 43:
            raise checks.violation(f"{name} identifiers size must be between 1 and 43")
    return entries


def _constraint(name: str, value: Any, properties: Mapping[str, Any]) -> dict[str, Any]:
    item = checks.an_object(value, f"constraints.{name}")
    kind = checks.one_of(item, "constraintType", ("requires", "uniqueness"), _implied_constraint(item))
    if kind == "requires":
        return {"constraintType": kind, "require": checks.container_reference(item.get("require"), "require")}
    return {
        "constraintType": kind,
        "properties": _names(item, f"constraints.{name}", properties),
        "bySpace": checks.flag(item, "bySpace"),
    }


def _implied_constraint(item: checks.Item) -> str:
    return "requires" if "require" in item else "uniqueness"


def _index(name: str, value: Any, properties: Mapping[str, Any]) -> dict[str, Any]:
    item = checks.an_object(value, f"indexes.{name}")
    kind = checks.one_of(item, "indexType", ("btree", "inverted"), "btree")
    definition: dict[str, Any] = {"indexType": kind, "properties": _names(item, f"indexes.{name}", properties)}
    if kind == "btree":
        definition |= {"cursorable": checks.flag(item, "cursorable"), "bySpace": checks.flag(item, "bySpace")}
    return definition


def _names(item: checks.Item, path: str, properties: Mapping[str, Any]) -> list[str]:
    names: list[str] = checks.a_list(item.get("properties"), f"{path}.properties", 10, 1)
    for name in names:
        if type(name) is not str or name not in properties:
            raise ApiError(400, f"{path}.properties: unknown property {name!r}")
    return names


def refuse_changes(old: Container, new: Mapping[str, Any]) -> None:
    """What may not change of a container that exists: the types of its properties and what it is for. Raises 400."""
    if new["usedFor"] != old.used_for:
        raise ApiError(400, f"Cannot change usedFor of container '{':'.join(old.key)}'")
    for name, value in new["properties"].items():
        before = old.properties.get(name)
        if before is None:
            continue
        for part in ("type", "list", "container"):
            if before.type.get(part, _NULL) != value["type"].get(part, _NULL):
                raise ApiError(
                    400, f"Cannot change the type of property '{name}' of container '{':'.join(old.key)}': {part}"
                )
