# SPDX-License-Identifier: Apache-2.0
"""Assets that hang in the wrong place: moved under their new parent, when all parents are there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.cdf.identity import TIME
from airflow_provider_replicator.cdf.objects.waiting import SETTLED
from airflow_provider_replicator.cdf.provenance import mark_unlinked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_replicator.cdf.objects.flow import Flow
    from airflow_provider_replicator.cdf.objects.mapping import Item
    from airflow_provider_replicator.cdf.objects.tally import Tally
    from airflow_provider_replicator.cdf.objects.verdicts import Update
    from airflow_provider_replicator.cdf.objects.waiting import Waiting

Document = dict[str, Any]
_BATCH = 1000


class Moves:
    """``waiting`` are the assets; ``reachable``: whether the parent of each is in the target by now. One whose parent is out of
    reach stays where it is and is marked as unlinked, unless it is the root of a selected subtree. ``named``: ids in the target of
    those which got their external id in this run.
    """

    def __init__(
        self,
        flow: Flow,
        waiting: Waiting,
        *,
        reachable: Any,
        is_subtree_root: Any,
        orphan_keys: set[str],
        named: set[int],
    ) -> None:
        self._flow = flow
        self._waiting = waiting
        self._parents = waiting.parents
        self._reachable = reachable
        self._is_subtree_root = is_subtree_root
        self._orphan_keys = orphan_keys
        self._named = named

    async def write(self, rows: list[int], tally: Tally) -> None:
        """``rows`` in an order with parents first."""
        refused: list[tuple[Update, str]] = []
        for start in range(0, len(rows), _BATCH):
            updates = await self._updates(rows[start : start + _BATCH], tally)
            refused += await self._apply(updates, tally)
        # A parent that did not change at the source is not among the rows, so the order may be wrong: what one move makes
        # possible is tried again.
        while refused:
            again = [update for update, _ in refused]
            still: list[tuple[Update, str]] = []
            for update in again:
                still += await self._apply([update], tally)
            if len(still) == len(refused):
                break
            refused = still
        for (_, (key, _, document)), reason in refused:
            tally.fail(key, document, reason)

    async def _updates(self, rows: list[int], tally: Tally) -> list[Update]:
        """Compare again, now that all parents are known; the updates that are left."""
        items, staying = self._items(rows, tally)
        found = await self._flow.existing.ask(items)
        for document in found.values():
            if (
                document["id"] in self._named
            ):  # what was written already is still to be counted, and the copy to be stamped
                del document["externalId"]
        is_root = {key: "parentId" not in document for key, document in found.items()}
        for key, desired, _ in items:
            if key in staying and key in found:
                _stay(desired, found[key])
        verdicts = self._flow.decider.decide(items, found, tally)
        if verdicts.creates:  # deleted in the target since it was read
            await self._flow.writer.create(verdicts.creates, tally)
        ready = verdicts.updates
        for update in verdicts.moves:
            key, desired, document = update[1]
            if is_root[key] == ("parentExternalId" not in desired):
                ready.append(update)
            else:
                tally.fail(key, document, _cannot_change(is_root[key]))
        return ready

    def _items(self, rows: list[int], tally: Tally) -> tuple[list[Item], set[str]]:
        """The items to compare, and the keys of those that stay where they are."""
        items, staying = [], set()
        for row, item in zip(rows, self._waiting.items(rows), strict=True):
            key, desired, document = item
            (desired.get("metadata") or {}).pop(TIME, None)
            if desired.get("parentExternalId") in self._flow.writer.refused:
                tally.fail(key, document, f"its parent {desired['parentExternalId']!r} was refused")
                continue
            if self._parents[row] == SETTLED:
                if key in self._orphan_keys:
                    staying.add(key)
            elif not self._reachable[row]:
                staying.add(key)
                if not self._is_subtree_root[row]:
                    mark_unlinked(desired)
                    tally.unlinked += 1
            items.append(item)
        return items, staying

    async def _apply(self, updates: Sequence[Update], tally: Tally) -> list[tuple[Update, str]]:
        """Send; what is refused comes back with the reason. Strictly one after the other: the order matters."""
        writer = self._flow.writer
        if not updates:
            return []
        error = None if writer.dry_run else await writer.try_update(updates)
        if error is None:
            tally.updated += len(updates)
            return []
        if len(updates) == 1:
            return [(updates[0], error.message)]
        half = len(updates) // 2
        return await self._apply(updates[:half], tally) + await self._apply(updates[half:], tally)


def _stay(desired: Document, held: Document) -> None:
    parent = held.get("parentExternalId")
    if parent is None:
        desired.pop("parentExternalId", None)
    else:
        desired["parentExternalId"] = parent


def _cannot_change(is_root: bool) -> str:
    here, there = ("a child", "a root") if is_root else ("a root", "a child")
    return f"{here} in the source, {there} in the target, and CDF cannot change that: delete it in the target to have it copied again"
