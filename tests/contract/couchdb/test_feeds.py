# SPDX-License-Identifier: Apache-2.0
"""The feed of changes, waiting for more."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING

from tests.contract.couchdb.client import Database, Doc, accepted, refused

if TYPE_CHECKING:
    import requests

    from tests.contract.couchdb.server import Server


def lines(answer: requests.Response) -> list[Doc]:
    return [json.loads(line) for line in answer.iter_lines() if line]


def test_a_long_poll_ends_with_the_first_change(server: Server, db: Database) -> None:
    def write() -> None:
        with server.admin() as another:
            another.put(db.name, "x", json={})

    now = db.changes(since="now")["last_seq"]
    writer = threading.Timer(0.3, write)
    writer.start()
    began = time.monotonic()
    feed = db.changes(feed="longpoll", since=now, timeout=20_000)
    writer.join()
    assert [row["id"] for row in feed["results"]] == ["x"]
    assert 0.2 < time.monotonic() - began < 15
    assert db.changes(feed="longpoll", since=feed["last_seq"], timeout=1)["results"] == []


def test_a_long_poll_does_not_wait_for_what_is_there(db: Database) -> None:
    db.fill(3)
    began = time.monotonic()
    assert len(db.changes(feed="longpoll", timeout=20_000)["results"]) == 3
    assert time.monotonic() - began < 15


def test_a_long_poll_ends_in_time(db: Database) -> None:
    db.fill(1)
    now = db.changes()["last_seq"]
    began = time.monotonic()
    feed = db.changes(feed="longpoll", since=now, timeout=300)
    assert (feed["results"], feed["pending"]) == ([], 0)
    assert time.monotonic() - began > 0.25


def test_a_continuous_feed_says_where_it_ended(db: Database) -> None:
    db.fill(3)
    found = lines(db.ask("GET", "_changes", feed="continuous", timeout=200))
    assert sorted(row["id"] for row in found[:-1]) == ["d0000", "d0001", "d0002"]
    assert found[-1].keys() == {"last_seq", "pending"}
    assert db.changes(since=found[-1]["last_seq"])["results"] == []


def test_a_continuous_feed_stops_at_its_limit(db: Database) -> None:
    db.fill(5)
    found = lines(db.ask("GET", "_changes", feed="continuous", limit=2, timeout=20_000))
    assert len([row for row in found if "id" in row]) == 2


def test_hearts_beat(db: Database) -> None:
    with db.ask("GET", "_changes", feed="continuous", since="now", heartbeat=100, stream=True) as answer:
        bytes_of_it = answer.iter_content(1)
        beats = [next(bytes_of_it) for _ in range(3)]
    assert beats == [b"\n", b"\n", b"\n"]


def test_events(db: Database) -> None:
    db.put("x")
    answer = db.ask("GET", "_changes", feed="eventsource", limit=1, timeout=20_000)
    assert accepted_type(answer) == "text/event-stream"
    data, ident = answer.text.strip().splitlines()[:2]
    assert json.loads(data.removeprefix("data: "))["id"] == "x"
    assert ident.startswith("id: ")


def accepted_type(answer: requests.Response) -> str:
    assert answer.ok
    return answer.headers["Content-Type"].partition(";")[0]


def test_a_feed_that_does_not_exist(db: Database) -> None:
    kinds = "normal, continuous, live, longpoll, eventsource"
    assert refused(db.ask("GET", "_changes", feed="nope")) == (400, "bad_request", f"Supported `feed` types: {kinds}")
    assert accepted(db.ask("GET", "_changes", feed="normal"))["results"] == []
