# SPDX-License-Identifier: Apache-2.0
"""deltalake in the processes of Airflow: it starts threads when it is first used, so never before a fork, and they end well."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_replicator.sandbox.s3.running import RunningS3

WORK = """
import asyncio, sys
import pyarrow as pa
from airflow_provider_replicator.lake.columns import Column, TableSchema
from airflow_provider_replicator.lake.location import Lake
from airflow_provider_replicator.lake.stream import Stream
from airflow_provider_replicator.lake.table import Table
from airflow_provider_replicator.lake.upkeep import OptimizeOptions, optimize_tables

lake = Lake(sys.argv[1])
table = Table(lake, "t")
handle = table.prepare(TableSchema(columns=(Column(name="id", kind="int64"),)))
stream = Stream(table, "s")
for number in range(3):
    rows = pa.table({"id": list(range(1000))})
    table.append(handle, rows, transaction=stream.advance(handle, {"number": number}, query="q"))
table.replace(handle, pa.table({"id": [1]}), predicate="id < 500")
handle.merge(pa.table({"id": [7]}), "t.id = s.id", source_alias="s", target_alias="t").when_not_matched_insert_all().execute()
report = asyncio.run(optimize_tables(lake=lake, options=OptimizeOptions(tables=("t",))))
assert report.tables[0]["files_after"] == 1
assert stream.position(table.open()).batch == 3
"""

REFUSED = """
import sys
import pyarrow as pa
from airflow_provider_replicator.exceptions import LakeAccessError
from airflow_provider_replicator.lake.columns import Column, TableSchema
from airflow_provider_replicator.lake.connection import read_lake_connection
from airflow_provider_replicator.lake.table import Table

extra = {"bucket": "lake", "prefix": sys.argv[2], "endpoint_url": sys.argv[1]}
def lake(secret):
    return read_lake_connection("c", login="sandbox", password=secret, extra=extra)
handle = Table(lake("sandbox-secret"), "t").prepare(TableSchema(columns=(Column(name="id", kind="int64"),)))
try:
    Table(lake("wrong"), "t").open()
except LakeAccessError:
    print("refused")
"""

FORK = """
import os, sys, threading
from airflow_provider_replicator.hooks.delta_lake import DeltaLakeHook
from airflow_provider_replicator.operators import delta_lake
os.environ["AIRFLOW_CONN_L"] = '{"conn_type": "delta_lake_s3", "extra": {"bucket": "%s"}}' % sys.argv[1]
operators = [getattr(delta_lake, name) for name in delta_lake.__all__]  # what parsing a DAG does
task = delta_lake.DeltaOptimizeTableOperator(task_id="t", delta_conn_id="L", tables="*")
assert DeltaLakeHook("L").test_connection()[0]
lake = DeltaLakeHook("L").get_lake()
assert "deltalake" not in sys.modules
assert len(os.listdir("/proc/self/task")) == 1, "threads before the fork"
if child := os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
sys.argv[1:] = [lake.root]
exec(sys.stdin.read())
"""


def run(script: str, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=120)


def test_ten_processes_that_use_tables_end_with_zero(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as threads:
        done = list(threads.map(lambda number: run(WORK, f"file://{tmp_path}/{number}"), range(10)))
    assert [(one.returncode, one.stderr) for one in done] == [(0, "")] * 10


def test_a_process_whose_keys_are_refused_ends_with_zero(s3_server: RunningS3) -> None:
    done = run(REFUSED, s3_server.url, "process")
    assert (done.returncode, done.stdout) == (0, "refused\n"), done.stderr


def test_nothing_uses_it_before_the_fork_of_a_task(tmp_path: Path) -> None:
    done = run(FORK, f"file://{tmp_path}/lake", stdin=WORK)
    assert done.returncode == 0, done.stderr
