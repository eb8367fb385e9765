# SPDX-License-Identifier: Apache-2.0
"""Answers that carry datapoints, as JSON or protobuf."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from airflow_provider_replicator.sandbox.cdf import protobuf as wire
from airflow_provider_replicator.sandbox.cdf.aggregates import Aggregated
from airflow_provider_replicator.sandbox.cdf.http import Request, Response
from airflow_provider_replicator.sandbox.cdf.points import Points
from airflow_provider_replicator.sandbox.cdf.points_status import symbol_of
from airflow_provider_replicator.sandbox.cdf.points_units import Conversion
from airflow_provider_replicator.sandbox.cdf.protobuf_points import encode_numeric, encode_strings

PROTOBUF = "application/protobuf"
_NUMERIC_TYPE, _STRING_TYPE = 1, 2


@dataclass(frozen=True, slots=True)
class Answer:
    """One item: the points of one series, and where to go on."""

    series: dict[str, Any]
    points: Points | Aggregated
    include_status: bool
    cursor: str | None = None
    unit: Conversion | None = None


def respond(request: Request, answers: list[Answer]) -> Response:
    if "protobuf" in request.headers.get("accept", ""):
        parts = [part for answer in answers for part in _protobuf_item(answer)]
        return Response(body=b"".join(parts), content_type=PROTOBUF)
    return Response(body=orjson.dumps({"items": [_json_item(answer) for answer in answers]}))


# -- JSON ---------------------------------------------------------------------------------------------------------------


def _json_item(answer: Answer) -> dict[str, Any]:
    series = answer.series
    is_string = bool(series.get("isString"))
    item: dict[str, Any] = {
        key: series[key] for key in ("id", "externalId", "instanceId", "unit", "unitExternalId") if key in series
    }
    item |= {"isString": is_string, "isStep": bool(series.get("isStep")), "type": "string" if is_string else "numeric"}
    if answer.unit is not None:
        item["unitExternalId"] = answer.unit.name
    if answer.cursor is not None:
        item["nextCursor"] = answer.cursor
    points = answer.points
    if isinstance(points, Aggregated):
        item["datapoints"] = points.to_json(json_point, include_status=answer.include_status)
    else:
        item["datapoints"] = json_points(points, include_status=answer.include_status)
    return item


def json_points(points: Points, *, include_status: bool) -> list[dict[str, Any]] | orjson.Fragment:
    """What orjson writes as the list of points. Good numbers, the usual case, never become objects."""
    if points.codes is None and points.nulls is None and points.values.dtype != object and len(points):
        return orjson.Fragment(_plain_numbers(points))
    is_string = points.values.dtype == object
    values = [value.decode() for value in points.values.tolist()] if is_string else points.values.tolist()
    times = points.times.tolist()
    if points.codes is None and points.nulls is None:
        return [{"timestamp": time, "value": value} for time, value in zip(times, values, strict=True)]
    codes = [0] * len(times) if points.codes is None else points.codes.tolist()
    nulls = [False] * len(times) if points.nulls is None else points.nulls.tolist()
    return [
        json_point(time, None if null else value, code if include_status else 0)
        for time, value, code, null in zip(times, values, codes, nulls, strict=True)
    ]


def _plain_numbers(points: Points) -> bytes:
    times, values = (
        orjson.dumps(np.ascontiguousarray(column), option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].split(b",")
        for column in (points.times, points.values)
    )
    pieces = [b'},{"timestamp":', b"", b',"value":', b""] * len(times)
    pieces[0] = b'[{"timestamp":'
    pieces[1::4], pieces[3::4] = times, values
    return b"".join(pieces) + b"}]"


JsonPoint = Callable[[int, Any, int], dict[str, Any]]


def json_point(time: int, value: Any, code: int) -> dict[str, Any]:
    point: dict[str, Any] = {"timestamp": time}
    if value is not None:
        point["value"] = _json_number(value) if isinstance(value, float) else value
    if code:
        point["status"] = {"code": code, "symbol": symbol_of(code)}
    return point


def _json_number(value: float) -> float | str:
    """JSON has no word for what only Bad points may hold."""
    if math.isfinite(value):
        return value
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


# -- protobuf -----------------------------------------------------------------------------------------------------------


def _protobuf_item(answer: Answer) -> list[bytes]:
    """The bytes of one item of DataPointListResponse, in parts: the points are copied once, into the body."""
    number, points = _protobuf_points(answer)
    head = _protobuf_head(answer) + wire.varint(number << 3 | wire.LENGTH) + wire.varint(len(points))
    tail = _protobuf_tail(answer)
    return [b"\x0a", wire.varint(len(head) + len(points) + len(tail)), head, points, tail]


def _protobuf_points(answer: Answer) -> tuple[int, bytes]:
    points = answer.points
    if isinstance(points, Aggregated):
        return 5, points.to_protobuf(include_status=answer.include_status)
    if answer.series.get("isString"):
        return 4, encode_strings(points, with_status=answer.include_status)
    return 3, encode_numeric(points, with_status=answer.include_status)


def _protobuf_head(answer: Answer) -> bytes:
    return wire.varint_field(1, answer.series["id"]) + wire.text_field(2, answer.series.get("externalId"))


def _protobuf_tail(answer: Answer) -> bytes:
    series = answer.series
    is_string = bool(series.get("isString"))
    tail = wire.varint_field(6, is_string) + wire.varint_field(7, bool(series.get("isStep")))
    tail += wire.text_field(8, series.get("unit")) + wire.text_field(9, answer.cursor)
    tail += wire.text_field(10, answer.unit.name if answer.unit else series.get("unitExternalId"))
    if instance := series.get("instanceId"):
        tail += wire.length_field(
            11, wire.text_field(1, instance["space"]) + wire.text_field(2, instance["externalId"])
        )
    return tail + wire.varint_field(12, _STRING_TYPE if is_string else _NUMERIC_TYPE)
