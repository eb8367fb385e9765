# SPDX-License-Identifier: Apache-2.0
"""Another implementation: sequences are numbers, and nothing says what is pending or when a database was made."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.lake.documents.world import World


def test_load_and_changes(pouch_world: World) -> None:
    world = pouch_world
    world.make(range(12))
    world.delete("d3")
    world.run(page_size=5, commit_rows=5)
    world.check()
    world.make([1, 20], name="again")
    world.delete("d4")
    report = world.run(page_size=2)
    assert (report.written, report.deleted) == (2, 1)
    world.check()
    assert world.run().read == 0


def test_made_again(pouch_world: World) -> None:
    """Its sequence begins anew; one that has come as far again cannot be told from the old one."""
    world = pouch_world
    world.make(range(12))
    world.run()
    world.make_again()
    world.make(range(5))
    (table,) = world.run().tables
    assert "made again" in table["did"][0]
    world.check()
