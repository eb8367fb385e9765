# SPDX-License-Identifier: Apache-2.0
"""Upkeep of real tables: the rows stay, the files do not; beside readers and writers."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pytest

from airflow_provider_replicator.exceptions import ConfigurationError, LakeConflictError
from airflow_provider_replicator.lake import upkeep
from airflow_provider_replicator.lake.columns import Column, TableSchema
from airflow_provider_replicator.lake.stream import Stream
from airflow_provider_replicator.lake.table import Table
from airflow_provider_replicator.lake.upkeep import OptimizeOptions, find_tables, optimize_tables

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_replicator.core.report import Report
    from airflow_provider_replicator.lake.location import Lake

SCHEMA = TableSchema(
    columns=(Column(name="_month", kind="text"), Column(name="id", kind="int64"), Column(name="text-1", kind="text")),
    partition_by=("_month",),
)
NOW = {"vacuum_hours": 0, "allow_short_retention": True}


def optimize(lake: Lake, *tables: str, **options: Any) -> Report:
    return asyncio.run(optimize_tables(lake=lake, options=OptimizeOptions(tables=tables, **options)))


def rows(ids: list[int]) -> pa.Table:
    return pa.table({"_month": ["2026-11"] * len(ids), "id": ids, "text-1": [f"row {one}" for one in ids]})


def filled(lake: Lake, path: str = "t", batches: int = 6) -> Table:
    """A table of many small files, written by a stream."""
    table = Table(lake, path)
    handle = table.prepare(SCHEMA)
    stream = Stream(table, "s")
    for number in range(batches):
        transaction = stream.advance(handle, {"cursor": number}, query="q")
        table.append(handle, rows([number * 10 + one for one in range(10)]), transaction=transaction)
    return table


def ids(table: Table) -> list[int]:
    scanned = pl.scan_delta(table.uri, storage_options=table.lake.options()).select("id").collect()
    return sorted(scanned["id"].to_list())


@pytest.fixture(params=["local_lake", "s3_lake"])
def lake(request: pytest.FixtureRequest) -> Lake:
    made: Lake = request.getfixturevalue(request.param)
    return made


def test_many_small_files_become_one_and_all_else_stays(lake: Lake) -> None:
    table = filled(lake)
    before = ids(table)

    (figures,) = optimize(lake, "t", **NOW).tables

    assert (figures["table"], figures["files_before"], figures["files_after"]) == ("t", 6, 1)
    assert (figures["rows_per_file_before"], figures["rows_per_file_after"]) == (10, 60)
    assert figures["bytes_before"] > figures["bytes_after"] > 0
    assert (figures["vacuumed"], figures["vacuumed_bytes"]) == (6, figures["bytes_before"])
    assert ids(table) == before
    handle = table.open()
    assert handle is not None
    assert figures["version"] == handle.version()
    position = Stream(table, "s").position(handle)
    assert position is not None
    assert (position.batch, position.state) == (6, {"cursor": 5})
    keys = [found.key for found in lake.objects().list("t/")]
    assert len([key for key in keys if key.endswith(".parquet") and "_delta_log" not in key]) == 1
    assert len([key for key in keys if "/_cdf_cursors/" in key]) == 6


def test_a_second_time_there_is_nothing_to_do(local_lake: Lake) -> None:
    table = filled(local_lake)
    optimize(local_lake, "t", **NOW)
    (again,) = optimize(local_lake, "t", **NOW).tables
    assert (again["files_before"], again["files_after"], again["vacuumed"]) == (1, 1, 0)
    handle = table.open()
    assert handle is not None
    assert again["version"] == handle.version() == 6 + 3  # six batches, one compaction, the two commits of one vacuum


def test_young_files_are_left_to_whoever_uses_them(local_lake: Lake, tmp_path: Path) -> None:
    """By default a reader of an old version, and a writer that has not committed yet, keep their files."""
    table = filled(local_lake)
    old = table.open()
    folder = tmp_path / "lake/t/_month=2026-11"
    uncommitted, crashed = folder / "part-uncommitted.parquet", folder / "part-crashed.parquet"
    for file in (uncommitted, crashed):
        file.write_bytes(b"PAR1")
    eight_days_ago = time.time() - 8 * 86_400
    os.utime(crashed, (eight_days_ago, eight_days_ago))

    (figures,) = optimize(local_lake, "t").tables

    assert (figures["vacuumed"], uncommitted.exists(), crashed.exists()) == (1, True, False)
    assert old is not None
    assert len(old.file_uris()) == 6
    assert all((folder.parent / uri.rpartition("/t/")[2]).exists() for uri in old.file_uris())


def test_a_dry_run_counts_and_changes_nothing(local_lake: Lake) -> None:
    table = filled(local_lake)
    optimize(local_lake, "t", vacuum_hours=None)
    before = sorted(found.key for found in local_lake.objects().list(""))
    report = optimize(local_lake, "t", dry_run=True, **NOW)
    assert (report.dry_run, report.tables[0]["vacuumed"]) == (True, 6)
    assert sorted(found.key for found in local_lake.objects().list("")) == before
    assert len(ids(table)) == 60


def test_z_order_puts_near_rows_near(local_lake: Lake) -> None:
    table = Table(local_lake, "t")
    handle = table.prepare(SCHEMA)
    for first in range(4):
        table.append(handle, rows([first + 4 * one for one in range(10)]))
    (figures,) = optimize(local_lake, "t", z_order_by=("id",)).tables
    assert figures["files_after"] == 1
    scanned = pl.scan_delta(table.uri).collect()["id"].to_list()
    assert scanned == list(range(40))
    with pytest.raises(
        ConfigurationError, match=r"z_order_by names _month, and the columns to choose from are id, text-1"
    ):
        optimize(local_lake, "t", z_order_by=("_month",))


def test_the_log_is_shortened_and_checkpointed(local_lake: Lake, tmp_path: Path) -> None:
    table = filled(local_lake)
    log = tmp_path / "lake/t/_delta_log"
    long_ago = time.time() - 40 * 86_400
    for file in log.glob("*.json"):
        os.utime(file, (long_ago, long_ago))
    optimize(local_lake, "t")
    assert (log / "_last_checkpoint").exists()
    assert len(list(log.glob("*.json"))) < 6
    handle = table.open()
    assert handle is not None
    position = Stream(table, "s").position(handle)
    assert position is not None
    assert position.batch == 6
    assert len(ids(table)) == 60


def test_which_tables(local_lake: Lake) -> None:
    for path in ("resources/events", "resources/assets", "instances/s/View/1/nodes", "raw/db!2Fx/t"):
        Table(local_lake, path).prepare(SCHEMA)
    assert find_tables(local_lake, ("resources/*",)) == ["resources/assets", "resources/events"]
    assert find_tables(local_lake, ("**",)) == sorted(
        ["instances/s/View/1/nodes", "raw/db!2Fx/t", "resources/assets", "resources/events"]
    )
    assert find_tables(local_lake, ("/resources/events/", "r*/**")) == [
        "resources/events",
        "raw/db!2Fx/t",
        "resources/assets",
    ]
    for missing in ("resources/nothing", "instances", "x*"):
        with pytest.raises(ConfigurationError, match="there is no table"):
            find_tables(local_lake, (missing,))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"tables": ()}, "tables is empty"),
        ({"tables": ("t",), "vacuum_hours": 167}, "vacuum_hours is 167"),
        ({"tables": ("t",), "vacuum_hours": -1, "allow_short_retention": True}, "vacuum_hours is -1"),
        ({"tables": ("t",), "tasks": 0}, "tasks is 0"),
    ],
)
def test_wrong_options(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        OptimizeOptions(**options)


def test_one_table_that_cannot_be_opened_does_not_stop_the_others(local_lake: Lake, tmp_path: Path) -> None:
    good, bad = filled(local_lake, "b"), filled(local_lake, "a")
    commit = tmp_path / "lake/a/_delta_log/00000000000000000003.json"
    commit.write_text("no JSON")
    with pytest.raises(Exception, match="a") as failed:
        optimize(local_lake, "*")
    assert type(failed.value).__name__ in ("LakeError", "ConfigurationError")
    handle = good.open()
    assert handle is not None
    assert len(handle.file_uris()) == 1
    assert bad.path == "a"


def test_a_faster_writer_makes_it_try_again(local_lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    table = filled(local_lake)
    monkeypatch.setattr(upkeep, "_LONGEST_WAIT", 0.01)
    rewrite = upkeep._rewrite
    interfered: list[int] = []

    def with_a_faster_writer(handle: Any, options: OptimizeOptions) -> None:
        if len(interfered) < 2:
            interfered.append(len(interfered))
            other = table.open()
            assert other is not None
            other.delete(f"id = {interfered[-1]}")  # rewrites a file that is being compacted
        rewrite(handle, options)

    monkeypatch.setattr(upkeep, "_rewrite", with_a_faster_writer)
    (figures,) = optimize(local_lake, "t").tables
    assert (len(interfered), figures["files_after"]) == (2, 1)
    assert ids(table) == list(range(2, 60))


def test_a_writer_that_is_always_faster_is_a_conflict(local_lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    table = filled(local_lake)
    monkeypatch.setattr(upkeep, "_LONGEST_WAIT", 0.01)
    rewrite = upkeep._rewrite
    gone: list[int] = []

    def too_late(handle: Any, options: OptimizeOptions) -> None:
        other = table.open()
        assert other is not None
        gone.append(len(gone) * 10)
        other.delete(f"id = {gone[-1]}")
        rewrite(handle, options)

    monkeypatch.setattr(upkeep, "_rewrite", too_late)
    with pytest.raises(LakeConflictError, match="optimize t: "):
        optimize(local_lake, "t")
    assert ids(table) == sorted(set(range(60)) - set(gone))


def test_beside_a_writer_and_a_reader_no_row_is_lost(lake: Lake) -> None:
    table = filled(lake)
    over = threading.Event()
    failures: list[BaseException] = []
    expected = set(range(60))

    def write() -> None:
        number = 100
        while not over.is_set():
            handle = table.open()
            assert handle is not None
            table.append(handle, rows([number]))
            expected.add(number)
            number += 1

    def read() -> None:
        while not over.is_set():
            assert len(ids(table)) >= 60

    def guarded(work: Any) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised by the test
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in (write, read)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        optimize(lake, "t")
    over.set()
    for thread in threads:
        thread.join(30)
    assert failures == []
    assert ids(table) == sorted(expected)


def test_the_operator(local_lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_provider_replicator.operators.delta_lake import DeltaOptimizeTableOperator

    filled(local_lake, "resources/events")
    connection = {"conn_type": "delta_lake_s3", "extra": {"bucket": local_lake.root}}
    monkeypatch.setenv("AIRFLOW_CONN_MY_LAKE", json.dumps(connection))
    task = DeltaOptimizeTableOperator(
        task_id="t", delta_conn_id="my_lake", tables="['resources/*']", vacuum_hours="0", allow_short_retention="True"
    )
    pushed: dict[str, Any] = {}
    ti = SimpleNamespace(xcom_push=lambda key, value: pushed.update({key: value}))
    report = task.execute({"ti": ti, "task": task})  # type: ignore[typeddict-item]
    assert pushed == {"report": report}
    assert task.outlets == []
    assert (report["resource"], report["tables"][0]["files_after"], report["tables"][0]["vacuumed"]) == (
        "optimize",
        1,
        6,
    )
    with pytest.raises(ConfigurationError, match="vacuum_hours is 24"):
        DeltaOptimizeTableOperator(task_id="t", tables="x", vacuum_hours=24).execute({})
    unlimited = DeltaOptimizeTableOperator(task_id="t", tables="x", vacuum_hours="None")
    assert unlimited._options().vacuum_hours is None
