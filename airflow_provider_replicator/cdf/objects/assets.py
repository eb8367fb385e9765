# SPDX-License-Identifier: Apache-2.0
"""The asset tree: new assets wait until all of it is known, then go up in batches of whole subtrees; moves come last.

While the source is read only numbers are kept in memory (some 40 bytes an asset), and the new documents in a spool.
"""

from __future__ import annotations

import asyncio
from array import array
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.cdf.nameless import Nameless
from airflow_provider_replicator.cdf.objects.moves import Moves
from airflow_provider_replicator.cdf.objects.packing import depths, pack, parent_rows
from airflow_provider_replicator.cdf.objects.waiting import Waiting
from airflow_provider_replicator.cdf.provenance import mark_unlinked, stamp_time
from airflow_provider_replicator.cdf.references import by_ids
from airflow_provider_replicator.cdf.together import together

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from airflow_provider_replicator.cdf.objects.flow import Flow
    from airflow_provider_replicator.cdf.objects.mapping import Item
    from airflow_provider_replicator.cdf.objects.packing import Batch
    from airflow_provider_replicator.cdf.objects.tally import Tally
    from airflow_provider_replicator.cdf.objects.verdicts import Verdicts

    Counted = Callable[[], AbstractContextManager[Tally]]

Document = dict[str, Any]
_BATCHES_IN_FLIGHT = 8
_BATCH = 1000


