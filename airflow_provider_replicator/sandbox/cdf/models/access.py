# SPDX-License-Identifier: Apache-2.0
"""Property paths of filters, sorts and aggregates: from ``["node", "space"]``, ``[space, "view/version", property]`` or
``[space, container, property]`` to what reads the property from an instance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from airflow_provider_replicator.sandbox.cdf.fields import Invalid, expected
from airflow_provider_replicator.sandbox.cdf.http import ApiError
from airflow_provider_replicator.sandbox.cdf.models.instance_store import ContainerKey, Instance, Reference
from airflow_provider_replicator.sandbox.cdf.models.schema import Schema
from airflow_provider_replicator.sandbox.cdf.models.values import NUMBERS, REFERENCES, scalar_check
from airflow_provider_replicator.sandbox.cdf.models.views import View

Getter = Callable[[Instance], Any]


@dataclass(frozen=True, slots=True)
class Accessor:
    """``get`` reads the value as answers show it (None: not set), ``type`` is the definition of its type; ``container`` and ``name``
    say where it lives (None: a property that all instances have)."""

    get: Getter
    type: Mapping[str, Any]
    container: ContainerKey | None = None
    name: str = ""

    @property
    def is_list(self) -> bool:
        return bool(self.type.get("list"))


class Decoder:
    """Reads properties of containers; remembers the last it decoded, because a filter often looks at an instance twice."""

    __slots__ = ("_encoded", "_properties")

    def __init__(self) -> None:
        self._encoded = b""
        self._properties: dict[str, Any] = {}

    def getter(self, container: ContainerKey, name: str) -> Getter:
        def get(instance: Instance) -> Any:
            found = instance.data.get(container)
            if found is None:
                return None
            if found is not self._encoded:
                self._properties = orjson.loads(found)
                self._encoded = found
            return self._properties.get(name)

        return get


def reference_doc(reference: Reference | None) -> dict[str, str] | None:
    return None if reference is None else {"space": reference[0], "externalId": reference[1]}


_TEXT = {"type": "text"}
_INTEGER = {"type": "int64"}
_DIRECT = {"type": "direct"}
_BASE: Mapping[str, Accessor] = {
    "instanceType": Accessor(lambda one: one.kind, _TEXT),
    "space": Accessor(lambda one: one.space, _TEXT),
    "externalId": Accessor(lambda one: one.external_id, _TEXT),
    "version": Accessor(lambda one: one.version, _INTEGER),
    "createdTime": Accessor(lambda one: one.created, _INTEGER),
    "lastUpdatedTime": Accessor(lambda one: one.updated, _INTEGER),
    "deletedTime": Accessor(lambda one: one.deleted, _INTEGER),
    "type": Accessor(lambda one: reference_doc(one.type), _DIRECT),
    "startNode": Accessor(lambda one: reference_doc(one.start), _DIRECT),
    "endNode": Accessor(lambda one: reference_doc(one.end), _DIRECT),
}


def accessor(schema: Schema, decoder: Decoder, value: Any, path: str, view: View | None = None) -> Accessor:
    """What reads a property. With ``view`` a single name is a property of that view, or one that all instances have. Raises 400."""
    if type(value) is not list or not value or not all(type(part) is str for part in value):
        raise ApiError(400, f"{path}: expected a list of strings")
    if len(value) == 2 and value[0] in ("node", "edge"):
        if value[1] not in _BASE:
            raise ApiError(400, f"Unknown property '{value[1]}' of a {value[0]}")
        return _BASE[value[1]]
    if len(value) == 3:
        return _in_source(schema, decoder, value)
    if len(value) == 1 and view is not None:
        return (
            _BASE[value[0]] if value[0] in _BASE and value[0] not in view.mapped else of_view(decoder, view, value[0])
        )
    raise ApiError(400, f"{path}: {value} is no reference to a property")


def of_view(decoder: Decoder, view: View, name: str) -> Accessor:
    """A mapped property of a view. Raises 400."""
    if name not in view.mapped:
        raise ApiError(400, f"Unknown property '{name}' in view '{view.key[0]}:{view.identifier}'")
    container, found = view.mapped[name]
    return Accessor(decoder.getter(container, found.name), found.type, container, found.name)


def _in_source(schema: Schema, decoder: Decoder, value: list[str]) -> Accessor:
    space, source, name = value
    external_id, slash, version = source.partition("/")
    if slash:
        return of_view(decoder, schema.the_view((space, external_id, version)), name)
    container = schema.the_container((space, external_id))
    if name not in container.properties:
        raise ApiError(400, f"Unknown property '{name}' in container '{space}:{external_id}'")
    found = container.properties[name]
    return Accessor(decoder.getter(container.key, name), found.type, container.key, name)


def comparable(kind: Mapping[str, Any], value: Any, path: str) -> Any:
    """A value of a filter, as stored values of that type (of the elements, for lists) look. Raises 400."""
    name = kind["type"]
    try:
        if name in NUMBERS:
            if type(value) not in (int, float):
                raise expected(f"a number ({name})", value)
            return value
        if name in ("text", "enum", *REFERENCES):
            if type(value) is not str:
                raise expected("a string", value)
            return value
        return scalar_check(kind)(value)
    except Invalid as error:
        raise ApiError(400, f"{path}: {error}") from error


def hashable(value: Any) -> Any:
    """A stored or :func:`comparable` value as a member of a set."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS) if isinstance(value, dict | list) else value
