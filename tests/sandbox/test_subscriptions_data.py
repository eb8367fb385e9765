# SPDX-License-Identifier: Apache-2.0
"""`/timeseries/subscriptions/data/list` as clients meet it: what is told, when, and for how long."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from typing import Any

import numpy as np
import orjson
import pytest

from airflow_provider_replicator.sandbox.cdf.datapoints import points_of
from airflow_provider_replicator.sandbox.cdf.http import Request
from airflow_provider_replicator.sandbox.cdf.nodes import create_nodes
from airflow_provider_replicator.sandbox.cdf.points import Points
from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox
from tests.sandbox.caller import AnswerError, Caller
from tests.sandbox.conftest import NOW
from tests.sandbox.spoiling import spoil
from tests.sandbox.subscribing import BAD, DAY, PATH, at_end, build, changed, cursor_of, insert, read, subscribe, told
from tests.sandbox.wire import send


@pytest.fixture
def cdf(cdf: Caller) -> Caller:
    return build(cdf)


# -- changes ---------------------------------------------------------------------------------------------------------------


def test_inserts_overwrites_and_deletes_come_in_the_order_they_were_made(cdf: Caller) -> None:
    insert(cdf, "a", (5, 1), (3, 0.5))
    insert(cdf, "b", (1, 1))
    insert(cdf, "s", (7, "x"))
    insert(cdf, "a", (5, 2))
    cdf.post("/timeseries/data/delete", {"items": [{"externalId": "a", "inclusiveBegin": 4, "exclusiveEnd": 9}]})
    cdf.post("/timeseries/data/delete", {"items": [{"externalId": "a", "inclusiveBegin": 3}]})
    answer = read(cdf)
    assert changed(answer) == (["a", "s"], [])
    assert told(answer) == [
        ("a", [(3, 0.5), (5, 1.0)], []),
        ("s", [(7, "x")], []),
        ("a", [(5, 2.0)], []),
        ("a", [], [(4, 9)]),
        ("a", [], [(3, 4)]),
    ]
    assert not answer["hasNext"]
    series = answer["updates"][1]["timeSeries"]
    assert (series["isString"], series["type"]) == (True, "string")


def test_a_cursor_continues_and_may_be_used_again(cdf: Caller) -> None:
    cursor = at_end(cdf)
    insert(cdf, "a", (1, 1))
    first = read(cdf, cursor=cursor)
    assert (told(first), changed(first)) == ([("a", [(1, 1.0)], [])], ([], []))
    insert(cdf, "a", (2, 2))
    assert told(read(cdf, cursor=cursor_of(first))) == [("a", [(2, 2.0)], [])]
    assert told(read(cdf, cursor=cursor)) == [("a", [(1, 1.0)], []), ("a", [(2, 2.0)], [])]
    last = read(cdf, cursor=cursor_of(read(cdf, cursor=cursor)))
    assert (last["updates"], last["hasNext"]) == ([], False)


def test_groups_are_not_split_but_pages_end_between_them(cdf: Caller) -> None:
    cursor = at_end(cdf)
    for n in range(3):
        insert(cdf, "a", *((10 * n + i, 1) for i in range(4)))
    page = read(cdf, cursor=cursor, limit=1)
    assert ([len(one["upserts"]) for one in page["updates"]], page["hasNext"]) == ([4], True)
    page = read(cdf, cursor=cursor_of(page), limit=8)
    assert ([len(one["upserts"]) for one in page["updates"]], page["hasNext"]) == ([4, 4], False)


def test_statuses_are_shown_and_hidden_as_asked(cdf: Caller) -> None:
    cursor = at_end(cdf)
    uncertain = {"symbol": "Uncertain"}
    insert(cdf, "a", (1, None, {"code": BAD}), (2, "NaN", {"code": BAD}), (3, 3, uncertain), (4, 4))
    insert(cdf, "a", (9, None, {"code": BAD}))
    assert told(read(cdf, cursor=cursor)) == [("a", [(4, 4.0)], [])]
    assert told(read(cdf, cursor=cursor, treatUncertainAsBad=False)) == [("a", [(3, 3.0), (4, 4.0)], [])]
    everything = read(cdf, cursor=cursor, ignoreBadDataPoints=False, includeStatus=True)
    bad = {"code": BAD, "symbol": "Bad"}
    assert everything["updates"][0]["upserts"] == [
        {"timestamp": 1, "status": bad},
        {"timestamp": 2, "value": "NaN", "status": bad},
        {"timestamp": 3, "value": 3.0, "status": {"code": 0x4000_0000, "symbol": "Uncertain"}},
        {"timestamp": 4, "value": 4.0},
    ]


def test_series_are_spread_over_partitions_and_each_keeps_its_own(cdf: Caller) -> None:
    names = [f"p{n}" for n in range(40)]
    cdf.create("/timeseries", *({"externalId": name} for name in names))
    subscribe(cdf, "many", partitions=4, timeSeriesIds=names)
    for round_ in range(2):
        for name in names:
            insert(cdf, name, (round_, 1))
    asked = {"externalId": "many", "pollTimeoutSeconds": 0}
    whole = cdf.post(f"{PATH}/data/list", {**asked, "limit": 1000, "partitions": [{"index": n} for n in range(4)]})
    assert [one[0] for one in told(whole)] == names * 2
    seen = []
    for index in range(4):
        page: dict[str, Any] = {"hasNext": True, "partitions": [{}]}
        while page["hasNext"]:
            cursor = page["partitions"][0].get("nextCursor")
            partition = {"index": index} if cursor is None else {"index": index, "cursor": cursor}
            page = cdf.post(f"{PATH}/data/list", {**asked, "limit": 7, "partitions": [partition]})
            seen.append({name for name, _, _ in told(page)})
    assert sum(map(len, seen)) == 80
    in_partitions = [
        cdf.post(f"{PATH}/data/list", {**asked, "limit": 1000, "partitions": [{"index": n}]}) for n in range(4)
    ]
    followed = [set(changed(page)[0]) for page in in_partitions]
    assert set().union(*followed) == set(names)
    assert sum(map(len, followed)) == 40
    assert min(map(len, followed)) > 2
    assert [{name for name, _, _ in told(page)} for page in in_partitions] == followed


def test_what_a_member_did_before_it_joined_or_after_it_left_is_not_told(cdf: Caller) -> None:
    insert(cdf, "b", (1, 1))
    cursor = at_end(cdf)
    cdf.update(PATH, {"externalId": "sub"}, {"timeSeriesIds": {"add": ["b"], "remove": ["a"]}})
    insert(cdf, "a", (2, 2))
    insert(cdf, "b", (3, 3))
    answer = read(cdf, cursor=cursor)
    assert (told(answer), changed(answer)) == ([("b", [(3, 3.0)], [])], (["b"], ["a"]))


def test_a_deleted_series_leaves_and_comes_back_with_its_name(cdf: Caller) -> None:
    cursor = at_end(cdf)
    old = cdf.items("/timeseries/byids", {"items": [{"externalId": "a"}]})[0]["id"]
    cdf.post("/timeseries/delete", {"items": [{"externalId": "a"}]})
    assert changed(read(cdf, cursor=cursor)) == ([], ["a"])
    assert cdf.get(f"{PATH}/members?externalId=sub")["items"][0] == {"externalId": "a"}
    cdf.create("/timeseries", {"externalId": "a"})
    insert(cdf, "a", (1, 1))
    answer = read(cdf, cursor=cursor)
    assert changed(answer) == (["a"], ["a"])
    assert answer["updates"][0]["timeSeries"]["id"] != old
    assert cdf.items(f"{PATH}/byids", {"items": [{"externalId": "sub"}]})[0]["timeSeriesCount"] == 2


def test_a_filter_follows_series_that_come_change_and_go(cdf: Caller) -> None:
    made = subscribe(cdf, "f", filter={"prefix": {"property": ["name"], "value": "the "}})
    assert made["timeSeriesCount"] == 3
    assert made["filter"] == {"prefix": {"property": ["name"], "value": "the "}}
    cursor = at_end(cdf, "f")
    cdf.create("/timeseries", {"externalId": "d", "name": "the d"}, {"externalId": "e", "name": "e"})
    cdf.create("/timeseries", {"externalId": "hidden", "name": "the h", "securityCategories": [1]})
    cdf.update("/timeseries", {"externalId": "a"}, {"name": {"set": "not any more"}})
    cdf.post("/timeseries/delete", {"items": [{"externalId": "b"}]})
    for name in ("a", "c", "d", "e"):
        insert(cdf, name, (1, 1))
    answer = read(cdf, "f", cursor=cursor)
    assert changed(answer) == (["d"], ["a", "b"])
    assert [name for name, _, _ in told(answer)] == ["c", "d"]
    cdf.update(PATH, {"externalId": "f"}, {"filter": {"set": {"equals": {"property": ["name"], "value": "E"}}}})
    assert changed(read(cdf, "f", cursor=cursor_of(answer))) == (["e"], ["c", "d"])
    assert [one["externalId"] for one in cdf.get(f"{PATH}/members?externalId=f")["items"]] == ["e"]
    with pytest.raises(AnswerError, match="cannot be set"):
        cdf.update(PATH, {"externalId": "f"}, {"timeSeriesIds": {"add": ["a"]}})


# -- cursors and time ------------------------------------------------------------------------------------------------------


def test_a_moment_may_stand_for_the_cursors(cdf: Caller) -> None:
    clock = cdf.server.clock
    for day in range(5):
        insert(cdf, "a", (day, day))
        clock.advance(DAY)
    assert [points[0][0] for _, points, _ in told(read(cdf, initializeCursors="2d-ago"))] == [3, 4]
    assert [points[0][0] for _, points, _ in told(read(cdf, initializeCursors="49h-ago"))] == [3, 4]
    assert told(read(cdf, initializeCursors="now")) == []
    assert len(told(read(cdf, initializeCursors="1w-ago"))) == 5
    with pytest.raises(AnswerError, match="initializeCursors"):
        read(cdf, initializeCursors="yesterday")


def test_after_seven_days_updates_are_gone_and_cursors_have_expired(cdf: Caller) -> None:
    clock = cdf.server.clock
    start = at_end(cdf)
    insert(cdf, "a", (1, 1))
    clock.advance(4 * DAY)
    middle = cursor_of(read(cdf, cursor=start))
    insert(cdf, "a", (2, 2))
    clock.advance(3 * DAY)
    assert len(told(read(cdf, cursor=start))) == 2
    clock.advance(1)
    with pytest.raises(AnswerError) as refused:
        read(cdf, cursor=start)
    assert (refused.value.status, refused.value.error["message"]) == (
        400,
        "Cursor has expired. Try again with a new cursor.",
    )
    assert told(read(cdf, cursor=middle)) == [("a", [(2, 2.0)], [])]
    assert told(read(cdf)) == [("a", [(2, 2.0)], [])]
    assert clock.now_ms() == NOW + 7 * DAY + 1


def test_cursors_belong_to_one_partition_of_one_subscription(cdf: Caller) -> None:
    subscribe(cdf, "x", partitions=2, timeSeriesIds=["a"])
    cursor = at_end(cdf, "x")
    for wrong in (
        {"externalId": "sub", "partitions": [{"index": 0, "cursor": cursor}]},
        {"externalId": "x", "partitions": [{"index": 1, "cursor": cursor}]},
        {"externalId": "x", "partitions": [{"index": 2}]},
        {"externalId": "x", "partitions": [{"index": 0}, {"index": 0}]},
        {"externalId": "x", "partitions": [{"index": 0, "cursor": "nonsense"}]},
        {"externalId": "x", "partitions": []},
        {"externalId": "x", "partitions": [{"index": 0}], "limit": 100_001},
    ):
        with pytest.raises(AnswerError) as refused:
            cdf.post(f"{PATH}/data/list", {**wrong, "pollTimeoutSeconds": 0})
        assert refused.value.status == 400
    cdf.post(f"{PATH}/delete", {"items": [{"externalId": "x"}]})
    subscribe(cdf, "x", partitions=2, timeSeriesIds=["a"])
    with pytest.raises(AnswerError, match="Invalid cursor"):
        read(cdf, "x", cursor=cursor)


def test_many_points_cost_no_time_until_they_are_read_and_little_then(cdf: Caller) -> None:
    document = cdf.items("/timeseries/byids", {"items": [{"externalId": "a"}]})[0]
    cursor = at_end(cdf)
    store = points_of(cdf.server.projects["source"])
    begun = time.perf_counter()
    for n in range(100):
        times = np.arange(n * 100_000, (n + 1) * 100_000, dtype=np.int64)
        store.changed([(document, Points(times, times * 0.1))])
    noted = time.perf_counter() - begun
    asked = {"externalId": "sub", "partitions": [{"index": 0, "cursor": cursor}], "limit": 100_000}
    begun = time.perf_counter()
    body = cdf.server.handle(Request("POST", f"{PATH}/data/list", body=orjson.dumps(asked)), "source").body
    taken = time.perf_counter() - begun
    answer = orjson.loads(body)
    assert (len(answer["updates"][0]["upserts"]), answer["hasNext"]) == (100_000, True)
    assert noted < 1
    assert taken < 2  # 0.1 s on an idle core


# -- over a socket ---------------------------------------------------------------------------------------------------------


def test_a_reader_waits_for_news(sandbox: RunningSandbox) -> None:
    def ask(path: str, payload: Any) -> Any:
        answer = send(sandbox, path, payload)
        assert answer.status in (200, 201), answer.body
        return answer.json

    ask("/timeseries", {"items": [{"externalId": "polled"}]})
    ask(PATH, {"items": [{"externalId": "poll", "partitionCount": 1, "timeSeriesIds": ["polled"]}]})
    query = {"externalId": "poll", "partitions": [{"index": 0}], "initializeCursors": "now"}

    begun = time.monotonic()
    empty = ask(f"{PATH}/data/list", {**query, "pollTimeoutSeconds": 1})
    assert 0.9 < time.monotonic() - begun < 4
    assert empty["updates"] == []

    point = {"items": [{"externalId": "polled", "datapoints": [{"timestamp": 1, "value": 1}]}]}
    later = threading.Timer(0.3, ask, ("/timeseries/data", point))
    later.start()
    begun = time.monotonic()
    answer = ask(f"{PATH}/data/list", query)
    later.join()
    assert time.monotonic() - begun < 4
    assert told(answer) == [("polled", [(1, 1.0)], [])]


@pytest.mark.parametrize("seed", range(20))
def test_a_copy_made_of_updates_equals_its_source(cdf: Caller, seed: int) -> None:
    """Whatever is written, in whatever pages it is read: inserts, overwrites and deletes in their order make the same points."""
    rng = random.Random(seed)
    names = [f"r{n}" for n in range(6)]
    cdf.create("/timeseries", *({"externalId": name} for name in names))
    subscribe(cdf, "random", partitions=3, timeSeriesIds=names)
    copies: dict[str, dict[int, Any]] = {name: {} for name in names}
    partitions: list[dict[str, Any]] = [{"index": index} for index in range(3)]
    more = True
    for step in range(60):
        if step < 40 and rng.random() < 0.7:
            write_something(cdf, rng, names)
        if step < 40 and rng.random() < 0.5:
            continue
        asked = {"externalId": "random", "partitions": partitions, "limit": rng.randint(1, 60), "pollTimeoutSeconds": 0}
        answer = cdf.post(f"{PATH}/data/list", asked)
        partitions = [{"index": one["index"], "cursor": one["nextCursor"]} for one in answer["partitions"]]
        more = answer["hasNext"]
        for name, points, ranges in told(answer):
            for begin, end in ranges:
                copies[name] = {time_: value for time_, value in copies[name].items() if not begin <= time_ < end}
            copies[name].update(points)
    assert not more
    for name, copy in copies.items():
        item = {"externalId": name, "limit": 10_000, "end": 10_000}
        points = cdf.items("/timeseries/data/list", {"items": [item]})[0]["datapoints"]
        assert sorted(copy.items()) == [(point["timestamp"], point["value"]) for point in points]


def write_something(cdf: Caller, rng: random.Random, names: list[str]) -> None:
    chosen = rng.sample(names, rng.randint(1, 3))
    if rng.random() < 0.7:
        rows = [
            [{"timestamp": rng.randint(0, 50), "value": rng.random()} for _ in range(rng.randint(1, 20))]
            for _ in chosen
        ]
        items = [{"externalId": name, "datapoints": row} for name, row in zip(chosen, rows, strict=True)]
        cdf.post("/timeseries/data", {"items": items})
    else:
        begins = [rng.randint(0, 50) for _ in chosen]
        ranges = [
            {"externalId": name, "inclusiveBegin": begin, "exclusiveEnd": begin + rng.randint(1, 20)}
            for name, begin in zip(chosen, begins, strict=True)
        ]
        cdf.post("/timeseries/data/delete", {"items": ranges})


def test_spoiled_requests(cdf: Caller) -> None:
    """Good requests with something wrong in them: 400, or an answer that the vendor's document describes."""
    rng = random.Random(0)
    filtered = {
        "and": [{"prefix": {"property": ["name"], "value": "the"}}, {"exists": {"property": ["metadata", "k"]}}]
    }
    made = {"externalId": "new", "partitionCount": 2, "name": "n", "description": "d"}
    node = {"space": "sp", "externalId": "n"}
    create_nodes(cdf.server.projects["source"], "timeseries", [{"instanceId": node}])
    cursor = at_end(cdf)
    changes = {"name": {"set": "n"}, "description": {"setNull": True}, "timeSeriesIds": {"add": ["b"], "remove": ["s"]}}
    good: list[tuple[str, dict[str, Any]]] = [
        ("", {"items": [{**made, "timeSeriesIds": ["a"], "instanceIds": [node]}]}),
        ("", {"items": [{**made, "filter": filtered}]}),
        ("/byids", {"items": [{"externalId": "sub"}], "ignoreUnknownIds": True}),
        ("/update", {"items": [{"externalId": "sub", "update": changes}]}),
        ("/delete", {"items": [{"externalId": "new"}], "ignoreUnknownIds": True}),
        ("/data/list", {"externalId": "sub", "partitions": [{"index": 0, "cursor": cursor}], "limit": 10}),
        ("/data/list", {"externalId": "sub", "partitions": [{"index": 0}], "initializeCursors": "3d-ago"}),
    ]
    outcomes = {200: 0, 201: 0, 400: 0, 409: 0}
    for _ in range(600):
        path, request = rng.choice(good)
        with contextlib.suppress(AnswerError):
            cdf.post(PATH + path, spoil(request, rng))
        outcomes[cdf.status] += 1  # a KeyError for whatever else it is
    assert min(outcomes.values()) > 0, outcomes
