# SPDX-License-Identifier: Apache-2.0
"""Create, retrieve, list, update and delete: one implementation for every :class:`Kind`."""

from __future__ import annotations

from collections import Counter
from typing import Any

from airflow_provider_replicator.sandbox.cdf.fields import Invalid
from airflow_provider_replicator.sandbox.cdf.http import ApiError, Request, Response
from airflow_provider_replicator.sandbox.cdf.indexes import Document
from airflow_provider_replicator.sandbox.cdf.kinds import Kind
from airflow_provider_replicator.sandbox.cdf.payload import answer, body, find_all, flag_of, items
from airflow_provider_replicator.sandbox.cdf.project import Project
from airflow_provider_replicator.sandbox.cdf.reading import Reading
from airflow_provider_replicator.sandbox.cdf.references import check_references
from airflow_provider_replicator.sandbox.cdf.routing import Route
from airflow_provider_replicator.sandbox.cdf.store import DocumentStore, Entry
from airflow_provider_replicator.sandbox.cdf.updating import update


class Collection:
    """The endpoints of one resource type."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self._checks = {name: field.check for name, field in kind.fields.items()}

    def routes(self) -> list[Route]:
        path = self.kind.path
        reading = Reading(self.kind)
        every: dict[str, Route] = {
            "create": ("POST", path, self.create),
            "byids": ("POST", f"{path}/byids", reading.by_ids),
            "get": ("GET", f"{path}/{{id}}", reading.one),
            "list": ("POST", f"{path}/list", reading.list_post),
            "list_get": ("GET", path, reading.list_get),
            "search": ("POST", f"{path}/search", reading.search),
            "aggregate": ("POST", f"{path}/aggregate", reading.aggregate),
            "update": ("POST", f"{path}/update", self.update),
            "delete": ("POST", f"{path}/delete", self.delete),
        }
        return [route for name, route in every.items() if name in self.kind.operations]

    def store(self, project: Project) -> DocumentStore:
        return project.store(self.kind.name)

    # -- create ------------------------------------------------------------------------------------------------------

    def create(self, project: Project, request: Request) -> Response:
        """All or nothing: nothing is stored unless every item is good."""
        wanted = items(body(request), self.kind.create_limit)
        docs = [self.document(item, f"items[{n}]") for n, item in enumerate(wanted)]
        return answer([entry.encoded for entry in self.add(project, docs)], status=self.kind.create_status)

    def add(self, project: Project, docs: list[Document]) -> list[Entry]:
        """Complete checked documents and store them."""
        store = self.store(project)
        self._refuse_duplicates(store, docs)
        if self.kind.has_ids:
            for doc, number in zip(docs, project.next_ids(len(docs)), strict=True):
                doc["id"] = number
        self.check(project, docs)
        now = project.next_timestamp()
        for name in self.kind.timestamps:
            for doc in docs:
                doc[name] = now
        entries = store.insert(docs, time=now)
        self.kind.created(project, docs)
        return entries

    def check(self, project: Project, docs: list[Document]) -> None:
        """References exist; the server's own properties are filled in."""
        check_references(project, self.kind.references, docs)
        self.kind.prepare(project, docs)

    def document(self, item: dict[str, Any], path: str) -> Document:
        """The checked document of an item of a create request, without what the server adds."""
        checks = self._checks
        doc = dict(self.kind.defaults)
        name = ""
        try:
            for name, value in item.items():
                check = checks.get(name)
                if check is not None:
                    doc[name] = check(value)
        except Invalid as error:
            raise ApiError(400, f"{path}.{name}: {error}") from error
        if not doc.get("labels", True):  # the service knows no empty list of labels
            del doc["labels"]
        for name in self.kind.required:
            if name not in doc:
                raise ApiError(400, f"{path}.{name}: is required")
        return doc

    def _refuse_duplicates(self, store: DocumentStore, docs: list[Document]) -> None:
        names = [doc["externalId"] for doc in docs if "externalId" in doc]
        unique = set(names)
        label = f"{self.kind.noun} id duplicated".capitalize()
        if len(unique) < len(names):
            twice = [{"externalId": name} for name, count in Counter(names).items() if count > 1]
            raise ApiError(self.kind.duplicate_in_request_status, label, duplicated=twice)
        existing = unique & store.by_external_id.keys()
        if existing:
            raise ApiError(409, label, duplicated=[{"externalId": name} for name in names if name in existing])

    # -- update and delete -------------------------------------------------------------------------------------------

    def update(self, project: Project, request: Request) -> Response:
        return update(self.kind, project, request)

    def delete(self, project: Project, request: Request) -> Response:
        payload = body(request)
        store = self.store(project)
        entries = find_all(
            store,
            items(payload, self.kind.item_limit),
            ids=self.kind.has_ids,
            ignore_unknown=flag_of(payload, "ignoreUnknownIds"),
        )
        nodes = [entry.doc["instanceId"] for entry in entries if "instanceId" in entry.doc]
        if nodes:
            raise ApiError(400, f"{self.kind.name}: belong to data-model nodes, delete those: {nodes[:10]}")
        unique = list({entry.row: entry for entry in self.kind.prepare_delete(project, payload, entries)}.values())
        store.remove(unique, time=project.next_timestamp())
        return Response(self.kind.delete_status)
