# SPDX-License-Identifier: Apache-2.0
"""On a real S3, with and without faults in between; and snapshots of what is there."""

from __future__ import annotations

import asyncio
import io
import json
from typing import TYPE_CHECKING

import polars as pl
import pytest

from airflow_provider_replicator.exceptions import LakeUnavailableError
from airflow_provider_replicator.lake.snapshots.publish import publish
from airflow_provider_replicator.lake.upkeep import OptimizeOptions, find_tables, optimize_tables
from tests.lake.documents.world import ALWAYS, NEVER

if TYPE_CHECKING:
    from airflow_provider_replicator.lake.location import Lake
    from tests.lake.documents.world import World
    from tests.lake.faulty_s3 import FaultyS3


def test_load_changes_and_a_new_database(world: World, s3_lake: Lake) -> None:
    world.lake = s3_lake
    world.make(range(12))
    world.run(page_size=5, commit_rows=5)
    world.check()
    for merge_when in (NEVER, ALWAYS):
        world.make([3, 20], name=str(merge_when))
        world.delete("d4", "d5")
        world.make([5])
        world.run(merge_when=merge_when)
        world.check()
    world.make_again()
    world.make([1])
    world.run()
    world.check()
    assert not [found.key for found in s3_lake.objects().list("documents/") if "_resync" in found.key]


@pytest.mark.parametrize(
    ("kind", "what"),
    [("lose", "_delta_log"), ("lose", "_cdf_cursors")],
)
def test_a_hiccup_of_s3_is_not_noticed(
    world: World, faulty_lake: Lake, faulty_s3: FaultyS3, kind: str, what: str
) -> None:
    """An answer that is lost above all: the commit, or the cursor, is there although the client does not know."""
    world.lake = faulty_lake
    world.make(range(12))
    faulty_s3.fault(rf"PUT .*{what}", kind, skip=1)  # type: ignore[arg-type]
    world.run(page_size=5, commit_rows=5)
    world.check()
    world.make([3, 20], name="again")
    world.delete("d4")
    faulty_s3.fault(rf"PUT .*{what}", kind)  # type: ignore[arg-type]
    world.run(merge_when=ALWAYS)
    world.check()


def test_credentials_that_expire_in_mid_run(world: World, faulty_lake: Lake, faulty_s3: FaultyS3) -> None:
    world.lake = faulty_lake
    world.make(range(12))
    faulty_s3.expired("PUT .*_cdf_cursors", skip=1)
    with pytest.raises(LakeUnavailableError, match="expired"):
        world.run(page_size=5, commit_rows=5)
    faulty_s3.clear()
    world.run()
    world.check()


# -- what others do with the tables


@pytest.fixture(params=["folder", "s3"])
def shared(world: World, request: pytest.FixtureRequest) -> World:
    """Loaded, with changes that wait to be merged."""
    if request.param == "s3":
        world.lake = request.getfixturevalue("s3_lake")
    world.make(range(12))
    world.run(columns={"n": "int64", "tags": "text[]"}, merge_when=NEVER)
    world.make([3, 20], tags=["a", "b"])
    world.delete("d4")
    world.run(columns={"n": "int64", "tags": "text[]"}, merge_when=NEVER)
    return world


def test_a_snapshot_has_the_changes_that_wait(shared: World) -> None:
    """Wildcards find tables of databases, and no tables of changes."""
    lake = shared.lake
    report = asyncio.run(publish(lake=lake, name="couch", tables=["documents/**"]))
    assert report.tables[0]["rows"] == 12
    manifest = json.loads(lake.objects().get("publish/couch/manifest.json") or b"")
    (table,) = manifest["tables"].values()
    assert table["source"] == shared.path
    assert table["changes_version"] is not None
    columns = {column["name"]: (column["type"], column["property"]) for column in table["columns"]}
    assert columns == {
        "_id": ("text", "_id"),
        "_rev": ("text", "_rev"),
        "_deleted": ("boolean", "_deleted"),
        "document": ("text", "document"),
        "n": ("int64", "n"),
        "tags": ("text", "tags"),
    }
    data = lake.objects().get(table["files"]["parquet"]["key"])
    assert data is not None
    rows = {row["_id"]: row for row in pl.read_parquet(io.BytesIO(data)).to_dicts()}
    assert {one: json.loads(row["document"]) for one, row in rows.items()} == shared.documents()
    assert rows["d3"]["tags"] == '["a","b"]'
    assert rows["d0"]["tags"] is None


def test_compaction_between_runs(shared: World) -> None:
    assert find_tables(shared.lake, ("documents/*",)) == [shared.path]
    options = OptimizeOptions(tables=("documents/**",), vacuum_hours=0, allow_short_retention=True)
    asyncio.run(optimize_tables(lake=shared.lake, options=options))
    shared.check()
    shared.make([5], name="again")
    shared.delete("d6")
    shared.run(columns={"n": "int64", "tags": "text[]"}, merge_when=ALWAYS)
    shared.check()
