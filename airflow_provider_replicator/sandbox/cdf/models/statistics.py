# SPDX-License-Identifier: Apache-2.0
"""``/models/statistics``: how much there is, and how much there may be."""

from __future__ import annotations

from collections import Counter
from typing import Any

from airflow_provider_replicator.sandbox.cdf.http import Request, Response
from airflow_provider_replicator.sandbox.cdf.limits import DELETES, READS, WRITES
from airflow_provider_replicator.sandbox.cdf.models import checks
from airflow_provider_replicator.sandbox.cdf.models.state import Models, models_of
from airflow_provider_replicator.sandbox.cdf.payload import body, items, json_answer
from airflow_provider_replicator.sandbox.cdf.project import Project
from airflow_provider_replicator.sandbox.cdf.routing import Route

_LIMITS = {"spaces": 100, "containers": 1000, "views": 2000, "dataModels": 500, "containerProperties": 25_000}
_INSTANCES, _SOFT_DELETED = 5_000_000, 10_000_000


def routes() -> list[Route]:
    return [
        ("GET", "/models/statistics", project_statistics),
        ("GET", "/models/statistics/spaces", space_statistics),
        ("POST", "/models/statistics/spaces/byids", space_statistics_by_ids),
    ]


def project_statistics(project: Project, request: Request) -> Response:
    models = models_of(project)
    schema = models.schema
    tables: dict[str, dict[Any, Any]] = {
        "spaces": schema.spaces,
        "containers": schema.containers,
        "views": schema.views,
        "dataModels": schema.data_models,
    }
    counts = {name: sum(not one.is_global for one in table.values()) for name, table in tables.items()}
    counts["containerProperties"] = sum(len(one.properties) for one in schema.containers.values() if not one.is_global)
    answer: dict[str, Any] = {name: {"count": counts[name], "limit": limit} for name, limit in _LIMITS.items()}
    answer["instances"] = _instances(models)
    answer |= {"concurrentReadLimit": READS, "concurrentWriteLimit": WRITES, "concurrentDeleteLimit": DELETES}
    return json_answer(answer)


def _instances(models: Models) -> dict[str, int]:
    models.instances.purge()
    live, deleted = (_by_type(counter) for counter in (models.instances.live, models.instances.soft_deleted))
    return {
        "edges": live["edge"],
        "softDeletedEdges": deleted["edge"],
        "nodes": live["node"],
        "softDeletedNodes": deleted["node"],
        "instances": live.total(),
        "instancesLimit": _INSTANCES,
        "softDeletedInstances": deleted.total(),
        "softDeletedInstancesLimit": _SOFT_DELETED,
    }


def _by_type(counter: Counter[tuple[str, str]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for (kind, _), count in counter.items():
        total[kind] += count
    return total


def space_statistics(project: Project, request: Request) -> Response:
    models = models_of(project)
    names = [space.key[0] for space in models.schema.spaces.values() if not space.is_global]
    return json_answer({"items": _of_spaces(models, names)})


def space_statistics_by_ids(project: Project, request: Request) -> Response:
    models = models_of(project)
    wanted = dict.fromkeys(checks.identifier(item, "space", checks.SPACE) for item in items(body(request), 100))
    return json_answer({"items": _of_spaces(models, [name for name in wanted if (name,) in models.schema.spaces])})


def _of_spaces(models: Models, names: list[str]) -> list[dict[str, Any]]:
    schema, instances = models.schema, models.instances
    instances.purge()
    containers, views, data_models = (
        Counter(key[0] for key in table) for table in (schema.containers, schema.views, schema.data_models)
    )
    return [
        {
            "space": name,
            "containers": containers[name],
            "views": views[name],
            "dataModels": data_models[name],
            "edges": instances.live["edge", name],
            "softDeletedEdges": instances.soft_deleted["edge", name],
            "nodes": instances.live["node", name],
            "softDeletedNodes": instances.soft_deleted["node", name],
        }
        for name in names
    ]
