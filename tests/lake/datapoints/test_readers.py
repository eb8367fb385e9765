# SPDX-License-Identifier: Apache-2.0
"""What others see: the official client at the source, maintenance on the table, Airflow at the exit code."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pytest
from cognite.client import ClientConfig, CogniteClient
from cognite.client.credentials import Token

from airflow_provider_replicator.lake.datapoints import replace as replace_module
from airflow_provider_replicator.lake.datapoints.files import files_of
from tests.lake.datapoints.process import command, run
from tests.lake.datapoints.tables import DAY, Exports, expected, ms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deltalake import DeltaTable

    from airflow_provider_replicator.lake.datapoints.files import TableFile
    from airflow_provider_replicator.lake.datapoints.layout import Layout

JANUARY = ms("2024-01-01")


@pytest.fixture
def client(exports: Exports) -> CogniteClient:
    running = exports.pair.running
    return CogniteClient(
        ClientConfig("tests", exports.pair.source, Token(running.token), base_url=running.base_url, timeout=30)
    )


def test_the_table_holds_what_the_official_client_reads(exports: Exports, client: CogniteClient) -> None:
    series = {f"s{n}": {JANUARY + at * (n + 1) * 7_919_000: at / (n + 1) for at in range(400)} for n in range(4)}
    exports.fill(series)
    exports.export("2024-01-03", "2024-02-02")
    found = client.time_series.data.retrieve_arrays(
        external_id=list(series), start=ms("2024-01-03"), end=ms("2024-02-02"), ignore_bad_datapoints=False
    )
    told = {
        (one.external_id, int(stamp.astype("datetime64[ms]").astype(int))): float(value)
        for one in found
        for stamp, value in zip(one.timestamp, np.asarray(one.value), strict=True)
    }
    assert exports.rows() == told


def test_duckdb_reads_it_through_folders_and_statistics(exports: Exports) -> None:
    exports.fill({"a": {JANUARY + at * DAY: float(at) for at in range(90)}, "b": {JANUARY: -1.0}})
    exports.export()
    exports.export("2024-02-10", "2024-02-20")
    files = [uri.removeprefix("file://") for uri in exports.handle().file_uris()]
    query = "SELECT count(*), sum(value), min(externalId) FROM read_parquet(?, hive_partitioning => true) WHERE "
    february = duckdb.execute(query + "_month = DATE '2024-02-01'", [files]).fetchone()
    assert february == (29, float(sum(range(31, 60))), "a")
    stats = exports.handle().get_add_actions(flatten=True)
    assert sum(stats["num_records"].to_pylist()) == 91


def test_windows_after_compaction(exports: Exports) -> None:
    """Row 18: files that maintenance has merged, written by somebody else, are cut as our own."""
    series = {"a": {JANUARY + at * 3_600_000: float(at) for at in range(24 * 20)}, "b": {JANUARY: 1.0}}
    exports.fill(series)
    for day in range(1, 21):
        exports.export(f"2024-01-{day:02}", f"2024-01-{day + 1:02}")
    handle = exports.handle()
    assert len(handle.file_uris()) == 20
    handle.optimize.compact()
    handle.vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False, full=True)
    assert len(exports.handle().file_uris()) == 1
    exports.fill({"a": {JANUARY + 5 * DAY: 99.0}})
    report = exports.export("2024-01-06", "2024-01-07")
    assert (report.written, report.updated, report.deleted) == (24, 24, 0)
    assert exports.rows() == expected(series) | {("a", JANUARY + 5 * DAY): 99.0}


def test_a_checkpoint_and_cleaned_up_log_keep_the_feeds_position(exports: Exports) -> None:
    exports.fill({"a": {1: 1.0}})
    exports.subscribe("a")
    exports.follow()
    exports.follow()
    handle = exports.handle("datapoints_feed")
    handle.create_checkpoint()
    handle.cleanup_metadata()
    exports.fill({"a": {2: 2.0}})
    assert exports.follow().read == 1


def test_exit_codes_say_how_it_went(exports: Exports) -> None:
    """Row 20: failures ended with exit code 0, and successes counted nothing. Readers of the table must not abort at exit, either."""
    exports.fill({"a": {1: 1.0}})
    report = run(exports, window=[0, DAY])
    assert (report["read"], report["written"], report["requests"]["source"] > 0) == (1, 1, True)
    failed = subprocess.run(
        command(exports, window=[0, DAY], buckets=3), check=False, capture_output=True, text=True, timeout=120
    )
    assert failed.returncode == 1
    assert "partitioned by month in 1 buckets" in failed.stderr
    code = """
import sys
from deltalake import QueryBuilder, DeltaTable
found = QueryBuilder().register("t", DeltaTable(sys.argv[1])).execute("SELECT count(*) AS n FROM t WHERE value > 0").read_all()
sys.exit(found["n"][0].as_py() - 1)
"""
    reader = [sys.executable, "-c", code, exports.lake.uri("datapoints/datapoints")]
    assert subprocess.run(reader, check=False, timeout=60).returncode == 0


def test_a_commit_that_comes_second_looks_at_the_table_again_and_not_at_the_source(
    exports: Exports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between a run's look at the table and its commit somebody compacts all files, then somebody else writes the same window."""
    series = {"a": {JANUARY + at * 3_600_000: float(at) for at in range(48)}, "b": {JANUARY: 1.0}}
    exports.fill(series)
    exports.export("2024-01-01", "2024-01-02")
    exports.export("2024-01-02", "2024-01-03")
    looks: list[int] = []

    def disturbed(handle: DeltaTable, layout: Layout) -> Iterator[TableFile]:
        looks.append(handle.version())
        yield from files_of(handle, layout)
        if len(looks) == 1:
            exports.handle().optimize.compact()
        if len(looks) == 2:  # the other run looks as well: the third
            exports.export("2024-01-01T12:00", "2024-01-02T12:00")

    monkeypatch.setattr(replace_module, "files_of", disturbed)
    report = exports.export("2024-01-01T12:00", "2024-01-02T12:00")
    assert looks == [2, 3, 3, 4]
    assert report.requests["source"] <= 4
    assert (report.written, report.updated) == (24, 24)
    assert exports.rows() == expected(series)
    objects = {info.key.rpartition("/")[2] for info in exports.lake.objects().list("datapoints/datapoints/_month")}
    assert {uri.rpartition("/")[2] for uri in exports.handle().file_uris()} <= objects
