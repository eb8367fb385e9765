# SPDX-License-Identifier: Apache-2.0
"""The files of a run: made one table after the other, and sent to the lake as they grow."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, BinaryIO, cast

from airflow_provider_replicator.cdf.together import together
from airflow_provider_replicator.lake.snapshots.growing import GrowingFile
from airflow_provider_replicator.lake.snapshots.manifest import PublishedFile, PublishedTable
from airflow_provider_replicator.lake.snapshots.parquet import FlatFile, write_flat

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from airflow_provider_replicator.core.progress import Progress
    from airflow_provider_replicator.core.report import Report
    from airflow_provider_replicator.lake.location import Lake
    from airflow_provider_replicator.lake.snapshots.manifest import Manifest
    from airflow_provider_replicator.lake.snapshots.options import SnapshotOptions
    from airflow_provider_replicator.lake.snapshots.pins import Pin
    from airflow_provider_replicator.lake.snapshots.running import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Makes the files of one run. ``before`` is the last snapshot; ``folder`` is local, and holds the files of one table at a time."""

    lake: Lake
    run: Run
    folder: Path
    before: Manifest | None
    options: SnapshotOptions

    async def publish(
        self, pins: Sequence[Pin], report: Report, progress: Progress | None = None
    ) -> list[PublishedTable]:
        """The files of all tables, under the keys of this run; the result is in the order of ``pins``."""
        tables = []
        for number, pin in enumerate(pins):
            same = self._unchanged(pin)
            if same is not None:
                tables.append(await asyncio.to_thread(self._copied, pin, same))
                report.unchanged += 1
            else:
                tables.append(await self._made(pin, number))
                report.read += tables[-1].rows
            report.written += tables[-1].rows
            report.bytes += sum(file.bytes for file in tables[-1].files.values())
            if progress:
                progress.update(report, what=f"snapshot, {number + 1} of {len(pins)} tables")
        return tables

    def _unchanged(self, pin: Pin) -> PublishedTable | None:
        """The table in the last snapshot, if it would come out the same."""
        table = self.before.tables.get(pin.name) if self.before and self.options.reuse_unchanged else None
        if table is None:
            return None
        then = (table.source, table.table_id, table.version, table.changes_version, table.names, set(table.files))
        now = (pin.path, pin.table_id, pin.version, pin.changes_version, self.options.names, set(self.options.formats))
        return table if then == now else None

    def _copied(self, pin: Pin, same: PublishedTable) -> PublishedTable:
        """Within the lake."""
        files = {}
        for form, file in same.files.items():
            key = self.run.layout.versioned(self.run.name, pin.name, form)
            self.run.objects.copy(file.versioned_key, key)
            files[form] = replace(file, versioned_key=key)
        return replace(same, files=files)

    async def _made(self, pin: Pin, number: int) -> PublishedTable:
        """Local names are numbers: those of tables may be longer than a file system likes."""
        local = self.folder / f"{number}.parquet"
        flat, parquet = await self._sent_while_written(pin, local)
        files = {"parquet": parquet}
        if "hyper" in self.options.formats:
            files["hyper"] = await asyncio.to_thread(self._hyper, pin, flat)
        local.unlink()
        return PublishedTable(
            name=pin.name,
            source=pin.path,
            table_id=pin.table_id,
            version=pin.version,
            changes_version=pin.changes_version,
            names=self.options.names,
            rows=flat.rows,
            columns=tuple(column.as_json() for column in flat.columns),
            files=files,
        )

    async def _sent_while_written(self, pin: Pin, local: Path) -> tuple[FlatFile, PublishedFile]:
        growing = GrowingFile(local)

        def write() -> FlatFile:
            try:
                flat = write_flat(self.lake, pin, local, names=self.options.names)
                growing.finish()
            finally:
                growing.abandon()
            return flat

        try:
            async with together() as group:
                writing = group.create_task(asyncio.to_thread(write))
                sending = group.create_task(asyncio.to_thread(self._send, pin, "parquet", growing))
        except BaseException:
            growing.abandon()
            if writing.done() and not writing.cancelled() and writing.exception():
                raise writing.exception() from None  # type: ignore[misc]
            raise
        return writing.result(), sending.result()

    def _send(self, pin: Pin, form: str, growing: GrowingFile) -> PublishedFile:
        key = self.run.layout.versioned(self.run.name, pin.name, form)
        with growing:
            self.run.objects.upload(key, cast("BinaryIO", growing), whole=growing.path)
        return PublishedFile(
            key=self.run.layout.stable(pin.name, form),
            versioned_key=key,
            bytes=growing.bytes,
            sha256=growing.sha256,
        )

    def _hyper(self, pin: Pin, flat: FlatFile) -> PublishedFile:
        from airflow_provider_replicator.lake.snapshots.hyper import write_hyper

        made = write_hyper(flat.file, flat.file.with_suffix(".hyper"), rows=flat.rows)
        whole = GrowingFile(made)
        whole.finish()
        sent = self._send(pin, "hyper", whole)
        made.unlink()
        return sent
