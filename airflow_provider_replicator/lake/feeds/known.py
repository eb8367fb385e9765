# SPDX-License-Identifier: Apache-2.0
"""Which tables of a lake follow a feed, by their paths."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_replicator.lake.documents import schema as documents
from airflow_provider_replicator.lake.instances import schema as instances

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_provider_replicator.lake.feeds.layout import FeedLayout

#: First part of a path -> the layout of a current-state table there.
_LAYOUTS: Mapping[str, Callable[[str], FeedLayout | None]] = {
    "instances": instances.layout_at,
    "documents": documents.layout_at,
}


def layout_at(table_path: str) -> FeedLayout | None:
    """The layout, if that is the path of a current-state table whose changes may wait beside it."""
    found = _LAYOUTS.get(table_path.partition("/")[0])
    return found(table_path) if found is not None else None


def belongs_to_another(table_path: str) -> bool:
    """Whether it is a part of such a table: changes that wait, a resync on its way."""
    return table_path.partition("/")[0] in _LAYOUTS and layout_at(table_path) is None
