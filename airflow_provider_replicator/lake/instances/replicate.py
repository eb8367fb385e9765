# SPDX-License-Identifier: Apache-2.0
"""Data-model instances of CDF into Delta tables: the engine's entry point."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from airflow_provider_replicator.cdf.together import together
from airflow_provider_replicator.core.collector import seldom_collected
from airflow_provider_replicator.core.dead_letters import DeadLetters
from airflow_provider_replicator.core.report import Report
from airflow_provider_replicator.lake.feeds.counting import FeedCounts
from airflow_provider_replicator.lake.instances.select import parallel_reads, sources_of
from airflow_provider_replicator.lake.instances.source_run import SourceRun

if TYPE_CHECKING:
    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.core.progress import Progress
    from airflow_provider_replicator.lake.instances.options import InstancesOptions
    from airflow_provider_replicator.lake.instances.schema import InstanceSource
    from airflow_provider_replicator.lake.location import Lake


@seldom_collected
async def replicate_instances(
    *, source: CdfClient, lake: Lake, options: InstancesOptions, progress: Progress | None = None
) -> Report:
    """Bring the tables up to the source as it is at the start of the run.

    Killed anywhere and run again, it goes on after the last commit; no row is there twice and none is missing. Two runs at once: for
    each table one of them gets LakeConflictError, and nothing of that write is in the table. Raises PartialReplicationError
    when everything was written but instances with values that do not fit.
    """
    report = Report(resource="instances", source=source.project, target=lake.root, mode="full")
    before = (source.stats.requests, source.stats.bytes_received)
    with DeadLetters(report, options.dead_letter_path, options.max_failed) as letters:
        sources, left_out = await sources_of(source, options)
        for reason, count in left_out.items():
            report.skip(reason, count)
        places = asyncio.Semaphore(await parallel_reads(source, options))

        async def one(part: InstanceSource) -> None:
            async with places:
                counts = FeedCounts(path=part.path, report=report, letters=letters, progress=progress)
                await SourceRun(source, lake, part, options, counts).run()

        async with together() as group:
            for part in sources:
                group.create_task(one(part))
        report.tables.sort(key=lambda table: str(table["table"]))
        report.requests["source"] = source.stats.requests - before[0]
        report.bytes = source.stats.bytes_received - before[1]
        report.seconds = time.monotonic() - report.started
        letters.raise_if_too_many()
    return report
