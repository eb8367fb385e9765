# SPDX-License-Identifier: Apache-2.0
"""Killed before and after everything that a run does to the lake, then run again: as if nothing had happened."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_replicator.couchdb.connection import CouchConnection
from airflow_provider_replicator.lake.documents.replicate import replicate_documents
from tests.lake.documents.world import ALWAYS, NEVER
from tests.lake.killable import Killable, Outcome, rows_of
from tests.lake.killable import kill_everywhere as everywhere

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_replicator.couchdb.auth.credentials import Auth
    from airflow_provider_replicator.lake.documents.options import DocumentsOptions
    from airflow_provider_replicator.lake.location import Lake
    from tests.lake.documents.world import World


def run_once(base_url: str, auth: Auth, lake: Lake, chosen: DocumentsOptions) -> None:
    """In a process of its own."""

    async def main() -> None:
        async with CouchConnection(name="couch", base_url=base_url, auth=auth).client() as client:
            await replicate_documents(source=client, lake=lake, options=chosen)

    asyncio.run(main())


def kill_everywhere(world: World, killable: Killable, chosen: DocumentsOptions, tmp_path: Path) -> list[str]:
    """Returns the effects of an undisturbed run."""

    def run(lake: Lake, kill_at: int | None) -> Outcome:
        server = world.connection.base_url, world.connection.auth
        return killable.run(run_once, *server, lake, chosen, kill_at=kill_at)

    def content(lake: Lake) -> Any:
        world.lake = lake
        world.check()
        return rows_of(lake, world.path, world.changes_path)

    def run_again(lake: Lake) -> None:
        world.lake = lake
        world.run(replace(chosen, resync=False))

    return everywhere(world.lake, tmp_path, run=run, run_again=run_again, content=content)


def test_first_load(world: World, killable: Killable, tmp_path: Path) -> None:
    world.make(range(8))
    world.delete("d7")
    chosen = world.options(page_size=3, commit_rows=3, merge_when=ALWAYS, columns={"n": "int64"})
    effects = kill_everywhere(world, killable, chosen, tmp_path)
    assert effects.count("Table._create") == 2
    assert effects.count("Table.append") == 4  # three of the load, one without rows for the cursor


@pytest.mark.parametrize("history", [False, True], ids=["current", "history"])
def test_changes(world: World, killable: Killable, tmp_path: Path, history: bool) -> None:
    world.make(range(8))
    world.run()
    world.make([9])
    world.make([1, 2], name="again")
    world.delete("d3", "d4")
    world.make([4])
    chosen = world.options(page_size=3, merge_when=ALWAYS, history=history)
    effects = kill_everywhere(world, killable, chosen, tmp_path)
    assert effects.count("TableMerger.execute") == 1
    assert effects.count("DeltaTable.delete") == (0 if history else 1)


def test_pending_changes(world: World, killable: Killable, tmp_path: Path) -> None:
    world.make(range(8))
    world.run()
    world.make([1, 2], name="again")
    world.delete("d3")
    effects = kill_everywhere(world, killable, world.options(merge_when=NEVER), tmp_path)
    assert effects.count("TableMerger.execute") == 0


def test_a_database_that_was_made_again(world: World, killable: Killable, tmp_path: Path) -> None:
    world.make(range(8))
    world.run()
    world.make([1, 2, 9], name="again")
    world.delete("d3")
    world.run(merge_when=NEVER)
    world.make_again()
    world.make(range(5, 12))
    effects = kill_everywhere(world, killable, world.options(page_size=3, commit_rows=3), tmp_path)
    assert effects.count("Table.replace") == 1
