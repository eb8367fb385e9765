# SPDX-License-Identifier: Apache-2.0
"""The pure parts: back-off, progress without gaps, common history, pauses after 429."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_replicator.sandbox.couchdb.replicator.checkpoints import common_start
from airflow_provider_replicator.sandbox.couchdb.replicator.job import (
    Event,
    Kind,
    backoff,
    consecutive_crashes,
    may_start,
)
from airflow_provider_replicator.sandbox.couchdb.replicator.pace import Pace
from airflow_provider_replicator.sandbox.couchdb.replicator.progress import Progress
from airflow_provider_replicator.sandbox.couchdb.replicator.rate_limit import LONGEST, RateLimiter
from airflow_provider_replicator.sandbox.couchdb.replicator.worker import Worth


def history(*events: tuple[Kind, float]) -> list[Event]:
    return [Event(kind, at, at) for kind, at in events]


@pytest.mark.parametrize(
    ("events", "crashes"),
    [
        ([], 0),
        ([("added", 0)], 0),
        ([("crashed", 0)], 0),
        ([("crashed", 1), ("added", 0)], 1),
        ([("crashed", 3), ("crashed", 2), ("crashed", 1), ("added", 0)], 3),
        ([("crashed", 3), ("started", 2), ("crashed", 1), ("started", 0)], 2),
        ([("stopped", 3), ("started", 2), ("crashed", 1), ("started", 0)], 0),
        ([("crashed", 3), ("started", 2), ("stopped", 1), ("started", 0)], 1),
        ([("crashed", 999), ("started", 0)], 0),
        ([("crashed", 999), ("started", 998), ("crashed", 997), ("started", 0)], 1),
        ([("started", 50), ("crashed", 40), ("started", 30), ("added", 0)], 1),
    ],
)
def test_crashes_count_until_a_job_has_run_well(events: list[tuple[Kind, float]], crashes: int) -> None:
    assert consecutive_crashes(history(*events), 120) == crashes


def test_the_back_off_doubles_up_to_a_limit() -> None:
    assert [backoff(crashes, 30) for crashes in (1, 2, 3, 11, 99)] == [30, 60, 120, 30720, 30720]


@pytest.mark.parametrize(
    ("events", "now", "may"),
    [
        ([("added", 0)], 0, True),
        ([("stopped", 10), ("crashed", 9), ("started", 8), ("added", 0)], 11, True),
        ([("crashed", 10), ("started", 9), ("added", 0)], 39, False),
        ([("crashed", 10), ("started", 9), ("added", 0)], 40, True),
        ([("crashed", 50), ("started", 49), ("crashed", 10), ("started", 9), ("added", 0)], 109, False),
        ([("crashed", 50), ("started", 49), ("crashed", 10), ("started", 9), ("added", 0)], 110, True),
    ],
)
def test_a_crashed_job_may_start_after_its_back_off(events: list[tuple[Kind, float]], now: float, may: bool) -> None:
    assert may_start(history(*events), now, health_threshold=120, first_backoff=30) is may


def test_a_checkpoint_says_only_what_holds_without_a_gap() -> None:
    progress = Progress("0")
    first, second, third = (1, "a"), (2, "b"), (3, "c")
    for reached in (first, second, third):
        progress.started(reached)
    seen = []
    for reached in (second, first, third):
        progress.done(reached)
        seen.append((progress.through[1], progress.highest[1]))
    assert seen == [("0", "b"), ("a", "b"), ("c", "c")]


def entry(session: str, seq: Any) -> dict[str, Any]:
    return {"session_id": session, "recorded_seq": seq}


@pytest.mark.parametrize(
    ("source", "target", "seq"),
    [
        ({}, {}, 0),
        (
            {"session_id": "s", "source_last_seq": 7, "history": [entry("s", 7)]},
            {"session_id": "s", "source_last_seq": 7, "history": [entry("s", 7)]},
            7,
        ),
        (
            {"session_id": "t", "history": [entry("t", 9), entry("s", 7)]},
            {"session_id": "s", "history": [entry("s", 7)]},
            7,
        ),
        (
            {"session_id": "s", "history": [entry("s", 7), entry("r", 5)]},
            {"session_id": "t", "history": [entry("t", 9), entry("r", 5)]},
            5,
        ),
        ({"session_id": "s", "history": [entry("s", 7)]}, {}, 0),
        ({"session_id": "s", "history": [entry("s", 7)]}, {"session_id": "t", "history": [entry("t", 7)]}, 0),
    ],
)
def test_a_run_begins_where_both_ends_agree(source: dict[str, Any], target: dict[str, Any], seq: Any) -> None:
    assert common_start(source, target)[0] == seq


class Standing(Pace):
    def __init__(self) -> None:
        super().__init__(1.0)
        self.seconds = 1000.0

    def now(self) -> float:
        return self.seconds


def test_pauses_grow_by_a_fifth_up_to_a_limit_and_shrink_by_steps() -> None:
    pace = Standing()
    limiter, key = RateLimiter(pace), ("http://host/db/", "GET")
    pauses = []
    for _ in range(45):
        limiter.refused(key)
        pauses.append(limiter.pause(key))
        pace.seconds += 0.1
    assert pauses[:3] == [24, 29, 35]
    assert pauses[-1] == LONGEST
    limiter.served(key)
    assert limiter.pause(key) == LONGEST - 1000
    pace.seconds += 20
    limiter.served(key)
    assert limiter.pause(key) == 0


def test_refusals_at_the_same_time_count_once() -> None:
    pace = Standing()
    limiter, key = RateLimiter(pace), ("http://host/db/", "GET")
    for _ in range(10):
        limiter.refused(key)
    assert limiter.pause(key) == 24


def test_a_bulk_request_that_is_not_worth_it_is_tried_again_after_a_while() -> None:
    pace = Standing()
    worth = Worth(0.5, 0.25, pace)
    tries = []
    for _ in range(4):
        tries.append(worth.try_it())
        worth.learn(done=0, asked=10)
    assert tries == [True, True, True, False]
    pace.seconds += 38
    assert worth.try_it()
