# SPDX-License-Identifier: Apache-2.0
"""Tables to publish, and snapshots as a reader that is not ours finds them."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa

from airflow_provider_replicator.lake.arrow import batch, column_array
from airflow_provider_replicator.lake.columns import Column, TableSchema
from airflow_provider_replicator.lake.feeds.state import (
    ChangesState,
    CurrentState,
    changes_stream,
    current_stream,
)
from airflow_provider_replicator.lake.instances.schema import layout_of, system_columns
from airflow_provider_replicator.lake.snapshots.options import SnapshotOptions
from airflow_provider_replicator.lake.snapshots.publish import publish
from airflow_provider_replicator.lake.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_replicator.lake.location import Lake
    from airflow_provider_replicator.lake.snapshots.publish import SnapshotReport

#: Short, so that tests need not wait for the dead.
LEASE = 1.0
NUMBERS = TableSchema(columns=(Column(name="key", kind="text"), Column(name="number", kind="int64")))
NODES = TableSchema(columns=(*system_columns("nodes"), Column(name="name", kind="text")))


def rows_batch(schema: TableSchema, rows: Sequence[Mapping[str, Any]]) -> pa.RecordBatch:
    """JSON values by column, as Arrow. Every value has to fit."""
    arrays = {}
    for column in schema.columns:
        arrays[column.name], misfits = column_array(column, [row.get(column.name) for row in rows])
        assert not misfits
    return batch(schema, arrays)


def write(lake: Lake, path: str, rows: Sequence[Mapping[str, Any]], schema: TableSchema = NUMBERS) -> int:
    """Replace the rows of a table; returns its version."""
    table = Table(lake, path)
    handle = table.prepare(schema)
    table.replace(handle, rows_batch(schema, rows))
    opened = table.open()
    assert opened is not None
    return opened.version()


def numbers(count: int, first: int = 0) -> list[dict[str, Any]]:
    return [{"key": f"k{number}", "number": number} for number in range(first, first + count)]


def node(key: str, name: str, *, space: str = "plant", **more: Any) -> dict[str, Any]:
    return {
        "_space": space,
        "_externalId": key,
        "_version": 1,
        "_createdTime": 1_700_000_000_000,
        "_lastUpdatedTime": 1_700_000_000_000,
        "name": name,
        **more,
    }


def write_instances(
    lake: Lake,
    path: str,
    current: Sequence[Mapping[str, Any]],
    changes: Sequence[Sequence[Mapping[str, Any]]] = (),
    *,
    merged: int | None = None,
    phase: str = "live",
    schema: TableSchema = NODES,
) -> None:
    """A current-state table as its replication leaves it, and batches of changes, of which the first ``merged`` are in it already."""
    table = Table(lake, path)
    handle = table.prepare(schema)
    merged = merged if merged is not None else 0 if changes else 1
    state = CurrentState(phase=phase, generation=1, live="", live_ms=0, merged=merged, doubles=False)  # type: ignore[arg-type]
    transaction = current_stream(table).advance(handle, state.as_json(), query="q")
    table.append(handle, rows_batch(schema, current), transaction=transaction)
    waiting = Table(lake, layout_of(path).changes_path)
    with_change = layout_of(path).changes_schema(schema)
    for number, rows in enumerate(changes or [[]], 1):
        opened = waiting.prepare(with_change)
        numbered = [{**row, "_batch": number, "_order": place} for place, row in enumerate(rows)]
        transaction = changes_stream(waiting).advance(
            opened, ChangesState(generation=1, cursor="", settled=True).as_json(), query="q"
        )
        waiting.append(opened, rows_batch(with_change, numbered), transaction=transaction)


def run(lake: Lake, tables: Any, name: str = "all", **options: Any) -> SnapshotReport:
    """Publish, as a task does."""
    chosen = SnapshotOptions(**{"lease_seconds": LEASE, **options})
    return asyncio.run(publish(lake=lake, name=name, tables=tables, options=chosen))


def manifest(lake: Lake, name: str = "all") -> dict[str, Any]:
    found = lake.objects().get(f"publish/{name}/manifest.json")
    assert found is not None
    read: dict[str, Any] = json.loads(found)
    return read


def read(lake: Lake, key: str) -> pl.DataFrame:
    """A published file, by Polars."""
    return pl.read_parquet(lake.uri(key), storage_options=lake.options() or None, glob=False)


def stable(lake: Lake, table: str, name: str = "all") -> pl.DataFrame:
    return read(lake, f"publish/{name}/{table}.parquet")


def versioned(lake: Lake, table: str, name: str = "all") -> pl.DataFrame:
    """By the manifest."""
    return read(lake, manifest(lake, name)["tables"][table]["files"]["parquet"]["versioned_key"])


def everything(lake: Lake, name: str = "all") -> dict[str, bytes]:
    """All objects of a snapshot."""
    objects = lake.objects()
    contents = {found.key: objects.get(found.key) for found in objects.list(f"publish/{name}/")}
    return {key: content for key, content in contents.items() if content is not None}
