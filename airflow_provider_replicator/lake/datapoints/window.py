# SPDX-License-Identifier: Apache-2.0
"""Datapoints of a window, or all of them, into a table.

The rows of the selected series in the window are replaced by what the source has, in one commit. So windows may be loaded in any
order, again, and several at a time: the table comes out the same. Rows of series that the source no longer lists stay, until a run in
mode ``full`` over all series: that one replaces the whole table.

Killed at any moment, a run leaves the table as it was or as it should be, and at most objects that no version of the table names,
which vacuum removes. A retry starts over: windows are the unit of work.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from airflow_provider_replicator.cdf.datapoints.checkpoint import Progressed
from airflow_provider_replicator.cdf.datapoints.copy import copy
from airflow_provider_replicator.cdf.datapoints.jobs import Job
from airflow_provider_replicator.cdf.datapoints.plan import MAX_ITEMS
from airflow_provider_replicator.cdf.datapoints.run import Reading
from airflow_provider_replicator.cdf.datapoints.series import selected_series
from airflow_provider_replicator.cdf.objects.accounting import accounted
from airflow_provider_replicator.cdf.tasks import for_each
from airflow_provider_replicator.core.report import Report
from airflow_provider_replicator.exceptions import DeleteGuardError
from airflow_provider_replicator.lake.datapoints.doomed import InWindow
from airflow_provider_replicator.lake.datapoints.layout import layout_of
from airflow_provider_replicator.lake.datapoints.replace import Replacement
from airflow_provider_replicator.lake.datapoints.sink import TableSink
from airflow_provider_replicator.lake.datapoints.spool import Spool
from airflow_provider_replicator.lake.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow_provider_replicator.cdf.datapoints.series import Series
    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.core.progress import Progress
    from airflow_provider_replicator.lake.datapoints.layout import Layout
    from airflow_provider_replicator.lake.datapoints.options import PointsOptions
    from airflow_provider_replicator.lake.datapoints.replace import Replaced
    from airflow_provider_replicator.lake.location import Lake

#: Chains of pages at a time, two pages of 1.8 MB in each; hundreds of series at a time.
LANES = 8
UNITS = 4
#: Before and after everything.
ALWAYS = (-(1 << 62), 1 << 62)


async def export_datapoints(
    *, source: CdfClient, lake: Lake, options: PointsOptions, progress: Progress | None = None
) -> Report:
    """Load the window, or everything. ``read`` counts points, ``written`` rows; ``updated`` of the rows that were there before have
    been replaced, and by ``deleted`` the table has become smaller.

    Raises ConfigurationError for a selection or a table that does not fit; DeleteGuardError, having changed nothing, in mode
    ``full`` if the source lists no series at all and the table has rows; LakeConflictError if other writers were always faster.
    """
    report = _report(source, lake, options)
    with accounted(report, source):
        table = Table(lake, options.table_path)
        layout = await asyncio.to_thread(prepared, table, options)
        buckets = layout.buckets_of(options.shard)
        series = await selected_series(source, options.reading(), report)
        spool = Spool(layout, lake.objects(), table.path, good=0 if options.include_status else None)
        doomed = _doomed(layout, series, options, buckets)
        async with spool:
            await read_points(source, series, options, report, TableSink(layout, spool, report), progress)
            replacement = Replacement(table, layout, await spool.finish(), doomed)
            if not series and doomed.series is None:
                await asyncio.to_thread(_guard, replacement)
            replaced = await spool.committed(replacement)
        _count(report, table.path, spool.rows, replaced)
    return report


async def read_points(
    source: CdfClient,
    series: Sequence[Series],
    options: PointsOptions,
    report: Report,
    sink: TableSink,
    progress: Progress | None,
) -> None:
    """Give every point of the series in the window to ``sink``, once."""
    run = Reading(
        source=source,
        options=options.reading(),
        report=report,
        writer=sink,
        progressed=Progressed(report, source.now_ms, progress=progress),
        lanes=asyncio.Semaphore(LANES),
        most_lanes=LANES,
    )
    few = len(series) <= MAX_ITEMS

    async def hundred(chosen: list[Series]) -> None:
        unit = run.progressed.begin(chosen)
        await copy(run, [Job(one, run.start, run.end) for one in chosen], unit, count_first=few)
        run.progressed.all_read(unit)

    if run.start < run.end:
        await for_each(_hundreds(series), hundred, at_once=UNITS)


def _hundreds(series: Sequence[Series]) -> Iterator[list[Series]]:
    for at in range(0, len(series), MAX_ITEMS):
        yield list(series[at : at + MAX_ITEMS])


def prepared(table: Table, options: PointsOptions) -> Layout:
    """The table's layout; the table is there afterwards."""
    period, buckets = options.partition_by, options.buckets
    handle = table.open()
    if handle is None and options.shard is not None:
        buckets = buckets or options.shard[1]
    layout = layout_of(handle, period=period, buckets=buckets)
    layout.buckets_of(options.shard)
    table.prepare(layout.schema)
    # Perhaps another run has made it in the same moment, and otherwise.
    return layout if handle is not None else layout_of(table.open(), period=period, buckets=buckets)


def _doomed(
    layout: Layout, series: Sequence[Series], options: PointsOptions, buckets: frozenset[int] | None
) -> InWindow:
    keys = frozenset(layout.named(one).key for one in series)
    if options.window is not None:
        return InWindow(options.window.start_ms, options.window.end_ms, keys, buckets)
    return InWindow(*ALWAYS, None if options.selection.everything else keys, buckets)


def _guard(replacement: Replacement) -> None:
    """That the source lists nothing is no reason to empty a table."""
    if replacement.would_touch():
        raise DeleteGuardError(
            f"the source lists no time series, and {replacement.table.path} has rows: nothing was changed. Look at the "
            "capabilities of the source connection, or remove the table"
        )


def _count(report: Report, path: str, rows: int, replaced: Replaced) -> None:
    report.written = 0  # so far: what was read
    report.updated = min(rows, replaced.gone)
    report.wrote(path, written=rows, deleted=max(0, replaced.gone - rows), version=replaced.version)


def _report(source: CdfClient, lake: Lake, options: PointsOptions) -> Report:
    return Report(
        resource="datapoints",
        source=source.project,
        target=lake.root,
        mode="full" if options.window is None else "window",
        window=options.window,
    )
