# SPDX-License-Identifier: Apache-2.0
"""Upkeep that is killed at any moment costs no row, and the next one brings the table where an undisturbed one would have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_replicator.lake.table import Table
from tests.lake.killable import Killable, Outcome, kill_everywhere
from tests.lake.test_upkeep import NOW, filled, ids, optimize

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_replicator.lake.location import Lake


def look_after(lake: Lake, options: dict[str, Any]) -> None:
    """In a process of its own."""
    optimize(lake, "t", **options)


@pytest.mark.parametrize(
    ("options", "rewrite"),
    [({}, "TableOptimizer.compact"), ({"z_order_by": ["id"]}, "TableOptimizer.z_order")],
    ids=["compact", "z-order"],
)
def test_killed_between_any_two_effects(
    local_lake: Lake, killable: Killable, tmp_path: Path, options: dict[str, Any], rewrite: str
) -> None:
    rows = ids(filled(local_lake))
    chosen = options | NOW

    def run(lake: Lake, kill_at: int | None) -> Outcome:
        return killable.run(look_after, lake, chosen, kill_at=kill_at)

    def run_again(lake: Lake) -> None:
        assert ids(Table(lake, "t")) == rows  # after the crash
        optimize(lake, "t", **chosen)

    def content(lake: Lake) -> Any:
        files = [found.key for found in lake.objects().list("t/") if found.key.endswith(".parquet")]
        return ids(Table(lake, "t")), len([key for key in files if "_delta_log" not in key])

    effects = kill_everywhere(local_lake, tmp_path, run=run, run_again=run_again, content=content)
    counted_then_deleted = ["DeltaTable.vacuum"] * 2
    assert effects == [rewrite, *counted_then_deleted, "DeltaTable.create_checkpoint", "DeltaTable.cleanup_metadata"]