class AssetTree:
    """What is particular about assets. Give :meth:`hold` to the flow, read everything, then :meth:`finish`.

    ``counted()`` is a context with a tally that reaches the report at its end.
    """

    def __init__(self, flow: Flow, counted: Counted, *, now: str, spool_bytes: int) -> None:
        import orjson

        self._flow = flow
        self._counted = counted
        self._now = now
        self._encode = orjson.dumps
        self._new = Waiting(spool_bytes)
        self._moved = Waiting(spool_bytes)
        #: Assets that were read and that the target has: source ids, and those of their parents (0: none).
        self._held = array("q")
        self._held_parents = array("q")
        #: Parents that were not read: source ids of those which the target has, and of those out of reach.
        self._there: set[int] = set()
        self._out_of_reach: set[int] = set()
        #: Source ids of new assets that were deleted after they had been read.
        self._gone: set[int] = set()
        #: Rows of new assets that become roots for want of their parent -> whether that is a lack.
        self._orphans: dict[int, bool] = {}
        self._orphan_keys: set[str] = set()
        self._nameless = Nameless(flow)

    def hold(self, items: Sequence[Item], verdicts: Verdicts) -> None:
        """Keep back creates and moves of a page; remember who is there already."""
        creates, moves = verdicts.creates, verdicts.moves
        verdicts.creates, verdicts.moves = [], []
        for item in creates:
            stamp_time(item[1], self._now)
        self._nameless.add(moves)
        self._new.add(creates)
        self._moved.add([item for _, item in moves])
        if len(creates) < len(items):
            new = {item[0] for item in creates}
            held = [item[2] for item in items if item[0] not in new]
            self._held.extend([document["id"] for document in held])
            self._held_parents.extend([document.get("parentId", 0) for document in held])

    async def finish(self) -> None:
        """Create what is new, then move what hangs in the wrong place."""
        try:
            await self._find_parents()
            await self._look_again()
            await self._nameless.write()
            await self._create()
            settled = [item for _, item in self._flow.writer.moves]
            self._moved.add_settled(settled)
            if len(self._moved):
                await self._move()
        finally:
            self._new.close()
            self._moved.close()

    # -- parents that were not read: hidden, not selected, or not changed in the window

    def _read_ids(self) -> Any:
        import numpy as np

        new = self._new.ids
        if self._gone:
            new = new[~np.isin(new, _array(self._gone))]
        return np.concatenate((np.array(self._held, dtype=np.int64), new))

    async def _find_parents(self) -> None:
        while unknown := self._unknown_parents():
            with self._counted() as tally:
                await self._look_for(unknown, tally)

    async def _look_again(self) -> None:
        """Ask for orphans by id before they become roots, which CDF never takes back: while the source was read somebody may have
        deleted them together with their parents, or moved them.
        """
        flow = self._flow
        asked: set[int] = set()
        while orphans := sorted(self._new_orphans() - asked):
            asked.update(orphans)
            found = await by_ids(flow.source, flow.resource.path, [{"id": number} for number in orphans])
            self._gone.update(set(orphans) - {document["id"] for document in found})
            moved = [document for document in found if document.get("parentId", 0) not in self._out_of_reach]
            with self._counted() as tally:
                for start in range(0, len(moved), _BATCH):
                    await flow.process(moved[start : start + _BATCH], tally, how="fetched")
            await self._find_parents()

    def _new_orphans(self) -> set[int]:
        """Source ids of the new assets that would become roots for want of their parent."""
        import numpy as np

        ids, parents = self._new.ids, self._new.parents
        excused = np.isin(ids, _array(self._flow.scope.roots)) | np.isin(ids, _array(self._gone))
        return set(ids[~self._is_reachable(ids, parents) & ~excused].tolist())

    def _unknown_parents(self) -> dict[int, str]:
        """Source id -> key of parents about which nothing is known. Selected subtrees begin at their roots: nobody asks above."""
        import numpy as np

        known = np.concatenate((self._read_ids(), _array(self._there), _array(self._out_of_reach)))
        roots = _array(self._flow.scope.roots)
        unknown: dict[int, str] = {}
        for waiting in (self._new, self._moved):
            parents = waiting.parents
            rows = np.flatnonzero((parents > 0) & ~np.isin(parents, known) & ~np.isin(waiting.ids, roots))
            ids, first = np.unique(parents[rows], return_index=True)
            items = waiting.items(rows[first].tolist())
            unknown |= {int(number): item[1]["parentExternalId"] for number, item in zip(ids, items, strict=True)}
        return unknown

    async def _look_for(self, unknown: dict[int, str], tally: Tally) -> None:
        """In the target; then in the source, from where a selected parent is copied although it did not change in the window."""
        flow = self._flow
        path = flow.resource.path
        there = {
            doc["externalId"] for doc in await by_ids(flow.target, path, [{"externalId": k} for k in unknown.values()])
        }
        self._there.update(number for number, key in unknown.items() if key in there)
        rest = [number for number, key in unknown.items() if key not in there]
        self._out_of_reach.update(rest)  # unless it is read now
        if not rest:
            return
        found = await by_ids(flow.source, path, [{"id": number} for number in rest])
        selected = [document for document in found if flow.scope.why_not(document, "fetched") is None]
        for start in range(0, len(selected), _BATCH):
            await flow.process(selected[start : start + _BATCH], tally, how="fetched")

    def _is_reachable(self, ids: Any, parents: Any) -> Any:
        """Whether each asset's parent is or will be in the target (or it has none)."""
        import numpy as np

        read = np.isin(parents, self._read_ids())
        there = np.isin(parents, _array(self._there)) & ~np.isin(ids, _array(self._flow.scope.roots))
        return (parents <= 0) | read | there

    # -- new assets

    async def _create(self) -> None:
        import numpy as np

        if not len(self._new):
            return
        ids, parents = self._new.ids, self._new.parents
        _, last = np.unique(
            ids[::-1], return_index=True
        )  # read twice, because the source changed meanwhile: the last counts
        rows = len(ids) - 1 - last
        gone = np.isin(ids[rows], _array(self._gone))
        rows = rows[~gone]
        ids, parents = ids[rows], parents[rows]
        alone = np.flatnonzero(~self._is_reachable(ids, parents))
        is_root = np.isin(ids[alone], _array(self._flow.scope.roots))
        self._orphans = dict(zip(rows[alone].tolist(), (~is_root).tolist(), strict=True))
        packing = pack(parent_rows(ids, parents), self._flow.resource.create_limit)
        with self._counted() as tally:
            tally.unlinked += int(np.count_nonzero(~is_root))
            deleted = int(np.count_nonzero(gone))
            tally.skip("deleted_meanwhile", deleted)
            tally.read -= len(self._new) - len(rows) - deleted
            for key, desired, document in self._new.items(rows[packing.in_cycles].tolist()):
                tally.fail(key, document, "its ancestors formed a cycle while the source was read: run again")
                self._flow.writer.refused.add(desired["externalId"])
        await self._send_all(packing.batches, rows)

    async def _send_all(self, batches: list[Batch], rows: Any) -> None:
        """Several batches in flight; each waits for those that hold its parents."""
        written = [asyncio.Event() for _ in batches]
        slots = asyncio.Semaphore(_BATCHES_IN_FLIGHT)

        async def send(number: int) -> None:
            batch = batches[number]
            for before in batch.after:
                await written[before].wait()
            with self._counted() as tally:
                await self._send(rows[batch.rows].tolist(), tally)
            written[number].set()
            slots.release()

        async with together() as group:
            for number in range(len(batches)):
                await slots.acquire()  # batches begin in order, so what one waits for is always under way
                group.create_task(send(number))

    async def _send(self, rows: list[int], tally: Tally) -> None:
        writer = self._flow.writer
        if writer.refused:
            await writer.create(self._items(rows), tally)
            return
        documents = self._new.encoded(rows)
        if self._orphans and not self._orphans.keys().isdisjoint(rows):
            documents = [self._encode(item[1]) for item in self._items(rows)]
        body = b'{"items":[' + b",".join(documents) + b"]}"
        await writer.create_encoded(body, len(rows), lambda: self._items(rows), tally)

    def _items(self, rows: list[int]) -> list[Item]:
        items = self._new.items(rows)
        for row, (key, desired, _) in zip(rows, items, strict=True):
            if row in self._orphans:
                desired.pop("parentExternalId", None)
                self._orphan_keys.add(key)
                if self._orphans[row]:
                    mark_unlinked(desired)
        return items

    # -- moves

    async def _move(self) -> None:
        import numpy as np

        ids, parents = self._moved.ids, self._moved.parents
        read_ids = self._read_ids()
        read_parents = np.concatenate((np.array(self._held_parents, dtype=np.int64), self._new.parents))
        moves = Moves(
            self._flow,
            self._moved,
            reachable=self._is_reachable(ids, parents),
            is_subtree_root=np.isin(ids, _array(self._flow.scope.roots)),
            orphan_keys=self._orphan_keys,
            named=self._nameless.named,
        )
        with self._counted() as tally:
            await moves.write(_from_the_top(ids, read_ids, read_parents), tally)


def _array(numbers: set[int] | frozenset[int]) -> Any:
    import numpy as np

    return np.fromiter(numbers, dtype=np.int64, count=len(numbers))


def _from_the_top(ids: Any, read_ids: Any, read_parents: Any) -> list[int]:
    """The rows of ``ids`` by their depth in the source: an asset may only move below one that is in its place already."""
    import numpy as np

    depth = depths(parent_rows(read_ids, read_parents))
    place = parent_rows(read_ids, ids)  # the row in read_ids of each of ids
    return np.argsort(np.where(place >= 0, depth[place], 0), kind="stable").tolist()  # type: ignore[no-any-return]
