# SPDX-License-Identifier: Apache-2.0
"""Verification says the same as the oracle, which looks into the sandbox's stores: before the last run, and after it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from airflow_provider_replicator.cdf.verify.run import verify
from airflow_provider_replicator.exceptions import VerificationError
from tests.simulation.plan import Plan
from tests.simulation.play import KINDS
from tests.simulation.process import MortalStore
from tests.simulation.small import small
from tests.simulation.world import Weather

if TYPE_CHECKING:
    from tests.simulation.process import Machine
    from tests.simulation.schedule import Schedule

SCHEDULES = 150
RESOURCES = {"datapoints": ("datapoints",), "raw": ("raw",)}


def verified(schedule: Schedule) -> list[str]:
    """The differences that verification finds, at the closest level."""
    plan = schedule.plan
    found: list[str] = []

    async def program(machine: Machine) -> None:
        for source in schedule.sources:
            try:
                await verify(
                    RESOURCES.get(plan.what, plan.resources),
                    source=machine.client(source),
                    target=machine.client("target"),
                    level="full",
                    allow_extra=not plan.delete_missing,
                )
            except VerificationError as error:
                found.extend(error.differences)

    schedule.run_task(program, MortalStore(), Weather(), None)
    return found


@pytest.mark.parametrize("first", range(0, SCHEDULES, 50))
def test_verification_agrees_with_the_oracle(first: int) -> None:
    equal = different = 0
    for seed in range(first, first + 50):
        # Without windows, and without skipped conflicts: there the target is meant to differ, and the oracle makes allowances.
        plan = replace(Plan.draw(seed), windows=False, on_conflict="adopt", two_sources=False, selection=None)
        schedule = KINDS[plan.what](plan)
        with small(plan.batch, plan.points):
            schedule.populate()
            schedule.settle()
            schedule.undisturbed_run()
            for _ in range(schedule.rng.randrange(6)):
                schedule.edit()
            schedule.settle()
            wrong, found = schedule.judge(), verified(schedule)
            assert bool(found) == bool(wrong), f"seed {seed}: the oracle says {wrong}, verification says {found}"
            different += bool(wrong)
            equal += not wrong
            schedule.undisturbed_run()
            schedule.settle()
            assert schedule.judge() == []
            assert verified(schedule) == [], f"seed {seed}"
    assert equal > 2, "both answers have to occur"
    assert different > 20
