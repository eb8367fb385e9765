# SPDX-License-Identifier: Apache-2.0
"""Where the tables of a feed are, and what tells their rows apart. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_replicator.lake.columns import Column

if TYPE_CHECKING:
    from airflow_provider_replicator.lake.columns import TableSchema

#: The batch (of the stream) that a row of the changes table came with, and its place therein.
BATCH = "_batch"
ORDER = "_order"
#: Values that did not fit their columns, as a JSON object by property.
RESCUED = "_rescued"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedLayout:
    """``path`` is the current-state table, ``changes_path`` what waits to be merged into it, ``resync_path`` the folder of tables that
    a resync fills. ``key``: columns that no two rows of the current state share. ``deleted``: the column of the changes table that is
    null where a row lives on. ``plain``: columns for which a dictionary is wasted work.
    """

    path: str
    changes_path: str
    resync_path: str
    key: tuple[str, ...]
    deleted: Column
    plain: tuple[str, ...] = ()

    def changes_schema(self, current: TableSchema) -> TableSchema:
        """The columns of the changes table: those of the current one, and which change it was."""
        return current.with_columns(self.deleted, Column(name=BATCH, kind="int64"), Column(name=ORDER, kind="int32"))
