# SPDX-License-Identifier: Apache-2.0
"""``/models/instances/query``: pages of nodes and edges, of what they lead to, and of unions and intersections of those."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from airflow_provider_replicator.sandbox.cdf.http import ApiError, Request, Response
from airflow_provider_replicator.sandbox.cdf.models.expressions import (
    AnyExpression,
    Expression,
    Plan,
    SetOperation,
    origins,
    parse,
)
from airflow_provider_replicator.sandbox.cdf.models.filters import all_of, compile_filter
from airflow_provider_replicator.sandbox.cdf.models.global_nodes import store_of
from airflow_provider_replicator.sandbox.cdf.models.indexed import Debug
from airflow_provider_replicator.sandbox.cdf.models.instance_store import Instance, Predicate
from airflow_provider_replicator.sandbox.cdf.models.listings import listings_of
from airflow_provider_replicator.sandbox.cdf.models.rendering import parse_sources, renderer, typing_of
from airflow_provider_replicator.sandbox.cdf.models.sorts import InstanceSort
from airflow_provider_replicator.sandbox.cdf.models.state import Models, models_of
from airflow_provider_replicator.sandbox.cdf.models.traversal import Graph, Origin, chained
from airflow_provider_replicator.sandbox.cdf.payload import body
from airflow_provider_replicator.sandbox.cdf.project import Project
from airflow_provider_replicator.sandbox.cdf.routing import Route

INVALID_CURSOR = "Invalid cursor provided."


@dataclass(frozen=True, slots=True)
class Found:
    """A page of an expression; ``position`` is where the next one begins (None: there is none)."""

    instances: list[Instance]
    position: Any = None


def routes() -> list[Route]:
    return [("POST", "/models/instances/query", query)]


def is_of(kind: str) -> Predicate:
    return (lambda one: one.kind == "node") if kind == "node" else (lambda one: one.kind == "edge")


def query(project: Project, request: Request) -> Response:
    payload = body(request)
    plan = parse(payload, sync=False)
    refuse_heavy(project, plan)
    evaluation = Evaluation(project, plan)
    render = {name: renderer(sources) for name, sources in selected(evaluation.models, plan).items()}
    evaluation.check()
    debug = Debug(payload)
    items = {name: _shown(evaluation, name) for name in plan.selects}
    cursors = {name: evaluation.cursor(name) for name in plan.selects}
    return respond(
        evaluation.models,
        plan,
        {name: list(map(render[name], found)) for name, found in items.items()},
        {name: cursor for name, cursor in cursors.items() if cursor is not None},
        debug,
    )


def refuse_heavy(project: Project, plan: Plan) -> None:
    """408 for what the settings declare too much."""
    most = project.settings.graph_timeout_above
    if most and any(one.limit > most for one in plan.expressions.values()):
        raise ApiError(408, "Graph query timed out. Reduce load or contention, or optimise your query.")


def _shown(evaluation: Evaluation, name: str) -> list[Instance]:
    select = evaluation.plan.selects[name]
    found = evaluation.page(name).instances
    if select.sort is not None:
        found = InstanceSort(evaluation.models.schema, select.sort).sorted(found)
    return found if select.limit is None else found[: select.limit]


def selected(models: Models, plan: Plan) -> dict[str, Any]:
    """Name -> sources to show. Raises 400 for unknown views and properties."""
    return {
        name: parse_sources(models.schema, select.sources, f"select.{name}.sources", select=True)
        for name, select in plan.selects.items()
    }


def respond(
    models: Models, plan: Plan, items: dict[str, list[bytes]], cursors: dict[str, str], debug: Debug
) -> Response:
    if not debug.emits_results:
        items, cursors = {name: [] for name in items}, {}
    pieces = [orjson.dumps(name) + b":[" + b",".join(found) + b"]" for name, found in items.items()]
    tail = b'},"nextCursor":' + orjson.dumps(cursors)
    if plan.include_typing:
        typing = {name: typing_of(sources) for name, sources in selected(models, plan).items()}
        tail += b',"typing":' + orjson.dumps(typing)
    if debug.wanted:
        sorts = {name: getattr(one, "sort", None) for name, one in plan.expressions.items()}
        tail += b',"debug":' + orjson.dumps(debug.answer(models.schema, sorts, plan.parameters))
    return Response(body=b'{"items":{' + b",".join(pieces) + tail + b"}")


class Evaluation:
    """What the expressions of one request find, each looked up once."""

    def __init__(self, project: Project, plan: Plan) -> None:
        self.project = project
        self.plan = plan
        self.models = models_of(project)
        self._graph = Graph(self.models.instances)
        self._pages: dict[str, Found] = {}

    def check(self) -> None:
        """Raises 400 for filters and sorts that mean nothing, also in expressions that nobody selects."""
        for expression in self.plan.expressions.values():
            if isinstance(expression, Expression):
                for value in (expression.filter, expression.node_filter, expression.termination_filter):
                    self._compiled(value)
                for sort in (expression.sort, expression.post_sort):
                    if sort is not None:
                        InstanceSort(self.models.schema, sort)

    def page(self, name: str) -> Found:
        if name not in self._pages:
            self._pages[name] = self._find(self.plan.expressions[name])
        return self._pages[name]

    def cursor(self, name: str) -> str | None:
        position = self.page(name).position
        return None if position is None else self.project.cursors.make(self._scope(name), position)

    def _scope(self, name: str) -> list[Any]:
        return ["models/instances/query", *self.plan.scope(name)]

    def _start(self, name: str) -> Any:
        """The position that the request's cursor stands for."""
        cursor = self.plan.cursors.get(name)
        if cursor is None or name not in self.plan.selects:
            return None
        try:
            return self.project.cursors.read(self._scope(name), cursor)
        except ApiError as error:
            raise ApiError(400, INVALID_CURSOR) from error

    def _find(self, expression: AnyExpression) -> Found:
        start = self._start(expression.name)
        if isinstance(expression, SetOperation):
            return _cut(self._combined(expression), start, expression.limit)
        if expression.origin is None:
            return self._root(expression, start)
        found = chained(expression, self._origin(expression.origin), self._graph, self.models.schema, self._compiled)
        sort = expression.post_sort or expression.sort
        if sort is not None:
            found = InstanceSort(self.models.schema, sort).sorted(found)
        return _cut(found, start, expression.limit)

    def _compiled(self, value: Any) -> Predicate | None:
        return compile_filter(self.models, value, parameters=self.plan.parameters)

    def _root(self, expression: Expression, start: Any) -> Found:
        limit = min(expression.limit, self.project.settings.short_pages or expression.limit)
        predicate = all_of([is_of(expression.kind), self._compiled(expression.filter)])
        store = store_of(self.models, expression.filter)
        sort = expression.sort or expression.post_sort
        if sort is None:
            return Found(*store.page(predicate, start or 0, limit))
        found, position = listings_of(self.project).page(
            ["query", expression.kind, expression.filter, self.plan.parameters, sort],
            InstanceSort(self.models.schema, sort),
            lambda: (one for part in store.scan(predicate) for one in part),
            start,
            limit,
        )
        return Found(found, position)

    def _origin(self, name: str) -> Origin:
        return Origin(self.page(name).instances, direction_of(self.plan, name))

    def _combined(self, operation: SetOperation) -> list[Instance]:
        parts = [
            self.page(member).instances if isinstance(member, str) else self._combined(member)[: member.limit]
            for member in operation.members
        ]
        found = _COMBINED[operation.operation](parts)
        gone = {id(one) for name in operation.excluded for one in self.page(name).instances}
        return [one for one in found if id(one) not in gone] if gone else found


def direction_of(plan: Plan, name: str) -> str:
    """Of the edges of an expression; of a set operation, that of its first member."""
    expression = plan.expressions[name]
    while isinstance(expression, SetOperation):
        names = origins(expression)
        if not names:
            return "outwards"
        expression = plan.expressions[names[-1]]
    return expression.direction


def _cut(found: list[Instance], start: Any, limit: int) -> Found:
    """A page of what was found anew: by number, so it shifts if something before it comes or goes, as the service's do."""
    begin = int(start or 0)
    end = begin + limit
    return Found(found[begin:end], end if len(found) > end else None)


def _union(parts: list[list[Instance]]) -> list[Instance]:
    return list({id(one): one for part in parts for one in part}.values())


def _union_all(parts: list[list[Instance]]) -> list[Instance]:
    return [one for part in parts for one in part]


def _intersection(parts: list[list[Instance]]) -> list[Instance]:
    if not parts:
        return []
    common = set.intersection(*({id(one) for one in part} for part in parts))
    return [one for one in _union(parts) if id(one) in common]


_COMBINED = {"union": _union, "unionAll": _union_all, "intersection": _intersection}
