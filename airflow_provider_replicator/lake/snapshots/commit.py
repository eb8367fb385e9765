# SPDX-License-Identifier: Apache-2.0
"""The end of a run: stable copies, then the manifest, on condition that nobody else replaced it; then what is no longer needed goes.

* Killed before the manifest is replaced: the old manifest and its files are as they were. Some stable copies may be new; the next run
  replaces all of them.
* Killed after: the new snapshot is published; what is left over is removed by the next run.
* Another run replaced the manifest meanwhile: if it published a newer version of some table, this run gives up
  (``LakeConflictError``) and makes the stable copies those of the manifest; else it goes on after it.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_replicator.exceptions import LakeConflictError, LakeError, ReplicatorError
from airflow_provider_replicator.lake.snapshots.manifest import MARKER, Manifest
from airflow_provider_replicator.lake.snapshots.running import run_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from airflow_provider_replicator.lake.objects import Objects
    from airflow_provider_replicator.lake.snapshots.manifest import Layout, PublishedFile
    from airflow_provider_replicator.lake.snapshots.running import Run

T = TypeVar("T")

#: How often a run that was overtaken looks again whether the stable copies are those of the manifest.
_SETTLE_TRIES = 10
_COPIES_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Seen:
    """A manifest as it was read, with what is needed to replace just that one; both None where there is none."""

    manifest: Manifest | None
    tag: str | None

    @property
    def run(self) -> str | None:
        return self.manifest.run if self.manifest else None


def read_manifest(objects: Objects, layout: Layout) -> Seen:
    """Blocking."""
    found = objects.get_tagged(layout.manifest)
    return Seen(None, None) if found is None else Seen(Manifest.from_bytes(found[0], layout.manifest), found[1])


@dataclass(slots=True)
class Commit:
    """Publishes a manifest after what was ``seen`` when the run began. ``unknown``: the manifest may be that of this run."""

    run: Run
    seen: Seen
    keep: int
    unknown: bool = field(default=False, init=False)
    _touched: bool = field(default=False, init=False)

    async def publish(self, manifest: Manifest) -> Manifest:
        """Returns the manifest as it was written. Raises LakeConflictError if a run that overtook this one has published."""
        try:
            dead: set[str] | None = None
            while True:
                current = await asyncio.to_thread(read_manifest, self.run.objects, self.run.layout)
                self._check_not_overtaken(manifest, current)
                if dead is None:
                    dead = await self.run.dead(current.manifest.kept if current.manifest else set())
                self._touched = True
                await _to_its_end(self._copy_stable, manifest.files)
                complete = self._complete(manifest, current.manifest, dead)
                self.unknown = True  # unless it returns: an error may come after the store has done it
                if await _to_its_end(self._replace, complete, current.tag):
                    return complete
                self.unknown = False
        except BaseException:
            if self._touched and not self.unknown:
                await asyncio.to_thread(self._settle, manifest)
            raise

    def _check_not_overtaken(self, ours: Manifest, current: Seen) -> None:
        if current.manifest is None or current.run == self.seen.run:
            return
        self._check_not_condemned(current)
        newer = [name for name, table in ours.tables.items() if _is_newer(current.manifest, name, table.version)]
        if newer:
            raise LakeConflictError(
                f"snapshot {ours.snapshot}: run {current.run} has meanwhile published a newer version of {', '.join(newer[:5])}; "
                "nothing of this run was published"
            )

    def check_not_condemned(self) -> None:
        """Raises LakeConflictError if another run has taken this one for dead and removed its files."""
        self._check_not_condemned(read_manifest(self.run.objects, self.run.layout))

    def _check_not_condemned(self, current: Seen) -> None:
        if current.manifest is not None and self.run.name in current.manifest.condemned:
            raise LakeConflictError(
                f"snapshot {current.manifest.snapshot}: run {current.run} took this one for dead, since nothing was "
                "heard of it for too long; a retry publishes anew"
            )

    def _copy_stable(self, files: Iterable[PublishedFile]) -> None:
        """All of them are tried, a few at a time; the first error is raised when the last copy is over."""
        with ThreadPoolExecutor(_COPIES_AT_ONCE) as threads:
            copies = [threads.submit(self.run.objects.copy, file.versioned_key, file.key) for file in files]
        for copy in copies:
            copy.result()

    def _complete(self, ours: Manifest, before: Manifest | None, dead: set[str]) -> Manifest:
        """With what has to be known about earlier runs."""
        if before is None:
            return replace(ours, condemned=tuple(sorted(dead)))
        earlier = [run for run in (before.run, *before.history) if run != ours.run]
        history, expired = earlier[: self.keep], earlier[self.keep :]
        condemned = (dead | set(expired) | set(before.condemned)) - {ours.run, *history}
        named = {file.key for file in ours.files}
        retired = ({file.key for file in before.files} | set(before.retired)) - named
        return replace(ours, history=tuple(history), condemned=tuple(sorted(condemned)), retired=tuple(sorted(retired)))

    def _replace(self, manifest: Manifest, tag: str | None) -> bool:
        objects, key, data = self.run.objects, self.run.layout.manifest, manifest.to_bytes()
        return objects.put_if_absent(key, data) if tag is None else objects.put_if_same(key, data, tag)

    def _settle(self, ours: Manifest) -> None:
        """Make the stable copies those of the manifest that counts, whoever else is publishing. The error that led here is raised
        in any case, so another one on the way is left to the next run, which replaces all of them.
        """
        with suppress(ReplicatorError):
            for _ in range(_SETTLE_TRIES):
                current = read_manifest(self.run.objects, self.run.layout)
                named = current.manifest.files if current.manifest else []
                with suppress(LakeError):  # removed, because there is a newer manifest by now
                    self._copy_stable(named)
                self.run.objects.delete({file.key for file in ours.files} - {file.key for file in named})
                if read_manifest(self.run.objects, self.run.layout).tag == current.tag:
                    return

    def tidy(self, manifest: Manifest) -> int:
        """Remove what ``manifest``, which this run has published, says is no longer needed; returns how many objects.

        Removed are folders of condemned runs, signs of life of runs that are over, and stable copies that the manifest does not name,
        unless another run, which may name them, is on its way.
        """
        objects, listing = self.run.objects, self.run.listing()
        current = read_manifest(objects, self.run.layout)
        objects.delete([self.run.marker])
        if current.run != manifest.run:
            return 0  # the run that came after does it
        keys = {found.key for found in listing}
        self._copy_stable(
            file for file in manifest.files if file.key not in keys
        )  # taken away by a run that was overtaken
        doomed = _doomed(keys - {self.run.marker}, manifest, self.run.layout)
        objects.delete(doomed)
        for run in {run_of(key, self.run.layout) for key in doomed} & set(manifest.condemned):
            objects.abandon_uploads(self.run.layout.run_folder(str(run)))  # killed while it sent a file
        return len(doomed)


async def _to_its_end(function: Callable[..., T], *arguments: Any) -> T:
    """In a thread, and whoever cancels this waits for the thread: what it does must not happen later."""
    task = asyncio.ensure_future(asyncio.to_thread(function, *arguments))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


def _doomed(keys: set[str], manifest: Manifest, layout: Layout) -> list[str]:
    """What may go of the ``keys`` that there are."""
    named = {file.key for file in manifest.files} | {layout.manifest}
    by_run = {key: run_of(key, layout) for key in keys}
    others = {run for run in by_run.values() if run} - manifest.kept - set(manifest.condemned)
    return sorted(
        key
        for key, run in by_run.items()
        if (run is None and key not in named and (not others or key in manifest.retired))
        or run in manifest.condemned
        or (run in manifest.kept and key.endswith(f"/{MARKER}"))
    )


def _is_newer(manifest: Manifest, name: str, version: int) -> bool:
    table = manifest.tables.get(name)
    return table is not None and table.version > version
