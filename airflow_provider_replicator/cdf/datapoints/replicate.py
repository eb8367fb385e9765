# SPDX-License-Identifier: Apache-2.0
"""Datapoints from one project to another.

Pages of protobuf come in and go out with another identifier; points are not decoded (see
:mod:`airflow_provider_replicator.cdf.protobuf.wire`). Memory is bounded by the lanes, whatever the number of points.
Inserts overwrite the same timestamps, so every part of this can be done again after a crash, and changes nothing.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from airflow_provider_replicator.cdf.datapoints.checkpoint import Progressed
from airflow_provider_replicator.cdf.datapoints.copy import copy
from airflow_provider_replicator.cdf.datapoints.deletes import Deletes
from airflow_provider_replicator.cdf.datapoints.jobs import jobs_of
from airflow_provider_replicator.cdf.datapoints.plan import MAX_ITEMS
from airflow_provider_replicator.cdf.datapoints.run import Run
from airflow_provider_replicator.cdf.datapoints.series import selected_series
from airflow_provider_replicator.cdf.datapoints.write import PointWriter
from airflow_provider_replicator.cdf.objects.accounting import accounted
from airflow_provider_replicator.cdf.tasks import for_each
from airflow_provider_replicator.core.dead_letters import DeadLetters
from airflow_provider_replicator.core.report import Report

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow_provider_replicator.cdf.datapoints.series import Series
    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.cdf.options import DatapointOptions
    from airflow_provider_replicator.core.checkpoint import Checkpoint
    from airflow_provider_replicator.core.progress import Progress

#: Chains of pages at a time. Each holds up to two pages of 1.8 MB and their requests.
LANES = 10
#: Hundreds of series at a time.
UNITS = 8


async def replicate_datapoints(
    *,
    source: CdfClient,
    target: CdfClient,
    options: DatapointOptions,
    checkpoint: Checkpoint | None = None,
    progress: Progress | None = None,
) -> Report:
    """Copy the points of the selected series to the series of the same key in the target.

    With a window, or without one and ``options.resume`` false: the target's points in that range end up equal to the source's,
    status codes, strings and points before 1970 included, and a repeated run writes nothing. Without a window: each series goes on
    after the target's last point, an empty one gets its whole history; a series that was only partly filled is filled anew.

    A window that failed has to be run again: a run without a window looks only behind the target's last point.

    Points that are refused, and series that the target does not have, are dead letters; more than ``options.max_failed`` of them
    raise PartialReplicationError when everything else is written. Raises DeleteGuardError, having written but not deleted, if more
    than ``options.max_delete_fraction`` of the compared series would lose all their points.

    After a crash a run with the same checkpoint goes on after the last hundred finished series, and within long series.
    """
    report = _report(source, target, options)
    with (
        DeadLetters(report, options.dead_letter_path, options.max_failed) as letters,
        accounted(report, source, target),
    ):
        run = Run(
            source=source,
            target=target,
            options=options,
            report=report,
            letters=letters,
            writer=PointWriter(target, report, letters, dry_run=options.dry_run),
            deletes=Deletes(target, report, letters, max_fraction=options.max_delete_fraction),
            progressed=Progressed(report, source.now_ms, checkpoint, progress),
            lanes=asyncio.Semaphore(LANES),
            most_lanes=LANES,
        )
        await _replicate(run)
    letters.raise_if_too_many()
    return report


async def _replicate(run: Run) -> None:
    series = await selected_series(run.source, run.options, run.report)
    remaining = run.progressed.remaining(series)
    few = len(remaining) <= MAX_ITEMS

    async def hundred(chosen: list[Series]) -> None:
        unit = run.progressed.begin(chosen)
        await copy(run, await jobs_of(run, chosen), unit, count_first=few)
        run.progressed.all_read(unit)

    try:
        await for_each(_hundreds(remaining), hundred, at_once=UNITS)
        await run.writer.flush()
        if run.report.failed <= run.options.max_failed:  # a run that went wrong deletes nothing
            await run.deletes.apply(dry_run=run.options.dry_run)
    except BaseException:
        run.progressed.save()
        raise
    run.progressed.clear()


def _hundreds(series: Sequence[Series]) -> Iterator[list[Series]]:
    for at in range(0, len(series), MAX_ITEMS):
        yield list(series[at : at + MAX_ITEMS])


def _report(source: CdfClient, target: CdfClient, options: DatapointOptions) -> Report:
    mode = "window" if options.window else "resume" if options.resume else "full"
    return Report(
        resource="datapoints",
        source=source.project,
        target=target.project,
        mode=mode,
        window=options.window,
        dry_run=options.dry_run,
    )
