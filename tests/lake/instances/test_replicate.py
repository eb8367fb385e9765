# SPDX-License-Identifier: Apache-2.0
"""The table is what the source is: after a first load, and after every run that follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_replicator.exceptions import ConfigurationError
from tests.lake.instances.world import ALWAYS, CHANGES, NEVER, NODES

if TYPE_CHECKING:
    from tests.lake.instances.world import World


@pytest.mark.parametrize("merge_when", [ALWAYS, NEVER], ids=["merged", "pending"])
def test_creates_updates_deletes(world: World, merge_when: object) -> None:
    world.make(range(25))
    report = world.run(merge_when=merge_when)
    assert (report.read, report.written, report.deleted) == (25, 25, 0)
    world.check()
    world.make([30, 31])
    world.make([3], name="other")
    world.delete("p4", "p5")
    report = world.run(merge_when=merge_when)
    assert (report.read, report.written, report.deleted) == (5, 3, 2)
    world.check()
    assert world.run(merge_when=merge_when).read == 0
    world.check()


@pytest.mark.parametrize("size", [1, 2, 5, 7])
def test_any_page_size(world: World, size: int) -> None:
    world.make(range(10))
    world.run(load_page_size=size, page_size=size, commit_rows=3)
    world.check()
    world.make(range(5, 15), name="again")
    world.delete("p1", "p7")
    world.run(load_page_size=size, page_size=size)
    world.check()


def test_unknown_views_are_named(world: World) -> None:
    with pytest.raises(ConfigurationError, match=r"no such views: Tank\. There are: Pump"):
        world.run(views=("Tank",))
    with pytest.raises(ConfigurationError, match="no such data model: plant:Nothing"):
        world.run(views=None, data_model="Nothing")


def test_empty_view_has_an_empty_table(world: World) -> None:
    world.run()
    assert world.rows() == []
    assert NODES in world.run().tables[0]["table"]
    assert CHANGES.endswith("_changes")
