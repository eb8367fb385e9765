# SPDX-License-Identifier: Apache-2.0
"""Datapoints of every selected series: by counts and checksums per period, or point by point.

String series have no aggregates: below the level ``content`` their first and last points are compared, from there on every point.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.cdf.identity import key_of
from airflow_provider_replicator.cdf.options import Options
from airflow_provider_replicator.cdf.references import by_ids
from airflow_provider_replicator.cdf.resources import RESOURCES
from airflow_provider_replicator.cdf.selection import scope_of
from airflow_provider_replicator.cdf.verify import periods as by_period
from airflow_provider_replicator.cdf.verify.left_out import CHANGED_SINCE, unlinkable
from airflow_provider_replicator.cdf.verify.objects import source_pages
from airflow_provider_replicator.cdf.verify.points import EVERY_POINT, PointReader, compare_points
from airflow_provider_replicator.core.window import Window, iso

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.cdf.verify.job import Job

#: Series read at a time, point by point: each holds one page of each side.
SERIES_IN_FLIGHT = 4

JsonPoint = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SeriesPair:
    """One series on both sides; ``source`` and ``target`` are how requests name it there."""

    key: str
    source: dict[str, Any]
    target: dict[str, Any]
    is_string: bool


@dataclass(frozen=True, slots=True)
class Bounds:
    """The first and the last point of a series in the window; both None if it is empty."""

    first: JsonPoint | None
    last: JsonPoint | None


async def check_datapoints(resource: str, job: Job) -> None:
    """Every selected series of the source that can be copied, a hundred at a time."""
    series = RESOURCES["time_series"]
    scope = await scope_of(series, job.source, Options(selection=job.selection))
    async for docs in source_pages(series, job.source, scope):
        for start in range(0, len(docs), by_period.SERIES_PER_REQUEST):
            await _check_docs(resource, job, docs[start : start + by_period.SERIES_PER_REQUEST])


async def _check_docs(resource: str, job: Job, docs: Sequence[dict[str, Any]]) -> None:
    series, report = RESOURCES["time_series"], job.report
    keyed = {key_of(doc, job.source.project): doc for doc in docs}
    found = await by_ids(job.target, series.path, [_in_target(key, doc) for key, doc in keyed.items()])
    copies = {_name(copy): copy for copy in found}
    copy_of = {key: copies.get(_name(doc) if doc.get("instanceId") else key) for key, doc in keyed.items()}
    left_out = await unlinkable(series, [doc for key, doc in keyed.items() if copy_of[key] is None], job)
    pairs = []
    for key, doc in keyed.items():
        copy = copy_of[key]
        if (reason := _why_left_out(doc, copy, left_out, job)) is not None:
            report.of(resource).leave_out(reason)
        elif copy is None:
            report.differs(resource, f"{key}: there is no such series in the target")
        elif copy["isString"] != doc["isString"]:
            report.differs(resource, f"{key}: the series holds strings on one side and numbers on the other")
        else:
            pairs.append(SeriesPair(key, {"id": doc["id"]}, {"id": copy["id"]}, doc["isString"]))
    await check_series(resource, job, pairs)


def _why_left_out(doc: dict[str, Any], copy: dict[str, Any] | None, left_out: set[int], job: Job) -> str | None:
    """A series may be left out of the replication of time series; where the target has it all the same, its points are compared."""
    if job.skip_nonasset and not doc.get("assetId"):
        return "nonasset"
    if copy is not None:
        return None
    if doc["id"] in left_out:
        return "unlinkable"
    if job.as_of is not None and doc["createdTime"] >= job.as_of:
        return CHANGED_SINCE
    return next((reason for field, reason in RESOURCES["time_series"].skipped.items() if doc.get(field)), None)


def _in_target(key: str, doc: dict[str, Any]) -> dict[str, Any]:
    """A series that belongs to a data-model node has the node's name in both projects."""
    return {"instanceId": doc["instanceId"]} if doc.get("instanceId") else {"externalId": key}


def _name(doc: dict[str, Any]) -> Any:
    node = doc.get("instanceId")
    return (node["space"], node["externalId"]) if node else doc.get("externalId")


async def check_series(resource: str, job: Job, pairs: Sequence[SeriesPair]) -> None:
    """Compare the points of up to 100 series."""
    numeric = [pair for pair in pairs if not pair.is_string]
    text = [pair for pair in pairs if pair.is_string]
    if job.level == "full":
        await _point_by_point(resource, job, pairs, job.points_window)
        return
    if job.level == "content":
        await _point_by_point(resource, job, text, job.points_window)
    elif text:
        await _by_bounds(resource, job, text)
    if numeric:
        await _by_period(resource, job, numeric)


