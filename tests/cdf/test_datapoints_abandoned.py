# SPDX-License-Identifier: Apache-2.0
"""A run is killed and never retried. The next one, which knows nothing of it, must not take the target for complete.

Every crash point of small runs with small pages, so that series have many pages and segments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_replicator.cdf.datapoints.replicate import replicate_datapoints
from airflow_provider_replicator.cdf.options import DatapointOptions
from tests.simulation.plan import Plan
from tests.simulation.process import MortalStore
from tests.simulation.schedule import expect_clean
from tests.simulation.small import small
from tests.simulation.stream_schedule import PointSchedule
from tests.simulation.virtual_loop import Crash
from tests.simulation.world import Weather

if TYPE_CHECKING:
    from tests.simulation.process import Machine, Program


def _events(schedule: PointSchedule) -> int:
    return schedule.world.requests + schedule.world.handled


def _prepared(plan: Plan) -> PointSchedule:
    schedule = PointSchedule(plan)
    schedule.populate()
    schedule.settle()
    if plan.rounds > 1:
        schedule.undisturbed_run()
        for _ in range(30):
            schedule.edit()
    schedule.settle()
    return schedule


def _task(*, resume: bool) -> Program:
    async def program(machine: Machine) -> None:
        source, target = machine.client("source"), machine.client("target")
        expect_clean(await replicate_datapoints(source=source, target=target, options=DatapointOptions(resume=resume)))

    return program


def _run(schedule: PointSchedule, *, resume: bool, point: int | None = None) -> bool:
    """One run without a checkpoint; killed when it reaches the point. Whether it was."""
    crash = None if point is None else lambda: _events(schedule) >= point
    try:
        schedule.run_task(_task(resume=resume), MortalStore(), Weather(), crash)
    except Crash:
        return True
    return False


@pytest.mark.parametrize("resume", [True, False], ids=["resumed", "compared"])
@pytest.mark.parametrize("rounds", [1, 2], ids=["first load", "later"])
@pytest.mark.parametrize("seed", [1, 2])
def test_killed_anywhere_and_then_resumed_where_the_target_ends(seed: int, rounds: int, resume: bool) -> None:
    plan = Plan(seed=seed, what="datapoints", rounds=rounds, points=6)  # points are only added, at the ends
    with small(0, plan.points):
        schedule = _prepared(plan)
        first = _events(schedule)
        assert not _run(schedule, resume=resume)
        last = _events(schedule)
        for point in range(first + 1, last + 1):
            schedule = _prepared(plan)
            assert _run(schedule, resume=resume, point=point), f"point {point} of {first}..{last} was not reached"
            schedule.settle()
            assert not _run(schedule, resume=True)
            schedule.settle()
            try:
                schedule.assert_right()
            except AssertionError as error:
                trace = "\n".join(schedule.world.trace())
                raise AssertionError(f"killed at {point} of {first}..{last}\n{trace}") from error
