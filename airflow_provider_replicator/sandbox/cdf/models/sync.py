# SPDX-License-Identifier: Apache-2.0
"""``/models/instances/sync``: what there is, then what changes, page by page for as long as the client comes back in time.

A cursor is one of two: in a *backfill* it says how far the existing instances are read and when that began; *live* it is the number
of the last change that was seen. Both carry the time since which every delete must still be known: a live cursor that has seen
everything carries the time of its page, others that of the page before, so a cursor that would miss deletes has always expired.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from airflow_provider_replicator.sandbox.cdf.http import ApiError, Request, Response
from airflow_provider_replicator.sandbox.cdf.models.expressions import Expression, Plan, parse
from airflow_provider_replicator.sandbox.cdf.models.filters import all_of, compile_filter
from airflow_provider_replicator.sandbox.cdf.models.indexed import Debug, check_backfill_sort
from airflow_provider_replicator.sandbox.cdf.models.instance_store import RETENTION_MS, Instance, Predicate
from airflow_provider_replicator.sandbox.cdf.models.listings import listings_of
from airflow_provider_replicator.sandbox.cdf.models.query import INVALID_CURSOR, is_of, refuse_heavy, respond, selected
from airflow_provider_replicator.sandbox.cdf.models.rendering import renderer
from airflow_provider_replicator.sandbox.cdf.models.sorts import InstanceSort
from airflow_provider_replicator.sandbox.cdf.models.state import models_of
from airflow_provider_replicator.sandbox.cdf.models.traversal import Graph, Origin, chained
from airflow_provider_replicator.sandbox.cdf.payload import body, flag_of
from airflow_provider_replicator.sandbox.cdf.project import Project
from airflow_provider_replicator.sandbox.cdf.routing import Route

EXPIRED = "Cursor has expired. Try again with a new cursor."


@dataclass(frozen=True, slots=True)
class Live:
    """All changes up to number ``after`` are seen. Tombstones up to ``begun`` were there before the sync and stay hidden."""

    after: int
    begun: int
    since: int

    def encoded(self) -> list[Any]:
        return ["live", self.after, self.begun, self.since]


@dataclass(frozen=True, slots=True)
class Backfill:
    """Instances up to ``position`` are seen (a row, or the values that are sorted by; None: none yet), of those that there were at
    change ``begun``."""

    position: Any
    begun: int
    since: int

    def encoded(self) -> list[Any]:
        return ["backfill", self.position, self.begun, self.since]


@dataclass(frozen=True, slots=True)
class Tombs:
    """The backfill of tombstones that were there before the sync: those up to number ``after`` are seen."""

    after: int
    begun: int
    since: int

    def encoded(self) -> list[Any]:
        return ["tombs", self.after, self.begun, self.since]


Cursor = Live | Backfill | Tombs
_CURSORS: dict[str, type[Cursor]] = {"live": Live, "backfill": Backfill, "tombs": Tombs}


def routes() -> list[Route]:
    return [("POST", "/models/instances/sync", sync)]


def sync(project: Project, request: Request) -> Response:
    payload = body(request)
    plan = parse(payload, sync=True)
    refuse_heavy(project, plan)
    models = models_of(project)
    render = {name: renderer(sources) for name, sources in selected(models, plan).items()}
    session = Sync(project, plan, missed_deletes=flag_of(payload, "allowExpiredCursorsAndAcceptMissedDeletes"))
    session.check()
    debug = Debug(payload)
    pages = {name: session.page(name) for name in plan.selects}
    return respond(
        models,
        plan,
        {name: list(map(render[name], found)) for name, (found, _) in pages.items()},
        {name: project.cursors.make(session.scope(name), cursor.encoded()) for name, (_, cursor) in pages.items()},
        debug,
    )


class Sync:
    """One request. ``missed_deletes``: expired cursors are accepted."""

    def __init__(self, project: Project, plan: Plan, *, missed_deletes: bool) -> None:
        self._project = project
        self._plan = plan
        self._missed_deletes = missed_deletes
        self._models = models_of(project)
        self._store = self._models.instances
        self._now = project.clock.now_ms()
        self._found: dict[str, list[Instance]] = {}
        self._graph: Graph | None = None

    def check(self) -> None:
        """Raises 400 for filters that mean nothing, also in expressions that nobody selects."""
        for expression in self._expressions():
            for value in (expression.filter, expression.node_filter, expression.termination_filter):
                self._compiled(value)
            if expression.backfill_sort is not None:
                check_backfill_sort(self._models.schema, expression.backfill_sort)

    def _expressions(self) -> Iterator[Expression]:
        return (one for one in self._plan.expressions.values() if isinstance(one, Expression))

    def _compiled(self, value: Any) -> Predicate | None:
        return compile_filter(self._models, value, parameters=self._plan.parameters)

    def scope(self, name: str) -> list[Any]:
        return ["models/instances/sync", *self._plan.scope(name)]

    def page(self, name: str) -> tuple[list[Instance], Cursor]:
        expression = self._plan.expressions[name]
        assert isinstance(expression, Expression)
        self._store.purge()
        cursor = self._cursor(expression)
        predicate = self._predicate(expression)
        if isinstance(cursor, Live):
            return self._changes(cursor, predicate, expression.limit)
        return self._backfill(cursor, predicate, expression)

    # -- cursors -------------------------------------------------------------------------------------------------------

    def _cursor(self, expression: Expression) -> Cursor:
        text = self._plan.cursors.get(expression.name)
        if text is None:
            return self._first(expression)
        try:
            kind, *values = self._project.cursors.read(self.scope(expression.name), text)
        except ApiError as error:
            raise ApiError(400, INVALID_CURSOR) from error
        cursor = _CURSORS[kind](*values)
        if cursor.since < self._now - RETENTION_MS and not self._missed_deletes:
            raise ApiError(400, EXPIRED)
        return cursor

    def _first(self, expression: Expression) -> Cursor:
        last = self._store.last_seq
        if expression.mode == "twoPhase":
            return Backfill(None, last, self._now)
        if expression.mode == "noBackfill":
            return Live(last, last, self._now)
        return Live(0, last if expression.skip_already_deleted else 0, self._now)

    # -- pages ---------------------------------------------------------------------------------------------------------

    def _changes(self, cursor: Live, predicate: Predicate, limit: int) -> tuple[list[Instance], Cursor]:
        begun = cursor.begun

        def shown(one: Instance) -> bool:
            return (one.deleted is None or one.seq > begun) and predicate(one)

        found, after = self._store.changes(shown, cursor.after, limit)
        if len(found) < limit:
            return found, Live(after, begun, self._now)
        overlap = min(self._project.settings.sync_overlap, limit - 1)
        return found, Live(found[-1 - overlap].seq, begun, cursor.since)

    def _backfill(
        self, cursor: Backfill | Tombs, predicate: Predicate, expression: Expression
    ) -> tuple[list[Instance], Cursor]:
        """Ends with the first page that is not full: the cursor of that leads to the changes since it began."""
        limit = expression.limit
        found: list[Instance] = []
        if isinstance(cursor, Backfill):
            found, position = self._existing(cursor, predicate, expression)
            if len(found) == limit:
                return found, Backfill(position, cursor.begun, cursor.since)
            cursor = Tombs(0, cursor.begun, cursor.since)
        if not expression.skip_already_deleted:
            gone, after = self._tombstones(cursor, predicate, limit - len(found))
            found += gone
            if len(found) == limit:
                return found, Tombs(after, cursor.begun, cursor.since)
        return found, Live(cursor.begun, cursor.begun, cursor.since)

    def _existing(self, cursor: Backfill, predicate: Predicate, expression: Expression) -> tuple[list[Instance], Any]:
        """The next page, and the position behind its last instance, or a few before it if pages are to overlap."""
        limit = expression.limit
        overlap = min(self._project.settings.sync_overlap, limit - 1)
        if expression.backfill_sort is None:
            found, _ = self._store.page(predicate, 0 if cursor.position is None else cursor.position, limit)
            return found, found[-1 - overlap].row + 1 if len(found) == limit else None
        sort = InstanceSort(self._models.schema, expression.backfill_sort)
        found, _ = listings_of(self._project).page(
            ["sync", self.scope(expression.name)],
            sort,
            lambda: (one for part in self._store.scan(predicate) for one in part),
            cursor.position,
            limit,
        )
        return found, sort.values(found[-1 - overlap]) if len(found) == limit else None

    def _tombstones(self, cursor: Tombs, predicate: Predicate, limit: int) -> tuple[list[Instance], int]:
        return self._store.changes(
            lambda one: one.deleted is not None and predicate(one), cursor.after, limit, until=cursor.begun
        )

    # -- what matches --------------------------------------------------------------------------------------------------

    def _predicate(self, expression: Expression) -> Predicate:
        if expression.origin is not None:
            there = {id(one) for one in self._chained(expression)}
            return lambda one: id(one) in there
        found = all_of([is_of(expression.kind), self._compiled(expression.filter)])
        assert found is not None
        return found

    def _chained(self, expression: Expression) -> list[Instance]:
        """Everything that the expression leads to now, from all that the expressions before it find, tombstones among them."""
        if expression.name not in self._found:
            assert expression.origin is not None
            origin = self._plan.expressions[expression.origin]
            assert isinstance(origin, Expression)
            found = self._chained(origin) if origin.origin is not None else self._all(self._predicate(origin))
            start = Origin(found, origin.direction)
            self._found[expression.name] = chained(
                expression, start, self._whole_graph(), self._models.schema, self._compiled
            )
        return self._found[expression.name]

    def _all(self, predicate: Predicate) -> list[Instance]:
        live: Iterable[Instance] = (one for part in self._store.scan(predicate) for one in part)
        return [*live, *filter(predicate, self._gone())]

    def _whole_graph(self) -> Graph:
        if self._graph is None:
            self._graph = Graph(self._store, self._gone())
        return self._graph

    def _gone(self) -> list[Instance]:
        return self._store.changes(lambda one: one.deleted is not None, 0, self._store.last_seq + 1)[0]
