# SPDX-License-Identifier: Apache-2.0
"""One schedule from beginning to end: fill the source, run in bad weather with people editing, let it calm down, judge."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.exceptions import PartialReplicationError, TransientError
from tests.simulation.process import MortalStore, run_process
from tests.simulation.virtual_loop import Crash
from tests.simulation.world import Weather, World

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.plan import Plan
    from tests.simulation.process import Program

#: Tries of one task before the weather is declared calm: what Airflow's retries and a human are in real life.
TRIES = 4
MINUTE_MS = 60_000


#: An asset whose parent was deleted while the run was reading became a root. CDF never hangs a root below another asset, so when
#: somebody creates the asset anew as a child, the run says that the copy has to be deleted by hand. Rare, and told.
IRREVERSIBLE = "CDF cannot change that"


class Stuck(Exception):  # noqa: N818
    """The target is in a state that only its owner can change, and the report says so."""


class Wrong(AssertionError):  # noqa: N818
    """The target is not what it should be."""


class Schedule:
    """The parts common to objects, datapoints and raw. Subclasses fill the source, name the tasks, and judge."""

    sources: tuple[str, ...] = ("source",)

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.rng = random.Random(plan.seed + 1)
        if plan.two_sources:
            self.sources = ("source", "other")
        self.world = World((*self.sources, "target"), rng=self.rng)
        self.processes = 0
        self.crashes = 0
        self.partial = 0
        self.stuck = 0
        self._given_up: list[Program] = []

    # -- what subclasses say

    def populate(self) -> None:
        raise NotImplementedError

    def edit(self) -> None:
        raise NotImplementedError

    def tasks(self) -> list[Program]:
        """The tasks of one DAG run, in order. Made anew for each run: their windows end now."""
        raise NotImplementedError

    def judge(self) -> list[str]:
        raise NotImplementedError

    # -- the story

    def play(self) -> None:
        """Raises Wrong, or whatever the program under test raised, if the schedule did not end well."""
        try:
            self._play()
        except Stuck as stuck:
            self.world.note(f"stuck: {stuck}")
            self.stuck += 1

    def _play(self) -> None:
        self.populate()
        self.world.server.settings.short_pages = self.plan.short_pages
        self.world.server.settings.commit_delay_ms = self.plan.commit_delay_ms
        # The sandbox gives every change a later millisecond, so that a burst of them ends ahead of the clock.
        self._pass_time(10_000)
        for _ in range(self.plan.rounds):
            self._disturbed_run()
            self._pass_time(self.rng.choice((1, 1000, MINUTE_MS)))
        self.settle()
        if not self.plan.resume_only:
            self._clear_failed()
            self.settle()
            self.undisturbed_run()
            self.settle()
        self.assert_right()
        self.assert_nothing_left_to_write()

    def _disturbed_run(self) -> None:
        self.world.after_request = self._maybe_edit
        for task in self.tasks():
            self._until_done(task)
        self.world.after_request = lambda: None

    def _clear_failed(self) -> None:
        """A window that was given up stays red in Airflow until somebody clears it; a full run is overtaken by the next."""
        for task in self._given_up if self.plan.windows else ():
            self.run_task(task, MortalStore(), Weather(), None)
        self._given_up.clear()

    def _until_done(self, task: Program) -> None:
        """One task with its retries, which share a checkpoint store as the tries of an Airflow task do. Some are given up."""
        store = MortalStore()
        for attempt in range(TRIES + 1):
            last = attempt == TRIES
            weather = Weather(latency=self.plan.weather.latency) if last else self.plan.weather
            try:
                self.run_task(task, store, weather, None if last else self._crash())
                return
            except Crash:
                self.crashes += 1
            except TransientError as error:
                self.world.note(f"the task failed: {error}")
            except PartialReplicationError as error:
                self._forgive(task, error)
                return
            if not self.plan.resume_only and self.rng.random() < 0.2:
                self.world.note("nobody retries the task")
                self._given_up.append(task)
                return
            self._pass_time(self.rng.choice((1, 1000, 10_000)))
        raise Wrong("a task failed in calm weather")

    def _forgive(self, task: Program, error: PartialReplicationError) -> None:
        """While people edit, what was read of a child may not fit what was read of its parent. Then the run may say so and fail; the
        next one has to put it right.
        """
        if not self.plan.edit_rate:
            raise error
        self.world.note(f"the task failed: {error}")
        self.partial += 1
        self._given_up.append(task)

    def undisturbed_run(self) -> None:
        for task in self.tasks():
            try:
                self.run_task(task, MortalStore(), Weather(), None)
            except PartialReplicationError as error:
                if self.plan.edit_rate and all(IRREVERSIBLE in letter for letter in error.report["dead_letters"]):
                    raise Stuck(str(error)) from error
                raise

    def run_task(self, task: Program, store: MortalStore, weather: Weather, crash: Callable[[], bool] | None) -> None:
        self.processes += 1
        self.world.note("--- a process starts ---")
        run_process(self.world, task, store=store, weather=weather, rng=self.rng, crash=crash)

    def _crash(self) -> Callable[[], bool] | None:
        """Die at one step: early ones are as likely as late ones on a logarithmic scale, so that every stage is hit."""
        if self.rng.random() >= self.plan.crash_rate:
            return None
        left = int(10 ** self.rng.uniform(0.0, 2.8))

        def now() -> bool:
            nonlocal left
            left -= 1
            return left < 0

        return now

    def _maybe_edit(self) -> None:
        if self.rng.random() < self.plan.edit_rate:
            self.edit()

    def _pass_time(self, ms: int = 1) -> None:
        self.world.clock.advance(ms)
        self.world.deliver_late(self.world.clock.now())

    def settle(self) -> None:
        """Everything that is under way arrives, and every list knows it."""
        self.world.deliver_late()
        self.world.clock.advance(self.plan.commit_delay_ms + MINUTE_MS)

    def assert_right(self) -> None:
        wrong = self.judge()
        wrong += [f"the sandbox failed: {fault}" for fault in self.world.server_faults]
        if wrong:
            raise Wrong("\n".join(wrong[:20]))

    def assert_nothing_left_to_write(self) -> None:
        before = self.world.writes["target"]
        self.undisturbed_run()
        written = self.world.writes["target"] - before
        if written:
            raise Wrong(f"a further run wrote {written} times although nothing had changed")
        self.assert_right()


def expect_clean(report: Any) -> None:
    """A report of a run that had no reason to leave anything behind."""
    if report.failed or report.dead_letters:
        raise Wrong(f"dead letters: {report.dead_letters}")
