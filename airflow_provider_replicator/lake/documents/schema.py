# SPDX-License-Identifier: Apache-2.0
"""The tables of a database: where they are, and their columns. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_replicator.lake.columns import Column, TableSchema, column_names, portable
from airflow_provider_replicator.lake.feeds.layout import BATCH, ORDER, RESCUED, FeedLayout
from airflow_provider_replicator.lake.location import path_part

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_replicator.lake.documents.declared import Declared

#: What identifies a document within its table.
KEY = ("_id",)
#: Of the changes table: whether the row goes.
REMOVED = "_removed"
#: The whole document, as JSON.
DOCUMENT = "document"
SYSTEM = (
    Column(name="_id", kind="text", nullable=False),
    Column(name="_rev", kind="text", nullable=False),
    Column(name="_deleted", kind="boolean", nullable=False),
    Column(name=DOCUMENT, kind="json"),
)
_ROOT = "documents"
#: Below the root, where no database can be: their names begin with a letter, or are one of a few that the server has.
_BESIDE = ("_changes", "_resync")


def layout_of(name: str) -> FeedLayout:
    """The tables of a database, or of whatever else its table is called."""
    return _layout(path_part(name))


def layout_at(path: str) -> FeedLayout | None:
    """The same, if there may be such a table at ``path``."""
    root, _, part = path.partition("/")
    return _layout(part) if root == _ROOT and part and "/" not in part and part not in _BESIDE else None


def _layout(part: str) -> FeedLayout:
    changes, resync = (f"{_ROOT}/{folder}/{part}" for folder in _BESIDE)
    return FeedLayout(
        path=f"{_ROOT}/{part}",
        changes_path=changes,
        resync_path=resync,
        key=KEY,
        deleted=Column(name=REMOVED, kind="boolean"),
        plain=("_id", "_rev", DOCUMENT),
    )


def current_schema(
    declared: Sequence[Declared], known: Mapping[str, str] | None = None, *, rescue: bool = False
) -> TableSchema:
    """The columns of the current-state table. ``known``: declared name -> column, as the table that exists calls them."""
    # Delta tells no Name from name, and the package's own columns come first.
    ours = [*(column.name for column in SYSTEM), REMOVED, BATCH, ORDER, RESCUED]
    theirs = {name: column for name, column in (known or {}).items() if column not in ours}
    names = column_names(
        (one.name for one in declared), {**theirs, **{f"\0{name}": name for name in ours}}, spelled=portable
    )
    columns = tuple(one.column(names[one.name]) for one in declared)
    rescued = (Column(name=RESCUED, kind="json"),) if rescue else ()
    return TableSchema(columns=(*SYSTEM, *columns, *rescued), key=KEY)
