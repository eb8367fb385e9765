# SPDX-License-Identifier: Apache-2.0
"""Which tables there are to be: one per view and kind of instance, from the definitions in CDF."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.exceptions import CdfAccessError, CdfRequestError, ConfigurationError
from airflow_provider_replicator.lake.instances.schema import (
    InstanceSource,
    ViewRef,
    edges_path,
    properties_of,
    table_path,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.lake.instances.options import InstancesOptions
    from airflow_provider_replicator.lake.instances.schema import Instances

_PAGE = 1000
_BY_IDS = 100
#: What may be read at a time where the project does not say.
_PARALLEL = 4


async def sources_of(client: CdfClient, options: InstancesOptions) -> tuple[list[InstanceSource], dict[str, int]]:
    """(the sources in a stable order, reason -> views that have no table). Raises ConfigurationError for what does not exist."""
    left_out: dict[str, int] = {}
    sources: list[InstanceSource] = []
    for view in await _views(client, options):
        of_view = list(_of_view(view, options.instance_spaces))
        if not of_view:
            left_out["view without data"] = left_out.get("view without data", 0) + 1
        sources += of_view
    spaces = options.edge_spaces
    if spaces is None:
        spaces = (options.space,) if options.instance_spaces is None else options.instance_spaces
    sources += [_all_edges(space) for space in dict.fromkeys(spaces)]
    if not sources:
        raise ConfigurationError(f"nothing to replicate: space {options.space} has no views with data")
    return sources, left_out


async def parallel_reads(client: CdfClient, options: InstancesOptions) -> int:
    """How many sources to read at a time: what is asked for, within what the project allows."""
    try:
        limit = (await client.get_json("/models/statistics")).get("concurrentReadLimit")
    except (CdfRequestError, CdfAccessError):
        limit = None
    allowed = limit if isinstance(limit, int) and limit > 0 else _PARALLEL
    return min(options.parallel or allowed, allowed)


def _of_view(view: dict[str, Any], spaces: Sequence[str] | None) -> Iterator[InstanceSource]:
    ref, properties = ViewRef.of(view), properties_of(view)
    kinds: dict[str, tuple[Instances, ...]] = {"node": ("nodes",), "edge": ("edges",), "all": ("nodes", "edges")}
    if not properties and not view.get("filter"):
        return
    has_data = {"hasData": [ref.source]}
    own = view.get("filter")
    for instances in kinds.get(view.get("usedFor", "node"), ()):
        yield InstanceSource(
            instances=instances,
            path=table_path(ref, instances),
            filter=_within(instances, spaces, own or has_data),
            wider=_within(instances, spaces, {"or": [own, has_data]}) if own and properties else None,
            view=ref,
            properties=properties,
        )


def _all_edges(space: str) -> InstanceSource:
    return InstanceSource(instances="edges", path=edges_path(space), filter=_in_spaces("edges", [space]))


def _within(instances: Instances, spaces: Sequence[str] | None, belongs: dict[str, Any]) -> dict[str, Any]:
    return belongs if spaces is None else {"and": [_in_spaces(instances, spaces), belongs]}


def _in_spaces(instances: Instances, spaces: Sequence[str]) -> dict[str, Any]:
    return {"in": {"property": [instances.removesuffix("s"), "space"], "values": list(spaces)}}


async def _views(client: CdfClient, options: InstancesOptions) -> list[dict[str, Any]]:
    if options.data_model is not None:
        views = await _views_of_model(client, options.space, options.data_model, options.data_model_version)
        return views if options.views is None else _chosen(views, options.views)
    if options.views is not None:
        versioned = [name for name in options.views if "/" in name]
        plain = [name for name in options.views if "/" not in name]
        newest = await _newest_views(client, options.space) if plain else []
        return _chosen(newest, plain) + await _by_version(client, options.space, versioned)
    return await _newest_views(client, options.space)


def _chosen(views: list[dict[str, Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    by_name = {view["externalId"]: view for view in views}
    by_name |= {f"{view['externalId']}/{view['version']}": view for view in views}
    if unknown := [name for name in names if name not in by_name]:
        there = ", ".join(sorted(view["externalId"] for view in views)) or "none"
        raise ConfigurationError(f"no such views: {', '.join(unknown)}. There are: {there}")
    return list({id(by_name[name]): by_name[name] for name in names}.values())


async def _newest_views(client: CdfClient, space: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        answer = await client.get_json(
            "/models/views",
            params={"space": space, "limit": _PAGE, "includeInheritedProperties": True, "cursor": cursor},
        )
        found += answer["items"]
        cursor = answer.get("nextCursor")
        if not cursor:
            return found


async def _by_version(client: CdfClient, space: str, names: Sequence[str]) -> list[dict[str, Any]]:
    pairs = [name.rsplit("/", 1) for name in names]
    return await _by_ids(
        client, [{"space": space, "externalId": external_id, "version": version} for external_id, version in pairs]
    )


async def _by_ids(client: CdfClient, ids: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for start in range(0, len(ids), _BY_IDS):
        part = [
            {name: one[name] for name in ("space", "externalId", "version")} for one in ids[start : start + _BY_IDS]
        ]
        answer = await client.post_json("/models/views/byids?includeInheritedProperties=true", {"items": part})
        found += answer["items"]
    there = {(view["space"], view["externalId"], view["version"]) for view in found}
    if missing := [one for one in ids if (one["space"], one["externalId"], one["version"]) not in there]:
        names = ", ".join(f"{one['space']}:{one['externalId']}/{one['version']}" for one in missing)
        raise ConfigurationError(f"no such views: {names}")
    return found


async def _views_of_model(client: CdfClient, space: str, name: str, version: str | None) -> list[dict[str, Any]]:
    wanted = {"space": space, "externalId": name} | ({"version": version} if version else {})
    answer = await client.post_json("/models/datamodels/byids", {"items": [wanted]})
    if not answer["items"]:
        raise ConfigurationError(f"no such data model: {space}:{name}{f'/{version}' if version else ''}")
    model = max(answer["items"], key=lambda one: int(one["createdTime"]))
    return await _by_ids(client, list(model.get("views") or ()))
