# SPDX-License-Identifier: Apache-2.0
"""Datapoints within five weeks and raw rows: what cognite-replicator 1.3.2 completes, with the requests recorded of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.peer.copies import named

if TYPE_CHECKING:
    from tests.acceptance.projects import Pair, Project
    from tests.peer.running import Peer

Doc = dict[str, Any]
SECOND = 1000


def recent(pair: Pair, count: int, step: int) -> list[int]:
    """``count`` timestamps, ``step`` ms apart, the last one just before the present of the peer."""
    control = pair.source.sandbox.control
    control.resume()
    now = control.now_ms()
    return [now - (count - n) * step for n in range(count)]


def with_series(pair: Pair, *series: Doc) -> None:
    for project in (pair.source, pair.target):
        project.create("/timeseries", *series)


def test_datapoints_300_000_of_one_series(pair: Pair, peer: Peer) -> None:
    with_series(pair, {"externalId": "s"})
    times = recent(pair, 300_000, SECOND)
    for start in range(0, len(times), 100_000):
        pair.source.insert("s", *((time, time % 1013 / 8) for time in times[start : start + 100_000]))
    assert peer.done(pair, "datapoints") == 14  # 2 lists, 1 latest, 8 reads, 3 inserts
    assert sums(pair.target, "s") == sums(pair.source, "s")
    assert sum(bucket["count"] for bucket in sums(pair.target, "s")) == 300_000


def sums(project: Project, external_id: str) -> list[Doc]:
    item = {"externalId": external_id, "start": 0, "end": "now", "granularity": "1h", "limit": 1000}
    query = {"items": [{**item, "aggregates": ["count", "sum", "min", "max"]}]}
    found: list[Doc] = project.call("POST", "/timeseries/data/list", query)["items"][0]["datapoints"]
    return found


def test_datapoints_of_a_thousand_series(pair: Pair, peer: Peer) -> None:
    with_series(pair, *named(1000, "s"))
    times = recent(pair, 100, 60 * SECOND)
    for start in range(0, 1000, 100):
        items = [
            {"externalId": f"s{n}", "datapoints": [{"timestamp": time, "value": n + time % 7} for time in times]}
            for n in range(start, start + 100)
        ]
        pair.source.call("POST", "/timeseries/data", {"items": items})
    assert peer.done(pair, "datapoints") == 23
    for key in ("s0", "s1", "s499", "s998", "s999"):
        assert pair.target.points(key) == pair.source.points(key)
        assert len(pair.target.points(key)) == 100
    assert peer.done(pair, "datapoints") == 23


def test_datapoints_of_both_kinds_and_what_comes_later(pair: Pair, peer: Peer) -> None:
    with_series(pair, {"externalId": "n"}, {"externalId": "t", "isString": True}, {"externalId": "empty"})
    times = recent(pair, 3000, SECOND)
    pair.source.insert("n", *((time, -1.5 * n) for n, time in enumerate(times[:2000])))
    pair.source.insert("t", *((time, f"text ø {n}") for n, time in enumerate(times[:2000])))
    peer.done(pair, "datapoints")
    assert [len(pair.target.points(key)) for key in ("n", "t", "empty")] == [2000, 2000, 0]
    pair.source.insert("n", *((time, 2.5 * n) for n, time in enumerate(times[2000:])))
    pair.source.insert("t", *((time, f"later {n}") for n, time in enumerate(times[2000:])))
    peer.done(pair, "datapoints", external_ids=["n", "t"])
    for key in ("n", "t"):
        assert len(pair.target.points(key)) == 3000
        assert pair.target.points(key) == pair.source.points(key)


@pytest.mark.parametrize(
    ("options", "copied"),
    [
        ({"external_ids": ["a"]}, {"a": [1.0, 2.0], "b": []}),
        ({"exclude_pattern": "^a"}, {"a": [], "b": [1.0, 2.0]}),
        ({"value_manipulation_lambda_fnc": "lambda x: x * 10"}, {"a": [10.0, 20.0], "b": [10.0, 20.0]}),
        ({"mock_run": True}, {"a": [], "b": []}),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_datapoints_by_option(pair: Pair, peer: Peer, options: Doc, copied: dict[str, list[float]]) -> None:
    with_series(pair, {"externalId": "a"}, {"externalId": "b"})
    first, second = recent(pair, 2, SECOND)
    for key in ("a", "b"):
        pair.source.insert(key, (first, 1.0), (second, 2.0))
    peer.done(pair, "datapoints", **options)
    assert {key: [point[1] for point in pair.target.points(key)] for key in ("a", "b")} == copied


def test_raw_12_500_rows(pair: Pair, peer: Peer) -> None:
    for database in ("full", "no tables"):
        pair.source.call("POST", "/raw/dbs", {"items": [{"name": database}]})
    for table in ("many", "none"):
        pair.source.call("POST", "/raw/dbs/full/tables", {"items": [{"name": table}]})
    rows = [{"key": f"k{n}", "columns": {"n": n, "nested": {"list": [n, None, "ø"]}}} for n in range(12_500)]
    for start in range(0, len(rows), 10_000):
        pair.source.call("POST", "/raw/dbs/full/tables/many/rows", {"items": rows[start : start + 10_000]})
    assert peer.done(pair, "raw", chunk_size=10_000) == 14
    assert [database["name"] for database in pair.target.call("GET", "/raw/dbs")["items"]] == ["full", "no tables"]
    assert {table["name"] for table in pair.target.call("GET", "/raw/dbs/full/tables")["items"]} == {"many", "none"}
    assert raw_rows(pair.target) == {row["key"]: row["columns"] for row in rows}
    assert peer.done(pair, "raw", chunk_size=2000) == 16


def raw_rows(project: Project) -> dict[str, Doc]:
    found: dict[str, Doc] = {}
    path = "/raw/dbs/full/tables/many/rows?limit=10000"
    answer = project.call("GET", path)
    while True:
        found |= {row["key"]: row["columns"] for row in answer["items"]}
        if not answer.get("nextCursor"):
            return found
        answer = project.call("GET", f"{path}&cursor={answer['nextCursor']}")
