# SPDX-License-Identifier: Apache-2.0
"""Views: properties mapped onto containers, and connections; both may be inherited from other views."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.sandbox.cdf.http import ApiError
from airflow_provider_replicator.sandbox.cdf.models import checks
from airflow_provider_replicator.sandbox.cdf.models.containers import Property
from airflow_provider_replicator.sandbox.cdf.models.instance_store import ContainerKey

if TYPE_CHECKING:
    from airflow_provider_replicator.sandbox.cdf.models.schema import Schema

#: (space, externalId, version)
ViewKey = tuple[str, str, str]

MAX_PROPERTIES = 1000
MAX_IMPLEMENTS = 10
EDGES = ("single_edge_connection", "multi_edge_connection")
REVERSE = ("single_reverse_direct_relation", "multi_reverse_direct_relation")


def view_key(reference: Mapping[str, str]) -> ViewKey:
    return reference["space"], reference["externalId"], reference["version"]


def described_key(key: tuple[str, ...]) -> str:
    """``space:externalId/version`` (or without version), as messages name views, containers and data models."""
    return f"{key[0]}:{'/'.join(key[1:])}"


class StoredView:
    """A view as it was written. What it means depends on other views and on containers: see :class:`View`."""

    def __init__(self, definition: dict[str, Any], *, created: int, updated: int, is_global: bool = False) -> None:
        self.definition = definition
        self.key: ViewKey = view_key(definition)
        self.created = created
        self.updated = updated
        self.is_global = is_global


class View:
    """A view with what it inherits, as the schema is now. Made anew after every change of the schema.

    ``mapped`` is view property -> (container, its property); ``connections`` view property -> definition (with ``connectionType``);
    ``containers`` are all that mapped properties live in, in order of appearance."""

    def __init__(self, stored: StoredView, schema: Schema) -> None:
        self.key = stored.key
        self.filter: Any = stored.definition.get("filter")
        self.stored = stored
        self._schema = schema
        self.definitions = _inherited(stored, schema, frozenset())
        self.mapped: dict[str, tuple[ContainerKey, Property]] = {}
        self.connections: dict[str, dict[str, Any]] = {}
        for name, definition in self.definitions.items():
            self._resolve(name, definition)
        self.containers: tuple[ContainerKey, ...] = tuple(dict.fromkeys(key for key, _ in self.mapped.values()))

    def _resolve(self, name: str, definition: dict[str, Any]) -> None:
        if "container" not in definition:
            self.connections[name] = definition
            return
        reference = definition["container"]
        container = self._schema.containers.get((reference["space"], reference["externalId"]))
        if container is not None and definition["containerPropertyIdentifier"] in container.properties:
            self.mapped[name] = container.key, container.properties[definition["containerPropertyIdentifier"]]

    @property
    def identifier(self) -> str:
        """``externalId/version``: the key under which answers hold the view's properties."""
        return f"{self.key[1]}/{self.key[2]}"

    @property
    def reference(self) -> dict[str, str]:
        return {"type": "view", "space": self.key[0], "externalId": self.key[1], "version": self.key[2]}

    @property
    def used_for(self) -> str:
        uses = {self._schema.containers[key].used_for for key in self.containers}
        if uses <= {"all"}:
            return "all"
        for only in ("record", "edge", "node"):
            if uses <= {only, "all"}:
                return only
        return "node"

    @property
    def writable(self) -> bool:
        """Everything that must be given can be given through it."""
        given = {(key, found.name) for key, found in self.mapped.values()}
        return bool(given) and all(
            (key, found.name) in given
            for key in self.containers
            for found in self._schema.containers[key].properties.values()
            if found.required
        )

    def container_properties(self, container: ContainerKey) -> set[str]:
        """The names of all properties of a container."""
        return set(self._schema.containers[container].properties)

    def doc(self, *, inherited: bool = True) -> dict[str, Any]:
        """As in answers; without the properties of the views it implements if not ``inherited``."""
        names = self.definitions if inherited else self.stored.definition["properties"]
        described = {name: self.described(name) for name in names}
        return {
            **self.stored.definition,
            "createdTime": self.stored.created,
            "lastUpdatedTime": self.stored.updated,
            "writable": self.writable,
            "queryable": self.filter is not None or bool(self.mapped),
            "usedFor": self.used_for,
            "isGlobal": self.stored.is_global,
            "properties": {name: one for name, one in described.items() if one is not None},
            "mappedContainers": [self._schema.containers[key].reference for key in self.containers],
        }

    def described(self, name: str) -> dict[str, Any] | None:
        """One property as in answers. None: it is mapped to what is there no more."""
        definition = self.definitions[name]
        if name in self.connections:
            return _with_targets(definition, self._schema) if "through" in definition else definition
        if name not in self.mapped:
            return None
        found = self.mapped[name][1]
        kind = {**found.type, "source": definition["source"]} if "source" in definition else found.type
        base = {key: value for key, value in found.described().items() if key not in ("name", "description")}
        return {**base, **{key: value for key, value in definition.items() if key != "source"}, "type": kind}


