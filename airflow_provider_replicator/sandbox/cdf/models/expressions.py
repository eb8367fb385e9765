# SPDX-License-Identifier: Apache-2.0
"""The ``with`` and ``select`` of queries and syncs, checked and resolved: what a request asks for, before anything is looked up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from airflow_provider_replicator.sandbox.cdf.http import ApiError
from airflow_provider_replicator.sandbox.cdf.models import checks

MAX_EXPRESSIONS = 50
MAX_QUERY_LIMIT, MAX_SYNC_LIMIT, DEFAULT_LIMIT = 10_000, 2_000, 100
MAX_SORT = 5
SET_OPERATIONS = ("union", "unionAll", "intersection")
MODES = ("onePhase", "twoPhase", "noBackfill")
_DIRECTIONS = ("outwards", "inwards")


@dataclass(frozen=True, slots=True)
class Through:
    """The direct relation that leads from nodes to nodes: ``source`` is a reference to a view or a container."""

    source: dict[str, str]
    identifier: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """A result set of nodes or edges. The filters are as they were sent."""

    name: str
    kind: Literal["node", "edge"]
    limit: int
    origin: str | None = None
    chain_to: str = "destination"
    direction: str = "outwards"
    through: Through | None = None
    filter: Any = None
    node_filter: Any = None
    termination_filter: Any = None
    max_distance: int | None = None
    limit_each: int | None = None
    sort: Any = None
    post_sort: Any = None
    #: sync only
    mode: str = "onePhase"
    backfill_sort: Any = None
    skip_already_deleted: bool = True


@dataclass(frozen=True, slots=True)
class SetOperation:
    """``members`` are names of other expressions, or operations themselves (whose name is empty)."""

    name: str
    operation: str
    members: tuple[str | SetOperation, ...]
    excluded: tuple[str, ...]
    limit: int

    def names(self) -> Iterator[str]:
        yield from self.excluded
        for member in self.members:
            if isinstance(member, str):
                yield member
            else:
                yield from member.names()


AnyExpression = Expression | SetOperation


@dataclass(frozen=True, slots=True)
class Select:
    """``sources`` and ``sort`` are as they were sent. ``limit`` None: all that the expression has found."""

    sources: Any
    sort: Any
    limit: int | None


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole request. ``raw`` is the ``with`` as it was sent: cursors are bound to it."""

    expressions: dict[str, AnyExpression]
    selects: dict[str, Select]
    cursors: dict[str, str]
    parameters: dict[str, Any]
    include_typing: bool
    raw: dict[str, Any]

    def scope(self, name: str) -> list[Any]:
        """What must stay equal for a cursor of this expression to be valid: all but the limits, which may change between pages."""
        select = self.selects[name]
        related = {one: _without_limit(self.raw[one]) for one in sorted(self._related(name))}
        return [name, related, self.parameters, select.sources, select.sort]

    def _related(self, name: str) -> set[str]:
        found = {name}
        for origin in origins(self.expressions[name]):
            found |= self._related(origin)
        return found


def origins(expression: AnyExpression) -> list[str]:
    """The expressions that one is made from."""
    if isinstance(expression, SetOperation):
        return list(expression.names())
    return [] if expression.origin is None else [expression.origin]


def _without_limit(raw: Any) -> Any:
    return {name: value for name, value in raw.items() if name != "limit"}


def parse(payload: Mapping[str, Any], *, sync: bool) -> Plan:
    """Raises 400 for whatever is wrong with the request in itself: views and properties are looked up later."""
    raw = _named(payload, "with", minimum=1)
    parameters = checks.an_object(payload.get("parameters") or {}, "parameters")
    expressions = {name: _expression(name, value, sync=sync) for name, value in raw.items()}
    for expression in expressions.values():
        _check_origins(expression, expressions, ())
    selects = {name: _select(name, value, sync=sync) for name, value in _named(payload, "select", minimum=1).items()}
    unknown = [name for name in selects if name not in expressions]
    if unknown:
        raise ApiError(400, f"select: '{unknown[0]}' is no result expression of the request")
    return Plan(
        expressions=expressions,
        selects=selects,
        cursors=_cursors(payload, expressions),
        parameters=parameters,
        include_typing=checks.flag(payload, "includeTyping"),
        raw=raw,
    )


def _named(payload: Mapping[str, Any], name: str, *, minimum: int = 0) -> dict[str, Any]:
    found = checks.an_object(payload.get(name), name)
    if not minimum <= len(found) <= MAX_EXPRESSIONS:
        raise checks.violation(f"{name} size must be between {minimum} and {MAX_EXPRESSIONS}")
    for key, value in found.items():
        checks.an_object(value, f"{name}.{key}")
    return found


def _cursors(payload: Mapping[str, Any], expressions: Mapping[str, AnyExpression]) -> dict[str, str]:
    """Null stands for the first page."""
    cursors = {}
    for name, value in checks.an_object(payload.get("cursors") or {}, "cursors").items():
        if name not in expressions:
            raise ApiError(400, f"cursors: '{name}' is no result expression of the request")
        if value is None:
            continue
        if type(value) is not str:
            raise ApiError(400, f"cursors.{name}: expected a string")
        cursors[name] = value
    return cursors


