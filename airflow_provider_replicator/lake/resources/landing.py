# SPDX-License-Identifier: Apache-2.0
"""One table in one run: where it is, what its rows look like, which of them may go, and what is counted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.exceptions import DeleteGuardError
from airflow_provider_replicator.lake.resources.declared import Document
from airflow_provider_replicator.lake.resources.decode import Decoder
from airflow_provider_replicator.lake.table import Table

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

    from airflow_provider_replicator.core.dead_letters import DeadLetters
    from airflow_provider_replicator.core.progress import Progress
    from airflow_provider_replicator.core.report import Report
    from airflow_provider_replicator.lake.location import Lake
    from airflow_provider_replicator.lake.resources.declared import Layout
    from airflow_provider_replicator.lake.resources.options import LandingOptions
    from airflow_provider_replicator.lake.resources.pipe import Pipe

#: Pages on their way from the reader to the writer.
ROOM = 8

Put = Callable[[Sequence[Document]], Awaitable[None]]
#: Reads the source to its end, page by page.
Read = Callable[[Put], Awaitable[None]]
#: Those of the objects with these keys that the source still has.
StillThere = Callable[[Sequence[Any]], Awaitable[Sequence[Document]]]
#: Which rows of a batch (of key, externalId, dataSetId) a selection covers.
Covers = Callable[["pa.RecordBatch"], Any]


@dataclass(slots=True)
class Landing:
    """One table in one run."""

    lake: Lake
    layout: Layout
    options: LandingOptions
    report: Report
    letters: DeadLetters
    progress: Progress | None = None

    @property
    def table(self) -> Table:
        return Table(self.lake, self.layout.path)

    def prepare(self) -> DeltaTable | None:
        """The table, created or given new columns; in a dry run as it is."""
        if self.options.dry_run:
            return self.table.open()
        return self.table.prepare(self.layout.schema, on_change=self.options.on_schema_change)

    def decoder(self) -> Decoder:
        return Decoder(self.layout, self.report, self.letters, self.options.on_misfit)

    def wrote(self, *, created: int, updated: int, deleted: int, written: int) -> None:
        """Count what was committed."""
        self.report.created += created
        self.report.updated += updated
        if self.options.dry_run:
            self.report.deleted += deleted
            return
        handle = self.table.open()
        version = None if handle is None else handle.version()
        self.report.wrote(self.layout.path, written=written, deleted=deleted, version=version)

    def guard(self, *, there: int, gone: int, read: int) -> None:
        """Raises DeleteGuardError if so many rows may not go."""
        if not gone:
            return
        path = self.layout.path
        if not read:
            raise DeleteGuardError(
                f"{path}: the source {self.report.source} listed nothing, and {gone} of {there} rows would be deleted; nothing was "
                "changed. If the source is really empty, remove the table"
            )
        if gone > self.options.max_delete_fraction * there:
            raise DeleteGuardError(
                f"{path}: {gone} of {there} rows would be deleted, more than max_delete_fraction="
                f"{self.options.max_delete_fraction} allows; nothing was deleted. Look with dry_run=True, or raise the fraction"
            )

    def tick(self) -> None:
        if self.progress is not None:
            self.progress.update(self.report)


class Counted:
    """Hands pages to a pipe, and counts them."""

    def __init__(self, landing: Landing, pipe: Pipe) -> None:
        self.read = 0
        self._landing = landing
        self._pipe = pipe

    async def put(self, page: Sequence[Document]) -> None:
        if page:
            self.read += len(page)
            self._landing.report.read += len(page)
            await self._pipe.put(page)
            self._landing.tick()
