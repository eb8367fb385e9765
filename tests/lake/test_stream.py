# SPDX-License-Identifier: Apache-2.0
"""Exactly once: whatever happens between the cursor and the data, the table is that of an undisturbed run."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pytest

from airflow_provider_replicator.exceptions import LakeAccessError, LakeConflictError, LakeError, LakeUnavailableError
from airflow_provider_replicator.lake import stream as module
from airflow_provider_replicator.lake.columns import Column, TableSchema
from airflow_provider_replicator.lake.location import Keys
from airflow_provider_replicator.lake.stream import Stream, query_hash
from airflow_provider_replicator.lake.table import Table

if TYPE_CHECKING:
    from airflow_provider_replicator.lake.location import Lake
    from tests.lake.faulty_s3 import FaultyS3

SCHEMA = TableSchema(columns=(Column(name="id", kind="int64"),))
COMMIT = r"PUT .*/_delta_log/\d+\.json"
CURSOR = r"PUT .*/_cdf_cursors/"


@pytest.fixture(params=["local_lake", "s3_lake"])
def lake(request: pytest.FixtureRequest) -> Lake:
    made: Lake = request.getfixturevalue(request.param)
    return made


class Run:
    """A run of a stream whose batch ``n`` has the row ``n`` and leads to the cursor ``n``."""

    def __init__(self, lake: Lake, name: str = "s") -> None:
        self.table = Table(lake, "t")
        self.handle = self.table.prepare(SCHEMA)
        self.stream = Stream(self.table, name)

    @property
    def cursor(self) -> int:
        position = self.stream.position(self.handle)
        return position.state["cursor"] if position else 0

    def batch(self, *, empty: bool = False) -> None:
        number = self.cursor + 1
        transaction = self.stream.advance(self.handle, {"cursor": number}, query="q")
        data = pa.table({"id": pa.array([] if empty else [number], pa.int64())})
        self.table.append(self.handle, data, transaction=transaction)


def rows(lake: Lake) -> list[int]:
    table = pl.scan_delta(lake.uri("t"), storage_options=lake.options()).collect()
    return sorted(table["id"].to_list())


def test_data_and_cursor_become_visible_together(lake: Lake) -> None:
    run = Run(lake)
    assert run.stream.position(run.handle) is None
    for _ in range(3):
        run.batch()
    run.batch(empty=True)
    position = Run(lake).stream.position(Run(lake).handle)
    assert position is not None
    assert (position.batch, position.state, position.query) == (4, {"cursor": 4}, "q")
    assert 0 <= position.age_seconds() < 60
    assert rows(lake) == [1, 2, 3]


def test_of_two_runs_at_once_one_wins_and_the_other_knows(lake: Lake) -> None:
    one, other = Run(lake), Run(lake)
    one.batch()
    with pytest.raises(LakeConflictError, match="append to t: "):
        other.batch()
    with pytest.raises(LakeConflictError):  # nor the next time: its handle is still the old one
        other.batch()
    one.batch()
    again = Run(lake)
    again.batch()
    with pytest.raises(LakeConflictError):
        one.batch()
    assert rows(lake) == [1, 2, 3]


def test_streams_into_one_table_do_not_disturb_each_other(local_lake: Lake) -> None:
    one, other = Run(local_lake, "a"), Run(local_lake, "a/b é")
    one.batch()
    other.batch()
    one.batch()
    assert rows(local_lake) == [1, 1, 2]


def test_killed_between_cursor_and_commit_the_batch_is_read_again(lake: Lake) -> None:
    run = Run(lake)
    run.batch()
    run.stream.advance(run.handle, {"cursor": 99}, query="q")  # and here it was killed
    again = Run(lake)
    assert again.cursor == 1
    again.batch()
    assert (again.cursor, rows(lake)) == (2, [1, 2])


def test_sigkill_before_and_after_the_commit(local_lake: Lake) -> None:
    script = """
import os, signal, sys
import pyarrow as pa
from airflow_provider_replicator.lake.location import Lake
from tests.lake.test_stream import Run
run, moment = Run(Lake(sys.argv[1])), sys.argv[2]
number = run.cursor + 1
transaction = run.stream.advance(run.handle, {"cursor": number}, query="q")
if moment == "before":
    os.kill(os.getpid(), signal.SIGKILL)
run.table.append(run.handle, pa.table({"id": [number]}), transaction=transaction)
if moment == "after":
    os.kill(os.getpid(), signal.SIGKILL)
