# SPDX-License-Identifier: Apache-2.0
"""Insert requests, JSON or protobuf: decoded, checked as a whole, then stored as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from airflow_provider_replicator.sandbox.cdf import payload
from airflow_provider_replicator.sandbox.cdf import protobuf as wire
from airflow_provider_replicator.sandbox.cdf.datapoints_query import (
    FIRST_TIME,
    LAST_TIME,
    Document,
    resolve,
)
from airflow_provider_replicator.sandbox.cdf.http import ApiError, Request
from airflow_provider_replicator.sandbox.cdf.points import BAD, SEVERITY, Points
from airflow_provider_replicator.sandbox.cdf.points_status import code_of
from airflow_provider_replicator.sandbox.cdf.project import Project
from airflow_provider_replicator.sandbox.cdf.protobuf_decode import decode_numeric, decode_strings

MAX_ITEMS, MAX_POINTS, MAX_VALUE, MAX_TEXT_BYTES = 10_000, 100_000, 1e100, 1_023

#: what the client calls the series, and its points not yet checked against the series
_Batch = tuple[Document, Points | Sequence[Any]]

_SPECIAL = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


def batches(project: Project, request: Request) -> list[tuple[Document, Points]]:
    """``(series, points)`` of the request, every limit of the API checked. Raises `ApiError`."""
    if "protobuf" in request.headers.get("content-type", ""):
        found = _from_protobuf(request.body)
    else:
        found = [(item, _points_of(item)) for item in payload.items(payload.body(request), MAX_ITEMS)]
    total = sum(len(points) for _, points in found)
    if total > MAX_POINTS:
        raise ApiError(400, f"A request is limited to {MAX_POINTS} datapoints in total, has {total}")
    pairs = list(resolve(project, [item for item, _ in found], ignore_unknown=False))
    _refuse_repeated(pairs)
    return [(series, _checked(series, points)) for (_, series), (_, points) in zip(pairs, found, strict=True)]


def _points_of(item: Document) -> Sequence[Any]:
    points = item.get("datapoints")
    if not isinstance(points, list):
        raise ApiError(400, "datapoints must be a list of objects")
    return points


def _refuse_repeated(pairs: list[tuple[Document, Document]]) -> None:
    seen: set[int] = set()
    repeated = []
    for item, series in pairs:
        if series["id"] in seen:
            repeated.append({key: item[key] for key in ("id", "externalId", "instanceId") if key in item})
        seen.add(series["id"])
    if repeated:
        raise ApiError(422, "Time series are given more than once in the request", duplicated=repeated)


def _checked(series: Document, points: Points | Sequence[Any]) -> Points:
    is_string = bool(series.get("isString"))
    try:
        if not isinstance(points, Points):
            points = _from_json(points, is_string=is_string)
        elif len(points) and (points.values.dtype == object) != is_string:
            raise ValueError(
                f"Expected {'string' if is_string else 'numeric'} datapoints for time series {series['id']}"
            )
        _check_times(points)
        _check_strings(points) if is_string else _check_numbers(points)
    except ValueError as error:
        raise ApiError(400, str(error)) from error
    return points


def _check_times(points: Points) -> None:
    if not len(points):
        return
    for extreme in (int(points.times.min()), int(points.times.max())):
        if not FIRST_TIME <= extreme <= LAST_TIME:
            raise ValueError(f"Timestamp {extreme} is outside of the supported range [{FIRST_TIME}, {LAST_TIME}]")


def _check_numbers(points: Points) -> None:
    usable = np.abs(points.values) <= MAX_VALUE  # False for NaN
    if points.nulls is None and usable.all():
        return
    is_bad = np.zeros(len(points), np.bool_) if points.codes is None else (points.codes & SEVERITY) >= BAD
    usable |= is_bad & ~np.isfinite(points.values)
    if points.nulls is not None:
        _check_nulls(points)
        usable |= points.nulls
    if not usable.all():
        worst = int(np.argmin(usable))
        raise ValueError(
            f"Value {points.values[worst]} at timestamp {points.times[worst]} is not allowed: "
            f"numbers are limited to ±{MAX_VALUE:.0e}, NaN and Infinity to datapoints with a Bad status"
        )


def _check_nulls(points: Points) -> None:
    is_bad = np.zeros(len(points), np.bool_) if points.codes is None else (points.codes & SEVERITY) >= BAD
    if points.nulls is not None and (points.nulls & ~is_bad).any():
        where = int(np.argmax(points.nulls & ~is_bad))
        raise ValueError(
            f"Value is missing at timestamp {points.times[where]}: only datapoints with a Bad status may have none"
        )


def _check_strings(points: Points) -> None:
    _check_nulls(points)
    longest = max(map(len, points.values.tolist()), default=0)
    if longest > MAX_TEXT_BYTES:
        raise ValueError(f"String values are limited to {MAX_TEXT_BYTES} bytes of UTF-8, one has {longest}")


# -- JSON ---------------------------------------------------------------------------------------------------------------


def _from_json(points: Sequence[Any], *, is_string: bool) -> Points:
    try:
        times = [point["timestamp"] for point in points]
    except (TypeError, KeyError, IndexError) as error:
        raise ValueError("Every datapoint must be an object with a timestamp") from error
    if set(map(type, times)) - {int}:
        raise ValueError("Timestamps must be integers (milliseconds since epoch)")
    if times and not FIRST_TIME <= min(times) <= max(times) <= LAST_TIME:
        raise ValueError(f"Timestamp is outside of the supported range [{FIRST_TIME}, {LAST_TIME}]")
    values = [point.get("value") for point in points]
    nulls = np.array([value is None for value in values], np.bool_)
    codes = np.array([_json_status(point.get("status")) for point in points], np.uint32)
    return Points(
        np.array(times, np.int64),
        _texts(values) if is_string else _numbers(values),
        codes if codes.any() else None,
        nulls if nulls.any() else None,
    )


def _json_status(status: Any) -> int:
    if status is None:
        return 0
    if not isinstance(status, dict):
        raise ValueError("status must be an object with code or symbol")
    code, symbol = status.get("code"), status.get("symbol")
    if code is not None and type(code) is not int:
        raise ValueError(f"Invalid status code: {code!r}")
    if symbol is not None and not isinstance(symbol, str):
        raise ValueError(f"Invalid status code symbol: {symbol!r}")
    return code_of(code, symbol)


def _numbers(values: list[Any]) -> Any:
    kinds = set(map(type, values))
    if kinds <= {int, float}:
        return np.array(values, np.float64) if values else np.empty(0, np.float64)
    return np.array([_number(value) for value in values], np.float64)


def _number(value: Any) -> float:
    if value is None:
        return 0.0
    if type(value) in (int, float):
        return float(value)
    if isinstance(value, str) and value in _SPECIAL:
        return _SPECIAL[value]
    raise ValueError(f"Expected numeric value for datapoint, got {value!r}")


def _texts(values: list[Any]) -> Any:
    out = np.empty(len(values), object)
    if set(map(type, values)) - {str, type(None)}:
        raise ValueError("Expected string value for datapoint")
    out[:] = [b"" if value is None else value.encode() for value in values]
    return out


# -- protobuf -----------------------------------------------------------------------------------------------------------


def _from_protobuf(data: bytes) -> list[_Batch]:
    try:
        found = [
            _protobuf_item(data, start, end)
            for number, kind, start, end in wire.fields(data, 0, len(data))
            if (number, kind) == (1, wire.LENGTH)
        ]
    except ValueError as error:
        raise ApiError(400, f"Invalid protobuf request: {error}") from error
    if not 1 <= len(found) <= MAX_ITEMS:
        raise ApiError(400, f"items must have 1 to {MAX_ITEMS} elements, has {len(found)}")
    return found


def _protobuf_item(data: bytes, start: int, end: int) -> _Batch:
    item: Document = {}
    points: list[Points] = []
    for number, _, begin, stop in wire.fields(data, start, end):
        if number == 1:
            item = {"id": wire.read_varint(data, begin)[0]}
        elif number == 2:
            item = {"externalId": wire.text(data, begin, stop)}
        elif number == 5:
            item = {"instanceId": _instance(data, begin, stop)}
        elif number in (3, 4):
            body = data[begin:stop]
            points.append(decode_numeric(body) if number == 3 else decode_strings(body))
        elif number == 6:
            raise ValueError("state datapoints are not supported")
    if len(points) > 1:
        raise ValueError("an item holds datapoints more than once")
    return item, points[0] if points else []


def _instance(data: bytes, start: int, end: int) -> Document:
    names = {1: "space", 2: "externalId"}
    found = {
        names[number]: wire.text(data, begin, stop)
        for number, _, begin, stop in wire.fields(data, start, end)
        if number in names
    }
    return {"space": "", "externalId": "", **found}
