# SPDX-License-Identifier: Apache-2.0
"""On a real S3, with and without faults in between."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from airflow_provider_replicator.exceptions import LakeUnavailableError
from tests.lake.instances.world import ALWAYS, NEVER, World, options

if TYPE_CHECKING:
    from airflow_provider_replicator.lake.location import Lake
    from tests.lake.faulty_s3 import FaultyS3

LOAD = options(load_page_size=5, commit_rows=5, merge_when=ALWAYS)


def test_load_changes_and_resync(world: World, s3_lake: Lake) -> None:
    world.lake = s3_lake
    world.make(range(12))
    world.run(LOAD)
    world.check()
    for merge_when in (NEVER, ALWAYS):
        world.make([3, 20], name=str(merge_when))
        world.delete("p4", "p5")
        world.make([5])
        world.run(merge_when=merge_when)
        world.check()
    world.run(replace(LOAD, resync=True))
    world.check()
    assert not [found.key for found in s3_lake.objects().list("instances/") if "_resync" in found.key]


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("lose", "_delta_log"),
        ("lose", "_cdf_cursors"),
        ("error", "_delta_log"),
        ("error", "_cdf_cursors"),
        ("cut", "parquet"),
    ],
)
def test_a_hiccup_of_s3_is_not_noticed(
    world: World, faulty_lake: Lake, faulty_s3: FaultyS3, kind: str, what: str
) -> None:
    """An answer that is lost above all: the commit, or the cursor, is there although the client does not know."""
    world.lake = faulty_lake
    world.make(range(12))
    faulty_s3.fault(rf"PUT .*{what}", kind, skip=1)  # type: ignore[arg-type]
    world.run(LOAD)
    world.check()
    world.make([3, 20], name="again")
    world.delete("p4")
    faulty_s3.fault(rf"PUT .*{what}", kind)  # type: ignore[arg-type]
    world.run(merge_when=ALWAYS)
    world.check()


def test_credentials_that_expire_in_mid_run(world: World, faulty_lake: Lake, faulty_s3: FaultyS3) -> None:
    world.lake = faulty_lake
    world.make(range(12))
    faulty_s3.expired("PUT .*_cdf_cursors", skip=1)
    with pytest.raises(LakeUnavailableError, match="expired"):
        world.run(LOAD)
    faulty_s3.clear()
    world.run(LOAD)
    world.check()


def test_requests_do_not_grow_with_the_table(world: World, faulty_lake: Lake, faulty_s3: FaultyS3) -> None:
    """Commits are read from the log until the next checkpoint, at most 20 of each table; the data is not read at all."""
    world.lake = faulty_lake
    world.run()
    counts = []
    for number in range(3):
        numbers = range(number * 1000, (number + 1) * 1000)
        world.make(numbers)
        world.run(merge_when=ALWAYS)
        world.make([numbers[0]], name="again")
        faulty_s3.clear()
        world.run(merge_when=NEVER)
        asked = [request for request in faulty_s3.requests if not re.search(r"GET .*_delta_log/\d+\.json", request)]
        assert not [request for request in asked if re.search(r"GET .*/nodes/[^/]*\.parquet", request)]
        counts.append(len(asked))
    assert max(counts) <= min(counts) + 3, counts
    assert max(counts) < 25, asked
