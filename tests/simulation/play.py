# SPDX-License-Identifier: Apache-2.0
"""Play schedules by seed. ``python -m tests.simulation.play 4711`` replays one and prints everything that happened in it."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.simulation.object_schedule import ObjectSchedule
from tests.simulation.plan import Plan
from tests.simulation.small import small
from tests.simulation.stream_schedule import PointSchedule, RawSchedule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.simulation.schedule import Schedule

KINDS: dict[str, type[Schedule]] = {"objects": ObjectSchedule, "datapoints": PointSchedule, "raw": RawSchedule}
#: Lines of the trace worth printing in a test's failure. The replay command prints all.
TAIL = 60


class ScheduleFailed(AssertionError):  # noqa: N818
    """One schedule went wrong: its seed, how to see it again, and the end of its trace."""

    def __init__(self, schedule: Schedule, error: BaseException, *, lines: int = TAIL) -> None:
        trace = schedule.world.trace()
        shown = trace if lines == 0 else trace[-lines:]
        seed = schedule.plan.seed
        super().__init__(
            f"seed {seed}: {type(error).__name__}: {error}\n{schedule.plan}\n"
            f"replay: python -m tests.simulation.play {seed}\n"
            f"the last {len(shown)} of {len(trace)} lines of the trace:\n" + "\n".join(shown)
        )


@dataclass(slots=True)
class Tally:
    """What many schedules amounted to: shows that they did what they were meant to do."""

    schedules: int = 0
    processes: int = 0
    crashes: int = 0
    partial: int = 0
    stuck: int = 0
    requests: int = 0
    by_kind: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    def add(self, schedule: Schedule) -> None:
        self.schedules += 1
        self.processes += schedule.processes
        self.crashes += schedule.crashes
        self.partial += schedule.partial
        self.stuck += schedule.stuck
        self.requests += schedule.world.requests
        kind = schedule.plan.what
        self.by_kind[kind] = self.by_kind.get(kind, 0) + 1


def play(plan: Plan, *, lines: int = TAIL) -> Schedule:
    """Play one schedule. Raises ScheduleFailed."""
    schedule = KINDS[plan.what](plan)
    try:
        with small(plan.batch, plan.points):
            schedule.play()
    except (Exception, KeyboardInterrupt) as error:
        raise ScheduleFailed(schedule, error, lines=lines) from error
    return schedule


def play_all(seeds: Iterable[int], *, until: float = float("inf")) -> Tally:
    """Play one schedule after the other, until ``time.monotonic()`` passes ``until``."""
    tally = Tally()
    began = time.monotonic()
    for seed in seeds:
        tally.add(play(Plan.draw(seed)))
        if time.monotonic() > until:
            break
    tally.seconds = time.monotonic() - began
    return tally


def main() -> None:
    for seed in sys.argv[1:]:
        try:
            schedule = play(Plan.draw(int(seed)), lines=0)
        except ScheduleFailed as failed:
            sys.exit(str(failed))
        sys.stdout.write("\n".join(schedule.world.trace()) + f"\n{schedule.plan}\nfine\n")


if __name__ == "__main__":
    main()
