# SPDX-License-Identifier: Apache-2.0
"""Any sequence of edits, view changes, page sizes, crashes and expiries ends with the table being what the source is.

Seeded: a failure names its seed. Crashes are exceptions that no code catches, raised at random effects on the lake; what SIGKILL
does in the same places is tested in test_killed.py.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from airflow_provider_replicator.lake.feeds.options import MergeWhen
from airflow_provider_replicator.lake.instances.options import InstancesOptions
from tests.acceptance.projects import Watched
from tests.lake.instances.world import CHANGES, NODES, SPACE, TYPES, options
from tests.lake.playing import Game

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_replicator.cdf.http.transport import HttpRequest, HttpResponse
    from tests.lake.instances.world import World

DAY = 24 * 3600 * 1000
NAMES = ("p0", "p1", "p2", "p3", "p4", "P4", "p-5", "6p")
SPACES = (SPACE, "other")
MORE_TYPES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("Name", {"type": "text"}),
    ("4-new", {"type": "int32"}),
    ("many", {"type": "float64", "list": True}),
)


class Player(Game):
    """Plays one game."""

    def __init__(self, world: World, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(world, seed, monkeypatch)
        self.world = world
        self.types = dict(TYPES)
        self.more = list(MORE_TYPES)
        self.expired = 0

    # -- the source

    def edit(self) -> None:
        moves: list[Callable[[], None]] = [self.create, self.create, self.change, self.delete, self.make_again]
        for _ in range(self.random.randint(1, 4)):
            self.random.choice(moves)()

    def create(self) -> None:
        names = self.random.sample(NAMES, self.random.randint(1, 4))
        values = {name: self.value(kind) for name, kind in self.types.items() if self.random.random() < 0.8}
        space = self.random.choice(SPACES)
        self.world.apply(*({"externalId": name, **values} for name in names), space=space)

    def change(self) -> None:
        name, kind = self.random.choice(list(self.types.items()))
        value = None if self.random.random() < 0.2 else self.value(kind)
        self.world.apply({"externalId": self.random.choice(NAMES), name: value}, space=SPACE)

    def delete(self) -> None:
        self.world.delete(*self.random.sample(NAMES, self.random.randint(1, 4)), space=self.random.choice(SPACES))

    def make_again(self) -> None:
        name = self.random.choice(NAMES)
        self.world.delete(name)
        self.world.apply({"externalId": name, "name": "again"})

    def value(self, kind: dict[str, Any]) -> Any:
        choices: dict[str, Any] = {
            "text": self.random.choice(["", "ä", "NaN", "x" * 50]),
            "float64": self.random.choice([0, -1.5, 1e300, 3]),
            "int64": self.random.choice([0, 2**63 - 1, -(2**63), 2**53 + 1]),
            "int32": self.random.choice([0, -(2**31)]),
            "boolean": self.random.random() < 0.5,
        }
        value = choices[kind["type"]]
        return [float(value)] * self.random.randint(0, 2) if kind.get("list") else value

    def change_view(self) -> None:
        if self.more:
            name, kind = self.more.pop()
            self.types[name] = kind
            self.world.make_view(self.types)

    def expire(self) -> None:
        self.expired += 1
        self.world.project.sandbox.control.advance(self.random.choice([1, 4]) * DAY)

    # -- the runs

    def options(self) -> InstancesOptions:
        choose = self.random.choice
        return options(
            page_size=choose([1, 2, 3, 2000]),
            load_page_size=choose([1, 2, 3, 10_000]),
            commit_rows=choose([1, 4, 1000]),
            merge_when=self.merge_when(),
            history=self.history,
            resync=self.random.random() < 0.1,
        )

    def run(self) -> None:
        """With edits at the source between its requests."""
        edits = [self.random.random() < 0.15 for _ in range(40)]

        def between(request: HttpRequest, _answer: HttpResponse) -> None:
            if "/instances/" in request.path and edits and edits.pop():
                self.edit()

        self.world.wrap = lambda inner: Watched(inner, after=between)
        try:
            self.world.run(self.options())
        finally:
            self.world.wrap = lambda inner: inner

    def more_moves(self) -> list[tuple[Callable[[], None], int]]:
        return [(self.change_view, 1), (self.expire, 1)]

    def check(self) -> None:
        self.world.check()
        # And once everything is merged the table itself is no different.
        self.world.run(options(merge_when=MergeWhen(small_table=10**9), history=self.history))
        self.world.check()
        stored = pl.scan_delta(self.world.lake.uri(NODES)).select("_space", "_externalId").collect()
        assert set(Counter(stored.rows()).values()) <= {1}
        assert len(stored) == len(self.world.instances())
        if not self.history:
            assert pl.scan_delta(self.world.lake.uri(CHANGES)).collect().is_empty()


def play(world: World, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    world.project.call("POST", "/models/spaces", {"items": [{"space": "other"}]})
    Player(world, seed, monkeypatch).play()


#: Those that once failed, and a few more.
@pytest.mark.parametrize("seed", [5, 1008, 1089, *range(6, 12)])
def test_random_model(world: World, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    play(world, seed, monkeypatch)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1000, 1200))
def test_many_random_models(world: World, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    play(world, seed, monkeypatch)
