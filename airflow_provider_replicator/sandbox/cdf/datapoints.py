# SPDX-License-Identifier: Apache-2.0
"""``/timeseries/data``: list, insert, latest and delete."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from airflow_provider_replicator.sandbox.cdf import datapoints_query as ask
from airflow_provider_replicator.sandbox.cdf import payload
from airflow_provider_replicator.sandbox.cdf.aggregates import aggregate
from airflow_provider_replicator.sandbox.cdf.datapoints_answer import Answer, respond
from airflow_provider_replicator.sandbox.cdf.datapoints_insert import batches
from airflow_provider_replicator.sandbox.cdf.http import ApiError, Request, Response
from airflow_provider_replicator.sandbox.cdf.points import Changes, Points, PointStore, Series, join
from airflow_provider_replicator.sandbox.cdf.points_units import convert, target_of
from airflow_provider_replicator.sandbox.cdf.project import Project

Handler = Callable[[Project, Request], Response]


def routes() -> list[tuple[str, str, Handler]]:
    return [
        ("POST", "/timeseries/data", insert),
        ("POST", "/timeseries/data/list", list_points),
        ("POST", "/timeseries/data/latest", latest),
        ("POST", "/timeseries/data/delete", delete),
    ]


def points_of(project: Project) -> PointStore:
    return project.extension("points", _make_store)


def _make_store(project: Project) -> PointStore:
    store = PointStore()

    def forget(documents: Iterable[dict[str, Any]]) -> None:
        for document in documents:
            store.forget(document["id"])

    project.timeseries.on_delete.append(forget)
    return store


def series_of(project: Project, document: dict[str, Any]) -> Series:
    return points_of(project).of(document["id"], is_string=bool(document.get("isString")))


def insert(project: Project, request: Request) -> Response:
    inserted = batches(project, request)
    for document, points in inserted:
        series_of(project, document).insert(points)
    points_of(project).changed([*inserted])
    return Response()


def list_points(project: Project, request: Request) -> Response:
    queries = ask.queries(project, payload.body(request))
    return respond(request, [_answer(project, query) for query in queries])


def _answer(project: Project, query: ask.Query) -> Answer:
    series = series_of(project, query.series)
    start = query.start
    if query.cursor is not None:
        start = project.cursors.read(query.scope, query.cursor)
    unit = target_of(query.series, unit=query.target_unit, system=query.target_system)
    if query.granularity is not None:
        aggregated, following = aggregate(series, query, start, is_step=bool(query.series.get("isStep")), unit=unit)
        return Answer(query.series, aggregated, query.include_status, _cursor(project, query, following), unit)
    if query.outside:
        points, following = _with_outside(series, query), None
    else:
        points, following = _page(series, query, start)
    return Answer(
        query.series,
        convert(points, unit),
        query.include_status,
        _cursor(project, query, following),
        unit,
    )


def _cursor(project: Project, query: ask.Query, following: int | None) -> str | None:
    return None if following is None else project.cursors.make(query.scope, following)


def _page(series: Series, query: ask.Query, start: int) -> tuple[Points, int | None]:
    """Up to ``limit`` points from ``start`` on, and the time of the first one left over."""
    parts: list[Points] = []
    room = query.limit
    for part in series.parts(start, query.end) if room else ():
        usable = part.usable(ignore_bad=query.ignore_bad, uncertain_as_bad=query.uncertain_as_bad)
        if len(usable) > room:
            parts.append(usable[:room])
            return join(parts, is_string=series.is_string), int(usable.times[room])
        parts.append(usable)
        room -= len(usable)
    return join(parts, is_string=series.is_string), None


def _with_outside(series: Series, query: ask.Query) -> Points:
    """The page, the last point before ``start`` and the first at or after ``end``; what exceeds the limit is left out between."""
    inside, _ = _page(series, query, query.start)
    flags = {"ignore_bad": query.ignore_bad, "uncertain_as_bad": query.uncertain_as_bad}
    before, after = series.last_before(query.start, **flags), series.first_from(query.end, **flags)
    return join([before, inside, after], is_string=series.is_string)


def latest(project: Project, request: Request) -> Response:
    body = payload.body(request)
    items = payload.items(body, ask.MAX_ITEMS)
    pairs = ask.resolve(project, items, ignore_unknown=ask.flag(body, "ignoreUnknownIds", default=False))
    return respond(request, [_latest(project, {**body, **item}, document) for item, document in pairs])


def _latest(project: Project, item: dict[str, Any], document: dict[str, Any]) -> Answer:
    now = project.clock.now_ms()
    before = item.get("before")
    points = series_of(project, document).last_before(
        now if before is None else ask.instant(before, now=now, name="before"),
        ignore_bad=ask.flag(item, "ignoreBadDataPoints", default=True),
        uncertain_as_bad=ask.flag(item, "treatUncertainAsBad", default=True),
    )
    unit = target_of(document, unit=item.get("targetUnit"), system=item.get("targetUnitSystem"))
    include_status = ask.flag(item, "includeStatus", default=False)
    return Answer(document, convert(points, unit), include_status, unit=unit)


def delete(project: Project, request: Request) -> Response:
    items = payload.items(payload.body(request), 10_000)
    ranges = [_range(item) for item in items]
    pairs = list(ask.resolve(project, items, ignore_unknown=False))
    deleted: Changes = []
    for (_, document), (begin, end) in zip(pairs, ranges, strict=True):
        series_of(project, document).delete(begin, end)
        deleted.append((document, (begin, end)))
    points_of(project).changed(deleted)
    return Response()


def _range(item: dict[str, Any]) -> tuple[int, int]:
    begin, end = item.get("inclusiveBegin"), item.get("exclusiveEnd")
    if end is None and type(begin) is int:
        end = begin + 1
    if type(begin) is not int or type(end) is not int:
        raise ApiError(400, "inclusiveBegin and exclusiveEnd must be milliseconds since epoch")
    if end <= begin:
        raise ApiError(400, "exclusiveEnd must be later than inclusiveBegin")
    return ask.clipped(begin), ask.clipped(end)
