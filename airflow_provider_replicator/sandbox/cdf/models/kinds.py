# SPDX-License-Identifier: Apache-2.0
"""Spaces, containers, views and data models: what each of them adds to what they have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_replicator.sandbox.cdf.http import ApiError
from airflow_provider_replicator.sandbox.cdf.models import checks
from airflow_provider_replicator.sandbox.cdf.models.containers import Container, parse_container, refuse_changes
from airflow_provider_replicator.sandbox.cdf.models.definitions import Definitions, Kind, Query, Stored
from airflow_provider_replicator.sandbox.cdf.models.filters import compile_filter
from airflow_provider_replicator.sandbox.cdf.models.schema import DataModel, Schema, Space
from airflow_provider_replicator.sandbox.cdf.models.state import Models, models_of
from airflow_provider_replicator.sandbox.cdf.models.views import (
    StoredView,
    check_mapping,
    described_key,
    parse_view,
    view_key,
)
from airflow_provider_replicator.sandbox.cdf.project import Project
from airflow_provider_replicator.sandbox.cdf.query_string import boolean_of

MAX_VIEWS = 1000

# -- spaces ----------------------------------------------------------------------------------------------------------


def _parse_space(item: checks.Item) -> dict[str, Any]:
    space = checks.identifier(item, "space", checks.SPACE)
    if space in checks.RESERVED_SPACES:
        raise checks.violation(f"space must not be {space}: it is reserved")
    return {"space": space, **checks.texts(item, name=255, description=1024)}


def _empty_spaces(models: Models, gone: list[Space]) -> None:
    names = {space.key[0] for space in gone}
    schema = models.schema
    used = {key[0] for table in (schema.containers, schema.views, schema.data_models) for key in table}
    used |= {space for (_, space), count in models.instances.live.items() if count}
    if names & used:
        raise ApiError(400, f"Cannot delete spaces that are not empty: {', '.join(sorted(names & used))}")


def _accept(models: Models, before: Mapping[Any, Any], new: list[Stored]) -> None:
    return None


# -- containers ------------------------------------------------------------------------------------------------------


def _check_containers(models: Models, before: Mapping[Any, Any], new: list[Any]) -> None:
    for container in new:
        if container.key in before:
            refuse_changes(before[container.key], container.definition)
        for required in container.requires:
            models.schema.the_container(required)
    for container in new:
        old = before.get(container.key)
        removed = [name for name in old.properties if name not in container.properties] if old else []
        if removed:
            models.instances.drop_container(container.key, removed)


def _drop_data(models: Models, gone: list[Container]) -> None:
    for container in gone:
        models.instances.drop_container(container.key)


def _is_used_for(container: Container, query: Query) -> bool:
    wanted = query.get("usedFor")
    return not wanted or container.used_for in wanted


# -- views -----------------------------------------------------------------------------------------------------------


def _check_views(models: Models, before: Mapping[Any, Any], new: list[Any]) -> None:
    schema = models.schema
    for view in new:
        check_mapping(view.definition, schema)
        for reference in view.definition.get("implements", ()):
            schema.the_view(view_key(reference))
        _refuse_cycles(schema, view, ())
        compile_filter(models, view.definition.get("filter"))


def _refuse_cycles(schema: Schema, view: StoredView, path: tuple[Any, ...]) -> None:
    if view.key in path:
        raise ApiError(400, f"View '{described_key(view.key)}' implements itself")
    for reference in view.definition.get("implements", ()):
        parent = schema.views.get(view_key(reference))
        if parent is not None:
            _refuse_cycles(schema, parent, (*path, view.key))


def _view_doc(schema: Schema, view: StoredView, query: Query) -> dict[str, Any]:
    inherited = boolean_of(query, "includeInheritedProperties", default=True)
    return schema.the_view(view.key).doc(inherited=inherited)


# -- data models -----------------------------------------------------------------------------------------------------


def _parse_model(item: checks.Item) -> dict[str, Any]:
    views = checks.a_list(item.get("views") or [], "views", MAX_VIEWS)
    return {
        "space": checks.identifier(item, "space", checks.SPACE),
        "externalId": checks.identifier(item, "externalId", checks.EXTERNAL_ID),
        "version": checks.identifier(item, "version", checks.VERSION),
        **checks.texts(item, name=255, description=1024),
        "views": [_view_reference(view, n) for n, view in enumerate(views)],
    }


def _view_reference(view: Any, number: int) -> dict[str, str]:
    item = checks.an_object(view, f"views[{number}]")
    return checks.view_reference({**item, "type": item.get("type") or "view"}, f"views[{number}]")


def _apply_views(project: Project, wanted: list[dict[str, Any]]) -> None:
    """Views that data models bring along: those that are not just references. Nothing is stored of a request that fails later."""
    definitions = [_parse_model(item) for item in wanted]
    views = [view for item in wanted for view in item.get("views") or () if view.get("type") != "view"]
    if views:
        brought = {view_key(one): one for one in map(parse_view, views)}
        schema = models_of(project).schema
        schema.check_spaces({one["space"] for one in definitions})
        _refuse_missing_views(schema, definitions, set(brought))
        VIEWS.apply(project, list(brought.values()))


def _check_models(models: Models, before: Mapping[Any, Any], new: list[Any]) -> None:
    _refuse_missing_views(models.schema, [model.definition for model in new], set())


def _refuse_missing_views(schema: Schema, definitions: list[dict[str, Any]], brought: set[Any]) -> None:
    wanted = [view_key(view) for one in definitions for view in one["views"]]
    missing = dict.fromkeys(key for key in wanted if key not in schema.views and key not in brought)
    if missing:
        named = ", ".join(f"'{described_key(key)}'" for key in missing)
        raise ApiError(400, f"One or more views do not exist: {named}")


def _model_doc(schema: Schema, model: DataModel, query: Query) -> dict[str, Any]:
    views = model.definition["views"]
    if boolean_of(query, "inlineViews", default=False):
        found = [schema.view(view_key(view)) for view in views]
        views = [view.doc() for view in found if view is not None]
    return {
        **model.definition,
        "views": views,
        "createdTime": model.created,
        "lastUpdatedTime": model.updated,
        "isGlobal": model.is_global,
    }


SPACES = Definitions(
    Kind(
        path="/models/spaces",
        noun="space",
        identifying=("space",),
        parse=_parse_space,
        make=Space,
        stored=lambda schema: schema.spaces,
        doc=lambda schema, space, query: space.doc,
        check=_accept,
        deleting=_empty_spaces,
    )
)
CONTAINERS = Definitions(
    Kind(
        path="/models/containers",
        noun="container",
        identifying=("space", "externalId"),
        parse=parse_container,
        make=Container,
        stored=lambda schema: schema.containers,
        doc=lambda schema, container, query: container.doc,
        check=_check_containers,
        deleting=_drop_data,
        matches=_is_used_for,
    )
)
VIEWS = Definitions(
    Kind(
        path="/models/views",
        noun="view",
        identifying=("space", "externalId", "version"),
        parse=parse_view,
        make=StoredView,
        stored=lambda schema: schema.views,
        doc=_view_doc,
        check=_check_views,
    )
)
DATA_MODELS = Definitions(
    Kind(
        path="/models/datamodels",
        noun="data model",
        identifying=("space", "externalId", "version"),
        parse=_parse_model,
        make=DataModel,
        stored=lambda schema: schema.data_models,
        doc=_model_doc,
        check=_check_models,
        prepare=_apply_views,
    )
)
