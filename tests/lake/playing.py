# SPDX-License-Identifier: Apache-2.0
"""Games of random moves against an engine that follows a feed: edits, runs, crashes, runs at once. A failure names its seed."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_replicator.exceptions import LakeConflictError
from airflow_provider_replicator.lake.feeds.options import MergeWhen
from tests.lake.crashing import Crashing

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    import pytest


class Playground(Protocol):
    """What is played in."""

    def run(self, chosen: Any = None) -> Any: ...

    def arun(self, chosen: Any = None) -> Coroutine[Any, Any, Any]: ...


class Game(ABC):
    """Fourteen moves, a last run, and the check."""

    def __init__(self, world: Playground, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self._playground = world
        self.random = Random(seed)
        self.history = bool(seed % 3 == 0)
        self.crashing = Crashing(monkeypatch)

    @abstractmethod
    def options(self) -> Any:
        """Those of the next run."""

    @abstractmethod
    def edit(self) -> None:
        """At the source."""

    @abstractmethod
    def run(self) -> None:
        """With edits between its requests."""

    @abstractmethod
    def more_moves(self) -> list[tuple[Callable[[], None], int]]:
        """What else may happen, and how often."""

    @abstractmethod
    def check(self) -> None:
        """That the table is what the source is."""

    def merge_when(self) -> MergeWhen:
        return self.random.choice([MergeWhen(), MergeWhen(small_table=0, rows=5), MergeWhen(small_table=0, share=None)])

    def crashed_run(self) -> None:
        self.crashing.after(self.random.randint(0, 6), lambda: self._playground.run(self.options()))

    def two_runs(self) -> None:
        """At once. One may lose, and says so."""

        async def both() -> list[object]:
            chosen = self.options(), self.options()
            return list(await asyncio.gather(*map(self._playground.arun, chosen), return_exceptions=True))

        lost = [one for one in asyncio.run(both()) if isinstance(one, BaseException)]
        assert all(isinstance(one, LakeConflictError) for one in lost), lost

    def play(self) -> None:
        moves = [(self.edit, 8), (self.run, 5), (self.crashed_run, 4), (self.two_runs, 2), *self.more_moves()]
        chosen = [move for move, _ in moves]
        for move in self.random.choices(chosen, [weight for _, weight in moves], k=14):
            move()
        self._playground.run(self.options())
        self.check()
