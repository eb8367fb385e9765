# SPDX-License-Identifier: Apache-2.0
"""Items of ``POST /models/instances``: from JSON to checked values by container."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_replicator.sandbox.cdf.fields import Check, Invalid
from airflow_provider_replicator.sandbox.cdf.http import ApiError
from airflow_provider_replicator.sandbox.cdf.models import checks
from airflow_provider_replicator.sandbox.cdf.models.containers import Container, Property
from airflow_provider_replicator.sandbox.cdf.models.instance_store import ContainerKey, Key, Reference
from airflow_provider_replicator.sandbox.cdf.models.schema import Schema
from airflow_provider_replicator.sandbox.cdf.models.views import described_key, view_key

MAX_SOURCES = 100
MAX_VERSION = (1 << 53) - 1

#: container -> property -> value; None: set to null. A container without values is written to all the same.
Writes = dict[ContainerKey, dict[str, Any]]


@dataclass(slots=True)
class Draft:
    """What one item asks for. ``relations`` are (node, container that it must have data in) of its direct relations."""

    key: Key
    existing_version: int | None
    type: Reference | None
    start: Reference | None
    end: Reference | None
    writes: Writes = field(default_factory=dict)
    relations: list[tuple[Reference, ContainerKey | None]] = field(default_factory=list)


#: (which of the target's containers, property, type whose values need no check, check, definition if it asks for more)
Entry = tuple[int, str, type | None, Check, Property | None]
_UNCHECKED: Mapping[str, type] = {"float64": float, "boolean": bool}


def _entry(number: int, found: Property) -> Entry:
    unchecked = None if found.is_list else _UNCHECKED.get(found.type["type"])
    return number, found.name, unchecked, found.check, found if found.relates or not found.nullable else None


class Target:
    """A view or container that properties are written through."""

    def __init__(
        self, noun: str, key: tuple[str, ...], containers: Iterable[Container], entries: dict[str, Entry]
    ) -> None:
        self.name = f"{noun} '{described_key(key)}'"
        self.containers = tuple(containers)
        self.entries = entries

    def check_use(self, kind: str) -> None:
        for container in self.containers:
            if not container.is_for(kind):
                raise ApiError(400, f"Container '{described_key(container.key)}' is not for {kind}s")


class DraftReader:
    """Reads items for one revision of the schema: what is known of each source is worked out once."""

    def __init__(self, schema: Schema) -> None:
        self.revision = schema.revision
        self._schema = schema
        self._targets: dict[tuple[Any, ...], Target] = {}
        self._spaces: set[str] = set()

    def read(self, item: Any, path: str) -> Draft:
        """Raises 400."""
        if type(item) is not dict:
            raise ApiError(400, f"{path}: expected an object")
        kind = checks.one_of(item, "instanceType", ("node", "edge"))
        draft = Draft(
            key=(kind, self._space(item), checks.instance_id(item)),
            existing_version=checks.integer(item, "existingVersion", 0, MAX_VERSION),
            type=_reference(item, "type", path, required=kind == "edge"),
            start=_reference(item, "startNode", path, required=True) if kind == "edge" else None,
            end=_reference(item, "endNode", path, required=True) if kind == "edge" else None,
        )
        sources = item.get("sources")
        if sources is not None:
            for number, source in enumerate(checks.a_list(sources, f"{path}.sources", MAX_SOURCES)):
                self._read_source(draft, source, f"{path}.sources[{number}]")
        return draft

    def _space(self, item: checks.Item) -> str:
        space = item.get("space")
        if type(space) is str and space in self._spaces:
            return space
        space = checks.identifier(item, "space", checks.SPACE)
        self._spaces.add(space)
        return space

    def _read_source(self, draft: Draft, source: Any, path: str) -> None:
        if type(source) is not dict:
            raise ApiError(400, f"{path}: expected an object")
        target = self._target(source.get("source"), f"{path}.source")
        target.check_use(draft.key[0])
        writes = [draft.writes.setdefault(container.key, {}) for container in target.containers]
        properties = checks.an_object(source.get("properties"), f"{path}.properties")
        entries = target.entries
        name = ""
        try:
            for name, value in properties.items():
                number, inner, unchecked, check, definition = entries[name]
                if value is not None and type(value) is not unchecked:
                    value = check(value)
                writes[number][inner] = value
                if definition is not None:
                    _look_closer(draft, value, definition)
        except KeyError:
            raise ApiError(400, f"{path}: unknown property '{name}' in {target.name}") from None
        except Invalid as error:
            raise ApiError(400, f"{path}: property '{name}' of {target.name}: {error}") from error

    def _target(self, value: Any, path: str) -> Target:
        try:  # already checked with these very words?
            return self._targets[_raw_key(value)]
        except (KeyError, TypeError, AttributeError):
            pass
        reference = checks.source_reference(value, path)
        target = self._view(reference) if reference["type"] == "view" else self._container(reference)
        return self._targets.setdefault(_raw_key(reference), target)

    def _view(self, reference: Mapping[str, str]) -> Target:
        view = self._schema.the_view(view_key(reference))
        numbers = {key: number for number, key in enumerate(view.containers)}
        entries = {name: _entry(numbers[key], found) for name, (key, found) in view.mapped.items()}
        return Target("view", view.key, (self._schema.containers[key] for key in view.containers), entries)

    def _container(self, reference: Mapping[str, str]) -> Target:
        container = self._schema.the_container((reference["space"], reference["externalId"]))
        entries = {name: _entry(0, found) for name, found in container.properties.items()}
        return Target("container", container.key, [container], entries)


def _raw_key(value: Any) -> tuple[Any, ...]:
    return value["type"], value["space"], value["externalId"], value.get("version")


def _reference(item: Mapping[str, Any], name: str, path: str, *, required: bool) -> Reference | None:
    value = item.get(name)
    if value is None and not required:
        return None
    return checks.node_reference(value, f"{path}.{name}")


def _look_closer(draft: Draft, value: Any, definition: Property) -> None:
    if value is None:
        if not definition.nullable:
            raise Invalid("cannot be null")
        return
    if definition.relates:
        required = definition.type.get("container")
        container = (required["space"], required["externalId"]) if required else None
        for one in value if isinstance(value, list) else [value]:
            draft.relations.append(((one["space"], one["externalId"]), container))