def _check_origins(expression: AnyExpression, known: Mapping[str, AnyExpression], path: tuple[str, ...]) -> None:
    for name in origins(expression):
        if name not in known:
            raise ApiError(400, f"with.{expression.name}: '{name}' is no result expression of the request")
        if name in path or name == expression.name:
            raise ApiError(400, f"with.{expression.name}: result expressions must not depend on themselves")
        if len(path) > MAX_EXPRESSIONS:
            raise ApiError(400, f"with.{expression.name}: too many levels of result expressions")
        _check_origins(known[name], known, (*path, expression.name))


# -- expressions -----------------------------------------------------------------------------------------------------------


def _expression(name: str, value: Mapping[str, Any], *, sync: bool) -> AnyExpression:
    kinds = [kind for kind in ("nodes", "edges", *(() if sync else SET_OPERATIONS)) if value.get(kind) is not None]
    if len(kinds) != 1:
        choice = "nodes or edges" if sync else "nodes, edges, union, unionAll or intersection"
        raise ApiError(400, f"with.{name}: expected exactly one of {choice}")
    if kinds[0] in SET_OPERATIONS:
        return _set_operation(name, value, f"with.{name}", 1)
    return _result_set(name, kinds[0], value, sync=sync)


def _result_set(name: str, kind: str, value: Mapping[str, Any], *, sync: bool) -> Expression:
    path = f"with.{name}.{kind}"
    inner = checks.an_object(value[kind], path)
    is_edge = kind == "edges"
    return Expression(
        name=name,
        kind="edge" if is_edge else "node",
        limit=_limit(value, path, MAX_SYNC_LIMIT if sync else MAX_QUERY_LIMIT),
        origin=_text(inner, "from", path),
        chain_to=checks.one_of(inner, "chainTo", ("destination", "source"), "destination"),
        direction=checks.one_of(inner, "direction", _DIRECTIONS, "outwards" if is_edge else "inwards"),
        through=_through(inner.get("through"), path),
        max_distance=checks.integer(inner, "maxDistance", 1, 1 << 31),
        limit_each=checks.integer(inner, "limitEach", 1, 2000),
        filter=inner.get("filter"),
        node_filter=inner.get("nodeFilter"),
        termination_filter=inner.get("terminationFilter"),
        **(_sync_options(value, path) if sync else _sorting(value, path)),
    )


def _sync_options(value: Mapping[str, Any], path: str) -> dict[str, Any]:
    mode = checks.one_of(value, "mode", MODES, "onePhase")
    sort = _sort(value, "backfillSort", path)
    if sort is not None and mode != "twoPhase":
        raise ApiError(400, "Backfill sort can only be used with two-phase sync.")
    skip = checks.flag(value, "skipAlreadyDeleted", default=True)
    return {"mode": mode, "backfill_sort": sort, "skip_already_deleted": skip}


def _sorting(value: Mapping[str, Any], path: str) -> dict[str, Any]:
    return {"sort": _sort(value, "sort", path), "post_sort": _sort(value, "postSort", path)}


def _sort(value: Mapping[str, Any], name: str, path: str) -> Any:
    if value.get(name) is None:
        return None
    return checks.a_list(value[name], f"{path}.{name}", MAX_SORT) or None


def _limit(value: Mapping[str, Any], path: str, maximum: int) -> int:
    limit = value.get("limit")
    if limit is None:
        return DEFAULT_LIMIT
    if type(limit) is not int:
        raise ApiError(400, f"{path}.limit: expected an integer")
    if not 1 <= limit <= maximum:
        raise checks.violation(f"limit must be between 1 and {maximum}")
    return limit


def _text(inner: Mapping[str, Any], name: str, path: str) -> str | None:
    value = inner.get(name)
    if value is not None and type(value) is not str:
        raise ApiError(400, f"{path}.{name}: expected a string")
    return value


def _through(value: Any, path: str) -> Through | None:
    if value is None:
        return None
    item = checks.an_object(value, f"{path}.through")
    if item.get("view") is not None:  # the deprecated way to say it
        source = checks.view_reference(item["view"], f"{path}.through.view")
    else:
        source = checks.source_reference(item.get("source"), f"{path}.through.source")
    return Through(source, checks.identifier(item, "identifier", checks.PROPERTY))


def _set_operation(name: str, value: Mapping[str, Any], path: str, depth: int) -> SetOperation:
    found = [word for word in SET_OPERATIONS if value.get(word) is not None]
    if len(found) != 1 or depth > MAX_EXPRESSIONS:
        raise ApiError(400, f"{path}: expected exactly one of {', '.join(SET_OPERATIONS)}")
    members: list[str | SetOperation] = []
    for n, member in enumerate(checks.a_list(value[found[0]], f"{path}.{found[0]}", 1000)):
        if type(member) is str:
            members.append(member)
        else:
            inner = checks.an_object(member, f"{path}.{found[0]}[{n}]")
            members.append(_set_operation("", inner, f"{path}.{found[0]}[{n}]", depth + 1))
    excluded = checks.a_list(value.get("except") or [], f"{path}.except", 1000)
    if set(map(type, excluded)) - {str}:
        raise ApiError(400, f"{path}.except: expected a list of names")
    return SetOperation(name, found[0], tuple(members), tuple(excluded), _limit(value, path, MAX_QUERY_LIMIT))


def _select(name: str, value: Mapping[str, Any], *, sync: bool) -> Select:
    path = f"select.{name}"
    limit = None if sync else checks.integer(value, "limit", 1, MAX_QUERY_LIMIT)
    return Select(value.get("sources") or [], None if sync else _sort(value, "sort", path), limit)
