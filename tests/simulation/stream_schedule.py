# SPDX-License-Identifier: Apache-2.0
"""Schedules of datapoints and of raw rows."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from airflow_provider_replicator.cdf.options import DatapointOptions, RawOptions
from airflow_provider_replicator.core.checkpoint import Checkpoint, fingerprint
from airflow_provider_replicator.core.window import Window
from tests.simulation.edits import ObjectEditor
from tests.simulation.oracle import judge_points, judge_rows, key_of
from tests.simulation.schedule import Schedule, expect_clean
from tests.simulation.stream_edits import PointEditor, RawEditor
from tests.simulation.world import EPOCH_MS

if TYPE_CHECKING:
    from tests.simulation.plan import Plan
    from tests.simulation.process import Machine, Program


class PointSchedule(Schedule):
    """Windows in any order, or everything compared, with corrections, back-fills and deletes; or resuming where the target ends,
    with appends only.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self._series = ObjectEditor(self.world, "source", self.rng)
        self._points = PointEditor(self.world, "source", self.rng, append_only=not (plan.windows or plan.compare))

    def populate(self) -> None:
        for _ in range(min(self.plan.size, 4)):
            self._series.create("time_series")
        for doc in self._points.series():
            copy = {"externalId": key_of(doc, "source"), "isString": doc["isString"]}
            self.world.call("target", "POST", "/timeseries", {"items": [copy]})
        self._points.populate(30)

    def edit(self) -> None:
        self._points.edit()

    def tasks(self) -> list[Program]:
        if not self.plan.windows:
            return [self._task(None)]
        start, end = self._points.span
        cuts = sorted({start, end, *(self.rng.randrange(start + 1, end) for _ in range(self.rng.randrange(3)))})
        windows = [Window(*pair) for pair in pairwise(cuts)]
        self.rng.shuffle(windows)
        return [self._task(window) for window in windows]

    def _task(self, window: Window | None) -> Program:
        async def program(machine: Machine) -> None:
            from airflow_provider_replicator.cdf.datapoints.replicate import replicate_datapoints

            options = DatapointOptions(
                mode="window" if window else "full",
                window=window,
                resume=not self.plan.compare,
                max_delete_fraction=1.0,
            )
            report = await replicate_datapoints(
                source=machine.client("source"),
                target=machine.client("target"),
                options=options,
                checkpoint=Checkpoint(machine.store, fingerprint(options=options)),
            )
            expect_clean(report)

        return program

    def judge(self) -> list[str]:
        return judge_points(self.world, "source", "target")


class RawSchedule(Schedule):
    """Full runs with or without deletes, or windows by the time of the last change."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self._rows = RawEditor(self.world, "source", self.rng)
        self._covered = EPOCH_MS - 1

    def populate(self) -> None:
        self._rows.populate(30)
        RawEditor(self.world, "target", self.rng, prefix="theirs_").populate(5)

    def edit(self) -> None:
        self._rows.edit()

    def tasks(self) -> list[Program]:
        window = None
        if self.plan.windows:
            now = self.world.clock.now_ms()
            window = Window(self._covered, now)
            self._covered = now
        options = RawOptions(
            mode="window" if window else "full",
            window=window,
            delete_missing=self.plan.delete_missing,
            max_delete_fraction=1.0,
        )

        async def program(machine: Machine) -> None:
            from airflow_provider_replicator.cdf.raw.replicate import replicate_raw

            report = await replicate_raw(
                source=machine.client("source"),
                target=machine.client("target"),
                options=options,
                checkpoint=Checkpoint(machine.store, fingerprint(options=options)),
            )
            expect_clean(report)

        return [program]

    def judge(self) -> list[str]:
        return judge_rows(self.world, "source", "target", extra_allowed=not self.plan.delete_missing)
