# SPDX-License-Identifier: Apache-2.0
"""Databases and tables: which a run covers, which of them the target lacks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING
from urllib.parse import quote

from airflow_provider_replicator.cdf.together import all_of
from airflow_provider_replicator.exceptions import CdfRequestError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.cdf.options import RawOptions

#: Names in one request, read or created.
_NAMES = 1000


@dataclass(frozen=True, slots=True, order=True)
class Table:
    """A table by its names. Sorts by database, then table."""

    database: str
    name: str

    @property
    def path(self) -> str:
        return f"/raw/dbs/{quote(self.database, safe='')}/tables/{quote(self.name, safe='')}"

    def __str__(self) -> str:
        return f"{self.database}/{self.name}"


@dataclass(frozen=True, slots=True)
class Tables:
    """``tables``: those of the source that the run covers, in order. ``new``: those of them that the target does not have (or did
    not, before this run).
    """

    tables: list[Table]
    new: set[Table]


async def prepare(source: CdfClient, target: CdfClient, options: RawOptions) -> Tables:
    """Find the selected databases and tables, and create the databases without tables that the target lacks (not in a dry run).

    All others come into being with their first rows, or by :func:`create_table`.

    Raises ConfigurationError for a selection that raw cannot follow.
    """
    _check(options)
    databases, existing = await all_of([_databases(source), _databases(target)])
    wanted = [name for name in databases if _matches(name, options.databases)]
    tables = {name: await _selected_tables(source, name, options) for name in wanted}
    known = {name: set(await _tables(target, name)) for name in wanted if name in set(existing)}
    # A database none of whose tables is selected is not wanted either, unless it has none or was asked for itself.
    needed = [name for name in wanted if tables[name] or options.tables is None]
    new = {Table(name, table) for name in needed for table in tables[name] if table not in known.get(name, ())}
    bare = [name for name in needed if name not in known and not tables[name]]
    if bare and not options.dry_run:
        await _create_names(target, "/raw/dbs", bare)
    return Tables(sorted(Table(name, table) for name in needed for table in tables[name]), new)


async def selected_tables(source: CdfClient, options: RawOptions) -> list[Table]:
    """The tables of the source that a run covers, in order."""
    _check(options)
    wanted = [name for name in await _databases(source) if _matches(name, options.databases)]
    found = await all_of(_selected_tables(source, name, options) for name in wanted)
    return sorted(Table(name, table) for name, tables in zip(wanted, found, strict=True) for table in tables)


def _check(options: RawOptions) -> None:
    selection = options.selection
    for name in ("external_ids", "external_id_prefix", "data_set_external_ids", "asset_subtree_external_ids"):
        if getattr(selection, name) is not None:
            raise ConfigurationError(f"{name} says nothing about raw rows: choose with databases and tables")


def _matches(name: str, patterns: Iterable[str] | None) -> bool:
    return patterns is None or any(fnmatchcase(name, pattern) for pattern in patterns)


async def _selected_tables(source: CdfClient, database: str, options: RawOptions) -> list[str]:
    exclude = re.compile(options.selection.exclude_pattern) if options.selection.exclude_pattern else None
    return [
        name
        for name in await _tables(source, database)
        if (_matches(name, options.tables) or _matches(f"{database}/{name}", options.tables))
        and not (exclude and exclude.search(f"{database}/{name}"))
    ]


async def create_table(target: CdfClient, table: Table) -> None:
    """Create a table that has no rows, and its database if need be."""
    path = f"/raw/dbs/{quote(table.database, safe='')}/tables"
    await _create_names(target, path, [table.name], query="?ensureParent=true")


async def _create_names(target: CdfClient, path: str, names: Sequence[str], *, query: str = "") -> None:
    """Create them. Some may be there: a lost answer, or somebody else at the same time."""
    for start in range(0, len(names), _NAMES):
        items = [{"name": name} for name in names[start : start + _NAMES]]
        try:
            await target.post_json(path + query, {"items": items})
        except CdfRequestError:
            there = set(await _names(target, path))
            missing = [item for item in items if item["name"] not in there]
            if len(missing) == len(items):
                raise
            if missing:
                await target.post_json(path + query, {"items": missing})


async def _databases(client: CdfClient) -> list[str]:
    return await _names(client, "/raw/dbs")


async def _tables(client: CdfClient, database: str) -> list[str]:
    return await _names(client, f"/raw/dbs/{quote(database, safe='')}/tables")


async def _names(client: CdfClient, path: str) -> list[str]:
    found: list[str] = []
    cursor = None
    while True:
        answer = await client.get_json(path, params={"limit": _NAMES, "cursor": cursor})
        found += [item["name"] for item in answer["items"]]
        cursor = answer.get("nextCursor")
        if not cursor:
            return found
