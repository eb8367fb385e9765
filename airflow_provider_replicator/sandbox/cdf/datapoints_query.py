# SPDX-License-Identifier: Apache-2.0
"""What a request for datapoints asks for: bodies, series, times, limits and cursors checked and resolved."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from airflow_provider_replicator.sandbox.cdf import payload
from airflow_provider_replicator.sandbox.cdf.aggregates import AGGREGATES
from airflow_provider_replicator.sandbox.cdf.aggregates_buckets import Granularity
from airflow_provider_replicator.sandbox.cdf.http import ApiError
from airflow_provider_replicator.sandbox.cdf.payload import identifier_of
from airflow_provider_replicator.sandbox.cdf.project import Project

Document = dict[str, Any]

#: 1900-01-01 and the last millisecond of 2099
FIRST_TIME, LAST_TIME = -2_208_988_800_000, 4_102_444_799_999
MAX_RAW, MAX_AGGREGATES, MAX_ITEMS = 100_000, 10_000, 100
DEFAULT_LIMIT = 100

_RELATIVE = re.compile(r"(\d{1,18})([smhdw])-(ago|ahead)", re.ASCII)
_UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


@dataclass(frozen=True, slots=True)
class Query:
    """One item of a request for raw or aggregated points of ``[start, end)``; ``series`` is its document."""

    series: Document
    start: int
    end: int
    limit: int
    scope: tuple[Any, ...]
    cursor: Any
    aggregates: tuple[str, ...]
    granularity: Granularity | None
    outside: bool
    include_status: bool
    ignore_bad: bool
    uncertain_as_bad: bool
    target_unit: str | None
    target_system: str | None


def resolve(project: Project, items: list[Document], *, ignore_unknown: bool) -> Iterator[tuple[Document, Document]]:
    """``(item, series)`` for each; 400 with all that are missing."""
    identifiers = [identifier_of(item, f"items[{n}]") for n, item in enumerate(items)]
    found = [project.timeseries.resolve(identifier) for identifier in identifiers]
    missing = [identifier for identifier, series in zip(identifiers, found, strict=True) if series is None]
    if missing and not ignore_unknown:
        unique = {orjson.dumps(identifier): identifier for identifier in missing}
        raise ApiError(400, "Time series not found", missing=list(unique.values()))
    return ((item, series) for item, series in zip(items, found, strict=True) if series is not None)


def instant(value: Any, *, now: int, name: str) -> int:
    """Milliseconds of ``1500``, ``"1500"``, ``"now"``, ``"2d-ago"`` or ``"1h-ahead"``."""
    time = _instant(value, now)
    if time is None:
        raise ApiError(
            400, f"Invalid value for {name}: {value!r}. Give milliseconds since epoch, 'now', or e.g. '2d-ago'"
        )
    return clipped(time)


def clipped(time: int) -> int:
    """Into what may be compared with timestamps; nothing lies beyond anyway."""
    return max(FIRST_TIME, min(time, LAST_TIME + 1))


def _instant(value: Any, now: int) -> int | None:
    if type(value) is int:
        return value
    if not isinstance(value, str):
        return None
    if match := _RELATIVE.fullmatch(value):
        shift = int(match[1]) * _UNIT_MS[match[2]]
        return now - shift if match[3] == "ago" else now + shift
    if re.fullmatch(r"-?[0-9]{1,18}", value):
        return int(value)
    return now if value == "now" else None


def queries(project: Project, body: Document) -> list[Query]:
    """The items of a list request with the defaults of its top level applied, unknown ids dropped if it says so."""
    items = payload.items(body, MAX_ITEMS)
    now = project.clock.now_ms()
    pairs = resolve(project, items, ignore_unknown=flag(body, "ignoreUnknownIds", default=False))
    found = [
        _query({**body, **{k: v for k, v in item.items() if v is not None}}, series, now) for item, series in pairs
    ]
    raw = sum(query.limit for query in found if not query.aggregates)
    aggregated = sum(query.limit for query in found if query.aggregates)
    if raw > MAX_RAW or aggregated > MAX_AGGREGATES:
        raise ApiError(
            400, f"limit must be at most {MAX_RAW} datapoints and {MAX_AGGREGATES} aggregates in total of all items"
        )
    return found


def _query(item: Document, series: Document, now: int) -> Query:
    aggregates = _aggregates(item, series)
    granularity = Granularity.parse(item.get("granularity"), item.get("timeZone")) if aggregates else None
    start = instant(item.get("start", 0), now=now, name="start")
    end = instant(item.get("end", now), now=now, name="end")
    if end <= start and item.get("end") is not None:
        raise ApiError(400, "end must be later than start")
    query = Query(
        series=series,
        start=start,
        end=end,
        limit=_limit(item),
        scope=_scope(item, series, aggregates, granularity),
        cursor=item.get("cursor"),
        aggregates=aggregates,
        granularity=granularity,
        outside=flag(item, "includeOutsidePoints", default=False),
        include_status=flag(item, "includeStatus", default=False),
        ignore_bad=flag(item, "ignoreBadDataPoints", default=True),
        uncertain_as_bad=flag(item, "treatUncertainAsBad", default=True),
        target_unit=item.get("targetUnit"),
        target_system=item.get("targetUnitSystem"),
    )
    _check_combination(query)
    return query


def _check_combination(query: Query) -> None:
    if query.outside and (query.cursor is not None or query.aggregates):
        raise ApiError(400, "includeOutsidePoints can not be used with cursors or aggregates")


def _scope(
    item: Document, series: Document, aggregates: tuple[str, ...], granularity: Granularity | None
) -> tuple[Any, ...]:
    """What has to stay equal for a cursor to be valid. ``start`` is superseded by it, and ``limit`` may change."""
    flags = [item.get("ignoreBadDataPoints", True), item.get("treatUncertainAsBad", True)]
    return ("datapoints", series["id"], aggregates, granularity and granularity.text, *flags)


def _aggregates(item: Document, series: Document) -> tuple[str, ...]:
    names = item.get("aggregates")
    if not names:
        return ()
    if not isinstance(names, list):
        raise ApiError(400, "aggregates must be a list of names")
    for name in names:
        if not isinstance(name, str) or name not in AGGREGATES:
            raise ApiError(400, f"Could not recognize aggregation value: '{name}'.")
    if series.get("isString"):
        raise ApiError(400, "Aggregates are not supported for string time series")
    return tuple(dict.fromkeys(names))


def _limit(item: Document) -> int:
    limit = item.get("limit", DEFAULT_LIMIT)
    if type(limit) is not int or not 0 <= limit < 1 << 31:
        raise ApiError(400, f"Invalid limit: {limit!r}")
    return limit


def flag(item: Document, name: str, *, default: bool) -> bool:
    value = item.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise ApiError(400, f"{name} must be true or false")
    return value
