# SPDX-License-Identifier: Apache-2.0
"""One job of :mod:`benchmarks.lake`, in a process of its own: ``python -m benchmarks.lake_jobs JSON``. Prints one JSON line.

Every job has a limit: the same rows, ready as Arrow, through the library that does the last step. Imports are not counted.
"""

from __future__ import annotations

import asyncio
import json
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from airflow_provider_replicator.lake.feeds.options import MergeWhen
from airflow_provider_replicator.lake.instances.options import InstancesOptions
from airflow_provider_replicator.lake.location import Keys, Lake, S3Access
from airflow_provider_replicator.lake.table import Table, writer_properties
from benchmarks.jobs import Meter
from benchmarks.workloads import point_blocks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

Job = dict[str, Any]
SPACE, VIEW = "bench", "Machine"
NODES = f"instances/{SPACE}/{VIEW}/v1/nodes"
POINTS = "datapoints/datapoints"


def lake_of(job: Job) -> Lake:
    if job["root"].startswith("file:"):
        return Lake(job["root"])
    keys = Keys(job["access_key"], job["secret_key"])
    return Lake(
        f"s3://{job['bucket']}/{job['root']}", S3Access(region="us-east-1", keys=lambda: keys, endpoint_url=job["s3"])
    )


async def instances(job: Job) -> Meter:
    """The engine behind CdfToDeltaInstancesOperator: a first load, or the changes since. ``merge``: when they are merged."""
    from airflow_provider_replicator.lake.instances.replicate import replicate_instances
    from benchmarks.connect import connect

    when = MergeWhen(small_table=0, share=None, rows=1) if job.get("merge") else MergeWhen()
    options = InstancesOptions(space=SPACE, edge_spaces=(), merge_when=when)
    async with connect(job, "source") as source:
        with Meter() as meter:
            report = await replicate_instances(source=source, lake=lake_of(job), options=options)
    print(json.dumps(report.as_dict()), file=sys.stderr)
    return meter


async def instances_limit(job: Job) -> Meter:
    """The table that the load made, as Arrow in memory, through ``write_deltalake``."""
    lake = lake_of(job)
    rows = pl.scan_delta(lake.uri(NODES), storage_options=lake.options()).collect().to_arrow()
    with Meter() as meter:
        write_deltalake(
            lake.uri("limit/nodes"),
            rows,
            mode="overwrite",
            writer_properties=writer_properties(),
            storage_options=lake.options(),
        )
    return meter


async def merge_limit(job: Job) -> Meter:
    """As many rows as the changes, merged by key into a table of the same content by a bare ``merge``."""
    lake = lake_of(job)
    table = lake.uri("limit/merged")
    frame = pl.scan_delta(lake.uri(NODES), storage_options=lake.options())
    if not DeltaTable.is_deltatable(table, lake.options()):
        write_deltalake(
            table, frame.collect().to_arrow(), writer_properties=writer_properties(), storage_options=lake.options()
        )
    keys = [f"node-{number}" for number in job["changed"]]
    rows = frame.filter(pl.col("_externalId").is_in(keys)).collect().to_arrow()
    handle = DeltaTable(table, storage_options=lake.options())
    key = "t._space = s._space AND t._externalId = s._externalId"
    with Meter() as meter:
        (
            handle.merge(
                rows,
                key,
                source_alias="s",
                target_alias="t",
                streamed_exec=False,
                writer_properties=writer_properties(),
            )
            .when_matched_update_all()
            .when_not_matched_insert_all()
            .execute()
        )
    return meter


async def grow(job: Job) -> Meter:
    """Not a contender: makes the table of a million nodes ten times as large, behind the engine's back."""
    lake = lake_of(job)
    table = Table(lake, NODES)
    rows = pl.scan_delta(lake.uri(NODES), storage_options=lake.options()).collect()
    with Meter() as meter:
        for copy in range(1, job["times"]):
            handle = table.open()
            assert handle is not None
            renamed = rows.with_columns(pl.format("copy-{}-{}", pl.lit(copy), "_externalId").alias("_externalId"))
            table.append(handle, renamed.to_arrow().cast(pa.schema(handle.schema().to_arrow())))
    return meter


