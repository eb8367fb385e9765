# SPDX-License-Identifier: Apache-2.0
"""Feeds that stay open."""

from __future__ import annotations

import threading
from collections.abc import Callable

import orjson

from tests.sandbox.couchdb.caller import Caller


def later(action: Callable[[], object]) -> threading.Timer:
    timer = threading.Timer(0.15, action)
    timer.start()
    return timer


def test_a_long_poll_answers_with_the_first_change(db: Caller) -> None:
    timer = later(lambda: db.put("a"))
    page = db("GET", "/_changes?feed=longpoll&since=now&timeout=20000").json
    timer.join()
    assert [row["id"] for row in page["results"]] == ["a"]
    at_once = db("GET", "/_changes?feed=longpoll&limit=1").json
    assert (len(at_once["results"]), at_once["pending"]) == (1, 0)


def test_a_long_poll_ends_empty(db: Caller) -> None:
    page = db("GET", "/_changes?feed=longpoll&since=now&timeout=50").json
    assert (page["results"], page["pending"]) == ([], 0)
    assert db("GET", "/_changes?feed=longpoll&limit=0&timeout=20000").json["results"] == []


def test_a_long_poll_does_not_wake_for_what_it_does_not_want(db: Caller) -> None:
    timers = [later(lambda: db.put("other")), later(lambda: db.put("_design/wanted"))]
    page = db("GET", "/_changes?feed=longpoll&since=now&filter=_design&timeout=20000").json
    for timer in timers:
        timer.join()
    assert [row["id"] for row in page["results"]] == ["_design/wanted"]


def test_a_continuous_feed_goes_on(db: Caller) -> None:
    db.put("a")
    with db.open("/_changes?feed=continuous&limit=3&heartbeat=100") as feed:
        assert orjson.loads(feed.readline())["id"] == "a"
        assert feed.readline() == b"\n"  # a heartbeat
        db.put("b")
        db.put("c")
        rows = [line for line in feed.read().split(b"\n") if line]
    assert [orjson.loads(row).get("id") for row in rows] == ["b", "c", None]
    assert orjson.loads(rows[-1])["pending"] == 0


def test_a_continuous_feed_ends_when_nothing_happens(db: Caller) -> None:
    db.put("a")
    lines = [orjson.loads(one) for one in db("GET", "/_changes?feed=continuous&timeout=50").body.split(b"\n") if one]
    assert lines[0]["id"] == "a"
    assert lines[1] == {"last_seq": lines[0]["seq"], "pending": 0}
    # More than a page of it.
    db("POST", "/_bulk_docs", {"docs": [{"_id": f"d{n}"} for n in range(1500)]})
    body = db("GET", "/_changes?feed=continuous&timeout=50").body
    assert body.count(b'"changes"') == 1501


def test_a_feed_ends_with_its_database(db: Caller, call: Caller) -> None:
    with db.open("/_changes?feed=continuous&heartbeat=20000&since=now") as feed:
        assert feed.readline() == b"\n"
        call("DELETE", db.root)
        assert b"last_seq" in feed.read()


def test_events(db: Caller) -> None:
    db.put("a")
    answer = db("GET", "/_changes?feed=eventsource&limit=1")
    assert answer.headers["content-type"] == "text/event-stream"
    data, event_id, *_ = answer.body.decode().split("\n")
    seq = orjson.loads(data.removeprefix("data: "))["seq"]
    assert event_id == f'id: "{seq}"'
    nothing = db("GET", "/_changes?feed=eventsource&timeout=50", last_event_id=f'"{seq}"')
    assert b"data: {" not in nothing.body


def test_who_stops_listening_is_forgotten(db: Caller) -> None:
    for _ in range(3):
        with db.open("/_changes?feed=continuous&heartbeat=50&since=now") as feed:
            assert feed.readline() == b"\n"
    assert db.put("a")
