# SPDX-License-Identifier: Apache-2.0
"""The tables of a database: where they are, and their columns. Pure."""

from __future__ import annotations

from airflow_provider_replicator.lake.columns import Column
from airflow_provider_replicator.lake.feeds.layout import FeedLayout
from airflow_provider_replicator.lake.location import path_part

#: What identifies a document within its table.
KEY = ("_id",)
_REMOVED = Column(name="_removed", kind="boolean")
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
        deleted=_REMOVED,
        plain=("_id", "_rev", "document"),
    )
