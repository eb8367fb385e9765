# SPDX-License-Identifier: Apache-2.0
"""What the reader of datapoints writes to when the target is a table."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from airflow_provider_replicator.cdf.protobuf.columns import decode
from airflow_provider_replicator.lake.datapoints.rows import chunks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_provider_replicator.cdf.datapoints.write import Piece
    from airflow_provider_replicator.core.report import Report
    from airflow_provider_replicator.lake.datapoints.layout import Folder, Layout
    from airflow_provider_replicator.lake.datapoints.rows import Chunk
    from airflow_provider_replicator.lake.datapoints.spool import Spool


class TableSink:
    """Pieces are decoded in threads, and wait while the spool is full: that is what holds the readers back."""

    def __init__(self, layout: Layout, spool: Spool, report: Report) -> None:
        self._layout = layout
        self._spool = spool
        self._report = report

    async def write(self, pieces: Sequence[Piece]) -> None:
        rows = await asyncio.to_thread(self._rows, pieces)
        await self._spool.add(rows)
        self._report.written = self._spool.rows

    async def add(self, pieces: Sequence[Piece], done: Callable[[], None]) -> None:
        await self.write(pieces)
        done()

    async def flush(self) -> None:
        """The spool knows itself when to write."""

    def _rows(self, pieces: Sequence[Piece]) -> list[tuple[Folder, Chunk]]:
        found: list[tuple[Folder, Chunk]] = []
        for piece in pieces:
            points = decode(piece.payload, piece.series.kind)
            found += chunks(self._layout, self._layout.named(piece.series), points, len(piece.payload))
        return found
