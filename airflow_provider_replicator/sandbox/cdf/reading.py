# SPDX-License-Identifier: Apache-2.0
"""List, retrieve, search and aggregate: the same for every resource type."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from typing import Any

from airflow_provider_replicator.sandbox.cdf.advanced import AdvancedFilter
from airflow_provider_replicator.sandbox.cdf.fields import text
from airflow_provider_replicator.sandbox.cdf.filters import Condition, compile_filter
from airflow_provider_replicator.sandbox.cdf.http import ApiError, Request, Response
from airflow_provider_replicator.sandbox.cdf.kinds import Kind
from airflow_provider_replicator.sandbox.cdf.listing import Partition, matching, page, parse_partition
from airflow_provider_replicator.sandbox.cdf.payload import (
    answer,
    body,
    checked,
    find_all,
    flag_of,
    items,
    json_answer,
    limit_of,
)
from airflow_provider_replicator.sandbox.cdf.project import Project
from airflow_provider_replicator.sandbox.cdf.query_string import list_payload
from airflow_provider_replicator.sandbox.cdf.searching import Scorer
from airflow_provider_replicator.sandbox.cdf.sorting import Sort, sorted_page
from airflow_provider_replicator.sandbox.cdf.store import Entry
from airflow_provider_replicator.sandbox.cdf.summaries import aggregate

#: what may differ between the pages of one listing
_FREE = ("cursor", "limit")


class Reading:
    """The reading endpoints of one resource type."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind

    def by_ids(self, project: Project, request: Request) -> Response:
        payload = body(request)
        entries = find_all(
            project.store(self.kind.name),
            items(payload, self.kind.item_limit),
            ids=self.kind.has_ids,
            ignore_unknown=flag_of(payload, "ignoreUnknownIds"),
        )
        return answer(self.kind.decorate(project, payload, entries))

    def one(self, project: Project, request: Request) -> Response:
        """``GET /assets/{id}``."""
        number = request.params["id"]
        if not (number.isascii() and number.isdigit()):
            raise ApiError(400, "id: expected an integer")
        entry = project.store(self.kind.name).by_id.get(int(number))
        if entry is None:
            raise ApiError(404, f"{self.kind.name}: id {number} not found")
        return Response(200, entry.encoded)

    def list_get(self, project: Project, request: Request) -> Response:
        return self._list(project, list_payload(self.kind, request.query))

    def list_post(self, project: Project, request: Request) -> Response:
        return self._list(project, body(request))

    def search(self, project: Project, request: Request) -> Response:
        payload = body(request)
        conditions = self._conditions(project, payload)
        limit = limit_of(payload.get("limit"), self.kind.default_limit)
        scorer = Scorer(payload.get("search") or {}, self.kind.search)
        scored = ((scorer.score(entry.doc), entry) for entry in matching(project.store(self.kind.name), conditions))
        best = heapq.nsmallest(limit, ((-score, e.row, e) for score, e in scored if score), key=lambda found: found[:2])
        return answer(entry.encoded for _, _, entry in best)

    def aggregate(self, project: Project, request: Request) -> Response:
        payload = body(request)
        store = project.store(self.kind.name)
        docs = (entry.doc for entry in matching(store, self._conditions(project, payload)))
        return json_answer({"items": aggregate(self.kind, project, payload, docs)})

    def _list(self, project: Project, payload: Mapping[str, Any]) -> Response:
        entries, cursor = self._page(project, payload)
        return answer(self.kind.decorate(project, payload, entries), cursor=cursor)

    def _page(self, project: Project, payload: Mapping[str, Any]) -> tuple[list[Entry], str | None]:
        store = project.store(self.kind.name)
        limit = limit_of(payload.get("limit"), self.kind.default_limit)
        limit = min(limit, project.settings.short_pages or limit)
        partition = self._partition(payload)
        conditions = self._conditions(project, payload)
        scope = [self.kind.path, {name: value for name, value in payload.items() if name not in _FREE and value}]
        cursor = payload.get("cursor")
        after = None if cursor is None else project.cursors.read(scope, checked("cursor", text(10_000), cursor))
        if partition is None:
            return [], None
        position: Any
        if payload.get("sort"):
            sort = Sort(payload["sort"], self.kind, project)
            entries, position = sorted_page(store, conditions, sort, after, limit, partition)
        else:
            entries, position = page(store, conditions, partition, after or 0, limit)
        return entries, None if position is None else project.cursors.make(scope, position)

    def _partition(self, payload: Mapping[str, Any]) -> Partition | None:
        value = payload.get("partition")
        if value is None:
            return Partition()
        if self.kind.strict_partitions is None:
            raise ApiError(400, "partition: not supported here")
        return parse_partition(value, strict=self.kind.strict_partitions)

    def _conditions(self, project: Project, payload: Mapping[str, Any]) -> list[Condition]:
        store = project.store(self.kind.name)
        conditions = compile_filter(payload.get("filter"), self.kind.filters, project, store)
        advanced = payload.get("advancedFilter")
        if advanced is not None:
            conditions.append(Condition(AdvancedFilter(self.kind, project).compile(advanced)))
        return conditions
