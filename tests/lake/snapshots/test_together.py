# SPDX-License-Identifier: Apache-2.0
"""Readers beside runs, two runs at once, and stores that fail at a bad moment."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from airflow_provider_replicator.exceptions import (
    LakeAccessError,
    LakeConflictError,
    LakeError,
    LakeUnavailableError,
    TransientError,
)
from airflow_provider_replicator.lake.location import Keys
from airflow_provider_replicator.lake.objects import LocalObjects
from airflow_provider_replicator.lake.snapshots.growing import GrowingFile
from airflow_provider_replicator.lake.snapshots.options import SnapshotOptions
from airflow_provider_replicator.lake.snapshots.parquet import write_flat
from airflow_provider_replicator.lake.snapshots.publish import publish
from airflow_provider_replicator.lake.table import Table
from tests.lake.snapshots.making import LEASE, NUMBERS, everything, manifest, numbers, rows_batch, run, stable, write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airflow_provider_replicator.lake.location import Lake
    from tests.lake.faulty_s3 import FaultyS3

TABLES = ["resources/a", "resources/b"]
WRITE_FLAT = "airflow_provider_replicator.lake.snapshots.files.write_flat"


def follow(lake: Lake) -> tuple[int, list[int]]:
    """A reader that wants one moment: the manifest, then the files it names. (version of the first table, rows of each)."""
    found = manifest(lake)
    rows = []
    for table in found["tables"].values():
        file = table["files"]["parquet"]
        content = lake.objects().get(file["versioned_key"])
        assert content is not None, "a file that the manifest names is gone"
        assert hashlib.sha256(content).hexdigest() == file["sha256"]
        rows.append(pl.read_parquet(BytesIO(content)).height)
        assert rows[-1] == table["rows"] == table["version"]
    return next(iter(found["tables"].values()))["version"], rows


def grow(lake: Lake, path: str) -> None:
    """A table whose rows are as many as its version."""
    table = Table(lake, path)
    table.append(table.prepare(NUMBERS), rows_batch(NUMBERS, numbers(1)))


def grow_all(lake: Lake, times: int) -> None:
    for _ in range(times):
        for table in TABLES:
            grow(lake, table)


@pytest.mark.parametrize("where", ["local_lake", "s3_lake"])
def test_a_reader_beside_runs_sees_one_moment_and_never_an_earlier_one(
    where: str, request: pytest.FixtureRequest
) -> None:
    lake: Lake = request.getfixturevalue(where)
    for table in TABLES:
        grow(lake, table)
    run(lake, TABLES)
    over = threading.Event()

    def read() -> list[int]:
        seen = []
        while not over.is_set():
            version, _ = follow(lake)
            seen.append(version)
        return seen

    with ThreadPoolExecutor(1) as reader:
        reading = reader.submit(read)
        for _ in range(6):
            for table in TABLES:
                grow(lake, table)
            run(lake, TABLES, keep_versions=2)
        over.set()
        seen = reading.result()
    assert seen == sorted(seen)
    assert len(seen) > 3
    assert follow(lake) == (7, [7, 7])


@pytest.mark.parametrize("where", ["local_lake", "s3_lake"])
def test_two_publishers_at_once(where: str, request: pytest.FixtureRequest) -> None:
    lake: Lake = request.getfixturevalue(where)
    for table in TABLES:
        grow(lake, table)
    outcomes: list[str] = []

    def publisher() -> None:
        for _ in range(3):
            try:
                run(lake, TABLES)
                outcomes.append("published")
            except LakeConflictError as error:
                outcomes.append(str(error))

    with ThreadPoolExecutor(3) as threads:
        publishing = [threads.submit(publisher) for _ in range(2)]
        writing = threads.submit(grow_all, lake, 4)
        while not all(one.done() for one in publishing):
            if lake.objects().get("publish/all/manifest.json") is not None:
                follow(lake)
        for one in (*publishing, writing):
            one.result()
    assert outcomes.count("published") >= 3
    assert len(outcomes) == 6
    assert all("nothing of this run was published" in outcome for outcome in outcomes if outcome != "published")
    assert run(lake, TABLES).run == manifest(lake)["run"]
    assert follow(lake) == (5, [5, 5])
    for table in ("a", "b"):
        assert stable(lake, table).height == 5
    kept = {manifest(lake)["run"], *manifest(lake)["history"]}
    assert {key.split("/")[3] for key in everything(lake) if "/versions/" in key} == kept


def test_a_run_that_is_alive_is_not_taken_for_dead(local_lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads for longer than the lease, while another run publishes and cleans up."""
    grow(local_lake, TABLES[0])

    def slow(*given: Any, **more: Any) -> Any:
        flat = write_flat(*given, **more)
        with ThreadPoolExecutor(1) as thread:
            thread.submit(elsewhere).result()
        return flat

    def elsewhere() -> None:
        time.sleep(3 * LEASE)
        with monkeypatch.context() as patched:
            patched.setattr(WRITE_FLAT, write_flat)
            run(local_lake, TABLES[:1])

    monkeypatch.setattr(WRITE_FLAT, slow)
    first = run(local_lake, TABLES[:1])
    assert manifest(local_lake)["run"] == first.run  # read no earlier version, so it comes after the other
    assert len(manifest(local_lake)["history"]) == 1
    assert follow(local_lake) == (1, [1])


