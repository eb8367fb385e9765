# SPDX-License-Identifier: Apache-2.0
"""Upsert, list, retrieve and delete: the same for spaces, containers, views and data models."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from airflow_provider_replicator.sandbox.cdf.http import ApiError, Request, Response
from airflow_provider_replicator.sandbox.cdf.models import checks
from airflow_provider_replicator.sandbox.cdf.models.schema import Schema
from airflow_provider_replicator.sandbox.cdf.models.state import Models, models_of
from airflow_provider_replicator.sandbox.cdf.models.views import described_key
from airflow_provider_replicator.sandbox.cdf.payload import answer, body, items
from airflow_provider_replicator.sandbox.cdf.project import Project
from airflow_provider_replicator.sandbox.cdf.query_string import boolean_of, integer_of
from airflow_provider_replicator.sandbox.cdf.routing import Route

MAX_ITEMS = 100
DEFAULT_LIMIT = 10
MAX_LIMIT = 1000

Definition = dict[str, Any]
Query = Mapping[str, list[str]]


class Stored(Protocol):
    """A definition as it is kept."""

    definition: Definition
    created: int
    updated: int
    is_global: bool

    @property
    def key(self) -> Any: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """``identifying`` are the properties that make the key; with a version the last of them may be left out of byids."""

    path: str
    noun: str
    identifying: tuple[str, ...]
    parse: Callable[[checks.Item], Definition]
    make: Callable[..., Stored]
    stored: Callable[[Schema], dict[Any, Any]]
    doc: Callable[[Schema, Any, Query], Definition]
    #: refuses what does not fit the schema, in which the request's definitions are already: (models, old ones by key, new ones)
    check: Callable[[Models, Mapping[Any, Any], list[Stored]], None]
    #: called before they are taken out of the schema
    deleting: Callable[[Models, list[Any]], None] = lambda models, gone: None
    #: what a request brings along, stored before: (models, items of the request)
    prepare: Callable[[Project, list[dict[str, Any]]], None] = lambda project, wanted: None
    matches: Callable[[Any, Query], bool] = lambda one, query: True


class Definitions:
    """The endpoints of one kind of definition."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self._versioned = kind.identifying[-1] == "version"

    def routes(self) -> list[Route]:
        path = self.kind.path
        return [
            ("POST", path, self.upsert),
            ("GET", path, self.list_all),
            ("POST", f"{path}/byids", self.by_ids),
            ("POST", f"{path}/delete", self.delete),
        ]

    def upsert(self, project: Project, request: Request) -> Response:
        wanted = items(body(request), MAX_ITEMS)
        self.kind.prepare(project, wanted)
        stored = self.apply(project, [self.kind.parse(item) for item in wanted])
        return self._answer(models_of(project).schema, stored, {})

    def apply(self, project: Project, definitions: list[Definition]) -> list[Stored]:
        """Store definitions, all or none. Those that say what is there already stay as they are."""
        models = models_of(project)
        table = self.kind.stored(models.schema)
        keys = [tuple(one[name] for name in self.kind.identifying) for one in definitions]
        self._refuse_duplicates(keys)
        models.schema.check_spaces({key[0] for key in keys} if len(self.kind.identifying) > 1 else set())
        before = {key: table[key] for key in keys if key in table}
        changed = [(key, one) for key, one in zip(keys, definitions, strict=True) if not _same(before.get(key), one)]
        self._refuse_global([before[key] for key, _ in changed if key in before])
        if changed:
            self._store(models, table, before, changed)
        return [table[key] for key in keys]

    def _store(
        self, models: Models, table: dict[Any, Any], before: dict[Any, Any], changed: list[tuple[Any, Definition]]
    ) -> None:
        now = models.project.next_timestamp()
        new = [
            self.kind.make(one, created=before[key].created if key in before else now, updated=now)
            for key, one in changed
        ]
        table.update({one.key: one for one in new})
        models.schema.changed()
        try:
            self.kind.check(models, before, new)
        except ApiError:
            for key, _ in changed:
                del table[key]
            table.update(before)
            models.schema.changed()
            raise

    def _refuse_duplicates(self, keys: list[Any]) -> None:
        if len(set(keys)) < len(keys):
            twice = next(key for key in keys if keys.count(key) > 1)
            raise ApiError(400, f"The request holds {self.kind.noun} '{described_key(twice)}' more than once")

    def _refuse_global(self, found: Iterable[Any]) -> None:
        for one in found:
            if one.is_global:
                raise ApiError(400, f"Cannot change or delete the global {self.kind.noun} '{described_key(one.key)}'")

    def list_all(self, project: Project, request: Request) -> Response:
        query = request.query
        limit = integer_of(query, "limit", 1, MAX_LIMIT, DEFAULT_LIMIT)
        limit = min(limit, project.settings.short_pages or limit)
        scope = [self.kind.path, {name: value for name, value in query.items() if name not in ("cursor", "limit")}]
        cursor = query.get("cursor")
        after = tuple(project.cursors.read(scope, cursor[0])) if cursor else ()
        schema = models_of(project).schema
        found = [one for one in self._listed(schema, query) if one.key > after]
        position = list(found[limit - 1].key) if len(found) > limit else None
        following = None if position is None else project.cursors.make(scope, position)
        return self._answer(schema, found[:limit], query, cursor=following)

    def _listed(self, schema: Schema, query: Query) -> list[Any]:
        """In order of their keys."""
        space = query.get("space")
        if space and not checks.SPACE.fullmatch(space[0]):
            raise checks.violation(f'space must match "^{checks.SPACE.pattern}$"')
        include_global = boolean_of(query, "includeGlobal", default=False)
        found = [
            one
            for one in self.kind.stored(schema).values()
            if (include_global or not one.is_global)
            and (not space or one.key[0] == space[0])
            and self.kind.matches(one, query)
        ]
        if self._versioned and not boolean_of(query, "allVersions", default=False):
            found = list({one.key[:2]: one for one in sorted(found, key=lambda one: (one.created, one.key))}.values())
        return sorted(found, key=lambda one: one.key)

    def by_ids(self, project: Project, request: Request) -> Response:
        schema = models_of(project).schema
        table = self.kind.stored(schema)
        found: dict[Any, Any] = {}
        for item in items(body(request), MAX_ITEMS):
            key = self._key(item, partial=self._versioned)
            matching = [table.get(key)] if len(key) == len(self.kind.identifying) else self._versions(table, key)
            found.update({one.key: one for one in matching if one is not None})
        return self._answer(schema, list(found.values()), request.query)

    def _versions(self, table: Mapping[Any, Any], key: tuple[str, ...]) -> list[Any]:
        return [one for one in table.values() if one.key[:2] == key]

    def _key(self, item: checks.Item, *, partial: bool = False) -> tuple[str, ...]:
        patterns = {"space": checks.SPACE, "externalId": checks.EXTERNAL_ID, "version": checks.VERSION}
        names = self.kind.identifying
        if partial and item.get("version") is None:
            names = names[:-1]
        return tuple(checks.identifier(item, name, patterns[name]) for name in names)

    def delete(self, project: Project, request: Request) -> Response:
        models = models_of(project)
        table = self.kind.stored(models.schema)
        keys = dict.fromkeys(self._key(item) for item in items(body(request), MAX_ITEMS))
        gone = [table[key] for key in keys if key in table]
        self._refuse_global(gone)
        if gone:
            self.kind.deleting(models, gone)
            for one in gone:
                del table[one.key]
            models.schema.changed()
        return answer(orjson.dumps(dict(zip(self.kind.identifying, one.key, strict=True))) for one in gone)

    def _answer(self, schema: Schema, found: list[Any], query: Query, *, cursor: str | None = None) -> Response:
        return answer((orjson.dumps(self.kind.doc(schema, one, query)) for one in found), cursor=cursor)


def _same(stored: Stored | None, definition: Definition) -> bool:
    # Compared as JSON: 1 and true are equal in Python.
    if stored is None:
        return False
    option = orjson.OPT_SORT_KEYS
    return orjson.dumps(stored.definition, option=option) == orjson.dumps(definition, option=option)
