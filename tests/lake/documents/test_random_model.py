# SPDX-License-Identifier: Apache-2.0
"""Any sequence of edits, new databases of the same name, page sizes, crashes and runs at once ends with the table being what the
database is. Seeded: a failure names its seed.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from tests.lake.documents.world import ALWAYS
from tests.lake.playing import Game

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_replicator.couchdb.transport import Answer, Request, Transport
    from airflow_provider_replicator.lake.documents.options import DocumentsOptions
    from tests.lake.documents.world import World

IDS = ("a", "A", "b/c", "d+e", "f%2Fg", "ü", "_design/x", "h")
COLUMNS: tuple[dict[str, Any], ...] = ({}, {"n": "int64"}, {"n": "int64", "deep": {"type": "text", "path": "o.t"}})


class After:
    """A transport that does something after each page."""

    def __init__(self, inner: Transport, work: Callable[[], None]) -> None:
        self.inner, self._work = inner, work

    async def send(self, request: Request) -> Answer:
        answer = await self.inner.send(request)
        if "_changes" in request.url:
            self._work()
        return answer

    async def sleep(self, seconds: float) -> None:
        await self.inner.sleep(seconds)

    async def close(self) -> None:
        await self.inner.close()


class Player(Game):
    """Plays one game."""

    def __init__(self, world: World, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(world, seed, monkeypatch)
        self.world = world
        self.columns = COLUMNS[0]

    # -- the database

    def edit(self) -> None:
        moves: list[Callable[[], object]] = [self.write, self.write, self.write, self.delete]
        for _ in range(self.random.randint(1, 4)):
            self.random.choice(moves)()

    def write(self) -> None:
        ids = self.random.sample(IDS, self.random.randint(1, 5))
        self.world.write(*({"_id": one, "n": self.random.randint(0, 9), "o": {"t": "x"}} for one in ids))

    def delete(self) -> None:
        there = sorted(self.world.documents())
        self.world.delete(*self.random.sample(there, min(1, len(there))))

    def make_again(self) -> None:
        self.world.make_again()
        if self.random.random() < 0.7:
            self.write()

    def declare(self) -> None:
        self.columns = self.random.choice(COLUMNS)

    # -- the runs

    def options(self) -> DocumentsOptions:
        choose = self.random.choice
        return self.world.options(
            page_size=choose([1, 2, 3, 2000]),
            commit_rows=choose([1, 4, 1000]),
            merge_when=self.merge_when(),
            columns=self.columns,
            history=self.history,
            resync=self.random.random() < 0.1,
        )

    def run(self) -> None:
        """With edits between its requests."""
        edits = [self.random.random() < 0.25 for _ in range(40)]

        def between() -> None:
            if edits and edits.pop():
                self.edit()

        self.world.wrap = lambda inner: After(inner, between)
        try:
            self.world.run(self.options())
        finally:
            self.world.wrap = lambda inner: inner

    def more_moves(self) -> list[tuple[Callable[[], None], int]]:
        return [(self.declare, 1), (self.make_again, 1)]

    def check(self) -> None:
        self.world.check()
        # And once everything is merged the table itself is no different.
        self.world.run(merge_when=ALWAYS, columns=self.columns, history=self.history)
        self.world.check()
        stored = pl.scan_delta(self.world.lake.uri(self.world.path)).collect()
        assert set(Counter(stored["_id"]).values()) <= {1}
        assert set(stored["_id"]) == {one for one in self.world.documents() if not one.startswith("_design/")}
        for name in self.columns:
            assert set(stored[name]) <= {*range(10), "x"}
        if not self.history:
            assert pl.scan_delta(self.world.lake.uri(self.world.changes_path)).collect().is_empty()


#: A few.
@pytest.mark.parametrize("seed", range(4))
def test_random_model(world: World, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    Player(world, seed, monkeypatch).play()


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1000, 1150))
def test_many_random_models(world: World, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    Player(world, seed, monkeypatch).play()
