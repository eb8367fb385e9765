# SPDX-License-Identifier: Apache-2.0
"""Deletes in the target, within every guard that can be thought of.

Only what the run's own selection covers, only what this source's replicas are (``delete_missing``) or what nobody replicated
(``delete_foreign``), only what the source does not have when it is asked for it by name, and never more than a share of what is there.
"""

from __future__ import annotations

import logging
from array import array
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.cdf.identity import INTERNAL_ID, SOURCE, key_of, made_key, number_of, origin_of
from airflow_provider_replicator.cdf.listing import PAGE, count, pages
from airflow_provider_replicator.cdf.references import by_ids
from airflow_provider_replicator.cdf.selection import scope_in_target
from airflow_provider_replicator.cdf.together import all_of
from airflow_provider_replicator.exceptions import CdfRequestError, DeleteGuardError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.cdf.objects.tally import Tally
    from airflow_provider_replicator.cdf.options import Options
    from airflow_provider_replicator.cdf.resources import Resource
    from airflow_provider_replicator.cdf.selection import Scope

Document = dict[str, Any]
log = logging.getLogger(__name__)

_DELETE_LIMIT = 1000
_CONTENT = frozenset({400, 409, 413, 422})


class KeySet:
    """The keys of everything that was read from the source: eight bytes each. A collision (once in 2**64) keeps an object."""

    def __init__(self, project: str) -> None:
        self._project = project
        self._hashes = array("q")
        self._sorted: Any = None

    def __len__(self) -> int:
        return len(self._hashes)

    def add(self, documents: Sequence[Document]) -> None:
        project = self._project
        self._hashes.extend([hash(key_of(document, project)) for document in documents])
        self._sorted = None

    def missing(self, keys: Sequence[str]) -> list[bool]:
        """For each key whether it is not in the set."""
        import numpy as np

        if self._sorted is None:
            self._sorted = np.unique(np.array(self._hashes, dtype=np.int64))
        wanted = np.array([hash(key) for key in keys], dtype=np.int64)
        absent: list[bool] = (~np.isin(wanted, self._sorted)).tolist()
        return absent


