# SPDX-License-Identifier: Apache-2.0
"""When a wait is over: looks and their moments go in, ends come out."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from airflow_provider_replicator.couchdb.jobs.choices import Until, WaitLimits
from airflow_provider_replicator.couchdb.jobs.errors import Duplicate
from airflow_provider_replicator.couchdb.jobs.states import Counters, JobState
from airflow_provider_replicator.couchdb.jobs.waiting import Ended, Waiting

REFUSED = "{replication_auth_error,{session_request_failed,{conn_failed,{error,econnrefused}}}}"
NO_DB = "db_not_found: could not open http://h/x/"
UNAUTHORIZED = "unauthorized: unauthorized to access or create database http://h/x/"


def look(state: Any, **known: Any) -> JobState:
    return JobState(state=state, **known)


def crash(count: int, text: str = REFUSED, kind: Any = "transient", state: Any = "crashing", at: str = "") -> JobState:
    return look(state, error=text, error_class=kind, error_count=count, last_updated=at or None)


def play(
    looks: list[tuple[float, JobState]], *, until: Until = "completed", pending: int | None = None, **limits: Any
) -> Ended | None:
    """The end after the last look; none before may end it."""
    waiting = Waiting(WaitLimits(**limits), until=until, started=0.0)
    for moment, state in looks[:-1]:
        assert waiting.observe(state, moment, pending=pending) is None, f"over after {moment}"
    moment, state = looks[-1]
    return waiting.observe(state, moment, pending=pending)


def copied(written: int) -> JobState:
    return look("running", counters=Counters(docs_written=written))


RUNNING = look("running")


@pytest.mark.parametrize(
    ("looks", "limits", "kind", "says"),
    [
        ([(0, look("unseen")), (1, RUNNING), (2, look("completed"))], {}, "completed", "completed"),
        ([(0, look("failed", error="bad doc"))], {}, "failed", "bad doc"),
        # states that last
        ([(0, look("unseen")), (59, look("unseen"))], {}, None, ""),
        ([(0, look("unseen")), (60, look("unseen"))], {}, "stalled", "not picked it up"),
        ([(0, look("unseen")), (50, look("initializing")), (109, look("initializing"))], {}, None, ""),
        ([(0, look("initializing")), (60, look("initializing"))], {}, "stalled", "initializing"),
        ([(0, look("unseen")), (1e6, look("unseen"))], {"not_picked_up_timeout": None}, None, ""),
        ([(0, look("pending")), (1e6, look("pending"))], {}, None, ""),
        ([(0, look("pending")), (30, look("pending"))], {"pending_timeout": 30}, "stalled", "queue"),
        ([(0, look("pending")), (20, RUNNING), (40, look("pending"))], {"pending_timeout": 30}, None, ""),
        ([(0, RUNNING), (1, look("gone")), (5, look("gone"))], {}, None, ""),
        ([(0, RUNNING), (1, look("gone")), (6, look("gone"))], {}, "gone", "deleted by somebody"),
        ([(0, look("gone")), (1, RUNNING), (20, look("gone"))], {}, None, ""),
        ([(0, RUNNING), (1e6, RUNNING)], {}, None, ""),
        ([(0, RUNNING), (99, RUNNING), (100, RUNNING)], {"timeout": 100}, "stalled", "no end within 1 min 40 s"),
        ([(0, RUNNING), (100, look("completed"))], {"timeout": 100}, "completed", ""),
        # errors by class
        ([(0, RUNNING), (1, crash(1, UNAUTHORIZED, "fatal"))], {}, "failed", "check login and password"),
        ([(0, crash(1, NO_DB, "grace"))], {}, None, ""),
        ([(0, crash(1, NO_DB, "grace")), (60, crash(2, NO_DB, "grace"))], {}, "failed", "does not exist"),
        ([(0, crash(1, NO_DB, "grace"))], {"grace_crashes": 0}, "failed", "crashed 1 times"),
        ([(0, crash(1, "Couldn't open document", "grace", "error"))], {}, None, ""),
        ([(0, crash(2, "Couldn't open document", "grace", "error"))], {}, "failed", "Couldn't open"),
        ([(0, crash(1)), (60, crash(2))], {}, None, ""),
        ([(0, crash(1)), (60, crash(2)), (180, crash(3))], {}, "stalled", "crashed 3 times in a row (max_crashes)"),
        ([(0, crash(7, "never seen before", "unknown"))], {}, "stalled", "never seen before"),
        ([(0, crash(7))], {"max_crashes": 8}, None, ""),
        # crashing for long: running in between does not count while crashes are still counted
        (
            [(0, crash(1)), (30, look("running", error_count=1)), (50, crash(2)), (90, crash(2))],
            {"crash_timeout": 90},
            "stalled",
            "crashing for 1 min 30 s",
        ),
        # neither does running without copying anything; copying does
        (
            [(0, crash(1)), (30, RUNNING), (50, crash(1)), (90, crash(1))],
            {"crash_timeout": 90},
            "stalled",
            "crash_timeout",
        ),
        (
            [(0, copied(5)), (1, crash(1)), (30, copied(6)), (50, crash(1)), (130, crash(1))],
            {"crash_timeout": 90},
            None,
            "",
        ),
        # a job that hangs for minutes before it crashes has always crashed "once", as servers count
        (
            [
                (0, crash(1, at="a")),
                (90, copied(5)),
                (250, crash(1, at="b")),
                (300, copied(5)),
                (500, crash(1, at="c")),
            ],
            {},
            "stalled",
            "crashed 3 times in a row",
        ),
        (
            [
                (0, crash(1, at="a")),
                (90, copied(5)),
                (250, crash(1, at="b")),
                (300, copied(6)),
                (500, crash(1, at="c")),
            ],
            {},
            None,
            "",
        ),
        ([(0, crash(1, at="a")), (9, RUNNING), (700, RUNNING), (701, crash(1, at="b"))], {"max_crashes": 2}, None, ""),
        ([(0, crash(2)), (90, look("running", error_count=2)), (120, look("completed"))], {}, "completed", ""),
    ],
)
def test_ends(looks: list[tuple[float, JobState]], limits: dict[str, Any], kind: str | None, says: str) -> None:
    ended = play(looks, **limits)
    assert (None if ended is None else ended.kind) == kind
    assert ended is None or says in ended.reason


def test_a_duplicate_is_an_end_of_its_own() -> None:
    other = Duplicate(doc_id="two", database="_replicator")
    ended = play([(0, look("failed", error="already started", error_class="duplicate", duplicate=other))])
    assert ended == Ended("duplicate", "document two in _replicator runs the same replication already")


def test_servers_that_count_no_crashes_are_counted_for() -> None:
    errors = [crash(0, state="error", at=moment) for moment in ("10:00", "10:00", "10:05", "10:15")]
    ended = play(list(enumerate(errors)))
    assert ended is not None
    assert "crashed 3 times" in ended.reason
    same = crash(0, state="error", at="10:00")
    assert play([(moment, same) for moment in (0, 29, 31, 89, 91)], max_crashes=3) is not None
    between: list[tuple[float, JobState]] = [
        (0, errors[0]),
        (1, copied(1)),
        (2, errors[2]),
        (3, copied(2)),
        (4, errors[3]),
    ]
    assert play(between) is None


def test_states_and_crashes_are_kept() -> None:
    waiting = Waiting(WaitLimits(), until="completed", started=0.0)
    for moment, state in enumerate(
        [look("unseen"), RUNNING, crash(2), look("running", error_count=2), look("completed")]
    ):
        waiting.observe(state, moment)
    assert waiting.states == ["unseen", "running", "crashing", "completed"]
    assert waiting.crashes == 2


def test_a_silent_server_is_tolerated_for_a_while() -> None:
    waiting = Waiting(WaitLimits(error_tolerance=300), until="completed", started=0.0)
    assert waiting.unreachable(10, "refused") is None
    assert waiting.unreachable(309, "refused") is None
    assert waiting.observe(RUNNING, 309.5) is None
    assert waiting.unreachable(310, "refused") is None
    ended = waiting.unreachable(610, "refused")
    assert ended == Ended("stalled", "the server has not answered for 5 min 00 s: refused")


def test_a_silent_server_does_not_stop_the_clock() -> None:
    waiting = Waiting(WaitLimits(timeout=100), until="completed", started=0.0)
    assert waiting.unreachable(99, "refused") is None
    ended = waiting.unreachable(100, "refused")
    assert ended is not None
    assert "timeout" in ended.reason


def test_limits_of_a_state_begin_anew_after_an_outage() -> None:
    waiting = Waiting(WaitLimits(pending_timeout=30), until="completed", started=0.0)
    assert waiting.observe(look("pending"), 0) is None
    assert waiting.unreachable(20, "refused") is None
    assert waiting.observe(look("pending"), 29) is None
    assert waiting.observe(look("pending"), 30) is not None


COUNTED = look("running", counters=Counters(docs_written=1))


@pytest.mark.parametrize(
    ("looks", "is_over"),
    [
        ([(0, look("unseen")), (1, RUNNING)], False),  # it is only told to run yet
        ([(0, RUNNING), (1, COUNTED)], True),
        ([(0, RUNNING), (14, RUNNING)], False),
        ([(0, RUNNING), (15, RUNNING)], True),
        ([(0, RUNNING), (5, crash(1)), (40, RUNNING), (41, RUNNING)], False),
        ([(0, crash(1)), (5, look("running", counters=Counters(), error_count=1))], False),
    ],
)
def test_a_continuous_job_runs_once_it_has_copied_or_not_crashed(
    looks: list[tuple[float, JobState]], is_over: bool
) -> None:
    ended = play(looks, until="running")
    assert (ended is not None) == is_over
    assert ended is None or ended.kind == "completed"


def test_drained_is_nothing_left_several_times_in_a_row() -> None:
    waiting = Waiting(WaitLimits(drained_checks=3), until="drained", started=0.0)
    for moment, (state, pending) in enumerate(
        [
            (RUNNING, None),
            (COUNTED, 0),
            (COUNTED, 0),
            (COUNTED, 4),
            (COUNTED, 0),
            (look("running", changes_pending=9), None),
            (COUNTED, 0),
            (look("running", error_count=1), 0),
            (COUNTED, 0),
        ]
    ):
        assert waiting.observe(state, moment, pending=pending) is None
    ended = waiting.observe(COUNTED, 20, pending=0)
    assert ended == Ended("completed", "running, and nothing is left to copy")


def test_a_source_that_does_not_say_what_is_left_is_tolerated_for_a_while() -> None:
    waiting = Waiting(WaitLimits(error_tolerance=100), until="drained", started=0.0)
    assert waiting.source_unreachable(0, "refused") is None
    assert waiting.observe(COUNTED, 1) is None
    assert waiting.source_unreachable(99, "refused") is None
    assert waiting.observe(COUNTED, 99.5, pending=3) is None
    assert waiting.source_unreachable(100, "refused") is None
    assert waiting.source_unreachable(200, "refused") is not None


def requests_within(seconds: float, *, cost: int = 1, seed: int = 0, started: float = 0.0) -> int:
    """HTTP requests of a wait that lasts so long, with looks of that many requests each."""
    waiting, now, requests, random = Waiting(WaitLimits(), until="completed", started=started), 0.0, 0, Random(seed)
    while now < seconds:
        waiting.observe(RUNNING, now)
        requests += cost
        now += waiting.pause(now, random, requests=cost)
    return requests


@pytest.mark.parametrize("cost", [1, 2])
@pytest.mark.parametrize("seed", range(20))
def test_an_hour_costs_at_most_300_requests(cost: int, seed: int) -> None:
    assert requests_within(3600, cost=cost, seed=seed) <= 300


def test_the_first_looks_are_close() -> None:
    assert 9 <= requests_within(5) <= 13
    assert 240 <= requests_within(3600) <= 280


def test_a_wait_that_is_taken_up_again_stays_rare() -> None:
    assert requests_within(600, started=-3600.0) <= 45


def test_no_pause_goes_past_the_timeout() -> None:
    waiting = Waiting(WaitLimits(timeout=20), until="completed", started=0.0)
    assert waiting.pause(19.0, Random(1)) <= 1.0
    assert waiting.pause(25.0, Random(1)) == pytest.approx(0.01)
    short = Waiting(WaitLimits(poll_interval=0.1), until="completed", started=0.0)
    assert all(0.08 < short.pause(moment, Random(1)) < 0.12 for moment in (2.0, 3.0, 3000.0))
