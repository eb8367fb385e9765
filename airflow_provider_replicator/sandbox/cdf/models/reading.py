# SPDX-License-Identifier: Apache-2.0
"""``/models/instances/list``, ``/byids`` and ``/inspect``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from airflow_provider_replicator.sandbox.cdf.fields import text
from airflow_provider_replicator.sandbox.cdf.http import Request, Response
from airflow_provider_replicator.sandbox.cdf.models import checks
from airflow_provider_replicator.sandbox.cdf.models.filters import all_of, compile_filter, view_predicate
from airflow_provider_replicator.sandbox.cdf.models.global_nodes import store_of
from airflow_provider_replicator.sandbox.cdf.models.indexed import Debug
from airflow_provider_replicator.sandbox.cdf.models.instance_store import Instance, Key, Predicate
from airflow_provider_replicator.sandbox.cdf.models.listings import listings_of
from airflow_provider_replicator.sandbox.cdf.models.rendering import Source, parse_sources, renderer, typing_of
from airflow_provider_replicator.sandbox.cdf.models.sorts import InstanceSort
from airflow_provider_replicator.sandbox.cdf.models.state import Models, models_of
from airflow_provider_replicator.sandbox.cdf.payload import body, checked, items, json_answer, limit_of
from airflow_provider_replicator.sandbox.cdf.project import Project
from airflow_provider_replicator.sandbox.cdf.routing import Route

MAX_ITEMS = 1000
MAX_LIMIT = 1000
INSTANCE_TYPES = ("node", "edge")
_FREE = ("cursor", "limit", "debug", "includeTyping")


def routes() -> list[Route]:
    return [
        ("POST", "/models/instances/list", list_instances),
        ("POST", "/models/instances/byids", by_ids),
        ("POST", "/models/instances/inspect", inspect),
    ]


def key_of(item: checks.Item) -> Key:
    """``{"instanceType", "space", "externalId"}``. Raises 400."""
    kind = checks.one_of(item, "instanceType", INSTANCE_TYPES)
    return kind, checks.identifier(item, "space", checks.SPACE), checks.instance_id(item)


def instances_answer(
    found: Iterable[Instance],
    sources: list[Source],
    *,
    typing: bool,
    cursor: str | None = None,
    debug: dict[str, Any] | None = None,
) -> Response:
    render = renderer(sources)
    parts = [b'{"items":[', b",".join([render(one) for one in found]), b"]"]
    if typing:
        parts += [b',"typing":', orjson.dumps(typing_of(sources))]
    if debug is not None:
        parts += [b',"debug":', orjson.dumps(debug)]
    if cursor is not None:
        parts += [b',"nextCursor":"', cursor.encode(), b'"']
    return Response(200, b"".join([*parts, b"}"]))


def list_instances(project: Project, request: Request) -> Response:
    payload = body(request)
    models = models_of(project)
    limit = limit_of(payload.get("limit"), MAX_LIMIT, MAX_LIMIT)
    limit = min(limit, project.settings.short_pages or limit)
    sources = parse_sources(models.schema, payload.get("sources"))
    debug = Debug(payload)
    predicate = listed(models, payload, sources)
    scope = ["/models/instances/list", {name: value for name, value in payload.items() if name not in _FREE and value}]
    cursor = payload.get("cursor")
    after = None if cursor is None else project.cursors.read(scope, checked("cursor", text(10_000), cursor))
    found, position = _page(models, payload, predicate, after, limit)
    following = None if position is None else project.cursors.make(scope, position)
    notes = debug.answer(models.schema, {"instances": payload.get("sort")}, {}) if debug.wanted else None
    shown, following = (found, following) if debug.emits_results else ([], None)
    typing = checks.flag(payload, "includeTyping")
    return instances_answer(shown, sources, typing=typing, debug=notes, cursor=following)


def listed(models: Models, payload: Mapping[str, Any], sources: list[Source]) -> Predicate:
    """What a list of ``instanceType`` with these sources and ``filter`` shows: instances with data in all of the views."""
    kind = checks.one_of(payload, "instanceType", INSTANCE_TYPES, "node")
    wanted = [
        lambda one: one.kind == kind,
        *(view_predicate(models, source.view) for source in sources),
        compile_filter(models, payload.get("filter")),
    ]
    return all_of(wanted) or (lambda one: True)


def _page(
    models: Models, payload: Mapping[str, Any], predicate: Predicate, after: Any, limit: int
) -> tuple[list[Instance], Any]:
    store = store_of(models, payload.get("filter"))
    if not payload.get("sort"):
        return store.page(predicate, after or 0, limit)
    return listings_of(models.project).page(
        ["list", {name: value for name, value in payload.items() if name not in _FREE}],
        InstanceSort(models.schema, payload["sort"]),
        lambda: (one for part in store.scan(predicate) for one in part),
        after,
        limit,
    )


def by_ids(project: Project, request: Request) -> Response:
    """Those that are there (and have data in all of the views), in the order of the request."""
    payload = body(request)
    models = models_of(project)
    keys = dict.fromkeys(key_of(item) for item in items(payload, MAX_ITEMS))
    sources = parse_sources(models.schema, payload.get("sources"))
    found = [one for key in keys if (one := models.instances.by_key.get(key)) is not None]
    belongs = all_of([view_predicate(models, source.view) for source in sources])
    shown = found if belongs is None else filter(belongs, found)
    return instances_answer(shown, sources, typing=checks.flag(payload, "includeTyping"))


def inspect(project: Project, request: Request) -> Response:
    """Which views and containers instances have data in."""
    payload = body(request)
    models = models_of(project)
    wanted = checks.an_object(payload.get("inspectionOperations"), "inspectionOperations")
    keys = [key_of(item) for item in items(payload, MAX_ITEMS)]
    found = [one for key in keys if (one := models.instances.by_key.get(key)) is not None]
    return json_answer({"items": [_inspected(models, one, wanted) for one in found]})


def _inspected(models: Models, one: Instance, wanted: Mapping[str, Any]) -> dict[str, Any]:
    results: dict[str, Any] = {}
    schema = models.schema
    if wanted.get("involvedViews") is not None:
        every = checks.flag(checks.an_object(wanted["involvedViews"], "involvedViews"), "allVersions")
        results["involvedViews"] = _involved_views(models, one, every=every)
    if wanted.get("involvedContainers") is not None:
        results["involvedContainers"] = [
            schema.containers[key].reference for key in one.data if key in schema.containers
        ]
    reference = {"instanceType": one.kind, "space": one.space, "externalId": one.external_id}
    return {**reference, "inspectionResults": results}


def _involved_views(models: Models, one: Instance, *, every: bool) -> list[dict[str, str]]:
    views = [view for key in models.schema.views if (view := models.schema.view(key)) is not None]
    if not every:
        latest = sorted(views, key=lambda view: (view.stored.created, view.key))
        views = list({view.key[:2]: view for view in latest}.values())
    return [view.reference for view in views if view.containers and all(key in one.data for key in view.containers)]