class Deletes:
    """Finds and deletes what the target has too much, after everything else of the run is written."""

    def __init__(
        self, resource: Resource, source: CdfClient, target: CdfClient, options: Options, keys: KeySet
    ) -> None:
        self._resource = resource
        self._source = source
        self._target = target
        self._options = options
        self._keys = keys

    async def run(self, tally: Tally) -> None:
        """Raises DeleteGuardError, with nothing deleted, when the guards say so."""
        resource = self._resource
        if not resource.can_delete or resource.metadata_bytes is None:
            why = (
                "CDF cannot delete them" if not resource.can_delete else "their copies do not tell where they come from"
            )
            log.info("%s: nothing is deleted, because %s", resource.name, why)
            return
        scope = await scope_in_target(resource, self._target, self._options.selection)
        if scope is None:
            return
        try:
            there, surplus = await self._surplus(scope)
        except CdfRequestError as error:
            if error.status != 400 or not scope.roots or not resource.parent:
                raise
            there, surplus = await self._surplus(scope.without_subtree_filter())  # too big for CDF's filter
        surplus = await self._really_gone(surplus)
        if not surplus:
            return
        self._guard(there, len(surplus))
        if self._options.dry_run:
            tally.deleted += len(surplus)
            return
        for wave in _children_first(surplus) if resource.parent else [surplus]:
            batches = [wave[start : start + _DELETE_LIMIT] for start in range(0, len(wave), _DELETE_LIMIT)]
            await all_of(self._delete(batch, tally) for batch in batches)

    def _guard(self, there: int, surplus: int) -> None:
        name, source = self._resource.name, self._source.project
        if not len(self._keys):
            raise DeleteGuardError(
                f"{name}: the source {source} listed nothing, and {surplus} of {there} objects in the target would be deleted; "
                "nothing was. If the source is really empty, delete them by hand"
            )
        allowed = self._options.max_delete_fraction
        if surplus > allowed * there:
            raise DeleteGuardError(
                f"{name}: {surplus} of {there} objects in the target would be deleted, more than "
                f"max_delete_fraction={allowed} allows; nothing was. Look at them with dry_run=True, or raise the fraction"
            )

    async def _surplus(self, scope: Scope) -> tuple[int, list[Document]]:
        """How many objects of the target are covered, and those of them that the source did not list."""
        options, project = self._options, self._source.project
        there = 0
        surplus: list[Document] = []
        async for listed in self._listed(scope):
            documents = [document for document in listed if scope.why_not(document) is None]
            there += len(documents)
            wanted = [
                document
                for document in documents
                if ((origin := origin_of(document)) == project and options.delete_missing)
                or (origin is None and options.delete_foreign)
            ]
            keys = [self._key(document) for document in wanted]
            absent = self._keys.missing([key or "" for key in keys])
            surplus += [
                _slim(document, key)
                for document, key, gone in zip(wanted, keys, absent, strict=True)
                if gone or key is None
            ]
        return there, surplus

    def _key(self, document: Document) -> str | None:
        """Copies that older tools made of objects without an external id have none. A foreign object without one has no key."""
        key: str | None = document.get("externalId")
        if key is None and origin_of(document) == self._source.project:
            return made_key(self._source.project, document["metadata"].get(INTERNAL_ID, "?"))
        return key

    async def _listed(self, scope: Scope) -> AsyncIterator[list[Document]]:
        """What the target has of the selection; without ``delete_foreign`` only the copies of this source."""
        path = self._resource.path
        if scope.listings is None:
            documents = await by_ids(self._target, path, [{"externalId": key} for key in scope.keys])
            ours = self._options.delete_foreign
            yield [document for document in documents if ours or origin_of(document) == self._source.project]
            return
        for listing in scope.listings:
            body = listing
            if not self._options.delete_foreign:
                body = {**listing, "filter": {**listing["filter"], "metadata": {SOURCE: self._source.project}}}
            total = await count(self._target, path, body) or 0
            partitions = max(1, min(self._resource.partitions, total // (8 * PAGE)))
            async for documents in pages(self._target, path, body, partitions=partitions):
                yield documents

    async def _really_gone(self, surplus: list[Document]) -> list[Document]:
        """Without those that the source has when it is asked by name: lists lag behind, and an object may leave a selection."""
        project = self._source.project
        items: list[Document] = []
        for key in {document["key"] for document in surplus} - {None}:
            number = number_of(key, project)
            items.append({"externalId": key} if number is None else {"id": number})
        here = {key_of(document, project) for document in await by_ids(self._source, self._resource.path, items)}
        return [document for document in surplus if document["key"] not in here]

    async def _delete(self, batch: list[Document], tally: Tally) -> None:
        """What is gone already counts as deleted. A refused batch is split until what cannot be deleted stands alone."""
        items = [{"id": document["id"]} for document in batch]
        try:
            await self._target.post_for_bytes(
                f"{self._resource.path}/delete", {"items": items, "ignoreUnknownIds": True}
            )
        except CdfRequestError as error:
            if error.status not in _CONTENT:
                raise
            if len(batch) == 1:
                tally.fail(batch[0]["key"] or f"id {batch[0]['id']}", batch[0], f"not deleted: {error.message}")
                return
            half = len(batch) // 2
            await self._delete(batch[:half], tally)
            await self._delete(batch[half:], tally)
        else:
            tally.deleted += len(batch)


def _slim(document: Document, key: str | None) -> Document:
    """What a delete needs to know; there may be many."""
    slim: Document = {"key": key, "id": document["id"]}
    if "parentId" in document:
        slim["parentId"] = document["parentId"]
    return slim


def _children_first(documents: list[Document]) -> list[list[Document]]:
    """Waves: the deepest first. Only links among the documents themselves count."""
    parents = {document["id"]: document.get("parentId") for document in documents}
    depth: dict[int | None, int] = {}
    for number in parents:
        path: list[int] = []
        above: int | None = number
        while above is not None and above in parents and above not in depth:
            path.append(above)
            above = parents[above]
        base = depth.get(above, -1) + 1
        depth.update({passed: base + n for n, passed in enumerate(reversed(path))})
    waves: list[list[Document]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for document in documents:
        waves[-1 - depth[document["id"]]].append(document)
    return waves
