# SPDX-License-Identifier: Apache-2.0
"""Objects compared by count, by key, or by meaning. Memory: a page of each side, and eight bytes a source object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.cdf.identity import INTERNAL_ID, SOURCE, key_of, number_of, origin_of
from airflow_provider_replicator.cdf.listing import count, pages
from airflow_provider_replicator.cdf.options import Options
from airflow_provider_replicator.cdf.references import by_ids
from airflow_provider_replicator.cdf.resources import RESOURCES
from airflow_provider_replicator.cdf.selection import Scope, scope_in_target, scope_of
from airflow_provider_replicator.cdf.verify.hashes import HashTable, Share, Shares, hash64
from airflow_provider_replicator.cdf.verify.left_out import is_conflict, unlinkable, why_left_out
from airflow_provider_replicator.cdf.verify.meaning import Names, differing, in_words, meaning, only_unlinked

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.cdf.resources import Resource
    from airflow_provider_replicator.cdf.verify.job import Job

Document = dict[str, Any]
#: No project holds so many objects of one type: their hashes never have to be put off.
_ROOM = 1 << 40
_PARTITIONS = 4


async def check_objects(name: str, job: Job) -> None:
    """Compare one resource type."""
    resource = RESOURCES[name]
    if job.level == "counts" and await _counts_agree(resource, job):
        return
    scope = await scope_of(resource, job.source, _options(job))
    check = ObjectCheck(resource, job, scope)
    async for docs in source_pages(resource, job.source, scope):
        await check.page(docs)
    if job.window is None and resource.metadata_bytes is not None:
        await check.find_extra()


def _options(job: Job) -> Options:
    if job.window is None:
        return Options(selection=job.selection)
    return Options(mode="window", window=job.window, overlap_ms=0, selection=job.selection)


async def source_pages(resource: Resource, source: CdfClient, scope: Scope) -> AsyncIterator[list[Document]]:
    """The selected source objects. An object that two listings return comes twice."""
    if scope.listings is None:
        items = [_address(key, source.project) for key in scope.keys]
        yield _covered(scope, await by_ids(source, resource.path, items))
        return
    for listing in scope.listings:
        async for docs in pages(source, resource.path, listing, partitions=min(_PARTITIONS, resource.partitions)):
            yield _covered(scope, docs)


def _address(key: str, project: str) -> Document:
    number = number_of(key, project)
    return {"externalId": key} if number is None else {"id": number}


async def copies_pages(
    resource: Resource, target: CdfClient, scope: Scope, origin: str
) -> AsyncIterator[list[Document]]:
    """The selected objects of the target that were replicated from ``origin``."""
    if scope.listings is None:
        docs = await by_ids(target, resource.path, [{"externalId": key} for key in scope.keys])
        yield [doc for doc in _covered(scope, docs) if origin_of(doc) == origin]
        return
    for listing in scope.listings:
        body = {**listing, "filter": {**listing["filter"], "metadata": {SOURCE: origin}}}
        async for docs in pages(target, resource.path, body):
            yield _covered(scope, docs)


def _covered(scope: Scope, docs: list[Document]) -> list[Document]:
    return [doc for doc in docs if scope.why_not(doc) is None]


async def _counts_agree(resource: Resource, job: Job) -> bool:
    """Two aggregate counts, which are eventually consistent: equal is good enough, different is a reason to look closer."""
    if job.window is not None or not job.selection.everything or resource.metadata_bytes is None:
        return False
    ours = await count(job.source, resource.path, {})
    theirs = await count(job.target, resource.path, {"filter": {"metadata": {SOURCE: job.source.project}}})
    if ours is None or ours != theirs:
        return False
    verdict = job.report.of(resource.name)
    verdict.source, verdict.target = ours, theirs
    return True


class ObjectCheck:
    """One resource type being compared."""

    def __init__(self, resource: Resource, job: Job, scope: Scope) -> None:
        self._resource = resource
        self._job = job
        #: Selected subtrees begin here: what is above them is not selected, so nobody compares it.
        self._roots = scope.roots
        self._verdict = job.report.of(resource.name)
        self._by_content = job.level in ("content", "full")
        self._keys = HashTable(Share(), Shares(), capacity=_ROOM)
        self._ours = Names(job.source, source_project=job.source.project)
        self._theirs = Names(job.target, source_project=None)

    async def page(self, docs: list[Document]) -> None:
        """One page of source objects."""
        expected = {key_of(doc, self._job.source.project): doc for doc in docs if self._compared(doc)}
        if not expected:
            return
        found = await by_ids(self._job.target, self._resource.path, [{"externalId": key} for key in expected])
        copies = {doc["externalId"]: doc for doc in found}
        self._verdict.source += len(expected)
        self._verdict.target += len(copies)
        for key in expected:
            self._keys.add(hash64(key.encode()))
        await self._report_missing({key: doc for key, doc in expected.items() if key not in copies})
        if self._by_content:
            await self._compare([(key, expected[key], copy) for key, copy in copies.items() if key in expected])

    async def _report_missing(self, docs: dict[str, Document]) -> None:
        left_out = await unlinkable(self._resource, docs.values(), self._job)
        for key, doc in docs.items():
            if doc.get("id") in left_out:
                self._verdict.source -= 1
                self._verdict.leave_out("unlinkable")
            else:
                self._differs(f"{key} is missing in the target")

    def _compared(self, doc: Document) -> bool:
        reason = why_left_out(self._resource, doc, self._job)
        if reason is not None:
            self._verdict.leave_out(reason)
            # Known all the same: a copy that somebody made of it is no leftover.
            self._keys.add(hash64(key_of(doc, self._job.source.project).encode()))
        return reason is None

    async def _compare(self, pairs: list[tuple[str, Document, Document]]) -> None:
        resource = self._resource
        await self._ours.learn(resource, [doc for _, doc, _ in pairs])
        await self._theirs.learn(resource, [copy for _, _, copy in pairs])
        for key, doc, copy in pairs:
            ours, theirs = meaning(resource, doc, self._ours), meaning(resource, copy, self._theirs)
            fields = differing(ours, theirs)
            if "parent" in fields and doc["id"] in self._roots:
                fields.remove("parent")
            if fields and only_unlinked(resource, fields, ours, theirs, copy):
                self._verdict.unlinked += 1
            elif fields and is_conflict(copy, self._job):
                self._verdict.leave_out("conflict")
            elif fields:
                self._differs(f"{key}: " + "; ".join(in_words(field, ours, theirs) for field in fields))

    def _differs(self, text: str) -> None:
        self._job.report.differs(self._resource.name, text)

    async def find_extra(self) -> None:
        """What the target holds of this source that the source no longer has, within the selection."""
        job = self._job
        scope = await scope_in_target(self._resource, job.target, job.selection)
        if scope is None:
            return
        async for docs in copies_pages(self._resource, job.target, scope, job.source.project):
            await self._extra_among(docs)

    async def _extra_among(self, copies: list[Document]) -> None:
        keys = [copy.get("externalId", "") for copy in copies]
        known = self._keys.look_up([hash64(key.encode()) for key in keys])
        strays = {key: copy for key, copy, hit in zip(keys, copies, known, strict=True) if hit is None}
        for key in strays.keys() - await self._still_there(strays):
            self._verdict.target += 1
            text = f"{key} is in the target, but no longer in the source"
            self._job.report.is_extra(self._resource.name, text, allowed=self._job.allow_extra)

    async def _still_there(self, strays: dict[str, Document]) -> set[str]:
        """Lists may be behind: the source is asked by id before anything is called a leftover."""
        numbers = sorted({copy["metadata"].get(INTERNAL_ID, "") for copy in strays.values()})
        items = [{"id": int(number)} for number in numbers if number.isdecimal()]
        found = await by_ids(self._job.source, self._resource.path, items) if items else []
        return {key_of(doc, self._job.source.project) for doc in found}
