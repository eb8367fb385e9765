# SPDX-License-Identifier: Apache-2.0
"""What is asked about datapoints. All points are asked for, whatever their status, from 1900 on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.cdf.datapoints.plan import END_MS, MAX_AGGREGATES, Bucket
from airflow_provider_replicator.cdf.protobuf.wire import read_list_response

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from airflow_provider_replicator.cdf.datapoints.series import Series
    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.cdf.protobuf.wire import Kind, PageItem

#: Without these the API hides points that are bad or uncertain.
_EVERY_POINT = {"includeStatus": True, "ignoreBadDataPoints": False, "treatUncertainAsBad": False}
_COUNTS = ("countGood", "countUncertain", "countBad")


@dataclass(frozen=True, slots=True)
class Query:
    """The points of the series ``id`` in ``[start, end)`` ms, the oldest ``limit`` of them."""

    id: int
    start: int
    end: int
    limit: int


@dataclass(frozen=True, slots=True)
class CountQuery:
    """Counts of the series ``id`` in ``[start, end)`` ms, per bucket of ``granularity``, which is ``length`` ms."""

    id: int
    start: int
    end: int
    granularity: str
    length: int


@dataclass(frozen=True, slots=True)
class TargetSeries:
    """A series as the target knows it. ``last``: the timestamp of its last point before the asked time; None if it has none."""

    id: int
    kind: Kind
    last: int | None


async def read_points(client: CdfClient, queries: Iterable[Query]) -> dict[int, PageItem]:
    """One page per series, by id. A series that is gone is not in the answer."""
    items = [
        {"id": query.id, "start": query.start, "end": query.end, "limit": query.limit, **_EVERY_POINT}
        for query in queries
    ]
    body = await client.post_for_bytes(
        "/timeseries/data/list", {"items": items, "ignoreUnknownIds": True}, accept="application/protobuf"
    )
    return {item.id: item for item in read_list_response(body)}


async def latest(client: CdfClient, series: Sequence[Series], *, before: int = END_MS) -> dict[Series, TargetSeries]:
    """What the target has of up to 100 series. A series that it does not have is not in the answer."""
    items = [{**one.reference, "before": before, **_EVERY_POINT} for one in series]
    answer = await client.post_json("/timeseries/data/latest", {"items": items, "ignoreUnknownIds": True})
    found: dict[tuple[str, ...], Mapping[str, Any]] = {}
    for item in answer["items"]:
        found |= dict.fromkeys(_names(item), item)
    return {one: _target_series(found[name]) for one in series for name in _names(one.reference) if name in found}


def _names(item: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """How the item can have been asked for: a series of a data-model node has an external id, too."""
    node, external_id = item.get("instanceId"), item.get("externalId")
    return ([(node["space"], node["externalId"])] if node else []) + ([(external_id,)] if external_id else [])


def _target_series(item: Mapping[str, Any]) -> TargetSeries:
    points = item["datapoints"]
    kind: Kind = "string" if item.get("isString") else "numeric"
    if item.get("type") == "state":
        kind = "state"
    return TargetSeries(id=item["id"], kind=kind, last=points[0]["timestamp"] if points else None)


async def count_points(client: CdfClient, queries: Sequence[CountQuery]) -> dict[int, list[Bucket]]:
    """The buckets that hold points, in order, by id: good, uncertain and bad ones together. Numeric series only."""
    share = MAX_AGGREGATES // len(queries)
    length = {query.id: query.length for query in queries}
    pending = [
        {"id": query.id, "start": query.start, "end": query.end, "granularity": query.granularity, "limit": share}
        for query in queries
    ]
    found: dict[int, list[Bucket]] = {}
    while pending:
        body = {"items": pending, "aggregates": _COUNTS, "ignoreUnknownIds": True}
        answer = await client.post_json("/timeseries/data/list", body)
        cursors = {}
        for item in answer["items"]:
            width = length[item["id"]]
            found.setdefault(item["id"], []).extend(_bucket(row, width) for row in item["datapoints"])
            if item.get("nextCursor"):
                cursors[item["id"]] = item["nextCursor"]
        pending = [{**item, "cursor": cursors[item["id"]]} for item in pending if item["id"] in cursors]
    return found


def _bucket(row: Mapping[str, Any], width: int) -> Bucket:
    return Bucket(row["timestamp"], row["timestamp"] + width, round(sum(row.get(name, 0) for name in _COUNTS)))
