# SPDX-License-Identifier: Apache-2.0
"""Copies that are not known by their key, but by the source's id in their metadata.

Older tools made copies without an external id of objects that have none. And what cannot be deleted (data sets) must follow when it
is renamed at the source; otherwise a renamed object is a new one.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.cdf.identity import INTERNAL_ID, SOURCE, number_of
from airflow_provider_replicator.cdf.listing import pages

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.cdf.resources import Resource

Document = dict[str, Any]


class Origins:
    """Copies of one resource type that came from the project ``source``. They are listed once, and only if somebody asks."""

    def __init__(self, resource: Resource, source: str, target: CdfClient) -> None:
        self._resource = resource
        self._source = source
        self._target = target
        self._follows = not resource.can_delete
        self._copies: dict[int, int] | None = None
        self._listing = asyncio.Lock()

    def wanted(self, key: str, document: Mapping[str, Any]) -> int | None:
        """The id of this source document, if its copy may be there although nothing has this key; None if it cannot be."""
        if self._resource.metadata_bytes is None:
            return None
        number: int | None = document.get("id") if self._follows else number_of(key, self._source)
        return number

    async def find(self, numbers: Collection[int]) -> dict[int, int]:
        """Source id -> id in the target. What was listed may be gone by now, and may have got its key."""
        async with self._listing:
            if self._copies is None:
                self._copies = await self._list()
        return {number: self._copies[number] for number in numbers if number in self._copies}

    async def _list(self) -> dict[int, int]:
        body: Document = {"filter": {"metadata": {SOURCE: self._source}}}
        if self._resource.advanced_filter and not self._follows:
            body["advancedFilter"] = {"not": {"exists": {"property": ["externalId"]}}}
        copies = {}
        async for documents in pages(self._target, self._resource.path, body):
            for document in documents:
                origin = document["metadata"].get(INTERNAL_ID, "")
                if origin.isdecimal() and (self._follows or "externalId" not in document):
                    copies[int(origin)] = document["id"]
        return copies
