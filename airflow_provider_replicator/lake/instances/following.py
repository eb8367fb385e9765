# SPDX-License-Identifier: Apache-2.0
"""Following the changes of instances: pages of CDF's sync."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from airflow_provider_replicator.lake.feeds.following import Following, Step

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from airflow_provider_replicator.lake.feeds.counting import FeedCounts
    from airflow_provider_replicator.lake.feeds.tables import FeedTables
    from airflow_provider_replicator.lake.instances.asking import Asking
    from airflow_provider_replicator.lake.instances.schema import InstanceSource

_LOG = logging.getLogger(__name__)
#: CDF forgets cursors after three days.
_OLD_DAYS = 2


class InstancesFollowing(Following):
    """Until the first page with a change from ``stop_ms`` (the server's clock) or later, or until there is no more."""

    def __init__(
        self, asking: Asking, source: InstanceSource, tables: FeedTables, counts: FeedCounts, *, stop_ms: int
    ) -> None:
        super().__init__(tables, counts)
        self._asking = asking
        self._source = source
        self._stop_ms = stop_ms

    async def _check(self) -> None:
        """CDF refuses a cursor that is not good any more."""

    def _found(self, age_seconds: float) -> None:
        days = age_seconds / 86_400
        if days > _OLD_DAYS:
            _LOG.warning(
                "%s: its cursor is %.1f days old, and CDF forgets cursors after three: run this more often",
                self._source.path,
                days,
            )

    async def _steps(self, cursor: str) -> AsyncGenerator[Step, None]:
        short = 0
        while True:
            page, full = await self._asking.changes_page(cursor)
            rows = await self._asking.rows(page)
            if self._source.wider is not None and len(rows):
                rows = rows.only(await self._asking.members(rows.keys()))
            self._asking.sync_size.fine()
            # A page that is not full may be the last of a backfill; two in a row are not.
            short = 0 if full else short + 1
            last = not page.count or short > 1 or rows.changed_ms >= self._stop_ms
            cursor = page.cursor or cursor
            yield Step(cursor, rows, last)
            if last:
                return
