# SPDX-License-Identifier: Apache-2.0
"""Random schedules of edits, faults and crashes, thousands of them; see the package's other modules for what each one does.

CI plays seeds 0 … 1 999. ``make soak`` plays others: SIM_SCHEDULES of them or as many as SIM_SECONDS allow, from SIM_SEED (default:
by the clock) on. A failing one prints its seed.
"""

from __future__ import annotations

import os
import time
from itertools import count, islice

import pytest

from tests.simulation.plan import Plan
from tests.simulation.play import play, play_all

SCHEDULES = 2_000
CHUNK = 100


@pytest.mark.parametrize("first", range(0, SCHEDULES, CHUNK))
def test_schedules(first: int) -> None:
    tally = play_all(range(first, first + CHUNK))
    assert tally.schedules == CHUNK
    assert tally.partial <= CHUNK / 20
    assert tally.stuck <= 1


def test_the_schedules_are_what_they_claim_to_be() -> None:
    """Plans without crashes, faults or edits would pass for ever and mean nothing."""
    plans = [Plan.draw(seed) for seed in range(SCHEDULES)]
    assert {plan.what for plan in plans} == {"objects", "datapoints", "raw"}
    for trait in ("crash_rate", "edit_rate", "windows", "delete_missing", "two_sources", "conflicts", "resume_only"):
        assert sum(bool(getattr(plan, trait)) for plan in plans) > SCHEDULES / 20, trait
    assert sum(not plan.weather.calm for plan in plans) > SCHEDULES / 2


def test_a_seed_says_everything() -> None:
    """The same seed plays the same schedule, request by request: what failed once can be looked at again."""
    for seed in range(0, 40, 4):
        traces = [play(Plan.draw(seed)).world.trace() for _ in range(2)]
        assert traces[0] == traces[1]


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_soak(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a bound in the environment only a few schedules, so that ``make test`` knows that it works."""
    bound, seconds = os.environ.get("SIM_SCHEDULES"), os.environ.get("SIM_SECONDS")
    asked = bound is not None or seconds is not None
    first = int(os.environ.get("SIM_SEED") or (time.time_ns() // 1_000_000_000 if asked else SCHEDULES))
    seeds = islice(count(first), int(bound) if bound else None if asked else 5)
    tally = play_all(seeds, until=time.monotonic() + float(seconds or "inf"))
    with capsys.disabled():
        print(f"\n{tally}\n{tally.schedules / tally.seconds:.1f} schedules a second, from seed {first} on")  # noqa: T201