"""
    for moment, cursor in (("before", 0), ("after", 1), ("never", 2)):
        done = subprocess.run([sys.executable, "-c", script, local_lake.root, moment], check=False)
        assert done.returncode == (0 if moment == "never" else -9)
        assert Run(local_lake).cursor == cursor
    assert rows(local_lake) == [1, 2]


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("lose", COMMIT),
        ("cut", COMMIT),
        ("error", COMMIT),
        ("lose", CURSOR),
        ("error", CURSOR),
        ("cut", "PUT .*parquet"),
        ("cut", "GET"),
    ],
)
def test_a_fault_that_passes_is_not_noticed(faulty_lake: Lake, faulty_s3: FaultyS3, kind: Any, what: str) -> None:
    run = Run(faulty_lake)
    run.batch()
    fault = faulty_s3.fault(what, kind)
    run.batch()
    Run(faulty_lake)
    faulty_s3.clear()
    run.batch()  # through the same handle
    assert fault.happened == 1
    assert (Run(faulty_lake).cursor, rows(faulty_lake)) == (3, [1, 2, 3])


def test_a_lost_answer_does_not_hide_that_somebody_else_won(faulty_lake: Lake, faulty_s3: FaultyS3) -> None:
    run, other = Run(faulty_lake), Run(faulty_lake)
    other.batch()
    faulty_s3.fault(COMMIT, "lose")
    with pytest.raises(LakeConflictError):
        run.batch()
    assert rows(faulty_lake) == [1]


def test_credentials_that_expire_in_mid_run(faulty_lake: Lake, faulty_s3: FaultyS3) -> None:
    """A retry asks for new ones; and what was committed is not committed again."""
    run = Run(faulty_lake)
    run.batch()
    faulty_s3.expired(COMMIT)
    with pytest.raises(LakeUnavailableError, match="the credentials have expired"):
        run.batch()
    faulty_s3.clear()
    again = Run(faulty_lake)
    again.batch()
    assert (again.cursor, rows(faulty_lake)) == (2, [1, 2])


def test_keys_that_are_renewed_in_mid_run(s3_lake: Lake) -> None:
    """The handle keeps its old keys; a fresh one is at the same version, so that a twin is still noticed."""
    run, twin = Run(s3_lake), Run(s3_lake)
    assert run.table.fresh(run.handle) is run.handle
    assert s3_lake.access is not None
    access = s3_lake.access
    run.table.lake = replace(s3_lake, access=replace(access, keys=lambda: Keys("sandbox", "no longer good")))
    with pytest.raises(LakeAccessError):  # it is opened anew, with what the keys are now
        run.table.fresh(run.handle)
    run.table.lake = replace(s3_lake, access=replace(access, read_timeout=access.read_timeout + 1))
    run.handle = run.table.fresh(run.handle)
    run.batch()
    twin.table.lake = run.table.lake
    twin.handle = twin.table.fresh(twin.handle)
    with pytest.raises(LakeConflictError):
        twin.batch()
    assert rows(s3_lake) == [1]


def test_a_server_that_is_gone_after_the_commit(faulty_lake: Lake, faulty_s3: FaultyS3) -> None:
    """The answer is lost and nobody answers any more: an error, and the retry finds the batch done."""
    run = Run(faulty_lake)
    transaction = run.stream.advance(run.handle, {"cursor": 1}, query="q")
    faulty_s3.fault(COMMIT, "lose", last=True)
    with pytest.raises((LakeUnavailableError, LakeConflictError)):
        run.table.append(run.handle, pa.table({"id": [1]}), transaction=transaction)
    faulty_s3.clear()
    again = Run(faulty_lake)
    assert again.cursor == 1
    again.batch()
    assert rows(faulty_lake) == [1, 2]


def test_old_cursors_and_orphans_are_removed_and_the_current_one_never(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_KEPT", 1)
    run = Run(lake)
    assert run.stream.tidy(run.handle) == 0
    for _ in range(3):
        run.stream.advance(run.handle, {"cursor": 99}, query="q")  # an orphan
        run.batch()
    pending = Run(lake)
    transaction = pending.stream.advance(pending.handle, {"cursor": 4}, query="q")
    assert run.stream.tidy(run.handle) == 2  # of the first batch; the last two and what is just being written stay
    pending.table.append(pending.handle, pa.table({"id": [4]}), transaction=transaction)
    assert (Run(lake).cursor, rows(lake)) == (4, [1, 2, 3, 4])


def test_a_cursor_that_somebody_removed_is_an_error_that_says_what_to_do(local_lake: Lake) -> None:
    run = Run(local_lake)
    run.batch()
    objects = local_lake.objects()
    objects.delete([found.key for found in objects.list("t/_cdf_cursors/")])
    with pytest.raises(LakeError, match=r"t: the cursor .* is gone.*resync=True"):
        _ = run.cursor


def test_the_number_of_requests_does_not_grow_with_the_number_of_batches(
    faulty_lake: Lake, faulty_s3: FaultyS3
) -> None:
    """But for the commits since the last checkpoint, which are read once per batch."""
    run = Run(faulty_lake)
    counts = []
    for _ in range(23):
        faulty_s3.clear()
        run.batch()
        counts.append(len(faulty_s3.requests))
    assert counts[21] <= counts[1] + 2  # after a checkpoint
    assert sorted(counts)[-2] <= counts[1] + 25  # the batch that makes the checkpoint reads them once more


def test_questions_are_told_apart() -> None:
    assert query_hash(view="a", properties=["x"]) == query_hash(properties=["x"], view="a")
    assert query_hash(view="a") != query_hash(view="b")
