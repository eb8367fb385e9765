# SPDX-License-Identifier: Apache-2.0
"""Which runs of a snapshot are alive, and what the dead ones left behind.

Two may run at once, and neither waits for the other: each writes into a folder of its own, and the manifest decides. While it runs, a
run renews a small object in its folder. A folder that no manifest names and that nobody has renewed for a while belongs to a run that
was killed. Ages are compared by the store's clock alone: that of the run's own object and that of the others.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airflow_provider_replicator.exceptions import ReplicatorError
from airflow_provider_replicator.lake.snapshots.manifest import MARKER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from airflow_provider_replicator.lake.objects import ObjectInfo, Objects
    from airflow_provider_replicator.lake.snapshots.manifest import Layout

#: Stores tell times in whole seconds.
_RESOLUTION = timedelta(seconds=1)
#: A sign of life is renewed so often within the time after which its absence means death.
_RENEWALS = 4


def new_run() -> str:
    """The name of a run: when it began, and something that no other run has."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


@dataclass(frozen=True, slots=True)
class Run:
    """This run of a snapshot: where it writes, and how it is seen by others."""

    objects: Objects
    layout: Layout
    name: str
    lease_seconds: float

    @property
    def marker(self) -> str:
        return self.layout.run_folder(self.name) + MARKER

    def renew(self) -> None:
        self.objects.put(self.marker, secrets.token_hex(8).encode())

    @asynccontextmanager
    async def alive(self) -> AsyncIterator[None]:
        """Seen as alive by other runs for the length of the block.

        A sign that cannot be written is tried again a moment later: whether others took this run for dead meanwhile, the manifest
        says in the end.
        """
        await asyncio.to_thread(self.renew)
        over = threading.Event()
        thread = threading.Thread(target=self._renew_until, args=(over,), name=f"snapshot {self.name}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            await asyncio.to_thread(thread.join)

    def _renew_until(self, over: threading.Event) -> None:
        while not over.wait(self.lease_seconds / _RENEWALS):
            with suppress(ReplicatorError):
                self.renew()

    async def dead(self, kept: set[str]) -> set[str]:
        """Runs that are over although no manifest names them. ``kept`` are those that one names.

        Waits, where somebody was heard of only just now, until it is heard of again or the lease is over.
        """
        first: dict[str, datetime] = {}
        while True:
            await asyncio.to_thread(self.renew)
            heard = last_heard(await asyncio.to_thread(self.listing), self.layout)
            now = heard.pop(self.name)
            unnamed = {run: when for run, when in heard.items() if run not in kept}
            for run, when in unnamed.items():
                first.setdefault(run, when)
            old = {run for run, when in unnamed.items() if now - when >= self._lease}
            alive = {run for run, when in unnamed.items() if when > first[run]}
            if not unnamed.keys() - old - alive:
                return old
            await asyncio.sleep(min(1.0, self.lease_seconds / _RENEWALS))

    @property
    def _lease(self) -> timedelta:
        return timedelta(seconds=self.lease_seconds) + _RESOLUTION

    def listing(self) -> list[ObjectInfo]:
        """Everything of this snapshot."""
        return list(self.objects.list(f"{self.layout.folder}/"))


def run_of(key: str, layout: Layout) -> str | None:
    """The run to whose folder an object belongs."""
    return key.removeprefix(layout.versions).partition("/")[0] if key.startswith(layout.versions) else None


def last_heard(listing: Sequence[ObjectInfo], layout: Layout) -> dict[str, datetime]:
    """run -> when something was last written to its folder."""
    heard: dict[str, datetime] = {}
    for found in listing:
        run = run_of(found.key, layout)
        if run is not None:
            heard[run] = max(heard.get(run, found.modified), found.modified)
    return heard