def test_a_run_that_was_taken_for_dead_publishes_no_more(local_lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that stood still: its files are gone, so its manifest would name what is not there."""
    grow(local_lake, TABLES[0])

    def stands_still(*given: Any, **more: Any) -> Any:
        flat = write_flat(*given, **more)
        monkeypatch.setattr(WRITE_FLAT, write_flat)
        with ThreadPoolExecutor(1) as thread:
            thread.submit(time.sleep, 2.5).result()
            winner.append(thread.submit(run, local_lake, TABLES[:1], lease_seconds=0.2).result())
        return flat

    winner: list[Any] = []
    monkeypatch.setattr(WRITE_FLAT, stands_still)
    with pytest.raises(LakeConflictError, match="took this one for dead"):
        run(local_lake, TABLES[:1], lease_seconds=60)
    assert manifest(local_lake)["run"] == winner[0].run
    assert {key.split("/")[3] for key in everything(local_lake) if "/versions/" in key} == {winner[0].run}


@pytest.mark.parametrize("at", ["copy .*/b.parquet", "write publish/all/manifest.json"])
def test_a_store_that_fails_at_the_end_leaves_the_previous_snapshot(
    local_lake: Lake, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """Stable copies that were made already are made the previous ones again."""
    for table in TABLES:
        grow(local_lake, table)
    run(local_lake, TABLES)
    before = everything(local_lake)
    for table in TABLES:
        grow(local_lake, table)
    copy, put = LocalObjects.copy, LocalObjects.put_if_same
    failed: list[str] = []

    def failing_copy(self: LocalObjects, source: str, target: str) -> None:
        if at.startswith("copy") and target == "publish/all/b.parquet" and not failed:
            failed.append(target)
            raise LakeUnavailableError("SlowDown")
        copy(self, source, target)

    def failing_put(self: LocalObjects, key: str, data: bytes, tag: str) -> bool:
        if at.startswith("write"):
            raise LakeUnavailableError("SlowDown")
        return put(self, key, data, tag)

    monkeypatch.setattr(LocalObjects, "copy", failing_copy)
    monkeypatch.setattr(LocalObjects, "put_if_same", failing_put)
    with pytest.raises(LakeUnavailableError, match="SlowDown"):
        run(local_lake, TABLES)
    monkeypatch.undo()
    assert follow(local_lake) == (1, [1, 1])
    if at.startswith("copy"):
        assert everything(local_lake) == before
    run(local_lake, TABLES)
    assert follow(local_lake) == (2, [2, 2])
    assert {stable(local_lake, table).height for table in ("a", "b")} == {2}


def test_a_lost_answer_to_the_manifest_is_no_conflict(faulty_lake: Lake, faulty_s3: FaultyS3) -> None:
    grow(faulty_lake, TABLES[0])
    first = faulty_s3.fault(r"PUT .*/manifest\.json", "lose")
    run(faulty_lake, TABLES[:1])
    grow(faulty_lake, TABLES[0])
    second = faulty_s3.fault(r"PUT .*/manifest\.json", "lose")
    report = run(faulty_lake, TABLES[:1])
    assert (first.happened, second.happened) == (1, 1)
    assert manifest(faulty_lake)["run"] == report.run
    assert follow(faulty_lake) == (2, [2])


def test_hiccups_of_the_store_are_waited_out(faulty_lake: Lake, faulty_s3: FaultyS3) -> None:
    for table in TABLES:
        grow(faulty_lake, table)
    for match in (r"GET .*/a/part-", r"PUT .*/versions/.*/a\.parquet", r"PUT .*/all/b\.parquet", r"PUT .*_running"):
        faulty_s3.fault(match)
    run(faulty_lake, TABLES)
    assert follow(faulty_lake) == (1, [1, 1])


def test_credentials_are_asked_afresh_for_each_table(new_s3_lake: Callable[..., Lake]) -> None:
    asked: list[float] = []
    good = new_s3_lake()
    assert good.access is not None
    keys = good.access.keys()

    def current() -> Keys:
        asked.append(time.monotonic())
        return keys

    lake = new_s3_lake(keys=current)
    for table in TABLES:
        grow(lake, table)
    asked.clear()
    run(lake, TABLES)
    assert len(asked) >= 2 * len(TABLES)  # when it is pinned, and when it is read


def test_keys_that_were_renewed_between_the_moment_and_the_reading(
    new_s3_lake: Callable[..., Lake], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The handle of the moment has the old keys, which the store no longer knows."""
    good = new_s3_lake()
    assert good.access is not None
    keys = [good.access.keys(), Keys("sandbox", "no longer good")]
    lake = new_s3_lake(keys=lambda: keys[0])
    grow(lake, TABLES[0])

    def late(*given: Any, **more: Any) -> Any:
        keys.reverse()
        try:
            return write_flat(*given, **more)
        finally:
            keys.reverse()

    with monkeypatch.context() as patch:
        patch.setattr(WRITE_FLAT, late)
        with pytest.raises(LakeAccessError):  # the table is opened anew, with what the keys are by then
            run(lake, TABLES[:1])
    run(lake, TABLES[:1])
    assert follow(lake) == (1, [1])


@pytest.mark.parametrize(("kept", "times"), [(8, 1), (1, 2), (0, 2)])
def test_logs_are_read_once_where_the_tables_are_few(
    faulty_lake: Lake, faulty_s3: FaultyS3, monkeypatch: pytest.MonkeyPatch, kept: int, times: int
) -> None:
    """What is published does not depend on it. One look more in any case: that nothing has moved meanwhile."""
    monkeypatch.setattr("airflow_provider_replicator.lake.snapshots.publish._KEPT_OPEN", kept)
    for table in TABLES:
        grow(faulty_lake, table)
    faulty_s3.clear()
    run(faulty_lake, TABLES)
    assert follow(faulty_lake) == (1, [1, 1])
    looked = [request for request in faulty_s3.requests if "list-type=2" in request and "b/_delta_log" in request]
    assert len(looked) == times + 1


def test_requests_do_not_grow_with_the_table(faulty_lake: Lake, faulty_s3: FaultyS3) -> None:
    counts = []
    for name, rows in (("small", 10), ("large", 20_000)):
        write(faulty_lake, f"resources/{name}", numbers(rows))
        faulty_s3.clear()
        run(faulty_lake, [f"resources/{name}"], name, lease_seconds=60)
        counts.append(len(faulty_s3.requests))
    assert counts[1] <= counts[0] + 2
    assert counts[0] < 40


def test_a_cancelled_run_leaves_nothing(local_lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    for table in TABLES:
        grow(local_lake, table)
    run(local_lake, TABLES)
    before = everything(local_lake)
    grow(local_lake, TABLES[0])

    async def main() -> None:
        loop = asyncio.get_running_loop()

        def cancelled(*given: Any, **more: Any) -> Any:
            loop.call_soon_threadsafe(task.cancel)
            time.sleep(0.2)
            return write_flat(*given, **more)

        monkeypatch.setattr(WRITE_FLAT, cancelled)
        options = SnapshotOptions(lease_seconds=LEASE)
        task = asyncio.ensure_future(publish(lake=local_lake, name="all", tables=TABLES, options=options))
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert everything(local_lake) == before


def test_a_growing_file_is_sent_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "growing"
    growing = GrowingFile(file)
    content = json.dumps(numbers(5000)).encode()

    def make() -> None:
        with file.open("wb") as opened:
            for start in range(0, len(content), 50_000):
                opened.write(content[start : start + 50_000])
                opened.flush()
                time.sleep(0.005)
        growing.finish()

    with ThreadPoolExecutor(1) as thread:
        making = thread.submit(make)
        parts = []
        while part := growing.read(7777):
            parts.append(part)
        making.result()
    assert {len(part) for part in parts[:-1]} == {7777}
    assert b"".join(parts) == content
    assert (growing.bytes, growing.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    half = GrowingFile(file)
    assert half.read(10) == content[:10]
    half.abandon()
    with pytest.raises(TransientError, match="growing was not written to its end"):
        half.read(10)
    half.close()
    growing.close()


def test_a_table_that_is_broken_says_so_once(local_lake: Lake) -> None:
    grow(local_lake, TABLES[0])
    log = local_lake.objects()
    log.put("resources/a/_delta_log/00000000000000000002.json", b"{")
    with pytest.raises(LakeError, match="resources/a"):
        run(local_lake, TABLES[:1])
    assert everything(local_lake) == {}
