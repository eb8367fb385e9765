# SPDX-License-Identifier: Apache-2.0
"""Looking after tables: few files instead of many, no files that nobody needs, a short log. No row is added, changed or lost.

Readers are not disturbed: the files that they read stay until the vacuum's retention is over. Where a writer changes the very files
that are being compacted, one of the two commits and the other tries again. Each step is one commit or none, so a crash leaves at
most files without a commit, which a later vacuum removes. Vacuum passes over folders with an underscore, so over streams' cursors.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_replicator.core.report import Report
from airflow_provider_replicator.exceptions import ConfigurationError, LakeConflictError, ReplicatorError
from airflow_provider_replicator.lake.errors import lake_errors
from airflow_provider_replicator.lake.find import matching_tables
from airflow_provider_replicator.lake.table import Table, writer_properties

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from deltalake import DeltaTable

    from airflow_provider_replicator.core.progress import Progress
    from airflow_provider_replicator.lake.location import Lake

T = TypeVar("T")

#: Hours. Delta's own limit: readers and writers that began before a file was replaced are done by then.
SAFE_RETENTION = 168
#: How often a step is begun that a writer makes worthless, and seconds to wait in between at most.
_TRIES = 6
_LONGEST_WAIT = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizeOptions:
    """``tables``: paths below the lake's root, or wildcards (:func:`~airflow_provider_replicator.lake.find.matching_tables`).
    ``missing_ok``: one that means no table is no error.

    ``z_order_by`` instead of ``compact``: rows near each other in these columns come near each other in the files; rewrites the table.
    ``vacuum_hours``: files that no version of so many hours ago needs are deleted; None deletes nothing. ``dry_run``: count only.
    ``tasks``: how many files of about 100 MB are made at once, each of which takes about as much memory as it is large, unpacked.
    """

    tables: tuple[str, ...]
    compact: bool = True
    z_order_by: tuple[str, ...] = ()
    vacuum_hours: int | None = SAFE_RETENTION
    allow_short_retention: bool = False
    checkpoint: bool = True
    clean_log: bool = True
    dry_run: bool = False
    tasks: int = 1
    missing_ok: bool = False

    def __post_init__(self) -> None:
        if not self.tables:
            raise ConfigurationError("tables is empty: name at least one table, or write '**' for all below the prefix")
        if self.tasks < 1:
            raise ConfigurationError(f"tasks is {self.tasks}: write a number >= 1")
        hours = self.vacuum_hours
        if hours is not None and (hours < 0 or (hours < SAFE_RETENTION and not self.allow_short_retention)):
            raise ConfigurationError(
                f"vacuum_hours is {hours}: below {SAFE_RETENTION}, running readers and writers may lose the files they use. "
                "Where there are none, set allow_short_retention"
            )


async def optimize_tables(*, lake: Lake, options: OptimizeOptions, progress: Progress | None = None) -> Report:
    """Look after each table in turn. All of them are tried; then the first error is raised, if there was one.

    ``report.tables`` holds per table files, bytes and rows per file before and after, and what vacuum deleted.
    """
    began = time.monotonic()
    report = Report("optimize", lake.root, lake.root, "full", dry_run=options.dry_run)
    errors: list[ReplicatorError] = []
    paths = await asyncio.to_thread(find_tables, lake, options.tables, missing_ok=options.missing_ok)
    for path in paths:
        try:
            report.tables.append(await asyncio.to_thread(_optimize, Table(lake, path), options))
        except ReplicatorError as error:
            errors.append(error)
        if progress is not None:
            progress.update({"read": len(report.tables) + len(errors)}, len(paths), what="tables")
    report.seconds = time.monotonic() - began
    if errors:
        raise errors[0]
    return report


def find_tables(lake: Lake, patterns: tuple[str, ...], *, missing_ok: bool = False) -> list[str]:
    """The paths of the tables that are meant, in order. Raises ConfigurationError for one that is not there."""
    found: dict[str, None] = {}
    objects = lake.objects()
    for pattern in patterns:
        matching = list(matching_tables(objects, pattern))
        if not matching and not missing_ok:
            raise ConfigurationError(f"there is no table {pattern} below {lake.root} (missing_ok=True goes on without)")
        found |= dict.fromkeys(matching)
    return list(found)


def _optimize(table: Table, options: OptimizeOptions) -> dict[str, Any]:
    before = _figures(_opened(table))
    _check_columns(table, options)
    if not options.dry_run and (options.compact or options.z_order_by):
        _retried(table, lambda handle: _rewrite(handle, options))
    deleted = {"vacuumed": 0, "vacuumed_bytes": 0}
    if options.vacuum_hours is not None:
        deleted = _retried(table, lambda handle: _vacuum(table, handle, options))
    if not options.dry_run:
        _tidy_log(table, options)
    handle = _opened(table)
    after = _figures(handle)
    figures = {
        f"{name}_{when}": value for when, each in (("before", before), ("after", after)) for name, value in each.items()
    }
    return {"table": table.path, "version": handle.version(), **figures, **deleted}


def _opened(table: Table) -> DeltaTable:
    handle = table.open()
    if handle is None:
        raise ConfigurationError(f"{table.path}: the table is gone")
    return handle


def _figures(handle: DeltaTable) -> dict[str, int]:
    """Of the version that the handle is at."""
    files = rows = size = 0
    for one in _files(handle):
        files += 1
        size += one["size_bytes"] or 0
        rows += one["num_records"] or 0
    return {"files": files, "bytes": size, "rows_per_file": round(rows / files) if files else 0}


def _files(handle: DeltaTable) -> Iterator[dict[str, Any]]:
    import pyarrow as pa

    actions = pa.table(handle.get_add_actions(flatten=True))
    return iter(actions.select(["size_bytes", "num_records"]).to_pylist())


def _check_columns(table: Table, options: OptimizeOptions) -> None:
    handle = _opened(table)
    there = {field.name for field in handle.schema().fields} - set(handle.metadata().partition_columns)
    if lacking := [name for name in options.z_order_by if name not in there]:
        raise ConfigurationError(
            f"{table.path}: z_order_by names {', '.join(lacking)}, and the columns to choose from are {', '.join(sorted(there))}"
        )


def _rewrite(handle: DeltaTable, options: OptimizeOptions) -> None:
    if options.z_order_by:
        handle.optimize.z_order(
            options.z_order_by, max_concurrent_tasks=options.tasks, writer_properties=writer_properties()
        )
    else:
        handle.optimize.compact(max_concurrent_tasks=options.tasks, writer_properties=writer_properties())


def _vacuum(table: Table, handle: DeltaTable, options: OptimizeOptions) -> dict[str, int]:
    """What is (or would be) deleted. ``full``: also files that no commit has ever named, of runs that crashed."""

    def vacuum(*, dry_run: bool) -> list[str]:
        hours = options.vacuum_hours
        enforced = not options.allow_short_retention
        return handle.vacuum(hours, dry_run=dry_run, enforce_retention_duration=enforced, full=True)

    # Vacuum names what it deleted before as well, and makes two commits even of nothing.
    there = {
        found.key.removeprefix(f"{table.path}/"): found.size for found in table.lake.objects().list(f"{table.path}/")
    }
    due = [there[file] for file in vacuum(dry_run=True) if file in there]
    if due and not options.dry_run:
        vacuum(dry_run=False)
    return {"vacuumed": len(due), "vacuumed_bytes": sum(due)}


def _tidy_log(table: Table, options: OptimizeOptions) -> None:
    if options.checkpoint:
        with lake_errors(f"checkpoint {table.path}"):
            _opened(table).create_checkpoint()
    if options.clean_log:
        with lake_errors(f"clean the log of {table.path}"):
            _opened(table).cleanup_metadata()


def _retried(table: Table, step: Callable[[DeltaTable], T]) -> T:
    """One step on the newest version; again where a writer was faster. Raises LakeConflictError if one always is."""
    for attempt in range(1, _TRIES + 1):
        handle = _opened(table)
        try:
            with lake_errors(f"optimize {table.path}"):
                return step(handle)
        except LakeConflictError:
            if attempt == _TRIES:
                raise
            time.sleep(random.uniform(0, min(_LONGEST_WAIT, 0.2 * 2**attempt)))
    raise AssertionError
