# SPDX-License-Identifier: Apache-2.0
"""Indexes, constraints and properties of containers one by one, and which views show a container."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from airflow_provider_replicator.sandbox.cdf.http import ApiError, Request, Response
from airflow_provider_replicator.sandbox.cdf.models import checks
from airflow_provider_replicator.sandbox.cdf.models.containers import Container
from airflow_provider_replicator.sandbox.cdf.models.instance_store import ContainerKey
from airflow_provider_replicator.sandbox.cdf.models.state import models_of
from airflow_provider_replicator.sandbox.cdf.models.views import View, described_key
from airflow_provider_replicator.sandbox.cdf.payload import body, items, json_answer
from airflow_provider_replicator.sandbox.cdf.project import Project
from airflow_provider_replicator.sandbox.cdf.routing import Handler, Route

MAX_ITEMS = 10
Part = Literal["indexes", "constraints", "properties"]


def routes() -> list[Route]:
    path = "/models/containers"
    return [
        ("POST", f"{path}/indexes/delete", _deleter("indexes")),
        ("POST", f"{path}/constraints/delete", _deleter("constraints")),
        ("POST", f"{path}/indexes/retry", _retrier("indexes")),
        ("POST", f"{path}/constraints/retry", _retrier("constraints")),
        ("POST", f"{path}/properties/retry", _retrier("properties")),
        ("POST", f"{path}/inspect", inspect),
    ]


def _named(request: Request) -> list[tuple[ContainerKey, str]]:
    """(container, identifier of the part) of each item. Raises 400."""
    found = []
    for item in items(body(request), MAX_ITEMS):
        space = checks.identifier(item, "space", checks.SPACE)
        container = checks.identifier(item, "containerExternalId", checks.EXTERNAL_ID)
        name = item.get("identifier")
        if type(name) is not str:
            raise ApiError(400, "identifier: expected a string")
        found.append(((space, container), name))
    return list(dict.fromkeys(found))


def _answer(found: list[tuple[ContainerKey, str]]) -> Response:
    return json_answer(
        {"items": [{"space": key[0], "containerExternalId": key[1], "identifier": name} for key, name in found]}
    )


def _deleter(part: Part) -> Handler:
    """Takes out those that are there."""

    def delete(project: Project, request: Request) -> Response:
        models = models_of(project)
        containers = models.schema.containers
        named = _named(request)
        found = [(key, name) for key, name in named if key in containers and name in containers[key].definition[part]]
        for key, name in found:
            old = containers[key]
            if old.is_global:
                raise ApiError(400, f"Cannot change or delete the global container '{described_key(key)}'")
            kept = {one: value for one, value in old.definition[part].items() if one != name}
            changed = {**old.definition, part: kept}
            containers[key] = Container(changed, created=old.created, updated=project.next_timestamp())
        if found:
            models.schema.changed()
        return _answer(found)

    return delete


def _retrier(part: Part) -> Handler:
    """Nothing ever fails here, so there is nothing to try again: just a check that all of it is there."""

    def retry(project: Project, request: Request) -> Response:
        schema = models_of(project).schema
        named = _named(request)
        for key, name in named:
            if name not in schema.the_container(key).definition[part]:
                raise ApiError(400, f"Container '{described_key(key)}' has no {part} '{name}'")
        return _answer(named)

    return retry


def inspect(project: Project, request: Request) -> Response:
    """Which views map something of the containers, and how many."""
    payload = body(request)
    schema = models_of(project).schema
    operations = checks.an_object(payload.get("inspectionOperations"), "inspectionOperations")
    keys = [
        (checks.identifier(item, "space", checks.SPACE), checks.identifier(item, "externalId", checks.EXTERNAL_ID))
        for item in items(payload, MAX_ITEMS)
    ]
    views = [view for key in schema.views if (view := schema.view(key)) is not None]
    results = [
        {"space": key[0], "externalId": key[1], "inspectionResults": _inspected(key, views, operations)}
        for key in dict.fromkeys(keys)
        if key in schema.containers
    ]
    return json_answer({"items": results})


def _inspected(key: ContainerKey, views: list[View], operations: dict[str, Any]) -> dict[str, Any]:
    results: dict[str, Any] = {}
    shapes: dict[str, tuple[str, Callable[[list[View]], Any]]] = {
        "involvedViews": ("involvedViews", lambda found: [view.reference for view in found]),
        "totalInvolvedViewCount": ("involvedViewCount", len),
    }
    for operation, (name, shape) in shapes.items():
        if operations.get(operation) is None:
            continue
        options = checks.an_object(operations[operation], operation)
        found = [view for view in views if key in view.containers]
        if not checks.flag(options, "allVersions"):
            latest = sorted(found, key=lambda view: (view.stored.created, view.key))
            found = list({view.key[:2]: view for view in latest}.values())
        results[name] = shape(found)
    return results
