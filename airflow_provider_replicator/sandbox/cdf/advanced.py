# SPDX-License-Identifier: Apache-2.0
"""The ``advancedFilter`` language: and, or, not over equals, in, range, prefix, exists, containsAny, containsAll, search."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_replicator.sandbox.cdf import assets
from airflow_provider_replicator.sandbox.cdf.fields import Invalid
from airflow_provider_replicator.sandbox.cdf.filters import Predicate
from airflow_provider_replicator.sandbox.cdf.http import ApiError
from airflow_provider_replicator.sandbox.cdf.kinds import Kind
from airflow_provider_replicator.sandbox.cdf.project import Project
from airflow_provider_replicator.sandbox.cdf.properties import Getter, parse_property
from airflow_provider_replicator.sandbox.cdf.searching import tokens

MAX_DEPTH = 10
MAX_CLAUSES = 100

_PRIMITIVES = (str, int, float, bool)
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "gt": lambda a, b: a > b,
    "gte": lambda a, b: a >= b,
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
}

#: from a test's body and a getter to a predicate
Leaf = Callable[[Mapping[str, Any], Getter], Predicate]


class AdvancedFilter:
    """Compiles one filter. Text compares without regard to case, as the service's does."""

    def __init__(self, kind: Kind, project: Project) -> None:
        self._kind = kind
        self._project = project
        self._clauses = 0

    def compile(self, value: Any, depth: int = 1) -> Predicate:
        """Raises 400."""
        self._clauses += 1
        if depth > MAX_DEPTH or self._clauses > MAX_CLAUSES:
            raise ApiError(400, f"advancedFilter: at most {MAX_DEPTH} levels and {MAX_CLAUSES} clauses")
        if type(value) is not dict or len(value) != 1:
            raise ApiError(400, "advancedFilter: expected an object with one operator")
        ((operator, operand),) = value.items()
        if operator in ("and", "or"):
            return self._compound(operator, operand, depth)
        if operator == "not":
            inner = self.compile(operand, depth + 1)
            return lambda doc: not inner(doc)
        return self._leaf(operator, operand)

    def _compound(self, operator: str, operand: Any, depth: int) -> Predicate:
        if type(operand) is not list or not operand:
            raise ApiError(400, f"advancedFilter.{operator}: expected a list of at least one filter")
        inner = [self.compile(element, depth + 1) for element in operand]
        if operator == "and":
            return lambda doc: all(predicate(doc) for predicate in inner)
        return lambda doc: any(predicate(doc) for predicate in inner)

    def _leaf(self, operator: str, operand: Any) -> Predicate:
        path = f"advancedFilter.{operator}"
        if type(operand) is not dict:
            raise ApiError(400, f"{path}: expected an object")
        if operator == "inAssetSubtree":
            return self._in_subtree(operand)
        leaf = _LEAVES.get(operator)
        if leaf is None:
            raise ApiError(400, f"advancedFilter: unknown operator {operator!r}")
        _, getter = parse_property(self._kind, self._project, operand.get("property"), f"{path}.property")
        try:
            return leaf(operand, getter)
        except Invalid as error:
            raise ApiError(400, f"{path}: {error}") from error

    def _in_subtree(self, operand: Mapping[str, Any]) -> Predicate:
        """``{"property": ["assetId" | "assetExternalIds" …], "values": [id | externalId]}``."""
        values = _values(operand)
        items = [{"id": value} if isinstance(value, int) else {"externalId": value} for value in values]
        name = (
            "id" if self._kind.name == "assets" else next(n for n in ("assetId", "assetIds") if n in self._kind.fields)
        )
        return assets.subtree(name)(items, self._project, self._project.store(self._kind.name)).predicate


def folded(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _value(operand: Mapping[str, Any]) -> Any:
    value = operand.get("value")
    if not isinstance(value, _PRIMITIVES):
        raise Invalid("value: expected text, a number or a boolean")
    return folded(value)


def _values(operand: Mapping[str, Any]) -> list[Any]:
    values = operand.get("values")
    if type(values) is not list or not values or not all(isinstance(value, _PRIMITIVES) for value in values):
        raise Invalid("values: expected a list of at least one text, number or boolean")
    return [folded(value) for value in values]


def _equals(operand: Mapping[str, Any], get: Getter) -> Predicate:
    wanted = _value(operand)
    return lambda doc: _same(folded(get(doc)), wanted)


def _same(value: Any, wanted: Any) -> bool:
    # 1 == True in Python, not in CDF.
    return bool(value == wanted) and isinstance(value, bool) == isinstance(wanted, bool)


def _in(operand: Mapping[str, Any], get: Getter) -> Predicate:
    wanted = _values(operand)
    return lambda doc: any(_same(folded(get(doc)), one) for one in wanted)


def _exists(operand: Mapping[str, Any], get: Getter) -> Predicate:
    return lambda doc: get(doc) is not None


def _prefix(operand: Mapping[str, Any], get: Getter) -> Predicate:
    wanted = _value(operand)
    if not isinstance(wanted, str):
        raise Invalid("value: expected text")

    def matches(doc: dict[str, Any]) -> bool:
        value = get(doc)
        return isinstance(value, str) and value.lower().startswith(wanted)

    return matches


def _range(operand: Mapping[str, Any], get: Getter) -> Predicate:
    bounds = [(compare, folded(operand[name])) for name, compare in _COMPARISONS.items() if name in operand]
    if not bounds or {"gt", "gte"} <= operand.keys() or {"lt", "lte"} <= operand.keys():
        raise Invalid("expected gt or gte, or lt or lte")
    if not all(isinstance(bound, str | int | float) for _, bound in bounds):
        raise Invalid("bounds must be text or numbers")

    def matches(doc: dict[str, Any]) -> bool:
        value = folded(get(doc))
        if value is None or isinstance(value, list | dict):
            return False
        return all(
            isinstance(value, str) == isinstance(bound, str) and compare(value, bound) for compare, bound in bounds
        )

    return matches


def _contains(every: bool) -> Leaf:
    def leaf(operand: Mapping[str, Any], get: Getter) -> Predicate:
        wanted = _values(operand)
        quantifier = all if every else any

        def matches(doc: dict[str, Any]) -> bool:
            value = get(doc)
            held = [folded(element) for element in value] if isinstance(value, list) else []
            return quantifier(one in held for one in wanted)

        return matches

    return leaf


def _search(operand: Mapping[str, Any], get: Getter) -> Predicate:
    wanted = _value(operand)
    if not isinstance(wanted, str) or not 1 <= len(wanted.strip()) <= 128:
        raise Invalid("value: expected text of 1 to 128 characters")
    words = tokens(wanted)

    def matches(doc: dict[str, Any]) -> bool:
        held = tokens(get(doc))
        return any(any(part.startswith(word) for part in held) for word in words)

    return matches


_LEAVES: dict[str, Leaf] = {
    "equals": _equals,
    "in": _in,
    "exists": _exists,
    "prefix": _prefix,
    "range": _range,
    "containsAny": _contains(every=False),
    "containsAll": _contains(every=True),
    "search": _search,
}
