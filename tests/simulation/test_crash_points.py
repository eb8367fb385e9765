# SPDX-License-Identifier: Apache-2.0
"""Every crash point of a small run, one after the other: killed there and tried again, it ends as an undisturbed run does.

A crash point is before a request is handled by the server, or after that and before the answer arrives.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.simulation.plan import Plan
from tests.simulation.play import KINDS
from tests.simulation.process import MortalStore
from tests.simulation.small import small
from tests.simulation.virtual_loop import Crash
from tests.simulation.world import Weather

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.schedule import Schedule

ALL = ("data_sets", "labels", "assets", "events", "time_series")
PLANS = {
    "first load": Plan(seed=1, what="objects", resources=ALL),
    "changes and deletes": Plan(seed=2, what="objects", resources=ALL, delete_missing=True, rounds=2),
    "windows": Plan(seed=3, what="objects", resources=ALL, windows=True, rounds=2),
    "adopting": Plan(seed=4, what="objects", resources=ALL, conflicts=True),
    "points: windows": Plan(seed=5, what="datapoints", windows=True, rounds=2),
    "points: compared": Plan(seed=6, what="datapoints", compare=True, rounds=2),
    "points: resumed": Plan(seed=7, what="datapoints", rounds=2),
    "points: first load": Plan(seed=10, what="datapoints"),
    "raw": Plan(seed=8, what="raw", rounds=2),
    "raw: first load": Plan(seed=11, what="raw"),
    "raw: deletes": Plan(seed=9, what="raw", delete_missing=True, rounds=2),
}


def events_of(schedule: Schedule) -> int:
    """What may be followed by a crash: a request leaves the process, or the server has handled one."""
    return schedule.world.requests + schedule.world.handled


def prepared(plan: Plan) -> Schedule:
    """A source that was replicated once and has been edited since (with two rounds), or never replicated (with one)."""
    schedule = KINDS[plan.what](plan)
    schedule.populate()
    schedule.settle()
    if plan.rounds > 1:
        schedule.undisturbed_run()
        for _ in range(12):
            schedule.edit()
    schedule.settle()
    return schedule


def run_killed_at(schedule: Schedule, point: int) -> bool:
    """Run all tasks. The process that reaches the point dies there and is tried again. Whether that happened."""
    killed = False

    def crash() -> bool:
        return not killed and events_of(schedule) >= point

    for task in schedule.tasks():
        store = MortalStore()
        try:
            schedule.run_task(task, store, Weather(), crash)
        except Crash:
            killed = True
            schedule.run_task(task, store, Weather(), None)
    return killed


@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize("batch", [0, 3])
def test_killed_at_every_point_and_tried_again(name: str, batch: int) -> None:
    plan = replace(PLANS[name], batch=batch, points=batch * 4)
    with small(plan.batch, plan.points):
        _every_point(lambda: prepared(plan))


def _every_point(prepare: Callable[[], Schedule]) -> None:
    schedule = prepare()
    first = events_of(schedule)
    assert not run_killed_at(schedule, 10**9)
    schedule.assert_right()
    last = events_of(schedule)
    assert last > first + 4
    for point in range(first + 1, last + 1):
        schedule = prepare()
        assert run_killed_at(schedule, point), f"point {point} of {first}..{last} was not reached"
        try:
            schedule.settle()
            schedule.assert_right()
            schedule.assert_nothing_left_to_write()
        except Exception as error:
            raise AssertionError(
                f"killed at {point} of {first}..{last}\n" + "\n".join(schedule.world.trace())
            ) from error
