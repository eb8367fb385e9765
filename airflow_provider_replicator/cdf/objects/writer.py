# SPDX-License-Identifier: Apache-2.0
"""Batches to the target. A refused batch is split until what is wrong stands alone; everything else is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from airflow_provider_replicator.cdf.identity import SOURCE, TIME
from airflow_provider_replicator.cdf.objects.breaker import kind_of
from airflow_provider_replicator.cdf.objects.tally import Tally
from airflow_provider_replicator.cdf.provenance import stamp_time
from airflow_provider_replicator.cdf.together import all_of
from airflow_provider_replicator.exceptions import CdfDuplicatedError, CdfRequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.cdf.objects.breaker import Breaker
    from airflow_provider_replicator.cdf.objects.existing import Existing
    from airflow_provider_replicator.cdf.objects.mapping import Item
    from airflow_provider_replicator.cdf.objects.verdicts import Decider, Update, Verdicts
    from airflow_provider_replicator.cdf.resources import Resource

Document = dict[str, Any]
_Thing = TypeVar("_Thing")
_Sent = TypeVar("_Sent", contravariant=True)


class _Write(Protocol[_Sent]):
    def __call__(self, batch: Sequence[_Sent], tally: Tally, /) -> Coroutine[Any, Any, None]: ...


#: Answers that are about the content of a request.
_CONTENT = frozenset({400, 409, 413, 422})
_UPDATE_LIMIT = 1000
#: "Duplicated" and then not to be found: twice when answers were lost or are late, for ever when CDF means something else.
_ASKED_AT_MOST = 3
#: From so many objects on, a refused batch is probed with single objects before it is split all the way down.
_PROBED_FROM = 50
_PROBES = 5


class Writer:
    """Creates and updates objects of one type, and counts what became of them in the tally that comes with them.

    After a transient error or a crash every object is either as before or as wanted: writing the same again is harmless, because
    "duplicated" is answered by looking what is there.
    """

    def __init__(
        self,
        resource: Resource,
        target: CdfClient,
        existing: Existing,
        decider: Decider,
        breaker: Breaker,
        *,
        now: str,
        dry_run: bool,
    ) -> None:
        import orjson

        self._resource = resource
        self._target = target
        self._existing = existing
        self._decider = decider
        self._breaker = breaker
        self._now = now
        self._encode = orjson.dumps
        self.dry_run = dry_run
        #: Objects that turned out to exist, but hang somewhere else: for whoever knows the tree.
        self.moves: list[Update] = []
        #: Keys of objects that could not be created: what hangs from them cannot be either.
        self.refused: set[str] = set()

    async def write(self, verdicts: Verdicts, tally: Tally) -> None:
        """Creates and updates of one page."""
        work = []
        if verdicts.creates:
            work.append(self.create(verdicts.creates, tally))
        if verdicts.updates:
            work.append(self.update(verdicts.updates, tally))
        if work:
            await all_of(work)

    # -- create

    async def create(self, items: Sequence[Item], tally: Tally) -> None:
        if self.dry_run:
            tally.created += len(items)
            return
        batches = _chunks(items, self._resource.create_limit)
        await all_of(self._watched(batch, self._create, tally) for batch in batches)

    async def create_encoded(self, body: bytes, size: int, decode: Callable[[], list[Item]], tally: Tally) -> None:
        """One batch of ``size`` objects as a request body; ``decode`` gives its items, parents first, if it is refused."""
        if self.dry_run:
            tally.created += size
            return
        error = await self._post("", body)
        if error is None:
            tally.created += size
            self._breaker.passed()
            return

        async def salvage(items: Sequence[Item], part: Tally) -> None:
            await self._salvage(items, error, part, whole=True)

        await self._watched(decode(), salvage, tally)

    async def _create(self, items: Sequence[Item], tally: Tally, *, asked: int = 0, whole: bool = True) -> None:
        """``asked``: how often none of them was found in the target. ``whole``: this is a batch, not a part of a refused one."""
        items = self._without_orphans(items, tally)
        if not items:
            return
        for item in items:
            stamp_time(item[1], self._now)
        error = await self._post("", self._encode({"items": [item[1] for item in items]}))
        if error is None:
            tally.created += len(items)
        else:
            await self._salvage(items, error, tally, asked=asked, whole=whole)

    async def _salvage(
        self, items: Sequence[Item], error: CdfRequestError, tally: Tally, *, asked: int = 0, whole: bool
    ) -> None:
        """Write what can be written of a refused batch."""
        if isinstance(error, CdfDuplicatedError) and asked < _ASKED_AT_MOST:
            await self._meet(items, error, tally, asked)
        elif len(items) == 1:
            self.refused.add(items[0][0])
            tally.fail(items[0][0], items[0][2], error.message)
        else:
            for part in await self._parts(items, self._create, tally, probe=whole):
                await self._create(part, tally, whole=False)

    async def _meet(self, items: Sequence[Item], error: CdfRequestError, tally: Tally, asked: int) -> None:
        """Some of these exist: look which, and decide anew. What a lost answer created counts as created."""
        self._existing.presume_nothing_more()
        for item in items:
            (item[1].get("metadata") or {}).pop(TIME, None)
        found = await self._existing.ask(items)
        made_now = {key for key, document in found.items() if self._is_made_now(document, error)}
        ours = Tally()
        verdicts = self._decider.decide([item for item in items if item[0] in made_now], found, ours)
        ours.created, ours.unchanged = ours.unchanged, 0
        tally.merge(ours)
        others = self._decider.decide([item for item in items if item[0] not in made_now], found, tally)
        self.moves += verdicts.moves + others.moves
        if others.creates:
            await self._create(others.creates, tally, asked=asked + 1)
        if updates := verdicts.updates + others.updates:
            await self.update(updates, tally)

    def _is_made_now(self, document: Document, error: CdfRequestError) -> bool:
        """Whether this run created it: it carries the run's time, or nothing (no room) and an answer was lost just now."""
        metadata = document.get("metadata") or {}
        return metadata.get(TIME) == self._now or (SOURCE not in metadata and error.unknown_outcome_before)

    def _without_orphans(self, items: Sequence[Item], tally: Tally) -> Sequence[Item]:
        """Without those whose parent was refused; parents come first, so whole branches fall off."""
        if not self.refused:
            return items
        kept = []
        for item in items:
            parent = item[1].get("parentExternalId")
            if parent in self.refused:
                self.refused.add(item[0])
                tally.fail(item[0], item[2], f"its parent {parent!r} was refused")
            else:
                kept.append(item)
        return kept

    # -- update

    async def update(self, updates: Sequence[Update], tally: Tally) -> None:
        if self.dry_run:
            tally.updated += len(updates)
            return
        batches = _chunks(updates, _UPDATE_LIMIT)
        await all_of(self._watched(batch, self._update, tally) for batch in batches)

    async def _update(self, updates: Sequence[Update], tally: Tally, *, whole: bool = True) -> None:
        error = await self.try_update(updates)
        if error is None:
            tally.updated += len(updates)
            return
        gone = {item.get("id") or item.get("externalId") for item in error.missing} - {None}
        lost = [item for body, item in updates if body["id"] in gone or item[0] in gone]
        if lost:  # deleted in the target since it was read
            await self._create(lost, tally)
            if rest := [update for update in updates if update[0]["id"] not in gone and update[1][0] not in gone]:
                await self._update(rest, tally, whole=whole)
        elif len(updates) == 1:
            _, (key, _, document) = updates[0]
            tally.fail(key, document, error.message)
        else:
            for part in await self._parts(updates, self._update, tally, probe=whole):
                await self._update(part, tally, whole=False)

    async def try_update(self, updates: Sequence[Update]) -> CdfRequestError | None:
        """Send one update request; the refusal if there is one.

        What CDF cannot update is replaced. (Labels: what carries them keeps them meanwhile. A crash in between leaves some to be
        created by the next run.)
        """
        if self._resource.can_update:
            return await self._post("/update", self._encode({"items": [body for body, _ in updates]}))
        names = [{"externalId": key} for _, (key, _, _) in updates]
        if error := await self._post("/delete", self._encode({"items": names})):
            return error
        error = await self._post("", self._encode({"items": [desired for _, (_, desired, _) in updates]}))
        # They were gone a moment ago: if they exist now, it is by the answer that was lost.
        return None if isinstance(error, CdfDuplicatedError) and error.unknown_outcome_before else error

    # -- both

    async def _post(self, verb: str, body: bytes) -> CdfRequestError | None:
        """The refusal, if it is about the content. The answer is not parsed: it only repeats what was sent."""
        try:
            await self._target.post_for_bytes(self._resource.path + verb, body)
        except CdfRequestError as error:
            if error.status not in _CONTENT:
                raise
            return error
        return None

    async def _watched(self, batch: Sequence[_Thing], write: _Write[_Thing], tally: Tally) -> None:
        """Write a batch and tell the circuit breaker how it fared."""
        part = Tally()
        try:
            await write(batch, part)
        finally:
            tally.merge(part)
        if not _all_refused(part, len(batch)):
            self._breaker.passed()
        elif not self._is_probed(batch):
            self._breaker.refused(part.letters[0][2], len(batch))

    def _is_probed(self, batch: Sequence[Any]) -> bool:
        """A tree cannot be probed: children need their parents."""
        return len(batch) >= _PROBED_FROM and not self._resource.parent

    async def _parts(
        self, batch: Sequence[_Thing], write: _Write[_Thing], tally: Tally, *, probe: bool
    ) -> list[Sequence[_Thing]]:
        """The parts of a refused batch that are still to be written.

        If a few single objects from all over a big batch are refused for one reason, so will be the others, most likely: the breaker
        hears of it before a thousand requests say the same.
        """
        if not probe or not self._is_probed(batch):
            return _chunks(batch, (len(batch) + 1) // 2)
        places = sorted({n * (len(batch) - 1) // (_PROBES - 1) for n in range(_PROBES)})
        part = Tally()
        for n in places:
            await write(batch[n : n + 1], part)
        tally.merge(part)
        if _all_refused(part, len(places)):
            self._breaker.refused(part.letters[0][2], len(batch))
        rest = [thing for n, thing in enumerate(batch) if n not in places]
        return _chunks(rest, (len(rest) + 1) // 2)


def _all_refused(tally: Tally, objects: int) -> bool:
    """All of them, and for one kind of reason."""
    return len(tally.letters) == objects and len({kind_of(reason) for _, _, reason in tally.letters}) == 1


def _chunks(things: Sequence[_Thing], size: int) -> list[Sequence[_Thing]]:
    return [things[start : start + size] for start in range(0, len(things), size)]
