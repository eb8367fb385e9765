# SPDX-License-Identifier: Apache-2.0
"""Publish a snapshot: flat files of several tables at one moment, under one manifest.

The order of effects: one file per table is written under a key of this run; when all of them are there, they are copied to the stable
keys; then the manifest is replaced, in one put; then what is no longer needed is removed. An error before the manifest leaves the
previous snapshot as it was. See :mod:`.manifest` for the keys and :mod:`.commit` for what holds after a crash.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.core.report import Report
from airflow_provider_replicator.exceptions import ConfigurationError, LakeError, ReplicatorError
from airflow_provider_replicator.lake.snapshots.commit import Commit, read_manifest
from airflow_provider_replicator.lake.snapshots.files import Files
from airflow_provider_replicator.lake.snapshots.manifest import Layout, Manifest
from airflow_provider_replicator.lake.snapshots.names import checked_name, resolve
from airflow_provider_replicator.lake.snapshots.options import SnapshotOptions
from airflow_provider_replicator.lake.snapshots.pins import pinned
from airflow_provider_replicator.lake.snapshots.running import Run, new_run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_replicator.core.progress import Progress
    from airflow_provider_replicator.lake.location import Lake
    from airflow_provider_replicator.lake.snapshots.commit import Seen
    from airflow_provider_replicator.lake.snapshots.manifest import PublishedTable
    from airflow_provider_replicator.lake.snapshots.names import Tables
    from airflow_provider_replicator.lake.snapshots.pins import Pin

#: Tables that are opened at a time when the moment of the snapshot is taken.
_PINS_AT_ONCE = 8
#: Tables whose logs stay in memory from then until they are read. The others are opened again: a lake has any number of them.
_KEPT_OPEN = 8
#: How often, at most.
_LOOKS = 4


@dataclass(slots=True)
class SnapshotReport(Report):
    """``read`` and ``written`` are rows, ``bytes`` those of the files. ``unchanged`` counts tables that were copied from the last
    snapshot, ``deleted`` objects that were no longer needed. ``tables``: path, name, rows, bytes and Delta version of each.
    ``manifest`` is its key.
    """

    snapshot: str = ""
    run: str = ""
    manifest: str = ""

    def as_dict(self) -> dict[str, Any]:
        own = {"snapshot": self.snapshot, "run": self.run, "manifest": self.manifest, "table_count": len(self.tables)}
        return Report.as_dict(self) | own


async def publish(
    *,
    lake: Lake,
    name: str,
    tables: Tables,
    options: SnapshotOptions | None = None,
    progress: Progress | None = None,
) -> SnapshotReport:
    """Publish ``tables`` (paths, wildcards, or {path: name of the file}) as snapshot ``name``, all of them as they are now.

    Raises ConfigurationError for a table that does not exist, LakeConflictError if a run that began later has published meanwhile. Any
    error leaves the previous snapshot, its stable copies too, as it was.
    """
    options = options or SnapshotOptions()
    layout = Layout(checked_name("the snapshot's name,", name))
    if "hyper" in options.formats:
        from airflow_provider_replicator.lake.snapshots.hyper import check_installed

        check_installed()
    objects = await asyncio.to_thread(lake.objects)
    found = await asyncio.to_thread(resolve, objects, tables, missing_ok=options.missing_ok)
    seen = await asyncio.to_thread(read_manifest, objects, layout)
    pins = await _pins(lake, found, options)
    _check_none_vanished({path.strip("/") for path in tables}, pins, seen)
    report = SnapshotReport(
        resource="snapshot", source=lake.root, target=lake.uri(layout.folder), mode="full", snapshot=name
    )
    run = Run(objects, layout, new_run(), options.lease_seconds)
    commit = Commit(run, seen, options.keep_versions)
    try:
        async with run.alive():
            with tempfile.TemporaryDirectory(
                prefix="snapshot-", dir=options.temporary_folder, ignore_cleanup_errors=True
            ) as folder:
                files = Files(lake=lake, run=run, folder=Path(folder), before=seen.manifest, options=options)
                published = await files.publish(pins, report, progress)
            manifest = await commit.publish(_manifest(lake, run, published))
    except BaseException as error:
        if not commit.unknown:  # nobody names these files: away with them
            await asyncio.to_thread(_discard, run)
        if isinstance(error, LakeError):  # a file that is gone, perhaps because somebody took this run for dead
            await asyncio.to_thread(commit.check_not_condemned)
        raise
    report.deleted = await asyncio.to_thread(commit.tidy, manifest)
    return _finished(report, manifest)


async def _pins(lake: Lake, found: Mapping[str, str], options: SnapshotOptions) -> list[Pin]:
    """The versions of one moment: looked at again until nothing has changed since the look before, so that all of them were the
    newest at the same time. Tables that are written to all the time are taken as the last look found them.
    """
    pins = await _look(lake, found, options)
    for _ in range(_LOOKS - 1 if len(pins) > 1 else 0):
        before, pins = pins, await _look(lake, found, options)
        if pins == before:
            break
    return pins


async def _look(lake: Lake, found: Mapping[str, str], options: SnapshotOptions) -> list[Pin]:
    few = asyncio.Semaphore(_PINS_AT_ONCE)

    async def one(number: int, path: str, name: str) -> Pin | None:
        async with few:
            pin = await asyncio.to_thread(pinned, lake, path, name)
        return pin if pin is None or number < _KEPT_OPEN else pin.closed()

    looks = [one(number, path, name) for number, (path, name) in enumerate(found.items())]
    pins = dict(zip(found, await asyncio.gather(*looks), strict=True))
    missing = [path for path, pin in pins.items() if pin is None]
    if missing and not options.missing_ok:
        raise ConfigurationError(
            f"there is no table {', '.join(missing[:5])} below {lake.root}: run the task that replicates it first, or set "
            "missing_ok=True to publish without it"
        )
    return [pin for pin in pins.values() if pin is not None]


def _check_none_vanished(written_out: set[str], pins: list[Pin], seen: Seen) -> None:
    """``missing_ok`` is for tables that are not there yet. One that was published before and is gone takes no good file with it, if
    its path is written out; a wildcard means whatever is there.
    """
    published = {table.source for table in seen.manifest.tables.values()} if seen.manifest else set()
    vanished = sorted(published & written_out - {pin.path for pin in pins})
    if vanished:
        raise ConfigurationError(
            f"{', '.join(vanished[:5])}: in the last snapshot, and now there is no such table. The snapshot stays as it was; if "
            "they are meant to be gone, take them out of tables"
        )


def _manifest(lake: Lake, run: Run, tables: list[PublishedTable]) -> Manifest:
    return Manifest(
        snapshot=run.layout.name,
        run=run.name,
        created=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        root=lake.root,
        tables={table.name: table for table in tables},
    )


def _discard(run: Run) -> None:
    with suppress(ReplicatorError):  # the error that led here is raised; the next run removes what is left
        folder = run.layout.run_folder(run.name)
        run.objects.delete([found.key for found in run.objects.list(folder)])


def _finished(report: SnapshotReport, manifest: Manifest) -> SnapshotReport:
    report.run, report.manifest = manifest.run, Layout(manifest.snapshot).manifest
    for table in manifest.tables.values():
        size = sum(file.bytes for file in table.files.values())
        report.tables.append(
            {"table": table.source, "name": table.name, "rows": table.rows, "bytes": size, "version": table.version}
        )
    report.seconds = time.monotonic() - report.started
    return report
