# SPDX-License-Identifier: Apache-2.0
"""From nodes over edges and direct relations to others: result expressions that are made from others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from airflow_provider_replicator.sandbox.cdf.http import ApiError
from airflow_provider_replicator.sandbox.cdf.models.expressions import Expression, Through
from airflow_provider_replicator.sandbox.cdf.models.instance_store import (
    ContainerKey,
    Instance,
    InstanceStore,
    Predicate,
    Reference,
)
from airflow_provider_replicator.sandbox.cdf.models.schema import Schema
from airflow_provider_replicator.sandbox.cdf.models.views import view_key


class Graph:
    """The live instances of a store; with ``tombstones``, the deleted ones that are given too (as sync sees them)."""

    def __init__(self, store: InstanceStore, tombstones: Iterable[Instance] = ()) -> None:
        self._store = store
        self._gone: dict[Reference, list[Instance]] = {}
        self._gone_edges: dict[Reference, list[Instance]] = {}
        for one in tombstones:
            if one.kind == "node":
                self._gone.setdefault(one.reference, []).append(one)
            for end in {one.start, one.end} - {None}:
                self._gone_edges.setdefault(end, []).append(one)  # type: ignore[arg-type]

    def nodes(self, reference: Reference) -> list[Instance]:
        found = self._store.find("node", *reference)
        return [*self._gone.get(reference, ()), *([] if found is None else [found])]

    def edges(self, node: Reference) -> list[Instance]:
        return [*self._gone_edges.get(node, ()), *self._store.edges_of(node)]

    def all_nodes(self) -> Iterator[Instance]:
        for part in self._gone.values():
            yield from part
        for part in self._store.scan():
            yield from (one for one in part if one.kind == "node")


@dataclass(frozen=True, slots=True)
class Origin:
    """What an expression is chained from. ``direction`` is that of the expression, for edges."""

    instances: list[Instance]
    direction: str

    def nodes(self, chain_to: str) -> list[Reference]:
        """The nodes, or those at one side of the edges, each once."""
        found: dict[Reference, None] = {}
        for one in self.instances:
            if one.start is None or one.end is None:
                found[one.reference] = None
            else:
                is_end = (chain_to == "destination") == (self.direction == "outwards")
                found[one.end if is_end else one.start] = None
        return list(found)


def chained(
    expression: Expression,
    origin: Origin,
    graph: Graph,
    schema: Schema,
    compiled: Callable[[Any], Predicate | None],
) -> list[Instance]:
    """Everything the expression finds. ``compiled`` makes a predicate of a filter (None: all match)."""
    references = origin.nodes(expression.chain_to)
    if expression.kind == "edge":
        return _edges(expression, references, graph, compiled)
    predicate = compiled(expression.filter)
    if expression.through is None:
        found: Iterable[Instance] = (one for reference in references for one in graph.nodes(reference))
    else:
        found = _related(expression, origin, references, graph, schema)
    unique = {id(one): one for one in found if predicate is None or predicate(one)}
    return sorted(unique.values(), key=lambda one: one.row)


def _edges(
    expression: Expression,
    references: list[Reference],
    graph: Graph,
    compiled: Callable[[Any], Predicate | None],
) -> list[Instance]:
    """Breadth first: nearer edges come first."""
    accepts = compiled(expression.filter)
    goes_to = compiled(expression.node_filter)
    ends_at = compiled(expression.termination_filter)
    found: dict[int, Instance] = {}
    reached = set(references)
    distance = 0
    while references and (expression.max_distance is None or distance < expression.max_distance):
        following = []
        for node in references:
            for edge, other in _steps(expression, node, graph, accepts):
                if goes_to is not None and not any(map(goes_to, graph.nodes(other))):
                    continue
                found[id(edge)] = edge
                if other not in reached and not (ends_at is not None and any(map(ends_at, graph.nodes(other)))):
                    following.append(other)
                    reached.add(other)
        references = following
        distance += 1
    return list(found.values())


def _steps(
    expression: Expression, node: Reference, graph: Graph, accepts: Predicate | None
) -> Iterator[tuple[Instance, Reference]]:
    """The edges that lead on from a node, with the node at their other side."""
    outwards = expression.direction == "outwards"
    left = expression.limit_each
    for edge in graph.edges(node):
        here, other = (edge.start, edge.end) if outwards else (edge.end, edge.start)
        if here != node or other is None or (accepts is not None and not accepts(edge)):
            continue
        if left is not None:
            if left == 0:
                return
            left -= 1
        yield edge, other


# -- direct relations ------------------------------------------------------------------------------------------------------


def _related(
    expression: Expression, origin: Origin, references: list[Reference], graph: Graph, schema: Schema
) -> Iterator[Instance]:
    assert expression.through is not None
    container, name = relation(expression.through, schema)
    if expression.direction == "outwards":
        for one in origin.instances if not _has_edges(origin) else _nodes(references, graph):
            for target in targets(one, container, name):
                yield from graph.nodes(target)
        return
    wanted = set(references)
    for one in graph.all_nodes():
        if container in one.data and not wanted.isdisjoint(targets(one, container, name)):
            yield one


def _has_edges(origin: Origin) -> bool:
    return any(one.kind == "edge" for one in origin.instances)


def _nodes(references: list[Reference], graph: Graph) -> Iterator[Instance]:
    for reference in references:
        yield from graph.nodes(reference)


def relation(through: Through, schema: Schema) -> tuple[ContainerKey, str]:
    """Where the direct relation is stored. Raises 400 if there is none of that name."""
    source = through.source
    if source["type"] == "view":
        found = schema.the_view(view_key(source)).mapped.get(through.identifier)
    else:
        container = schema.the_container((source["space"], source["externalId"]))
        found = (
            (container.key, container.properties[through.identifier])
            if through.identifier in container.properties
            else None
        )
    if found is None or found[1].type["type"] != "direct":
        raise ApiError(
            400, f"through: '{through.identifier}' is no direct relation of {source['space']}:{source['externalId']}"
        )
    return found[0], found[1].name


def targets(instance: Instance, container: ContainerKey, name: str) -> list[Reference]:
    """The nodes that a direct relation, or a list of them, points to."""
    value = instance.properties(container).get(name)
    if value is None:
        return []
    values = value if isinstance(value, list) else [value]
    return [(one["space"], one["externalId"]) for one in values]
