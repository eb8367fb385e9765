# SPDX-License-Identifier: Apache-2.0
"""``/models/instances/aggregate``: counts, sums, averages, extremes and histograms of a view's properties, by groups."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from airflow_provider_replicator.sandbox.cdf.http import ApiError, Request, Response
from airflow_provider_replicator.sandbox.cdf.models import checks
from airflow_provider_replicator.sandbox.cdf.models.access import Accessor, Decoder, Getter, accessor, hashable
from airflow_provider_replicator.sandbox.cdf.models.instance_store import Instance
from airflow_provider_replicator.sandbox.cdf.models.rendering import Source, target_units, typing_of
from airflow_provider_replicator.sandbox.cdf.models.search import instances_of, scorer, the_view
from airflow_provider_replicator.sandbox.cdf.models.state import models_of
from airflow_provider_replicator.sandbox.cdf.models.values import NUMBERS
from airflow_provider_replicator.sandbox.cdf.models.views import View
from airflow_provider_replicator.sandbox.cdf.payload import body, json_answer, limit_of
from airflow_provider_replicator.sandbox.cdf.points_units import Conversion
from airflow_provider_replicator.sandbox.cdf.project import Project
from airflow_provider_replicator.sandbox.cdf.routing import Route
from airflow_provider_replicator.sandbox.cdf.sorting import Position

MAX_AGGREGATES, MAX_GROUP_BY, DEFAULT_LIMIT = 5, 5, 100
_GROUPED = NUMBERS | {"text", "direct", "boolean", "enum"}

#: from the instances of a group to what is answered
Aggregate = Callable[[Sequence[Instance]], dict[str, Any]]


def routes() -> list[Route]:
    return [("POST", "/models/instances/aggregate", aggregate)]


def aggregate(project: Project, request: Request) -> Response:
    payload = body(request)
    models = models_of(project)
    view = the_view(models, payload)
    reader = _Reader(models.schema, view, target_units(view, payload.get("targetUnits")))
    wanted = checks.a_list(payload.get("aggregates") or [], "aggregates", MAX_AGGREGATES)
    aggregates = [_compiled(reader, one, f"aggregates[{n}]") for n, one in enumerate(wanted)]
    by = _group_by(reader, payload.get("groupBy"))
    if not aggregates and not by:
        raise ApiError(400, "Expected aggregates, groupBy or both")
    limit = limit_of(payload.get("limit"), DEFAULT_LIMIT)
    score = scorer(view, payload)
    matching = [one for one in instances_of(models, view, payload) if score(one)]
    kind = payload.get("instanceType") or "node"
    items = [
        {
            "instanceType": kind,
            **({"group": group} if by else {}),
            "aggregates": [compute(part) for compute in aggregates],
        }
        for group, part in _groups(by, matching)[:limit]
    ]
    typing = {"typing": typing_of([Source(view, tuple(reader.names))])} if checks.flag(payload, "includeTyping") else {}
    return json_answer({"items": items, **typing})


class _Reader:
    """Properties of the view (or those that all instances have), in the units that were asked for."""

    def __init__(self, schema: Any, view: View, units: Mapping[str, Conversion]) -> None:
        self._schema = schema
        self._view = view
        self._units = units
        self._decoder = Decoder()
        self.names: dict[str, None] = {}

    def property(self, name: Any, path: str) -> Accessor:
        if type(name) is not str:
            raise ApiError(400, f"{path}: expected a string")
        found = accessor(self._schema, self._decoder, [name], path, self._view)
        if found.container is not None:
            self.names[name] = None
        return found

    def number(self, name: Any, path: str) -> Getter:
        found = self.property(name, path)
        if found.is_list or found.type["type"] not in NUMBERS:
            raise ApiError(400, f"{path}: property '{name}' is not numeric")
        get, unit = found.get, self._units.get(name)
        if unit is None:
            return get
        factor, offset = unit.factor, unit.offset

        def converted(one: Instance) -> Any:
            value = get(one)
            return None if value is None else value * factor + offset

        return converted


def _compiled(reader: _Reader, value: Any, path: str) -> Aggregate:
    item = checks.an_object(value, path)
    if len(item) != 1 or (name := next(iter(item))) not in ("count", *_NUMBERS, "histogram"):
        raise ApiError(400, f"{path}: expected exactly one of count, {', '.join(_NUMBERS)}, histogram")
    path = f"{path}.{name}"
    operand = checks.an_object(item[name], path)
    if name == "count":
        return _count(reader, operand, path)
    get = reader.number(operand.get("property"), f"{path}.property")
    if name == "histogram":
        return _histogram(get, operand, path)
    compute = _NUMBERS[name]
    head = {"aggregate": name, "property": operand["property"]}

    def of(part: Sequence[Instance]) -> dict[str, Any]:
        values = [number for one in part if (number := get(one)) is not None]
        value = float(compute(values)) if values else math.nan
        return {**head, "value": value} if math.isfinite(value) else dict(head)

    return of


def _average(values: list[float]) -> float:
    return sum(values) / len(values)


_NUMBERS: Mapping[str, Callable[[list[float]], float]] = {"avg": _average, "min": min, "max": max, "sum": sum}


def _count(reader: _Reader, operand: Mapping[str, Any], path: str) -> Aggregate:
    """Of instances, or of those that have a value."""
    if operand.get("property") is None:
        return lambda part: {"aggregate": "count", "value": len(part)}
    get = reader.property(operand["property"], f"{path}.property").get
    head = {"aggregate": "count", "property": operand["property"]}
    return lambda part: {**head, "value": sum(get(one) is not None for one in part)}


def _histogram(get: Getter, operand: Mapping[str, Any], path: str) -> Aggregate:
    """Only buckets that hold something."""
    interval: Any = operand.get("interval")
    if type(interval) not in (int, float) or not 0 < interval < math.inf:
        raise ApiError(400, f"{path}.interval: expected a positive number")
    head = {"aggregate": "histogram", "interval": interval, "property": operand["property"]}

    def of(part: Sequence[Instance]) -> dict[str, Any]:
        numbers = (number for one in part if (number := get(one)) is not None)
        counts = Counter(_bucket(number, interval) for number in numbers)
        return {**head, "buckets": [{"start": start, "count": counts[start]} for start in sorted(counts)]}

    return of


def _bucket(number: float, interval: float) -> float:
    """Where the number's bucket starts."""
    quotient = number / interval
    return float(math.floor(quotient)) * interval if math.isfinite(quotient) else float(number)


def _group_by(reader: _Reader, names: Any) -> list[tuple[str, Getter]]:
    if names is None:
        return []
    found = []
    for n, name in enumerate(checks.a_list(names, "groupBy", MAX_GROUP_BY, 1)):
        one = reader.property(name, f"groupBy[{n}]")
        if one.is_list or one.type["type"] not in _GROUPED:
            raise ApiError(400, f"groupBy[{n}]: cannot group by property '{name}'")
        found.append((name, one.get))
    return found


def _groups(by: list[tuple[str, Getter]], instances: list[Instance]) -> list[tuple[dict[str, Any], Sequence[Instance]]]:
    """In order of their values. Instances without one of them belong to no group."""
    if not by:
        return [({}, instances)]
    groups: dict[tuple[Any, ...], tuple[dict[str, Any], list[Instance]]] = {}
    for one in instances:
        group = {name: get(one) for name, get in by}
        if None not in group.values():
            key = tuple(map(hashable, group.values()))
            groups.setdefault(key, (group, []))[1].append(one)
    return [groups[key] for key in sorted(groups, key=_ordered)]


def _ordered(key: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(
        Position(value.decode() if isinstance(value, bytes) else value, descending=False, nulls_first=False)
        for value in key
    )
