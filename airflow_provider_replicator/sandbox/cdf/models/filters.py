# SPDX-License-Identifier: Apache-2.0
"""The filter language of data modeling, compiled to predicates on instances."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_replicator.sandbox.cdf.http import ApiError
from airflow_provider_replicator.sandbox.cdf.models import checks
from airflow_provider_replicator.sandbox.cdf.models.access import (
    Accessor,
    Decoder,
    Getter,
    accessor,
    comparable,
    hashable,
)
from airflow_provider_replicator.sandbox.cdf.models.instance_store import ContainerKey, Instance, Predicate
from airflow_provider_replicator.sandbox.cdf.models.state import Models
from airflow_provider_replicator.sandbox.cdf.models.views import View, view_key

MAX_DEPTH = 50
MAX_VALUES = 5000
_RANGES: Mapping[str, Callable[[Any, Any], bool]] = {
    "gte": operator.ge,
    "gt": operator.gt,
    "lte": operator.le,
    "lt": operator.lt,
}
_ORDERED = frozenset(
    {"text", "int32", "int64", "float32", "float64", "timestamp", "date", "timeseries", "file", "sequence", "enum"}
)
#: of the same instance: a constant is a getter that looks at nothing
Operand = tuple[Any, Getter | None]


def compile_filter(
    models: Models, value: Any, *, parameters: Mapping[str, Any] | None = None, view: View | None = None
) -> Predicate | None:
    """None: everything matches. ``parameters`` are the values of ``{"parameter": name}`` (of queries); with ``view`` a path of one
    name is a property of that view (as in search and aggregate). Raises 400. Good for one revision of the schema."""
    if value is None:
        return None
    return FilterCompiler(models, parameters or {}, view).compile(value, "filter", 0)


def has_data(models: Models, sources: list[Any], path: str = "hasData") -> Predicate:
    """Instances that have data in all containers, and in all containers that the views map. Raises 400."""
    containers: dict[ContainerKey, None] = {}
    for number, source in enumerate(sources):
        reference = checks.source_reference(source, f"{path}[{number}]")
        if reference["type"] == "view":
            containers.update(dict.fromkeys(models.schema.the_view(view_key(reference)).containers))
        else:
            containers[models.schema.the_container((reference["space"], reference["externalId"])).key] = None
    return has_containers(tuple(containers))


def has_containers(containers: tuple[ContainerKey, ...]) -> Predicate:
    if len(containers) == 1:
        only = containers[0]
        return lambda one: only in one.data
    return lambda one: all(container in one.data for container in containers)


def view_predicate(models: Models, view: View) -> Predicate:
    """What belongs to a view: its own filter, or data in everything it maps."""
    if view.filter is not None:
        return FilterCompiler(models, {}, None).compile(view.filter, "filter", 0)
    return has_containers(view.containers)


def all_of(predicates: list[Predicate | None]) -> Predicate | None:
    """None: everything matches."""
    found = [one for one in predicates if one is not None]
    if not found:
        return None
    if len(found) == 1:
        return found[0]
    if len(found) == 2:
        first, second = found
        return lambda one: first(one) and second(one)
    return lambda one: all(predicate(one) for predicate in found)


class FilterCompiler:
    def __init__(self, models: Models, parameters: Mapping[str, Any], view: View | None) -> None:
        self._models = models
        self._parameters = parameters
        self._view = view
        self._decoder = Decoder()
        self._leaves: Mapping[str, Callable[[Any, str], Predicate]] = {
            "equals": self._equals,
            "in": self._in,
            "range": self._range,
            "prefix": self._prefix,
            "exists": self._exists,
            "containsAny": self._contains_any,
            "containsAll": self._contains_all,
            "overlaps": self._overlaps,
            "hasData": self._has_data,
            "matchAll": self._match_all,
            "instanceReferences": self._references,
        }

    def compile(self, value: Any, path: str, depth: int) -> Predicate:
        if type(value) is not dict or len(value) != 1:
            raise ApiError(400, f"{path}: expected an object with exactly one filter")
        if depth > MAX_DEPTH:
            raise ApiError(400, f"{path}: filters are nested too deeply")
        ((name, content),) = value.items()
        path = f"{path}.{name}"
        if name in ("and", "or"):
            return self._combined(name, content, path, depth)
        if name == "not":
            inner = self.compile(content, path, depth + 1)
            return lambda one: not inner(one)
        if name == "nested":
            return self._nested(checks.an_object(content, path), path, depth)
        leaf = self._leaves.get(name)
        if leaf is None:
            raise ApiError(400, f"{path}: unknown filter '{name}'")
        return leaf(content, path)

    def _combined(self, name: str, content: Any, path: str, depth: int) -> Predicate:
        parts = [
            self.compile(one, f"{path}[{n}]", depth + 1)
            for n, one in enumerate(checks.a_list(content, path, MAX_VALUES, 1))
        ]
        if name == "and":
            return all_of(list(parts)) or parts[0]
        return lambda one: any(part(one) for part in parts)

    def _nested(self, content: dict[str, Any], path: str, depth: int) -> Predicate:
        """The filter holds for the node that a direct relation points to (for one of them, if it is a list)."""
        relation = self._accessor(content.get("scope"), f"{path}.scope")
        if relation.type["type"] != "direct":
            raise ApiError(400, f"{path}.scope: is no direct relation")
        inner = self.compile(content.get("filter"), f"{path}.filter", depth + 1)
        nodes = self._models.instances.by_key

        def holds(one: Instance) -> bool:
            value = relation.get(one) or []
            targets = value if isinstance(value, list) else [value]
            found = (nodes.get(("node", target["space"], target["externalId"])) for target in targets)
            return any(node is not None and inner(node) for node in found)

        return holds

    # -- leaves ------------------------------------------------------------------------------------------------------

    def _equals(self, content: Any, path: str) -> Predicate:
        item = checks.an_object(content, path)
        found = self._accessor(item.get("property"), f"{path}.property")
        get = found.get
        wanted, reader = self._operand(found, item.get("value"), f"{path}.value", whole=True)
        if reader is not None:
            return lambda one: get(one) is not None and get(one) == reader(one)
        return lambda one: get(one) == wanted

    def _in(self, content: Any, path: str) -> Predicate:
        item = checks.an_object(content, path)
        found = self._accessor(item.get("property"), f"{path}.property")
        get = found.get
        wanted, reader = self._values(found, item.get("values"), f"{path}.values", whole=True)
        if reader is not None:
            return lambda one: get(one) is not None and hashable(get(one)) in _members(reader(one))
        if found.type["type"] in ("direct", "json") or found.is_list:
            return lambda one: hashable(get(one)) in wanted
        return lambda one: get(one) in wanted

    def _range(self, content: Any, path: str) -> Predicate:
        item = checks.an_object(content, path)
        found = self._accessor(item.get("property"), f"{path}.property")
        if found.is_list or found.type["type"] not in _ORDERED:
            raise ApiError(400, f"{path}.property: has no order")
        return all_of([*self._bounds(found, item, path)]) or (lambda one: found.get(one) is not None)

    def _bounds(self, found: Accessor, item: Mapping[str, Any], path: str) -> list[Predicate]:
        bounds = [name for name in _RANGES if item.get(name) is not None]
        return [self._bound(found, item[name], _RANGES[name], f"{path}.{name}") for name in bounds]

    def _bound(self, found: Accessor, value: Any, compare: Callable[[Any, Any], bool], path: str) -> Predicate:
        get = found.get
        wanted, reader = self._operand(found, value, path)

        def holds(one: Instance) -> bool:
            current = get(one)
            limit = wanted if reader is None else reader(one)
            return current is not None and limit is not None and compare(current, limit)

        return holds

    def _prefix(self, content: Any, path: str) -> Predicate:
        item = checks.an_object(content, path)
        found = self._accessor(item.get("property"), f"{path}.property")
        wanted = self._parameter(item.get("value"), f"{path}.value")
        get = found.get
        if found.is_list:
            return self._list_prefix(get, wanted, path)
        if type(wanted) is not str or found.type["type"] not in ("text", "enum", "timeseries", "file", "sequence"):
            raise ApiError(400, f"{path}: only text has a prefix")
        return lambda one: (get(one) or "").startswith(wanted) and get(one) is not None

    def _list_prefix(self, get: Getter, wanted: Any, path: str) -> Predicate:
        if type(wanted) is not list:
            raise ApiError(400, f"{path}.value: expected a list, as the property is one")
        return lambda one: (get(one) or [])[: len(wanted)] == wanted and get(one) is not None

    def _exists(self, content: Any, path: str) -> Predicate:
        get = self._accessor(checks.an_object(content, path).get("property"), f"{path}.property").get
        return lambda one: get(one) is not None

    def _contains_any(self, content: Any, path: str) -> Predicate:
        get, wanted, reader = self._contained(content, path)
        if reader is not None:
            return lambda one: not _members(reader(one)).isdisjoint(_members(get(one)))
        return lambda one: not wanted.isdisjoint(_members(get(one)))

    def _contains_all(self, content: Any, path: str) -> Predicate:
        get, wanted, reader = self._contained(content, path)
        if reader is not None:
            return lambda one: get(one) is not None and _members(reader(one)) <= _members(get(one))
        return lambda one: get(one) is not None and wanted <= _members(get(one))

    def _contained(self, content: Any, path: str) -> tuple[Getter, Any, Getter | None]:
        item = checks.an_object(content, path)
        found = self._accessor(item.get("property"), f"{path}.property")
        if not found.is_list:
            raise ApiError(400, f"{path}.property: is no list")
        return (found.get, *self._values(found, item.get("values"), f"{path}.values"))

    def _overlaps(self, content: Any, path: str) -> Predicate:
        """The interval between two properties and the range have something in common; an interval may be open at one end."""
        item = checks.an_object(content, path)
        start = self._accessor(item.get("startProperty"), f"{path}.startProperty")
        end = self._accessor(item.get("endProperty"), f"{path}.endProperty")
        for one in (start, end):
            if one.is_list or one.type["type"] not in _ORDERED:
                raise ApiError(400, f"{path}: the properties have no order")
        before = self._bounds(start, {name: item.get(name) for name in ("lte", "lt")}, path)
        after = self._bounds(end, {name: item.get(name) for name in ("gte", "gt")}, path)

        def holds(one: Instance) -> bool:
            first, last = start.get(one), end.get(one)
            if first is None and last is None:
                return False
            begins = first is None or all(bound(one) for bound in before)
            return begins and (last is None or all(bound(one) for bound in after))

        return holds

    def _has_data(self, content: Any, path: str) -> Predicate:
        return has_data(self._models, checks.a_list(content, path, MAX_VALUES), path)

    def _match_all(self, content: Any, path: str) -> Predicate:
        checks.an_object(content, path)
        return lambda one: True

    def _references(self, content: Any, path: str) -> Predicate:
        wanted = {
            checks.node_reference(one, f"{path}[{n}]") for n, one in enumerate(checks.a_list(content, path, MAX_VALUES))
        }
        return lambda one: (one.space, one.external_id) in wanted

    # -- values ------------------------------------------------------------------------------------------------------

    def _accessor(self, value: Any, path: str) -> Accessor:
        return accessor(self._models.schema, self._decoder, value, path, self._view)

    def _parameter(self, value: Any, path: str) -> Any:
        if type(value) is dict and set(value) == {"parameter"}:
            name = value["parameter"]
            if type(name) is not str or name not in self._parameters:
                raise ApiError(400, f"{path}: unknown parameter {name!r}")
            return self._parameters[name]
        return value

    def _reader(self, value: Any, path: str) -> Getter | None:
        """A property of the same instance instead of a value."""
        if type(value) is dict and set(value) == {"property"} and type(value["property"]) is list:
            return self._accessor(value["property"], f"{path}.property").get
        return None

    def _operand(self, found: Accessor, value: Any, path: str, *, whole: bool = False) -> Operand:
        value = self._parameter(value, path)
        reader = self._reader(value, path)
        if reader is not None:
            return None, reader
        if whole and found.is_list:
            elements = checks.a_list(value, path, MAX_VALUES)
            return [comparable(found.type, one, path) for one in elements], None
        return comparable(found.type, value, path), None

    def _values(self, found: Accessor, value: Any, path: str, *, whole: bool = False) -> Operand:
        value = self._parameter(value, path)
        reader = self._reader(value, path)
        if reader is not None:
            return None, reader
        elements = checks.a_list(value, path, MAX_VALUES)
        return frozenset(hashable(self._operand(found, one, path, whole=whole)[0]) for one in elements), None


def _members(value: Any) -> frozenset[Any]:
    """The elements of a list; of a single value itself."""
    if value is None:
        return frozenset()
    return frozenset(map(hashable, value if type(value) is list else [value]))
