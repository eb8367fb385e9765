# SPDX-License-Identifier: Apache-2.0
"""Memory does not grow with the table. Measured in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from airflow_provider_replicator.lake.table import Table, writer_properties

if TYPE_CHECKING:
    from airflow_provider_replicator.lake.location import Lake

FILE_ROWS = 250_000


def make(lake: Lake, path: str, rows: int) -> None:
    """Ten columns, some 85 bytes a row in memory, in files of 250 000 rows."""
    from deltalake import write_deltalake

    for first in range(0, rows, FILE_ROWS):
        count = min(FILE_ROWS, rows - first)
        random = np.random.default_rng(first)
        columns = {f"number{column}": pa.array(random.normal(size=count)) for column in range(8)}
        columns["key"] = pa.array(np.arange(first, first + count)).cast(pa.string())
        columns["state"] = pa.array(random.integers(0, 3, count))
        write_deltalake(Table(lake, path).uri, pa.table(columns), mode="append", writer_properties=writer_properties())


def peak_mb(lake: Lake, table: str) -> float:
    script = """
        import asyncio, re, sys
        from airflow_provider_replicator.lake.location import Lake
        from airflow_provider_replicator.lake.snapshots.publish import publish
        report = asyncio.run(publish(lake=Lake(sys.argv[1]), name="memory", tables=[sys.argv[2]]))
        status = open("/proc/self/status").read()  # getrusage would count the parent's peak as well
        print(report.written, int(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1]) / 1024)
    """
    command = [sys.executable, "-c", textwrap.dedent(script), lake.root, table]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[1])


def test_memory_is_flat(local_lake: Lake) -> None:
    make(local_lake, "resources/small", 100_000)
    make(local_lake, "resources/large", 1_500_000)  # 130 MB in memory
    small, large = peak_mb(local_lake, "resources/small"), peak_mb(local_lake, "resources/large")
    assert large < 450
    assert large < small + 90
