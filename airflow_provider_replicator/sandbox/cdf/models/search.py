# SPDX-License-Identifier: Apache-2.0
"""``/models/instances/search``: instances of a view whose texts hold words that begin with those of the query, best first."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from airflow_provider_replicator.sandbox.cdf.http import ApiError, Request, Response
from airflow_provider_replicator.sandbox.cdf.models import checks
from airflow_provider_replicator.sandbox.cdf.models.access import Decoder, Getter, of_view
from airflow_provider_replicator.sandbox.cdf.models.filters import all_of, compile_filter, view_predicate
from airflow_provider_replicator.sandbox.cdf.models.instance_store import Instance, Predicate
from airflow_provider_replicator.sandbox.cdf.models.query import is_of
from airflow_provider_replicator.sandbox.cdf.models.reading import INSTANCE_TYPES, instances_answer
from airflow_provider_replicator.sandbox.cdf.models.rendering import Source, target_units
from airflow_provider_replicator.sandbox.cdf.models.sorts import InstanceSort
from airflow_provider_replicator.sandbox.cdf.models.state import Models, models_of
from airflow_provider_replicator.sandbox.cdf.models.views import View, view_key
from airflow_provider_replicator.sandbox.cdf.payload import body, limit_of
from airflow_provider_replicator.sandbox.cdf.project import Project
from airflow_provider_replicator.sandbox.cdf.routing import Route
from airflow_provider_replicator.sandbox.cdf.searching import tokens

MAX_PROPERTIES = 200

#: 0: does not match
Score = Callable[[Instance], float]


def routes() -> list[Route]:
    return [("POST", "/models/instances/search", search)]


def search(project: Project, request: Request) -> Response:
    payload = body(request)
    models = models_of(project)
    view = the_view(models, payload)
    limit = limit_of(payload.get("limit"), 1000)
    score = scorer(view, payload)
    source = Source(view, None, target_units(view, payload.get("targetUnits")))
    matching = instances_of(models, view, payload)
    if payload.get("sort"):
        sort = InstanceSort(models.schema, payload["sort"], view)
        found = sort.page((one for one in matching if score(one)), None, limit)[0]
    else:
        scored = ((-points, one.row, one) for one in matching if (points := score(one)))
        found = [one for _, _, one in heapq.nsmallest(limit, scored, key=lambda rated: rated[:2])]
    return instances_answer(found, [source], typing=checks.flag(payload, "includeTyping"))


def the_view(models: Models, payload: Mapping[str, Any]) -> View:
    """The ``view`` of a search or an aggregate. Raises 400."""
    return models.schema.the_view(view_key(checks.view_reference(payload.get("view"), "view")))


def instances_of(models: Models, view: View, payload: Mapping[str, Any]) -> Iterator[Instance]:
    """What belongs to the view, is of the ``instanceType`` and matches the ``filter``. Raises 400 at once."""
    kind = checks.one_of(payload, "instanceType", INSTANCE_TYPES, "node")
    predicate: Predicate | None = all_of(
        [is_of(kind), view_predicate(models, view), compile_filter(models, payload.get("filter"), view=view)]
    )
    return (one for part in models.instances.scan(predicate) for one in part)


def scorer(view: View, payload: Mapping[str, Any]) -> Score:
    """How well an instance matches ``query`` in ``properties`` (all texts if there are none). Raises 400."""
    query = payload.get("query")
    if query is not None and type(query) is not str:
        raise ApiError(400, "query: expected a string")
    every = checks.one_of(payload, "operator", ("AND", "OR"), "OR") == "AND"
    getters = _searched(view, payload.get("properties"))
    words = tokens(query)
    if not words:
        return lambda one: 1.0

    def score(one: Instance) -> float:
        held = [token for get in getters for text in _texts(get(one)) for token in tokens(text)]
        found = [max((_likeness(word, token) for token in held), default=0.0) for word in words]
        return 0.0 if every and not all(found) else sum(found)

    return score


def _searched(view: View, names: Any) -> list[Getter]:
    decoder = Decoder()
    if names is None:
        found = [of_view(decoder, view, name) for name in view.mapped]
        return [one.get for one in found if one.type["type"] == "text"]
    getters = []
    for name in checks.a_list(names, "properties", MAX_PROPERTIES):
        if type(name) is not str:
            raise ApiError(400, "properties: expected a list of strings")
        found_one = of_view(decoder, view, name)
        if found_one.type["type"] != "text":
            raise ApiError(400, f"Property '{name}' is no text and cannot be searched")
        getters.append(found_one.get)
    return getters


def _texts(value: Any) -> list[str]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _likeness(word: str, token: str) -> float:
    if token == word:
        return 2.0
    return 1.0 if token.startswith(word) else 0.0
