# SPDX-License-Identifier: Apache-2.0
"""Subscriptions as the tests make and read them."""

from __future__ import annotations

from typing import Any

from tests.sandbox.caller import Caller

PATH = "/timeseries/subscriptions"
DAY = 86_400_000
BAD = 0x8000_0000


def build(cdf: Caller) -> Caller:
    """Numeric series ``a``, ``b`` and ``c``, string series ``s``; subscription ``sub`` of a and s in one partition."""
    cdf.create("/timeseries", *({"externalId": name, "name": f"the {name}"} for name in "abc"))
    cdf.create("/timeseries", {"externalId": "s", "isString": True})
    subscribe(cdf, "sub", timeSeriesIds=["a", "s"])
    return cdf


def subscribe(cdf: Caller, name: str, /, partitions: int = 1, **what: Any) -> dict[str, Any]:
    return cdf.create(PATH, {"externalId": name, "partitionCount": partitions, **what})[0]


def insert(cdf: Caller, name: str, *points: Any) -> None:
    rows = [dict(zip(("timestamp", "value", "status"), point, strict=False)) for point in points]
    cdf.post("/timeseries/data", {"items": [{"externalId": name, "datapoints": rows}]})


def read(cdf: Caller, name: str = "sub", cursor: Any = None, **query: Any) -> dict[str, Any]:
    partition = {"index": 0} if cursor is None else {"index": 0, "cursor": cursor}
    asked = {"externalId": name, "partitions": [partition], "pollTimeoutSeconds": 0, "limit": 100_000, **query}
    found: dict[str, Any] = cdf.post(f"{PATH}/data/list", asked)
    return found


def cursor_of(answer: dict[str, Any]) -> str:
    return str(answer["partitions"][0]["nextCursor"])


def at_end(cdf: Caller, name: str = "sub") -> str:
    return cursor_of(read(cdf, name, initializeCursors="now"))


def told(answer: dict[str, Any]) -> list[tuple[str, list[Any], list[Any]]]:
    """Per update: the series, the inserted ``(timestamp, value)`` and the deleted ranges."""
    return [
        (
            update["timeSeries"]["externalId"],
            [(point["timestamp"], point.get("value")) for point in update["upserts"]],
            [(gone["inclusiveBegin"], gone["exclusiveEnd"]) for gone in update["deletes"]],
        )
        for update in answer["updates"]
    ]


def changed(answer: dict[str, Any]) -> tuple[list[str], list[str]]:
    changes = answer["subscriptionChanges"]
    return [one["externalId"] for one in changes["added"]], [one["externalId"] for one in changes["removed"]]