async def _point_by_point(resource: str, job: Job, pairs: Sequence[SeriesPair], window: Window) -> None:
    slots = asyncio.Semaphore(SERIES_IN_FLIGHT)
    await asyncio.gather(*(_compare_one(resource, job, pair, window, slots) for pair in pairs))


async def _compare_one(resource: str, job: Job, pair: SeriesPair, window: Window, slots: asyncio.Semaphore) -> None:
    report = job.report
    async with slots:
        found = await compare_points(
            PointReader(job.source, pair.source, start=window.start_ms, end=window.end_ms),
            PointReader(job.target, pair.target, start=window.start_ms, end=window.end_ms),
            keep=report.max_differences,
        )
    verdict = report.of(resource)
    verdict.source += found.source
    verdict.target += found.target
    for text in found.differences:
        report.differs(resource, f"{pair.key} at {text}")
    verdict.different += found.different - len(found.differences)


async def _by_bounds(resource: str, job: Job, pairs: Sequence[SeriesPair]) -> None:
    ours, theirs = await _bounds_of_both(job, pairs)
    for pair, left, right in zip(pairs, ours, theirs, strict=True):
        for place, here, there in (("first", left.first, right.first), ("last", left.last, right.last)):
            if here != there:
                text = f"{pair.key}: the {place} point is {_words(here)} in the source, {_words(there)} in the target"
                job.report.differs(resource, text)


async def _by_period(resource: str, job: Job, pairs: Sequence[SeriesPair]) -> None:
    start, end = (job.points_window.start_ms, job.points_window.end_ms) if job.window else await _span(job, pairs)
    if start >= end:
        return
    (first, last), edges = by_period.whole_hours(start, end)
    for grid in by_period.grids(first, last):
        await _compare_grid(resource, job, pairs, grid)
    for edge in edges:
        await _point_by_point(resource, job, pairs, Window(*edge))


async def _span(job: Job, pairs: Sequence[SeriesPair]) -> tuple[int, int]:
    """Whole hours that hold every point of these series on both sides."""
    ours, theirs = await _bounds_of_both(job, pairs)
    points = [point for bounds in ours + theirs for point in (bounds.first, bounds.last) if point is not None]
    if not points:
        return 0, 0
    times = [int(point["timestamp"]) for point in points]
    hour = by_period.HOUR_MS
    return min(times) // hour * hour, (max(times) // hour + 1) * hour


async def _compare_grid(resource: str, job: Job, pairs: Sequence[SeriesPair], grid: by_period.Grid) -> None:
    aggregates = by_period.COUNTS + (by_period.CHECKSUMS if job.level == "content" else ())
    ours, theirs = await asyncio.gather(
        by_period.periods_of(job.source, [pair.source for pair in pairs], grid, aggregates),
        by_period.periods_of(job.target, [pair.target for pair in pairs], grid, aggregates),
    )
    verdict = job.report.of(resource)
    for pair, left, right in zip(pairs, ours, theirs, strict=True):
        verdict.source += by_period.points_in(left)
        verdict.target += by_period.points_in(right)
        for start, name, here, there in by_period.differences(left, right):
            period = f"[{iso(start)}, +{grid.hours} h)"
            job.report.differs(
                resource, f"{pair.key} in {period}: {name} is {here} in the source, {there} in the target"
            )


async def _bounds_of_both(job: Job, pairs: Sequence[SeriesPair]) -> tuple[list[Bounds], list[Bounds]]:
    window = job.points_window
    ours, theirs = await asyncio.gather(
        _bounds(job.source, [pair.source for pair in pairs], window),
        _bounds(job.target, [pair.target for pair in pairs], window),
    )
    return ours, theirs


async def _bounds(client: CdfClient, items: list[dict[str, Any]], window: Window) -> list[Bounds]:
    first = {"items": items, "start": window.start_ms, "end": window.end_ms, "limit": 1, **EVERY_POINT}
    last = {"items": [{**item, "before": window.end_ms, **EVERY_POINT} for item in items]}
    firsts, lasts = await asyncio.gather(
        client.post_json("/timeseries/data/list", first), client.post_json("/timeseries/data/latest", last)
    )
    return [
        _inside(_point(head), _point(tail), window) for head, tail in zip(firsts["items"], lasts["items"], strict=True)
    ]


def _point(item: dict[str, Any]) -> JsonPoint | None:
    points = item["datapoints"]
    return points[0] if points else None


def _inside(first: JsonPoint | None, last: JsonPoint | None, window: Window) -> Bounds:
    """The latest point before the window's end may lie before its start."""
    if last is not None and last["timestamp"] < window.start_ms:
        last = None
    return Bounds(first, last)


def _words(point: JsonPoint | None) -> str:
    return "none" if point is None else f"{point.get('value')!r} at {iso(point['timestamp'])}"
