# SPDX-License-Identifier: Apache-2.0
"""``/aggregate``: count, uniqueValues, cardinalityValues, uniqueProperties, cardinalityProperties."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any

from airflow_provider_replicator.sandbox.cdf.http import ApiError
from airflow_provider_replicator.sandbox.cdf.indexes import Document
from airflow_provider_replicator.sandbox.cdf.kinds import Kind
from airflow_provider_replicator.sandbox.cdf.project import Project
from airflow_provider_replicator.sandbox.cdf.properties import parse_property

MAX_BUCKETS = 10_000

#: does this value of the aggregated property count?
Bucket = Callable[[Any], bool]


def aggregate(kind: Kind, project: Project, payload: Mapping[str, Any], docs: Iterable[Document]) -> list[Any]:
    """The items of the answer, over the documents that the filters left."""
    name = payload.get("aggregate") or "count"
    if name == "count" and not payload.get("properties"):
        return [{"count": sum(1 for _ in docs)}]
    if name == "count":
        _, getter = parse_property(kind, project, _property(payload), "properties")
        return [{"count": sum(getter(doc) is not None for doc in docs)}]
    if name in ("uniqueValues", "cardinalityValues"):
        counts = _values(kind, project, payload, docs)
    elif name in ("uniqueProperties", "cardinalityProperties"):
        counts = _keys(payload, docs)
    else:
        raise ApiError(400, f"aggregate: unknown aggregate {name!r}")
    if name.startswith("cardinality"):
        return [{"count": len(counts)}]
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], str(pair[0])))[:MAX_BUCKETS]
    if name == "uniqueProperties":
        return [{"count": n, "values": [{"property": ["metadata", key]}]} for key, n in ordered]
    return [{"count": n, "values": [value]} for value, n in ordered]


def _property(payload: Mapping[str, Any]) -> Any:
    properties = payload.get("properties")
    if type(properties) is not list or len(properties) != 1 or type(properties[0]) is not dict:
        raise ApiError(400, "properties: expected a list of one object with a property")
    return properties[0].get("property")


def _values(kind: Kind, project: Project, payload: Mapping[str, Any], docs: Iterable[Document]) -> Counter[Hashable]:
    _, getter = parse_property(kind, project, _property(payload), "properties")
    wanted = bucket_filter(payload.get("aggregateFilter") or payload["properties"][0].get("filter"))
    counts: Counter[Hashable] = Counter()
    for doc in docs:
        value = getter(doc)
        for one in value if isinstance(value, list) else (value,):
            folded = one.lower() if isinstance(one, str) else one
            if folded is not None and isinstance(folded, Hashable) and wanted(folded):
                counts[folded] += 1
    return counts


def _keys(payload: Mapping[str, Any], docs: Iterable[Document]) -> Counter[Hashable]:
    if payload.get("path") != ["metadata"]:
        raise ApiError(400, 'path: expected ["metadata"]')
    wanted = bucket_filter(payload.get("aggregateFilter"))
    counts: Counter[Hashable] = Counter()
    for doc in docs:
        counts.update(key.lower() for key in doc.get("metadata", ()) if wanted(key.lower()))
    return counts


def bucket_filter(value: Any) -> Bucket:
    """``aggregateFilter``: and, or, not over in, range, prefix, on the aggregated value itself."""
    if value is None:
        return lambda one: True
    if type(value) is not dict or len(value) != 1:
        raise ApiError(400, "aggregateFilter: expected an object with one operator")
    ((operator, operand),) = value.items()
    if operator == "not":
        inner = bucket_filter(operand)
        return lambda one: not inner(one)
    if operator in ("and", "or"):
        if type(operand) is not list or not operand:
            raise ApiError(400, f"aggregateFilter.{operator}: expected a list of at least one filter")
        tests = [bucket_filter(element) for element in operand]
        quantifier = all if operator == "and" else any
        return lambda one: quantifier(test(one) for test in tests)
    if operator not in _BUCKETS or type(operand) is not dict:
        raise ApiError(400, f"aggregateFilter: unknown operator {operator!r}")
    return _BUCKETS[operator](operand)


def _one_of(operand: Mapping[str, Any]) -> Bucket:
    values = operand.get("values")
    if type(values) is not list:
        raise ApiError(400, "aggregateFilter.in: expected values")
    wanted = [value.lower() if isinstance(value, str) else value for value in values]
    return lambda one: one in wanted


def _prefix(operand: Mapping[str, Any]) -> Bucket:
    value = operand.get("value")
    if type(value) is not str:
        raise ApiError(400, "aggregateFilter.prefix: expected a text value")
    wanted = value.lower()
    return lambda one: isinstance(one, str) and one.startswith(wanted)


def _range(operand: Mapping[str, Any]) -> Bucket:
    tests: dict[str, Callable[[Any, Any], bool]] = {
        "gt": lambda a, b: a > b,
        "gte": lambda a, b: a >= b,
        "lt": lambda a, b: a < b,
        "lte": lambda a, b: a <= b,
    }
    bounds = [(tests[name], bound) for name, bound in operand.items() if name in tests]
    if not bounds or any(not isinstance(bound, str | int | float) for _, bound in bounds):
        raise ApiError(400, "aggregateFilter.range: expected gt, gte, lt or lte")
    return lambda one: all(isinstance(one, str) == isinstance(b, str) and test(one, b) for test, b in bounds)


_BUCKETS: dict[str, Callable[[Mapping[str, Any]], Bucket]] = {"in": _one_of, "prefix": _prefix, "range": _range}