async def datapoints(job: Job) -> Meter:
    """The engine behind CdfToDeltaDatapointsOperator, mode full."""
    from airflow_provider_replicator.lake.datapoints.options import PointsOptions
    from airflow_provider_replicator.lake.datapoints.window import export_datapoints
    from benchmarks.connect import connect

    async with connect(job, "source") as source:
        with Meter() as meter:
            await export_datapoints(source=source, lake=lake_of(job), options=PointsOptions())
    return meter


async def datapoints_limit(job: Job) -> Meter:
    """As many points in batches of 100 000, whose values are ready: only the timestamps are added up while they are written."""
    lake = lake_of(job)
    size = 100_000
    names = pa.DictionaryArray.from_arrays(pa.array([0] * size, pa.int32()), pa.array(["series-0"]))
    ((stamps, values),) = point_blocks(size, job["first"], 1000)
    ready = pa.array(values)
    schema = pa.schema(
        [
            ("externalId", names.type),
            ("timestamp", pa.timestamp("us", "UTC")),
            ("value", pa.float64()),
            ("_month", pa.date32()),
        ]
    )

    def batches() -> Iterator[pa.RecordBatch]:
        for block in range(job["points"] // size):
            moved = stamps + block * size * 1000
            moments = pa.array(moved * 1000, pa.int64()).cast(pa.timestamp("us", "UTC"))
            months = pa.array(moved.astype("datetime64[ms]").astype("datetime64[M]").astype("datetime64[D]"))
            yield pa.record_batch([names, moments, ready, months], schema=schema)

    properties = writer_properties(plain=["value"], delta=["timestamp"])
    with Meter() as meter:
        write_deltalake(
            lake.uri("limit/points"),
            pa.RecordBatchReader.from_batches(schema, batches()),
            mode="overwrite",
            partition_by=["_month"],
            writer_properties=properties,
            storage_options=lake.options(),
        )
    return meter


async def snapshot(job: Job) -> Meter:
    from airflow_provider_replicator.lake.snapshots.options import SnapshotOptions
    from airflow_provider_replicator.lake.snapshots.publish import publish

    with Meter() as meter:
        await publish(lake=lake_of(job), name="bench", tables=[NODES], options=SnapshotOptions(reuse_unchanged=False))
    return meter


async def snapshot_limit(job: Job) -> Meter:
    """``scan_delta(...).sink_parquet(...)`` to a file beside the table. ``copied``: and a copy of it, as a snapshot has."""
    lake = lake_of(job)
    options = lake.options()
    objects = lake.objects()
    key = "limit/snapshot.parquet"
    objects.put(key, b"")  # a sink makes no folders
    with Meter() as meter:
        frame = pl.scan_delta(lake.uri(NODES), storage_options=options)
        frame.sink_parquet(lake.uri(key), compression="zstd", compression_level=1, storage_options=options)
        if job["copied"]:
            objects.copy(key, "limit/copy.parquet")
    return meter


async def take(job: Job) -> Meter:
    """Not a contender: copies the table, as it is, into the folder ``into``."""
    objects, there = lake_of(job).objects(), Lake(job["into"]).objects()
    with Meter() as meter:
        for found in objects.list(NODES):
            with objects.open(found.key) as file:
                there.upload(found.key, file)
    return meter


JOBS: dict[str, Callable[[Job], Awaitable[Meter]]] = {
    job.__name__: job
    for job in (
        instances,
        instances_limit,
        merge_limit,
        grow,
        datapoints,
        datapoints_limit,
        snapshot,
        snapshot_limit,
        take,
    )
}


def main() -> None:
    job = json.loads(sys.argv[1])
    for heavy in (
        "aiohttp",
        "boto3",
        "deltalake",
        "numpy",
        "orjson",
        "polars",
        "pyarrow",
        "pyarrow.compute",
        "pyarrow.parquet",
    ):
        import_module(heavy)
    meter = asyncio.run(_run(JOBS[job["job"]], job))
    sys.stdout.write("\n" + meter.line() + "\n")


async def _run(job: Callable[[Job], Awaitable[Meter]], given: Job) -> Meter:
    return await job(given)


if __name__ == "__main__":
    main()
