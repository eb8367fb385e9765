# SPDX-License-Identifier: Apache-2.0
"""Raw rows, each raw table in a table of its own.

Raw has no schema. So a row is its key, the time of its last change, and all of its columns as JSON text, digits and all; columns that
the user declares are there a second time, each as its type.
"""

from __future__ import annotations

import asyncio
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.cdf.objects.accounting import accounted
from airflow_provider_replicator.cdf.raw.copy import Pages, changed_in
from airflow_provider_replicator.cdf.raw.tables import selected_tables
from airflow_provider_replicator.cdf.tasks import for_each
from airflow_provider_replicator.cdf.together import all_of
from airflow_provider_replicator.core.collector import seldom_collected
from airflow_provider_replicator.core.dead_letters import DeadLetters
from airflow_provider_replicator.core.exact_json import plain
from airflow_provider_replicator.core.report import Report
from airflow_provider_replicator.exceptions import (
    ConfigurationError,
    DeleteGuardError,
    LakeConflictError,
    ReplicatorError,
    SchemaChangedError,
)
from airflow_provider_replicator.lake.columns import Column, TableSchema, column_names, portable
from airflow_provider_replicator.lake.location import path_part
from airflow_provider_replicator.lake.resources.declared import RESCUED, Layout
from airflow_provider_replicator.lake.resources.landing import Landing
from airflow_provider_replicator.lake.resources.merging import merged
from airflow_provider_replicator.lake.resources.replacing import replaced

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.cdf.raw.tables import Table
    from airflow_provider_replicator.core.progress import Progress
    from airflow_provider_replicator.lake.columns import Kind
    from airflow_provider_replicator.lake.location import Lake
    from airflow_provider_replicator.lake.resources.declared import Document, Getter
    from airflow_provider_replicator.lake.resources.landing import Put
    from airflow_provider_replicator.lake.resources.options import RawTableOptions

#: Tables at a time, and chains of pages of each.
_TABLES = 2
_CHAINS = 3
_OWN = (
    Column(name="_key", kind="text", nullable=False, source_name="key"),
    Column(name="_lastUpdatedTime", kind="timestamp", source_name="lastUpdatedTime"),
    Column(name="columns", kind="json"),
    Column(name=RESCUED, kind="json"),
)
#: Errors of one table that say nothing about the others.
_OF_ONE_TABLE = (DeleteGuardError, SchemaChangedError, LakeConflictError)


@seldom_collected
async def raw_to_delta(
    *, source: CdfClient, lake: Lake, options: RawTableOptions, progress: Progress | None = None
) -> Report:
    """Bring the tables ``raw/{database}/{table}`` of the selected raw tables up to date with the source.

    Mode ``window``: rows that changed in the window (and ``overlap_ms`` before it) are merged by key; mode ``full``: all rows take the
    place of all rows, in one commit per table. A table that is deleted at the source stays as it was.

    An error that concerns one table (a guard, a changed schema, another run) does not stop the others; it is raised at the end.
    Otherwise as :func:`~airflow_provider_replicator.lake.resources.classic.resource_to_delta`.
    """
    report = Report("raw", source.project, lake.root, options.mode, options.window, options.dry_run)
    failures: dict[str, ReplicatorError] = {}
    with (
        DeadLetters(report, options.dead_letter_path, options.max_failed) as letters,
        accounted(report, source),
    ):
        tables = await selected_tables(source, options.reading())
        if not tables and (options.databases or options.tables):
            raise ConfigurationError(f"{source.project} has none of the selected raw tables")

        async def land(table: Table) -> None:
            landing = Landing(lake, layout_of(table, options), options, report, letters, progress)
            try:
                await _land(landing, source, table, options)
            except _OF_ONE_TABLE as error:
                failures[str(table)] = error

        await for_each(tables, land, at_once=_TABLES)
    _raise(failures, len(tables))
    letters.raise_if_too_many()
    return report


def _raise(failures: Mapping[str, ReplicatorError], tables: int) -> None:
    """Raise what went wrong with single tables. A conflict alone can be tried again; together with others it cannot help."""
    if not failures:
        return
    permanent = [error for error in failures.values() if not isinstance(error, LakeConflictError)]
    first = next(iter(permanent or failures.values()))
    if len(failures) == 1:
        raise first
    raise type(first)(
        f"{first} (and {len(failures) - 1} more of {tables} tables: {', '.join(failures)[:500]})"
    ) from first


async def _land(landing: Landing, source: CdfClient, table: Table, options: RawTableOptions) -> None:
    pages = Pages(source, table, changed_in(options.reading()), times=True)

    async def read(put: Put) -> None:
        first = await pages.page()
        if first.following is None:
            await put(first.rows)
            return
        # The first page is read again by one of the chains: no cursor that can be shared out begins behind it.
        cursors = asyncio.Queue[str]()
        for cursor in await pages.cursors():
            cursors.put_nowait(cursor)
        await all_of(_follow(pages, cursors, put) for _ in range(_CHAINS))

    if options.mode == "window":
        await merged(landing, read)
    else:
        await replaced(landing, read)


async def _follow(pages: Pages, cursors: asyncio.Queue[str], put: Put) -> None:
    """The ranges of keys that nobody else has begun, one after the other."""
    while not cursors.empty():
        cursor: str | None = cursors.get_nowait()
        while cursor:
            page = await pages.page(cursor)
            cursor = page.following
            await put(page.rows)


def layout_of(table: Table, options: RawTableOptions) -> Layout:
    """The columns of a table: the same for every table, and the declared ones."""
    declared: dict[str, Kind] = {}
    for pattern, kinds in options.patterns():
        if fnmatchcase(str(table), pattern) or fnmatchcase(table.name, pattern):
            declared |= kinds
    # Delta tells no Name from name, and the package's own columns come first.
    own = {f"\0{column.name}": column.name for column in _OWN}
    names = column_names(declared, own, spelled=portable)
    columns = tuple(Column(name=names[name], kind=kind, source_name=name) for name, kind in declared.items())
    getters: dict[str, Getter] = {
        "_key": lambda rows: [row["key"] for row in rows],
        "_lastUpdatedTime": lambda rows: [row["lastUpdatedTime"] for row in rows],
        **{column.name: _column_of(column) for column in columns},
    }
    return Layout(
        name="raw",
        path=f"raw/{path_part(table.database)}/{path_part(table.name)}",
        schema=TableSchema(columns=(*_OWN, *columns), key=("_key",)),
        key="key",
        time="_lastUpdatedTime",
        getters=getters,
    )


def _column_of(column: Column) -> Getter:
    name = column.source_name

    def get(rows: Sequence[Document]) -> Sequence[Any]:
        values = [row["columns"].get(name) for row in rows]
        return values if column.kind == "json" else plain(values)

    return get
