# SPDX-License-Identifier: Apache-2.0
"""Source ids into target ids: id -> key on the source, key -> id on the target, a thousand a request, remembered."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from airflow_provider_replicator.cdf.identity import key_of
from airflow_provider_replicator.cdf.origins import Origins
from airflow_provider_replicator.cdf.resources import RESOURCES
from airflow_provider_replicator.cdf.together import all_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine, Iterable, Sequence

    from airflow_provider_replicator.cdf.http.client import CdfClient

_Known = TypeVar("_Known", bound=int | str)

#: Items of one byids request.
LOOKUP_LIMIT = 1000
#: Names remembered per resource type: about 30 MB when full.
REMEMBERED = 200_000


async def by_ids(client: CdfClient, path: str, items: Sequence[dict[str, Any]], **more: Any) -> list[dict[str, Any]]:
    """The documents of those ``items`` that exist. Consistent at once, unlike lists. Any number of items; ``more`` is sent along."""
    found: list[dict[str, Any]] = []
    for start in range(0, len(items), LOOKUP_LIMIT):
        payload = {"items": items[start : start + LOOKUP_LIMIT], "ignoreUnknownIds": True, **more}
        found += (await client.post_json(f"{path}/byids", payload))["items"]
    return found


class Names(Generic[_Known]):
    """What source ids (or names of labels) are called in the target. What is not there is left out of answers.

    Pages that are processed at the same time share requests: while one lookup is under way, all others pool what they want.
    """

    def __init__(
        self,
        look_up: Callable[[list[_Known]], Coroutine[Any, Any, dict[_Known, _Known]]],
        *,
        remembered: int = REMEMBERED,
    ) -> None:
        self._look_up = look_up
        self._young: dict[_Known, _Known | None] = {}
        self._old: dict[_Known, _Known | None] = {}
        self._half = max(1, remembered // 2)
        self._wanted: dict[_Known, None] = {}
        self._lock = asyncio.Lock()

    async def resolve(self, names: Collection[_Known]) -> dict[_Known, _Known]:
        """name -> name in the target, for those which are there."""
        known: dict[_Known, _Known] = {}
        missing = self._collect(names, known)
        while missing:
            self._wanted.update(dict.fromkeys(missing))
            async with self._lock:
                wanted, self._wanted = [name for name in self._wanted if not self._is_known(name)], {}
                if wanted:
                    await self._ask(wanted)
            missing = self._collect(missing, known)
        return known

    def _is_known(self, name: _Known) -> bool:
        return name in self._young or name in self._old

    def _collect(self, names: Iterable[_Known], known: dict[_Known, _Known]) -> list[_Known]:
        """Move what is remembered into ``known``; the rest is returned."""
        missing = []
        young, old = self._young, self._old
        for name in names:
            if name in young:
                there = young[name]
            elif name in old:
                there = self._young[name] = old[name]
            else:
                missing.append(name)
                continue
            if there is not None:
                known[name] = there
        return missing

    def _make_room(self) -> None:
        """Two generations: what nobody asked for while the young one filled up is forgotten with the old one."""
        if len(self._young) >= self._half:
            self._old, self._young = self._young, {}

    async def _ask(self, wanted: list[_Known]) -> None:
        chunks = [wanted[start : start + LOOKUP_LIMIT] for start in range(0, len(wanted), LOOKUP_LIMIT)]
        answers = await all_of(self._look_up(chunk) for chunk in chunks)
        self._make_room()
        for chunk, answer in zip(chunks, answers, strict=True):
            self._young.update((name, answer.get(name)) for name in chunk)


def id_names(resource: str, source: CdfClient, target: CdfClient) -> Names[int]:
    """Ids of objects of ``resource``: source id -> target id."""
    path = RESOURCES[resource].path
    origins = Origins(RESOURCES[resource], source.project, target)

    async def look_up(ids: list[int]) -> dict[int, int]:
        here = await by_ids(source, path, [{"id": number} for number in ids])
        keys = {document["id"]: key_of(document, source.project) for document in here}
        there = await by_ids(target, path, [{"externalId": key} for key in keys.values()]) if keys else []
        targets = {document["externalId"]: document["id"] for document in there}
        known = {number: targets[key] for number, key in keys.items() if key in targets}
        rest = [origins.wanted(keys[document["id"]], document) for document in here if document["id"] not in known]
        others = [number for number in rest if number is not None]
        return {**known, **await still_there(await origins.find(others))} if others else known

    async def still_there(copies: dict[int, int]) -> dict[int, int]:
        there = {document["id"] for document in await by_ids(target, path, [{"id": copy} for copy in copies.values()])}
        return {number: copy for number, copy in copies.items() if copy in there}

    return Names(look_up)


def label_names(target: CdfClient) -> Names[str]:
    """Names of labels that the target has."""
    path = RESOURCES["labels"].path

    async def look_up(names: list[str]) -> dict[str, str]:
        there = await by_ids(target, path, [{"externalId": name} for name in names])
        return {document["externalId"]: document["externalId"] for document in there}

    return Names(look_up)
