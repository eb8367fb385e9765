# SPDX-License-Identifier: Apache-2.0
"""For each document of a page: create, update, move, or nothing. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.cdf.identity import INTERNAL_ID, SOURCE, TIME
from airflow_provider_replicator.cdf.objects.decision import difference, why_not
from airflow_provider_replicator.cdf.provenance import Stamp, stamp_time

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_replicator.cdf.objects.mapping import Item
    from airflow_provider_replicator.cdf.objects.tally import Tally
    from airflow_provider_replicator.cdf.options import OnConflict
    from airflow_provider_replicator.cdf.resources import Resource

Document = dict[str, Any]
#: What an update request takes, and the item it comes from.
Update = tuple[Document, "Item"]


@dataclass(slots=True)
class Verdicts:
    """``moves`` are updates of what hangs somewhere else in the target than it should: they wait until all parents are there."""

    creates: list[Item] = field(default_factory=list)
    updates: list[Update] = field(default_factory=list)
    moves: list[Update] = field(default_factory=list)


class Decider:
    """Decides by comparing documents. ``now``: the time that updated copies are stamped with."""

    def __init__(self, resource: Resource, source: str, on_conflict: OnConflict, now: str) -> None:
        self._resource = resource
        self._source = source
        self._on_conflict = on_conflict
        self._now = now
        self._stamp = Stamp(resource, source)

    def decide(self, items: Sequence[Item], found: Mapping[str, Document], tally: Tally) -> Verdicts:
        """``found`` documents are taken apart. What needs no write is counted; everything else is stamped."""
        verdicts = Verdicts()
        read_only = tuple(self._resource.read_only)
        source = self._source
        unchanged = 0
        for item in items:
            held = found.get(item[0])
            if held is None:
                self._put_stamp(item, tally)
                verdicts.creates.append(item)
                continue
            number = held.get("id")
            for name in read_only:
                held.pop(name, None)
            # The common case first, without copying anything: same content, and stamped as it would be stamped now.
            _, desired, document = item
            metadata = held.get("metadata") or {}
            origin, internal_id = metadata.pop(SOURCE, None), metadata.pop(INTERNAL_ID, None)
            metadata.pop(TIME, None)
            if origin == source and internal_id == str(document.get("id")) and _equal(desired, held, metadata):
                unchanged += 1
                continue
            if origin is not None:
                metadata[SOURCE] = origin
            if internal_id is not None:
                metadata[INTERNAL_ID] = internal_id
            self._put_stamp(item, tally)
            self._differs(item, held, number, tally, verdicts)
        tally.unchanged += unchanged
        return verdicts

    def _put_stamp(self, item: Item, tally: Tally) -> None:
        tally.without_provenance += not self._stamp.put(item[1], item[2])

    def _differs(self, item: Item, held: Document, number: int | None, tally: Tally, verdicts: Verdicts) -> None:
        key, desired, document = item
        patches = difference(desired, held)
        if not patches:
            tally.unchanged += 1
        elif self._on_conflict != "adopt" and self._is_foreign(desired, held):
            self._conflict(item, tally)
        elif reason := why_not(patches, self._resource.not_updatable):
            tally.fail(key, document, reason)
        elif self._resource.parent and "parentExternalId" in patches:
            verdicts.moves.append(self._update(item, patches, number))
        else:
            verdicts.updates.append(self._update(item, patches, number))

    def _update(self, item: Item, patches: Document, number: int | None) -> Update:
        """An item of an update request. Every write says when it was."""
        desired = item[1]
        metadata = desired.get("metadata") or {}
        if SOURCE in metadata:
            stamp_time(desired, self._now)
            patches["metadata"] = {"set": metadata}
        return {"id": number, "update": patches}, item

    def _is_foreign(self, desired: Document, held: Document) -> bool:
        """Whether somebody else made the copy. Where there is no room for provenance nobody can tell, and ``skip`` keeps off."""
        origin = (held.get("metadata") or {}).get(SOURCE)
        if origin is None and SOURCE not in (desired.get("metadata") or {}):
            return self._on_conflict == "skip"
        return bool(origin != self._source)

    def _conflict(self, item: Item, tally: Tally) -> None:
        if self._on_conflict == "skip":
            tally.skip("conflict")
        else:
            tally.fail(
                item[0], item[2], "the target has an object of this key that was not replicated from this source"
            )


def _equal(desired: Document, held: Document, metadata: Document) -> bool:
    """``metadata`` is that of ``held`` without its stamp: empty and absent are the same."""
    if held == desired:
        return True
    nothing = not metadata and not desired.get("metadata")
    return nothing and {**held, "metadata": None} == {**desired, "metadata": None}
