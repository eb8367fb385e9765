# SPDX-License-Identifier: Apache-2.0
"""A Tableau extract (``.hyper``) from a flat Parquet file, made by Tableau's own engine.

The engine is a server of its own that the library starts. It runs in a child process here, so that neither its memory nor
whatever it does at its end is the task's. ``python -m … in.parquet out.hyper`` is that child.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from airflow_provider_replicator.exceptions import ConfigurationError, LakeError

#: Where Tableau looks for the one table of an extract.
SCHEMA = TABLE = "Extract"
#: Characters of the engine's own words in an error.
_TOLD = 800


def check_installed() -> None:
    """Raises ConfigurationError if the engine is not there."""
    if find_spec("tableauhyperapi") is None:
        raise ConfigurationError(
            "formats has 'hyper', which needs Tableau's engine: pip install 'airflow-provider-replicator[tableau]', or leave it out"
        )


def write_hyper(parquet: Path, hyper: Path, *, rows: int) -> Path:
    """Make ``hyper`` from ``parquet``, which has so many ``rows``. Blocking. Raises LakeError with what the engine says."""
    check_installed()
    with tempfile.TemporaryDirectory(prefix="hyper-", dir=hyper.parent) as logs:
        command = [sys.executable, "-m", __name__, str(parquet.resolve()), str(hyper.resolve()), logs]
        done = subprocess.run(command, capture_output=True, text=True, cwd=logs, check=False)  # noqa: S603 - our own module
    if done.returncode != 0:
        told = done.stderr.strip().rpartition("Traceback")[2].splitlines() or [f"exit code {done.returncode}"]
        why = " ".join(line for line in told[1:] if not line.startswith(" ")) or told[-1]
        raise LakeError(f"Tableau's engine could not make an extract: {why[:_TOLD]}")
    if done.stdout.strip() != str(rows):
        raise LakeError(f"Tableau's engine made an extract of {done.stdout.strip()} rows out of {rows}")
    return hyper


def _make(parquet: str, hyper: str, logs: str) -> int:
    from tableauhyperapi import (
        Connection,
        CreateMode,
        HyperProcess,
        TableName,
        Telemetry,
        TypeTag,
        escape_string_literal,
    )

    table = TableName(SCHEMA, TABLE)
    with (
        HyperProcess(Telemetry.DO_NOT_SEND_USAGE_DATA_TO_TABLEAU, parameters={"log_dir": logs}) as server,
        Connection(server.endpoint, hyper, CreateMode.CREATE_AND_REPLACE) as connection,
    ):
        connection.catalog.create_schema(SCHEMA)
        source = f"external({escape_string_literal(parquet)}, format => 'parquet')"
        with connection.execute_query(f"SELECT * FROM {source} LIMIT 0") as found:  # noqa: S608
            # Extracts that every Tableau opens have no 32-bit floats.
            columns = [
                f"CAST({column.name} AS DOUBLE PRECISION) AS {column.name}"
                if column.type.tag == TypeTag.FLOAT
                else str(column.name)
                for column in found.schema.columns
            ]
        connection.execute_command(f"CREATE TABLE {table} AS SELECT {', '.join(columns)} FROM {source}")  # noqa: S608
        return int(connection.execute_scalar_query(f"SELECT count(*) FROM {table}"))  # noqa: S608


if __name__ == "__main__":
    sys.stdout.write(str(_make(*sys.argv[1:])))
