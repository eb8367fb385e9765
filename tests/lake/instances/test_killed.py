# SPDX-License-Identifier: Apache-2.0
"""Killed before and after everything that a run does to the lake, then run again: as if nothing had happened."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.lake.instances.world import ALWAYS, CHANGES, NEVER, NODES, options
from tests.lake.killable import Killable, Outcome, rows_of, run_engine
from tests.lake.killable import kill_everywhere as everywhere

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_replicator.lake.instances.options import InstancesOptions
    from airflow_provider_replicator.lake.location import Lake
    from tests.lake.instances.world import World

LOAD = options(load_page_size=5, commit_rows=5, merge_when=ALWAYS)
SYNC = options(page_size=3, merge_when=ALWAYS)


def kill_everywhere(world: World, killable: Killable, chosen: InstancesOptions, tmp_path: Path) -> list[str]:
    """Returns the effects of an undisturbed run."""

    def run(lake: Lake, kill_at: int | None) -> Outcome:
        sandbox = world.project.sandbox
        arguments = (sandbox.base_url, sandbox.token, world.project.name, lake, chosen)
        return killable.run(run_engine, *arguments, kill_at=kill_at)

    def content(lake: Lake) -> Any:
        world.lake = lake
        world.check()
        return rows_of(lake, NODES, CHANGES)

    def run_again(lake: Lake) -> None:
        world.lake = lake
        world.run(replace(chosen, resync=False))

    return everywhere(world.lake, tmp_path, run=run, run_again=run_again, content=content)


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
