# SPDX-License-Identifier: Apache-2.0
"""Raw databases, tables and rows from one project to another.

Memory: a few pages of rows, and 17 bytes per row of a target table while it is compared.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from airflow_provider_replicator.cdf.objects.accounting import accounted
from airflow_provider_replicator.cdf.objects.breaker import Breaker
from airflow_provider_replicator.cdf.raw.checkpoint import RowsProgressed
from airflow_provider_replicator.cdf.raw.copy import RawRun, TableCopy
from airflow_provider_replicator.cdf.raw.deletes import RowDeletes
from airflow_provider_replicator.cdf.raw.tables import prepare
from airflow_provider_replicator.cdf.tasks import for_each
from airflow_provider_replicator.core.dead_letters import DeadLetters
from airflow_provider_replicator.core.report import Report

if TYPE_CHECKING:
    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.cdf.options import RawOptions
    from airflow_provider_replicator.cdf.raw.tables import Table
    from airflow_provider_replicator.core.checkpoint import Checkpoint
    from airflow_provider_replicator.core.progress import Progress

#: Chains of pages at a time, over all tables; and tables at a time.
CHAINS = 8
TABLES = 6


async def replicate_raw(
    *,
    source: CdfClient,
    target: CdfClient,
    options: RawOptions,
    checkpoint: Checkpoint | None = None,
    progress: Progress | None = None,
) -> Report:
    """Copy the selected tables, and make those that the target lacks.

    Without a window every row is compared with the target's, and only what differs is written. With one, the rows that the source
    changed in it (and ``options.overlap_ms`` before) are. ``delete_missing`` deletes the rows of the covered tables that the source
    does not have; ``delete_foreign`` has no meaning here, as rows do not say where they come from.

    Rows that are refused are dead letters; more than ``options.max_failed`` of them raise PartialReplicationError when everything
    else is written. Raises DeleteGuardError, having written but not deleted, if a table would be emptied or more than
    ``options.max_delete_fraction`` of the rows would go.

    After a crash a run with the same checkpoint goes on in the tables that it was in.
    """
    report = Report("raw", source.project, target.project, options.mode, options.window, options.dry_run)
    with (
        DeadLetters(report, options.dead_letter_path, options.max_failed) as letters,
        accounted(report, source, target),
    ):
        # What is missing is known only when everything was read, so a run that deletes begins at the beginning.
        resumable = None if options.delete_missing else checkpoint
        run = RawRun(
            source=source,
            target=target,
            options=options,
            report=report,
            letters=letters,
            breaker=Breaker(),
            deletes=RowDeletes(target, report, max_fraction=options.max_delete_fraction),
            progressed=RowsProgressed(report, source.now_ms, resumable, progress),
            chains=asyncio.Semaphore(CHAINS),
        )
        await _replicate(run)
    letters.raise_if_too_many()
    return report


async def _replicate(run: RawRun) -> None:
    found = await prepare(run.source, run.target, run.options)

    async def copy(table: Table) -> None:
        await TableCopy(run, table, new=table in found.new).run()

    try:
        await for_each(run.progressed.remaining(found.tables), copy, at_once=TABLES)
        if run.report.failed <= run.options.max_failed:  # a run that went wrong deletes nothing
            await run.deletes.apply(dry_run=run.options.dry_run)
    except BaseException:
        run.progressed.save()
        raise
    run.progressed.clear()
