# SPDX-License-Identifier: Apache-2.0
"""Instances as answers hold them: from stored bytes to JSON, through views.

The JSON of a container is used as it is where a view shows all of it under the same names, which is what most views do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from airflow_provider_replicator.sandbox.cdf.http import ApiError
from airflow_provider_replicator.sandbox.cdf.models import checks
from airflow_provider_replicator.sandbox.cdf.models.instance_store import ContainerKey, Instance, Reference
from airflow_provider_replicator.sandbox.cdf.models.schema import Schema
from airflow_provider_replicator.sandbox.cdf.models.views import View, view_key
from airflow_provider_replicator.sandbox.cdf.points_units import Conversion, target_of

MAX_SOURCES = 10
MAX_TARGET_UNITS = 10


@dataclass(frozen=True, slots=True)
class Source:
    """A view that properties are shown through. ``names`` are the mapped ones to show (None: all), ``units`` view property ->
    conversion."""

    view: View
    names: tuple[str, ...] | None = None
    units: Mapping[str, Conversion] = field(default_factory=dict)

    @property
    def shown(self) -> tuple[str, ...]:
        return tuple(self.view.mapped) if self.names is None else self.names


def parse_sources(schema: Schema, value: Any, path: str = "sources", *, select: bool = False) -> list[Source]:
    """``sources`` of a request: at most ten views. With ``select`` (query and sync) each names its ``properties``, ``["*"]`` being
    all. Raises 400."""
    if value is None:
        return []
    return [
        _source(schema, one, f"{path}[{n}]", select=select)
        for n, one in enumerate(checks.a_list(value, path, MAX_SOURCES))
    ]


def _source(schema: Schema, value: Any, path: str, *, select: bool) -> Source:
    item = checks.an_object(value, path)
    view = schema.the_view(view_key(checks.view_reference(item.get("source"), f"{path}.source")))
    names = _names(view, item.get("properties"), f"{path}.properties") if select else None
    return Source(view, names, target_units(view, item.get("targetUnits")))


def _names(view: View, value: Any, path: str) -> tuple[str, ...] | None:
    names = checks.a_list(value, path, 1000)
    if names == ["*"]:
        return None
    for name in names:
        if type(name) is not str or (name not in view.mapped and name not in view.connections):
            raise ApiError(400, f"Unknown property '{name}' in view '{view.key[0]}:{view.identifier}'")
    return tuple(dict.fromkeys(name for name in names if name in view.mapped))


def target_units(view: View, value: Any) -> dict[str, Conversion]:
    """``targetUnits``: view property -> conversion. Raises 400."""
    if value is None:
        return {}
    found = {}
    for one in checks.a_list(value, "targetUnits", MAX_TARGET_UNITS, 1):
        item = checks.an_object(one, "targetUnits")
        name = item.get("property")
        if type(name) is not str or name not in view.mapped:
            raise ApiError(400, f"Unknown property '{name}' in view '{view.key[0]}:{view.identifier}'")
        found[name] = _conversion(view, name, checks.an_object(item.get("unit"), "targetUnits.unit"))
    return found


def _conversion(view: View, name: str, unit: Mapping[str, Any]) -> Conversion:
    defined = view.mapped[name][1].type.get("unit")
    if defined is None:
        raise ApiError(400, f"Property '{name}' has no unit")
    wanted, system = unit.get("externalId"), unit.get("unitSystemName")
    if type(wanted if wanted is not None else system) is not str:
        raise ApiError(400, "targetUnits.unit: expected externalId or unitSystemName")
    conversion = target_of({"unitExternalId": defined["externalId"], "id": name}, unit=wanted, system=system)
    if conversion is None:
        raise ApiError(400, "targetUnits.unit: expected externalId or unitSystemName")
    return conversion


def renderer(sources: Iterable[Source]) -> Callable[[Instance], bytes]:
    """What makes the JSON of an instance: with the properties of those sources that it has any data for. Tombstones show none."""
    spaces: dict[str, list[tuple[bytes, Callable[[Instance], bytes | None]]]] = {}
    for source in sources:
        view = source.view
        key = orjson.dumps(view.identifier) + b":"
        spaces.setdefault(view.key[0], []).append((key, _shower(source)))
    groups = [(orjson.dumps(space) + b":{", shown) for space, shown in spaces.items()]
    if not groups:
        return lambda one: head(one) + b',"properties":{}}'
    return lambda one: head(one) + _properties(one, groups)


def head(one: Instance) -> bytes:
    """Everything but the properties and the closing brace."""
    text = (
        f'{{"instanceType":"{one.kind}","version":{one.version},"space":"{one.space}",'
        f'"externalId":{orjson.dumps(one.external_id).decode()},'
        f'"createdTime":{one.created},"lastUpdatedTime":{one.updated}'
    )
    if one.type is not None:
        text += f',"type":{_node(one.type)}'
    if one.start is not None and one.end is not None:
        text += f',"startNode":{_node(one.start)},"endNode":{_node(one.end)}'
    if one.deleted is not None:
        text += f',"deletedTime":{one.deleted}'
    return text.encode()


def _node(reference: Reference) -> str:
    return f'{{"space":"{reference[0]}","externalId":{orjson.dumps(reference[1]).decode()}}}'


def _properties(
    one: Instance, groups: list[tuple[bytes, list[tuple[bytes, Callable[[Instance], bytes | None]]]]]
) -> bytes:
    if one.deleted is not None:
        return b',"properties":{}}'
    spaces = []
    for opening, shown in groups:
        found = [(key, show(one)) for key, show in shown]
        there = [key + value for key, value in found if value is not None]
        if there:
            spaces.append(opening + b",".join(there) + b"}")
    return b',"properties":{' + b",".join(spaces) + b"}}"


def _shower(source: Source) -> Callable[[Instance], bytes | None]:
    """The JSON object of a source's properties. None: the instance has no data in any of its containers."""
    containers = source.view.containers
    parts = [(key, _container_part(source, key)) for key in containers]
    if len(containers) == 1 and parts[0][1] is None:
        only = containers[0]
        return lambda one: one.data.get(only)

    def show(one: Instance) -> bytes | None:
        data = one.data
        found = [
            stored[1:-1] if part is None else part(stored)
            for key, part in parts
            if (stored := data.get(key)) is not None
        ]
        return b"{" + b",".join(filter(None, found)) + b"}" if found else None

    return show


