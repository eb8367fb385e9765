# SPDX-License-Identifier: Apache-2.0
"""``POST /models/instances`` and ``/models/instances/delete``: one transaction each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from airflow_provider_replicator.sandbox.cdf.http import ApiError, Request, Response
from airflow_provider_replicator.sandbox.cdf.models import checks
from airflow_provider_replicator.sandbox.cdf.models.drafts import MAX_VERSION, Draft, DraftReader
from airflow_provider_replicator.sandbox.cdf.models.instance_store import ContainerKey, Instance, Key, Reference
from airflow_provider_replicator.sandbox.cdf.models.merging import Merger, check_requirements
from airflow_provider_replicator.sandbox.cdf.models.reading import key_of
from airflow_provider_replicator.sandbox.cdf.models.state import Models, models_of
from airflow_provider_replicator.sandbox.cdf.models.uniqueness import Uniqueness
from airflow_provider_replicator.sandbox.cdf.models.views import described_key
from airflow_provider_replicator.sandbox.cdf.payload import body
from airflow_provider_replicator.sandbox.cdf.project import Project
from airflow_provider_replicator.sandbox.cdf.routing import Route

MAX_ITEMS = 1000
CONFLICT = "A version conflict caused the ingest to fail."


def routes() -> list[Route]:
    return [
        ("POST", "/models/instances", apply),
        ("POST", "/models/instances/delete", delete),
    ]


class Plans:
    """What is worked out once for a revision of the schema."""

    def __init__(self, models: Models) -> None:
        self.revision = models.schema.revision
        self.reader = DraftReader(models.schema)
        self.merger = Merger(models.schema, models.instances)
        self.uniqueness = Uniqueness(models.schema, models.instances)
        self.requiring = {key: one for key, one in models.schema.containers.items() if one.requires}


class _PlanCache:
    def __init__(self, project: Project) -> None:
        self._models = models_of(project)
        self._plans = Plans(self._models)

    def current(self) -> Plans:
        if self._plans.revision != self._models.schema.revision:
            self._plans = Plans(self._models)
        return self._plans


@dataclass(frozen=True, slots=True)
class Change:
    """One item: the instance it found (None: there was none) and the data it makes of it (None: skipped)."""

    draft: Draft
    old: Instance | None
    data: dict[ContainerKey, bytes] | None


def apply(project: Project, request: Request) -> Response:
    payload = body(request)
    models = models_of(project)
    plans = project.extension("models.plans", _PlanCache).current()
    transaction = Transaction(models, plans, payload)
    transaction.check()
    return Response(200, transaction.commit())


class Transaction:
    """:meth:`check` refuses the whole request or nothing; :meth:`commit` cannot fail."""

    def __init__(self, models: Models, plans: Plans, payload: Mapping[str, Any]) -> None:
        self._models = models
        self._plans = plans
        wanted = checks.a_list(payload.get("items"), "items", MAX_ITEMS)
        unwanted = checks.a_list(payload.get("delete") or [], "delete", MAX_ITEMS)
        if not 1 <= len(wanted) + len(unwanted) <= MAX_ITEMS:
            raise checks.violation(f"items and delete size must be between 1 and {MAX_ITEMS} in total")
        self._replace = checks.flag(payload, "replace")
        self._skip = checks.flag(payload, "skipOnVersionConflict")
        self._auto_relations = checks.flag(payload, "autoCreateDirectRelations", default=True)
        self._auto_start = checks.flag(payload, "autoCreateStartNodes")
        self._auto_end = checks.flag(payload, "autoCreateEndNodes")
        self._drafts = [plans.reader.read(item, f"items[{n}]") for n, item in enumerate(wanted)]
        self._deleted = Deletion(models, unwanted, skip=self._skip)
        self._changes: list[Change] = []
        self._made: dict[Reference, None] = {}

    def check(self) -> None:
        """Raises 400 or 409."""
        keys = [draft.key for draft in self._drafts]
        unique = set(keys)
        if len(unique) < len(keys):
            twice = next(key for key in keys if keys.count(key) > 1)
            raise ApiError(400, f"items holds {twice[0]} '{described_key(twice[1:])}' more than once")
        if unique & self._deleted.keys:
            raise ApiError(400, "An instance cannot be written and deleted in one request")
        check_spaces(self._models, {key[1] for key in keys})
        by_key = self._models.instances.by_key
        gone = self._deleted.gone
        self._changes = [
            self._change(draft, None if draft.key in gone else by_key.get(draft.key)) for draft in self._drafts
        ]
        self._check_references(unique)
        written = [(change.draft.key, change.data) for change in self._changes if change.data is not None]
        self._plans.uniqueness.check(written, set(gone))

    def _change(self, draft: Draft, old: Instance | None) -> Change:
        version = draft.existing_version
        if old is not None and version is not None and old.version > version:
            if not self._skip:
                raise ApiError(409, CONFLICT)
            return Change(draft, old, None)
        data = self._plans.merger.data_of(draft, old, replace=self._replace)
        if self._plans.requiring:
            check_requirements(self._plans.requiring, data)
        return Change(draft, old, data)

    # -- references --------------------------------------------------------------------------------------------------

    def _check_references(self, unique: set[Key]) -> None:
        """Every node that is pointed to is there, comes with the request, or is made."""
        nodes = {key[1:]: None for key in unique if key[0] == "node"}
        for change in self._changes:
            draft = change.draft
            if draft.type is None and not draft.relations:  # edges always have a type
                continue
            for reference, container in draft.relations:
                self._need(nodes, reference, self._auto_relations and container is None, "Direct relation target")
                if container is not None:
                    self._need_data(reference, container)
            for node, allowed, noun in (
                (draft.type, self._auto_relations, "Type"),
                (draft.start, self._auto_start, "Start node"),
                (draft.end, self._auto_end, "End node"),
            ):
                if node is not None:
                    self._need(nodes, node, allowed, noun)
        if self._made:
            check_spaces(self._models, {reference[0] for reference in self._made})

    def _need(self, nodes: Mapping[Any, None], node: Reference, allowed: bool, noun: str) -> None:
        if node in nodes or node in self._made:
            return
        key = ("node", *node)
        if key in self._models.instances.by_key and key not in self._deleted.gone:
            return
        if not allowed:
            raise ApiError(400, f"{noun} does not exist: '{described_key(node)}'")
        self._made[node] = None

    def _need_data(self, node: Reference, container: ContainerKey) -> None:
        key = ("node", *node)
        data = next((change.data for change in self._changes if change.draft.key == key and change.data), None)
        if data is None:
            found = self._models.instances.by_key.get(key)
            data = found.data if found is not None else {}
        if container not in data:
            raise ApiError(
                400,
                f"Direct relation target '{described_key(node)}' has no data in container '{described_key(container)}'",
            )

    # -- effects -----------------------------------------------------------------------------------------------------

    def commit(self) -> bytes:
        """Store everything; the body of the answer."""
        store = self._models.instances
        now = self._models.project.next_timestamp()
        gone = self._deleted.commit(now)
        written = [store.create("node", *node, time=now) for node in self._made]
        answers = []
        for change in self._changes:
            instance, modified = self._store(change, now)
            if modified:
                written.append(instance)
            answers.append(_slim(instance, modified))
        self._plans.uniqueness.remember((one.key, one.data) for one in written)
        _tell(self._models, written, gone)
        tail = b"]}" if not self._deleted.keys else b'],"deleted":' + self._deleted.answer() + b"}"
        return b'{"items":[' + b",".join(answers) + tail

    def _store(self, change: Change, now: int) -> tuple[Instance, bool]:
        draft, old, data = change.draft, change.old, change.data
        store = self._models.instances
        if old is None:
            made = store.create(
                *draft.key, time=now, of_type=draft.type, start=draft.start, end=draft.end, data=data or {}
            )
            return made, True
        of_type = draft.type if draft.type is not None or self._replace else old.type
        if data is None or (
            (of_type, draft.start, draft.end) == (old.type, old.start, old.end) and _same(data, old.data)
        ):
            return old, False
        store.update(old, time=now, of_type=of_type, start=draft.start, end=draft.end, data=data)
        return old, True


def _same(new: Mapping[ContainerKey, bytes], old: Mapping[ContainerKey, bytes]) -> bool:
    return new.keys() == old.keys() and all(value is old[key] or value == old[key] for key, value in new.items())


def _slim(one: Instance, modified: bool) -> bytes:
    return (
        f'{{"instanceType":"{one.kind}","version":{one.version},"wasModified":{"true" if modified else "false"},'
        f'"space":"{one.space}","externalId":{orjson.dumps(one.external_id).decode()},'
        f'"createdTime":{one.created},"lastUpdatedTime":{one.updated}}}'
    ).encode()


def _tell(models: Models, written: list[Instance], gone: list[Instance]) -> None:
    for hook in models.instances.on_delete if gone else ():
        hook(gone)
    for hook in models.instances.on_write if written else ():
        hook(written)


def check_spaces(models: Models, names: set[str]) -> None:
    """The spaces are there and may be written to. Raises 400."""
    models.schema.check_spaces(names)
    fixed = sorted(name for name in names if models.schema.spaces[(name,)].is_global)
    if fixed:
        raise ApiError(400, f"Cannot write to global spaces: {', '.join(fixed)}")


class Deletion:
    """Instances to delete: those that are there, and the edges at them. ``keys`` are all that were named."""

    def __init__(self, models: Models, wanted: list[Any], *, skip: bool) -> None:
        self._models = models
        self.keys: set[Key] = set()
        self._named: list[Instance] = []
        self.gone: dict[Key, None] = {}
        for number, one in enumerate(wanted):
            self._read(checks.an_object(one, f"delete[{number}]"), skip=skip)
        check_spaces(models, {key[1] for key in self.keys})
        for instance in self._named:
            self.gone[instance.key] = None
            if instance.kind == "node":
                self.gone.update(dict.fromkeys(edge.key for edge in models.instances.edges_of(instance.reference)))

    def _read(self, item: dict[str, Any], *, skip: bool) -> None:
        key = key_of(item)
        version = checks.integer(item, "existingVersion", 0, MAX_VERSION)
        if key in self.keys:
            return
        self.keys.add(key)
        found = self._models.instances.by_key.get(key)
        if found is None:
            return
        if version is not None and found.version > version:
            if not skip:
                raise ApiError(409, CONFLICT)
            return
        self._named.append(found)

    def commit(self, time: int) -> list[Instance]:
        """All that is gone, edges included."""
        return self._models.instances.delete(self._named, time=time) if self._named else []

    def answer(self) -> bytes:
        named = [{"instanceType": one.kind, "space": one.space, "externalId": one.external_id} for one in self._named]
        return orjson.dumps(named)


def delete(project: Project, request: Request) -> Response:
    models = models_of(project)
    wanted = checks.a_list(body(request).get("items"), "items", MAX_ITEMS, 1)
    deletion = Deletion(models, wanted, skip=False)
    _tell(models, [], deletion.commit(project.next_timestamp()))
    return Response(200, b'{"items":' + deletion.answer() + b"}")
