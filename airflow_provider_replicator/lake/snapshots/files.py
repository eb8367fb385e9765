# SPDX-License-Identifier: Apache-2.0
"""The files of a run: made one table after the other, sent to the lake while the next is made."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from airflow_provider_replicator.cdf.together import together
from airflow_provider_replicator.lake.snapshots.manifest import PublishedFile, PublishedTable
from airflow_provider_replicator.lake.snapshots.parquet import FlatFile, sha256, write_flat

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
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
    """Makes the files of one run. ``before`` is the last snapshot; ``folder`` is local, and holds the files of two tables at most."""

    lake: Lake
    run: Run
    folder: Path
    before: Manifest | None
    options: SnapshotOptions

    async def publish(
        self, pins: Sequence[Pin], report: Report, progress: Progress | None = None
    ) -> list[PublishedTable]:
        """The files of all tables, under the keys of this run; the result is in the order of ``pins``."""
        sending: list[asyncio.Task[PublishedTable]] = []
        async with together() as group:
            for number, pin in enumerate(pins):
                same = self._unchanged(pin)
                if same is not None:
                    sending.append(group.create_task(asyncio.to_thread(self._copy, pin, same)))
                    report.unchanged += 1
                    continue
                made = await asyncio.to_thread(self._make, pin, number)
                if sending:
                    await asyncio.wait(sending)
                sending.append(group.create_task(asyncio.to_thread(self._send, pin, made)))
                report.read += next(iter(made.values())).rows
                if progress:
                    progress.update(report, what=f"snapshot, table {number + 1} of {len(pins)}")
        tables = [task.result() for task in sending]
        report.written = sum(table.rows for table in tables)
        report.bytes = sum(file.bytes for table in tables for file in table.files.values())
        return tables

    def _unchanged(self, pin: Pin) -> PublishedTable | None:
        """The table in the last snapshot, if it would come out the same."""
        table = self.before.tables.get(pin.name) if self.before and self.options.reuse_unchanged else None
        if table is None:
            return None
        then = (table.source, table.table_id, table.version, table.changes_version, table.names, set(table.files))
        now = (pin.path, pin.table_id, pin.version, pin.changes_version, self.options.names, set(self.options.formats))
        return table if then == now else None

    def _copy(self, pin: Pin, same: PublishedTable) -> PublishedTable:
        """Within the lake."""
        files = {}
        for form, file in same.files.items():
            key = self.run.layout.versioned(self.run.name, pin.name, form)
            self.run.objects.copy(file.versioned_key, key)
            files[form] = replace(file, versioned_key=key)
        return replace(same, files=files)

    def _make(self, pin: Pin, number: int) -> Mapping[str, FlatFile]:
        """form -> file. Numbered, because names may be longer than a file system likes."""
        flat = write_flat(self.lake, pin, self.folder / f"{number}.parquet", names=self.options.names)
        made = {"parquet": flat}
        if "hyper" in self.options.formats:
            from airflow_provider_replicator.lake.snapshots.hyper import write_hyper

            made["hyper"] = replace(flat, file=write_hyper(flat.file, flat.file.with_suffix(".hyper"), rows=flat.rows))
        return made

    def _send(self, pin: Pin, made: Mapping[str, FlatFile]) -> PublishedTable:
        files = {}
        for form, flat in made.items():
            key = self.run.layout.versioned(self.run.name, pin.name, form)
            size, digest = flat.file.stat().st_size, sha256(flat.file)
            self.run.objects.upload(key, flat.file)
            flat.file.unlink()
            files[form] = PublishedFile(
                key=self.run.layout.stable(pin.name, form), versioned_key=key, bytes=size, sha256=digest
            )
        flat = made["parquet"]
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