def _inherited(stored: StoredView, schema: Schema, above: frozenset[ViewKey]) -> dict[str, dict[str, Any]]:
    """Own properties and those of the implemented views; own ones win, then those of the view that is named first."""
    merged: dict[str, dict[str, Any]] = {}
    for reference in reversed(stored.definition.get("implements", ())):
        parent = schema.views.get(view_key(reference))
        if parent is not None and parent.key not in above:
            merged |= _inherited(parent, schema, above | {stored.key})
    return merged | dict(stored.definition["properties"])


def _with_targets(definition: dict[str, Any], schema: Schema) -> dict[str, Any]:
    """A reverse direct relation says whether the relation it goes through is a list."""
    through = definition["through"]
    source = through["source"]
    found: Property | None = None
    if source["type"] == "view":
        view = schema.view(view_key(source))
        mapped = view and view.mapped.get(through["identifier"])
        found = mapped[1] if mapped else None
    else:
        container = schema.containers.get((source["space"], source["externalId"]))
        found = container.properties.get(through["identifier"]) if container else None
    return {**definition, "targetsList": found is not None and found.is_list}


# -- from requests ---------------------------------------------------------------------------------------------------


def parse_view(item: checks.Item) -> dict[str, Any]:
    """The definition in an item of a request. Raises 400."""
    properties = checks.an_object(item.get("properties") or {}, "properties")
    if len(properties) > MAX_PROPERTIES:
        raise checks.violation(f"properties size must be between 0 and {MAX_PROPERTIES}")
    definition: dict[str, Any] = {
        "space": checks.identifier(item, "space", checks.SPACE),
        "externalId": checks.identifier(item, "externalId", checks.EXTERNAL_ID),
        "version": checks.identifier(item, "version", checks.VERSION),
        **checks.texts(item, name=255, description=1024),
    }
    if item.get("filter") is not None:
        definition["filter"] = checks.an_object(item["filter"], "filter")
    if item.get("implements"):
        parents = checks.a_list(item["implements"], "implements", MAX_IMPLEMENTS)
        definition["implements"] = [checks.view_reference(one, f"implements[{n}]") for n, one in enumerate(parents)]
    definition["properties"] = {name: _property(name, value) for name, value in properties.items()}
    return definition


def _property(name: str, value: Any) -> dict[str, Any]:
    path = f"properties.{name}"
    if not checks.PROPERTY.fullmatch(name):
        raise checks.violation(f'{name!r} is no identifier of a property: it must match "^{checks.PROPERTY.pattern}$"')
    item = checks.an_object(value, path)
    words = checks.texts(item, name=255, description=1024)
    if "container" in item:
        return _mapped(item, path) | words
    kind = checks.one_of(item, "connectionType", EDGES + REVERSE, "multi_edge_connection")
    return {"connectionType": kind} | (_edge(item, path) if kind in EDGES else _reverse(item, path)) | words


def _mapped(item: checks.Item, path: str) -> dict[str, Any]:
    definition: dict[str, Any] = {
        "container": checks.container_reference(item["container"], f"{path}.container"),
        "containerPropertyIdentifier": checks.identifier(item, "containerPropertyIdentifier", checks.PROPERTY),
    }
    if item.get("source") is not None:
        definition["source"] = checks.view_reference(item["source"], f"{path}.source")
    return definition


def _edge(item: checks.Item, path: str) -> dict[str, Any]:
    space, external_id = checks.node_reference(item.get("type"), f"{path}.type")
    definition: dict[str, Any] = {
        "type": {"space": space, "externalId": external_id},
        "source": checks.view_reference(item.get("source"), f"{path}.source"),
        "direction": checks.one_of(item, "direction", ("outwards", "inwards"), "outwards"),
    }
    if item.get("edgeSource") is not None:
        definition["edgeSource"] = checks.view_reference(item["edgeSource"], f"{path}.edgeSource")
    return definition


def _reverse(item: checks.Item, path: str) -> dict[str, Any]:
    through = checks.an_object(item.get("through"), f"{path}.through")
    return {
        "source": checks.view_reference(item.get("source"), f"{path}.source"),
        "through": {
            "source": checks.source_reference(through.get("source"), f"{path}.through.source"),
            "identifier": checks.identifier(through, "identifier", checks.PROPERTY),
        },
    }


def check_mapping(definition: Mapping[str, Any], schema: Schema) -> None:
    """What the view maps onto is there. Raises 400."""
    for name, one in definition["properties"].items():
        if "container" not in one:
            continue
        key = (one["container"]["space"], one["container"]["externalId"])
        container = schema.containers.get(key)
        if container is None:
            raise ApiError(400, f"One or more containers do not exist: '{described_key(key)}'")
        identifier = one["containerPropertyIdentifier"]
        found = container.properties.get(identifier)
        if found is None:
            raise ApiError(
                400, f"Property '{name}' maps to '{identifier}', which container '{described_key(key)}' does not have"
            )
        if "source" in one and found.type["type"] != "direct":
            raise ApiError(400, f"Property '{name}' has a source, but is no direct relation")
