# SPDX-License-Identifier: Apache-2.0
"""Copying one batch of changes after another: what the target lacks is read from the source and written as it is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from airflow_provider_replicator.sandbox.couchdb.replicator.changes_reader import Change, ChangeQueue
from airflow_provider_replicator.sandbox.couchdb.replicator.options import Options
from airflow_provider_replicator.sandbox.couchdb.replicator.pace import Pace
from airflow_provider_replicator.sandbox.couchdb.replicator.remote import Leaf, MissingDocumentError, RemoteDatabase
from airflow_provider_replicator.sandbox.couchdb.replicator.stats import Stats

_DESIGN = "_design/"
#: bytes of documents that are written in one request
_FLUSH_FROM = 512 * 1024
_MISSING_RETRY_SECONDS = 2.0
#: seconds after which a shortcut that was not worth its request is tried again
_RETRY = 37.0


@dataclass(slots=True)
class Worth:
    """Whether a bulk request is worth it: a moving average of how much of the last ones it could not do."""

    limit: float
    decay: float
    pace: Pace
    _ratio: float = 0.0
    _at: float = 0.0

    def __post_init__(self) -> None:
        self._at = self.pace.now()

    def try_it(self) -> bool:
        return self._ratio <= self.limit or self.pace.now() - self._at > _RETRY

    def learn(self, *, done: int, asked: int) -> None:
        failed = (asked - done) / asked if asked else 0.0
        self._ratio += self.decay * (failed - self._ratio)
        self._at = self.pace.now()


@dataclass(slots=True)
class Batch:
    """Documents on their way, and what came of them."""

    documents: list[bytes] = field(default_factory=list)
    size: int = 0
    stats: Stats = field(default_factory=Stats)

    def count(self, **counts: int) -> None:
        self.stats += Stats(**counts)


#: told how far a batch reaches (its number and sequence), before and after
Started = Callable[[tuple[int, Any]], None]
Done = Callable[[tuple[int, Any], Stats], Awaitable[None]]


@dataclass(slots=True)
class Batches:
    """Hands out the queue in numbered batches."""

    queue: ChangeQueue
    size: int
    started: Started
    _number: int = 0
    _busy: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def next(self) -> tuple[tuple[int, Any], list[Change]] | None:
        """None: there is nothing more."""
        async with self._busy:
            changes = await self.queue.take(self.size)
            if not changes:
                return None
            self._number += 1
            reached = (self._number, changes[-1].seq)
            self.started(reached)
            return reached, [change for change in changes if change.doc_id]


class Worker:
    """``run`` returns when there is nothing more to copy. It raises CrashError when source or target fail, and then the batch
    counts as not done: whoever runs the job again copies it again."""

    def __init__(
        self, source: RemoteDatabase, target: RemoteDatabase, batches: Batches, options: Options, done: Done, pace: Pace
    ) -> None:
        self._source = source
        self._target = target
        self._batches = batches
        self._options = options
        self._done = done
        self._pace = pace
        self._readers = max(options.http_connections, 1)
        self._bulk_get_worth = Worth(0.5, 0.25, pace)
        self._revs_diff_worth = Worth(0.95, 0.4, pace)

    async def run(self) -> None:
        while (taken := await self._batches.next()) is not None:
            reached, changes = taken
            batch = Batch()
            if changes:
                await self._copy(changes, batch)
            await self._done(reached, batch.stats)

    async def _copy(self, changes: Sequence[Change], batch: Batch) -> None:
        missing = await self._find_missing(changes, batch)
        design = {leaf: known for leaf, known in missing.items() if leaf[0].startswith(_DESIGN)}
        others = {leaf: known for leaf, known in missing.items() if leaf not in design}
        await self._copy_one_by_one(list(design), batch)
        found = await self._bulk_get(others, batch)
        for leaf in sorted(found):
            await self._collect(found[leaf], batch)
        await self._copy_one_by_one([leaf for leaf in others if leaf not in found], batch)
        await self._flush(batch)

    async def _find_missing(self, changes: Sequence[Change], batch: Batch) -> dict[Leaf, list[str]]:
        revisions: dict[str, list[str]] = {str(change.doc_id): list(change.revs) for change in changes if change.revs}
        checked = sum(map(len, revisions.values()))
        if self._revs_diff_worth.try_it():
            missing = await self._target.missing(revisions)
            unknown = sum(not known for known in missing.values())
            self._revs_diff_worth.learn(done=checked - unknown, asked=checked)
        else:
            missing = {(doc_id, rev): [] for doc_id, revs in revisions.items() for rev in revs}
        batch.count(missing_checked=checked, missing_found=len(missing))
        return missing

    async def _bulk_get(self, leaves: Mapping[Leaf, Sequence[str]], batch: Batch) -> dict[Leaf, dict[str, Any]]:
        if not self._options.use_bulk_get or not self._bulk_get_worth.try_it():
            return {}
        found = await self._source.bulk_get(leaves) if leaves else {}
        batch.count(bulk_get_docs=len(found), bulk_get_attempts=len(leaves))
        self._bulk_get_worth.learn(done=len(found), asked=len(leaves))
        return found

    async def _copy_one_by_one(self, leaves: Sequence[Leaf], batch: Batch) -> None:
        for first in range(0, len(leaves), self._readers):
            async with asyncio.TaskGroup() as group:
                for leaf in leaves[first : first + self._readers]:
                    group.create_task(self._copy_one(leaf, batch))

    async def _copy_one(self, leaf: Leaf, batch: Batch) -> None:
        try:
            documents = await self._source.read(leaf)
        except MissingDocumentError:
            await self._pace.sleep(_MISSING_RETRY_SECONDS)
            documents = await self._source.read(leaf)
        for document in documents:
            if document["_id"].startswith(_DESIGN) or document.get("_attachments"):
                refused = await self._target.write_one(document)
                batch.count(docs_read=1, docs_written=int(refused is None), doc_write_failures=int(refused is not None))
            else:
                await self._collect(document, batch)

    async def _collect(self, document: Mapping[str, Any], batch: Batch) -> None:
        encoded = orjson.dumps(document)
        batch.documents.append(encoded)
        batch.size += len(encoded)
        if batch.size > _FLUSH_FROM:
            await self._flush(batch)

    async def _flush(self, batch: Batch) -> None:
        documents, batch.documents, batch.size = batch.documents, [], 0
        if documents:
            batch.count(docs_read=len(documents))
            batch.stats += await self._write(documents)

    async def _write(self, documents: Sequence[bytes]) -> Stats:
        errors = await self._target.write(documents)
        if errors is not None:
            return Stats(docs_written=len(documents) - len(errors), doc_write_failures=len(errors))
        if len(documents) == 1:
            return Stats(doc_write_failures=1)
        half = len(documents) // 2
        return await self._write(documents[:half]) + await self._write(documents[half:])
