# SPDX-License-Identifier: Apache-2.0
"""What one simulated schedule is about. Everything follows from the seed."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import Literal

from tests.simulation.world import Weather

What = Literal["objects", "datapoints", "raw"]

CHAINS = (
    ("data_sets", "labels"),
    ("data_sets", "labels", "assets"),
    ("data_sets", "labels", "assets", "events"),
    ("data_sets", "labels", "assets", "time_series"),
    ("data_sets", "labels", "assets", "events", "time_series"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """``rounds`` of disturbed runs, then silence. ``edit_rate`` is edits per request that reaches a server, ``crash_rate`` the
    share of processes that die. ``batch`` and ``points``: see :func:`small`. ``resume_only``: nobody edits, so that a retried run
    alone has to end with the right target.
    """

    seed: int
    what: What
    resources: tuple[str, ...] = ()
    windows: bool = False
    compare: bool = False
    delete_missing: bool = False
    on_conflict: Literal["adopt", "skip"] = "adopt"
    conflicts: bool = False
    two_sources: bool = False
    selection: Literal["exclude", "data_set"] | None = None
    resume_only: bool = False
    size: int = 6
    rounds: int = 1
    edit_rate: float = 0.2
    crash_rate: float = 0.5
    weather: Weather = field(default_factory=Weather)
    commit_delay_ms: int = 0
    short_pages: int = 0
    batch: int = 0
    points: int = 0

    @classmethod
    def draw(cls, seed: int) -> Plan:
        rng = random.Random(seed)
        kinds: tuple[What, ...] = ("objects", "datapoints", "raw")
        what = rng.choices(kinds, (12, 6, 3))[0]
        plan = cls(
            seed=seed,
            what=what,
            resume_only=rng.random() < (0.15 if what == "objects" else 0.3),
            size=rng.choice((1, 3, 6, 10)),
            rounds=rng.choice((1, 1, 2)),
            edit_rate=rng.choice((0.0, 0.1, 0.4)),
            crash_rate=rng.choice((0.0, 0.5, 0.9)),
            weather=_weather(rng),
            short_pages=rng.choice((0, 0, 0, 5)),
            batch=rng.choice((0, 2, 4)),
            points=rng.choice((0, 4, 12)),
        )
        drawn = {"objects": plan._draw_objects, "datapoints": plan._draw_datapoints, "raw": plan._draw_raw}
        plan = drawn[what](rng)
        return replace(plan, edit_rate=0.0, rounds=1) if plan.resume_only else plan

    def _draw_objects(self, rng: random.Random) -> Plan:
        windows = rng.random() < 0.4
        return replace(
            self,
            resources=rng.choice(CHAINS),
            windows=windows,
            delete_missing=not windows and rng.random() < 0.6,
            conflicts=rng.random() < 0.3,
            on_conflict=rng.choice(("adopt", "adopt", "skip")),
            two_sources=rng.random() < 0.25,
            selection=rng.choice((None, None, None, "exclude", "data_set")),
            commit_delay_ms=rng.choice((0, 0, 200, 2000)),
        )

    def _draw_datapoints(self, rng: random.Random) -> Plan:
        mode = rng.choice(("windows", "windows", "compare", "resume"))
        return replace(self, windows=mode == "windows", compare=mode == "compare")

    def _draw_raw(self, rng: random.Random) -> Plan:
        windows = rng.random() < 0.4
        return replace(self, windows=windows, delete_missing=not windows and rng.random() < 0.6)


def _weather(rng: random.Random) -> Weather:
    if rng.random() < 0.25:
        return Weather()
    worst = rng.choice((0.02, 0.05, 0.1))
    names = ("refused", "lost_before", "lost_after", "late", "error_before", "error_after", "throttled")
    return Weather(
        latency=rng.choice(((0.001, 0.001), (0.005, 0.05), (0.0, 1.0))),
        **{name: rng.uniform(0, worst) for name in rng.sample(names, rng.randrange(1, len(names) + 1))},
    )
