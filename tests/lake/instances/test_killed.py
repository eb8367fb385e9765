# SPDX-License-Identifier: Apache-2.0
"""Killed before and after everything that a run does to the lake, then run again: as if nothing had happened."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from airflow_provider_replicator.lake.location import Lake
from tests.lake.instances.killable import Killable
from tests.lake.instances.world import ALWAYS, CHANGES, NEVER, NODES, options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_replicator.lake.instances.options import InstancesOptions
    from tests.lake.instances.world import World

LOAD = options(load_page_size=5, commit_rows=5, merge_when=ALWAYS)
SYNC = options(page_size=3, merge_when=ALWAYS)


@pytest.fixture(scope="module")
def killable() -> Iterator[Killable]:
    with Killable() as process:
        yield process


def content(world: World, path: str) -> Counter[Any]:
    """The rows of a table as a multiset, without what may differ between runs."""
    frame = pl.scan_delta(world.lake.uri(path)).drop("_batch", "_order", strict=False).collect()
    return Counter(map(str, frame.rows()))


def kill_everywhere(world: World, killable: Killable, chosen: InstancesOptions, tmp_path: Path) -> list[str]:
    """``world.lake`` is how a run finds the lake. Returns the effects of an undisturbed run."""
    before = world.lake.prefix
    Path(before).mkdir(parents=True, exist_ok=True)

    def fresh(name: str) -> None:
        folder = tmp_path / name
        shutil.copytree(before, folder)
        world.lake = Lake(f"file://{folder}")

    fresh("undisturbed")
    undisturbed = killable.run(world, chosen)
    assert not undisturbed.error
    world.check()
    current, changes = content(world, NODES), content(world, CHANGES)
    for kill_at in range(1, len(undisturbed.effects) + 1):
        fresh(f"killed-{kill_at}")
        assert killable.run(world, chosen, kill_at=kill_at).killed
        world.run(replace(chosen, resync=False))
        world.check()
        assert content(world, NODES) == current, (kill_at, undisturbed.effects)
        assert content(world, CHANGES) == changes, (kill_at, undisturbed.effects)
    return undisturbed.effects


def test_first_load(world: World, killable: Killable, tmp_path: Path) -> None:
    world.make(range(8))
    effects = kill_everywhere(world, killable, LOAD, tmp_path)
    assert effects.count("Table._create") == 2
    assert effects.count("Table.append") == 3  # two of the load, one without rows for the cursor


@pytest.mark.parametrize("history", [False, True], ids=["current", "history"])
def test_changes(world: World, killable: Killable, tmp_path: Path, history: bool) -> None:
    world.make(range(8))
    world.run(LOAD)
    world.make([9])
    world.make([1, 2], name="again")
    world.delete("p3", "p4")
    world.make([4])
    effects = kill_everywhere(world, killable, replace(SYNC, history=history), tmp_path)
    assert effects.count("TableMerger.execute") == 1
    assert effects.count("DeltaTable.delete") == (0 if history else 1)


def test_pending_changes(world: World, killable: Killable, tmp_path: Path) -> None:
    world.make(range(8))
    world.run(LOAD)
    world.make([1, 2], name="again")
    world.delete("p3")
    effects = kill_everywhere(world, killable, replace(SYNC, merge_when=NEVER), tmp_path)
    assert effects.count("TableMerger.execute") == 0


def test_resync(world: World, killable: Killable, tmp_path: Path) -> None:
    world.make(range(8))
    world.run(LOAD)
    world.make([1, 2, 9], name="again")
    world.delete("p3")
    chosen = replace(LOAD, resync=True)
    effects = kill_everywhere(world, killable, chosen, tmp_path)
    assert effects.count("Table.replace") == 1