def _container_part(source: Source, container: ContainerKey) -> Callable[[bytes], bytes] | None:
    """From the stored JSON of a container to what the source shows of it, without the braces. None: all of it, as it is."""
    view = source.view
    pairs = [(name, found.name) for name in source.shown for key, found in [view.mapped[name]] if key == container]
    units = {name: source.units[name] for name, _ in pairs if name in source.units}
    plain = not units and all(name == inner for name, inner in pairs)
    if plain and {name for name, _ in pairs} == view.container_properties(container):
        return None

    def part(stored: bytes) -> bytes:
        properties = orjson.loads(stored)
        shown = {name: properties[inner] for name, inner in pairs if inner in properties}
        _convert(shown, units)
        return orjson.dumps(shown)[1:-1]

    return part


def _convert(shown: dict[str, Any], units: Mapping[str, Conversion]) -> None:
    for name, conversion in units.items():
        value = shown.get(name)
        if isinstance(value, list):
            shown[name] = [one * conversion.factor + conversion.offset for one in value]
        elif value is not None:
            shown[name] = value * conversion.factor + conversion.offset


def typing_of(sources: Iterable[Source]) -> dict[str, Any]:
    """``typing`` of an answer: space -> view/version -> property -> definition."""
    found: dict[str, Any] = {}
    for source in sources:
        view = source.view
        group = found.setdefault(view.key[0], {}).setdefault(view.identifier, {})
        for name in source.shown:
            definition = dict(view.described(name) or {})
            for detail in ("container", "containerPropertyIdentifier"):
                definition.pop(detail, None)
            if name in source.units:
                unit = {**definition["type"]["unit"], "externalId": source.units[name].name}
                definition["type"] = {**definition["type"], "unit": unit}
            group[name] = definition
    return found
