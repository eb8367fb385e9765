# SPDX-License-Identifier: Apache-2.0
"""Assets that older tools copied without an external id: they get theirs before anything is hung up by it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_replicator.cdf.objects.flow import Flow
    from airflow_provider_replicator.cdf.objects.verdicts import Update

Document = dict[str, Any]
_BATCH = 1000


class Nameless:
    """Collects them while the source is read; roots need not wait and are none of them. ``named``: ids in the target of those
    that have their name now.
    """

    def __init__(self, flow: Flow) -> None:
        self._writer = flow.writer
        self._names: dict[int, str] = {}
        self.named: set[int] = set()

    def add(self, moves: Sequence[Update]) -> None:
        """Without a name, its parent has no name either: such a copy seems to hang in the wrong place."""
        for body, _ in moves:
            if name := body["update"].get("externalId"):
                self._names[body["id"]] = name["set"]

    async def write(self) -> None:
        """Only the names. After a crash the next run finds the copies by them."""
        names, self._names = self._names, {}
        if self._writer.dry_run:
            return
        bodies = [{"id": copy, "update": {"externalId": {"set": name}}} for copy, name in names.items()]
        for start in range(0, len(bodies), _BATCH):
            await self._write(bodies[start : start + _BATCH])

    async def _write(self, bodies: list[Document]) -> None:
        error = await self._writer.try_update([(body, ("", {}, {})) for body in bodies])
        if error is None:
            self.named.update(body["id"] for body in bodies)
        elif len(bodies) > 1:
            half = len(bodies) // 2
            await self._write(bodies[:half])
            await self._write(bodies[half:])
        # A single one that is refused is refused again, and reported, with the moves: there its name is part of the update.
