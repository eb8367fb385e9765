# SPDX-License-Identifier: Apache-2.0
"""What the target already has of a page, asked for by key: consistent at once, and bounded by the page."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.cdf.origins import Origins
from airflow_provider_replicator.cdf.references import by_ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.cdf.objects.mapping import Item
    from airflow_provider_replicator.cdf.resources import Resource

Document = dict[str, Any]


class Existing:
    """Finds the target's documents for mapped items.

    A first load need not ask for every page: when the target had nothing of the first one, it is presumed to have nothing of the
    others either, until it answers a create with "duplicated" (:meth:`presume_nothing_more`). ``certain``: always ask.
    """

    def __init__(self, resource: Resource, source: str, target: CdfClient, *, certain: bool) -> None:
        self._resource = resource
        self._target = target
        self._certain = certain
        self._first = asyncio.Lock()
        self._nothing_there: bool | None = None
        self._origins = Origins(resource, source, target)

    async def find(self, items: Sequence[Item]) -> dict[str, Document]:
        """key -> document of the target, as far as it is known or worth asking."""
        if self._certain or not items:
            return await self.ask(items)
        async with self._first:
            if self._nothing_there is None:
                found = await self.ask(items)
                self._nothing_there = not found
                return found
        if not self._nothing_there:
            return await self.ask(items)
        found = {}
        await self._add_others(items, found)
        return found

    def has_something(self) -> bool:
        """Whether the target is known to have some of what was asked for so far."""
        return self._nothing_there is False

    def presume_nothing_more(self) -> None:
        """The target has something after all: ask from now on."""
        self._nothing_there = False

    async def ask(self, items: Sequence[Item]) -> dict[str, Document]:
        """key -> document of the target, for those that it has."""
        documents = await by_ids(self._target, self._resource.path, [{"externalId": item[0]} for item in items])
        found = {document["externalId"]: document for document in documents}
        if len(found) < len(items):
            await self._add_others(items, found)
        return found

    async def _add_others(self, items: Sequence[Item], found: dict[str, Document]) -> None:
        """Copies that are known by the source's id in their metadata; as they are now, because what is found is taken apart."""
        origins = self._origins
        wanted = ((origins.wanted(key, document), key) for key, _, document in items if key not in found)
        missing = {number: key for number, key in wanted if number is not None}
        if not missing:
            return
        there = {copy: missing[number] for number, copy in (await origins.find(missing)).items()}
        for document in await by_ids(self._target, self._resource.path, [{"id": copy} for copy in there]):
            if document.get("externalId") not in found:
                found[there[document["id"]]] = document
