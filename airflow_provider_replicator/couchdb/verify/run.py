# SPDX-License-Identifier: Apache-2.0
"""Compare a source database with the one it was replicated to."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, get_args

from airflow_provider_replicator.couchdb.verify import sentences
from airflow_provider_replicator.couchdb.verify.bodies import Bodies, Sample
from airflow_provider_replicator.couchdb.verify.counts import counts, pending
from airflow_provider_replicator.couchdb.verify.feed import Feed
from airflow_provider_replicator.couchdb.verify.report import MAX_SAMPLE, Level, VerifyReport
from airflow_provider_replicator.couchdb.verify.revisions import compare_revisions
from airflow_provider_replicator.couchdb.verify.selection import Selection
from airflow_provider_replicator.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_provider_replicator.couchdb.client import CouchClient

    #: Documents so far, and how many there will be, if known.
    OnProgress = Callable[[int, int | None], None]


async def verify(
    source: CouchClient,
    source_db: str,
    target: CouchClient,
    target_db: str,
    *,
    level: Level = "revisions",
    selection: Selection | None = None,
    since: str | int | None = None,
    until: str | int | None = None,
    sample: int | None = 100,
    max_missing: int = 0,
    page_size: int = 2000,
    on_progress: OnProgress | None = None,
) -> VerifyReport:
    """Whether the target holds what the source holds. Nothing is written on either side; differences are in the report, not raised.

    - ``counts``: as many documents and deleted documents. For targets that hold nothing else, and replications without a selection.
    - ``pending``: nothing has changed at the source since ``since``, the sequence that the replication has come to
      (``checkpointed_source_seq``). Says nothing of documents that the target refused.
    - ``revisions``: the target knows every leaf revision of the source, conflicts and tombstones as well.
    - ``bodies``: that, and the content of ``sample`` documents (None: of all) is the same; attachments by their digests.

    ``since`` and ``until`` are sequences of the source: only changes between them are looked at (``until``: None is now), so a source
    that is written to all the time can be verified. ``max_missing``: so many missing documents are no failure.
    """
    if level not in get_args(Level):
        raise ConfigurationError(f"level is {level!r}: write one of {', '.join(get_args(Level))}")
    job = _Job(source, source_db, target, target_db, level, sample, max_missing, on_progress)
    feed = Feed(source, source_db, selection or Selection(), since=since, until=until, page_size=page_size)
    if level == "counts":
        return await job.counts(feed)
    if level == "pending":
        return await job.pending(feed)
    return await job.revisions(feed)


class _Job:
    """One verification."""

    def __init__(
        self,
        source: CouchClient,
        source_db: str,
        target: CouchClient,
        target_db: str,
        level: Level,
        sample: int | None,
        max_missing: int,
        on_progress: OnProgress | None,
    ) -> None:
        self._source, self._source_db = source, source_db
        self._target, self._target_db = target, target_db
        self._level: Level = level
        self._sample = Sample(sample)
        self._max_missing = max_missing
        self._on_progress = on_progress
        self._began = time.monotonic()
        self._requests = source.requests, target.requests

    async def counts(self, feed: Feed) -> VerifyReport:
        if not feed.selects_everything or feed.since is not None or feed.until is not None:
            raise ConfigurationError(
                "level='counts' compares whole databases: leave out the selection, since and until, or write level='revisions'"
            )
        found = {
            "source": await counts(self._source, self._source_db),
            "target": await counts(self._target, self._target_db),
        }
        return self._report(counts=found, findings=tuple(sentences.about_counts(found)))

    async def pending(self, feed: Feed) -> VerifyReport:
        if feed.since is None:
            raise ConfigurationError(
                "level='pending' needs since: the sequence that the replication has come to (checkpointed_source_seq of its state)"
            )
        found = await pending(feed)
        return self._report(pending=found, findings=tuple(sentences.about_pending(found)))

    async def revisions(self, feed: Feed) -> VerifyReport:
        bodies = Bodies(self._source, self._source_db, self._target, self._target_db)
        compares = self._level == "bodies"

        async def page_done(documents: int, total: int | None) -> None:
            if compares and self._sample.is_final:
                await bodies.compare(self._sample.take())
            if self._on_progress is not None:
                self._on_progress(documents, total)

        seen = self._sample.offer if compares else _ignore
        found = await compare_revisions(feed, self._target, self._target_db, seen=seen, page_done=page_done)
        await bodies.compare(self._sample.take())
        findings, notes = list(sentences.about_bodies(bodies)), list(sentences.notes(found, bodies))
        missing = found.missing
        if missing.documents > self._max_missing:
            findings = [*sentences.about_missing(found), *findings]
        elif missing.documents:
            notes = [sentences.tolerated(missing.documents, self._max_missing), *notes]
        return self._report(
            documents=found.documents,
            revisions=found.revisions,
            conflicts=found.conflicts,
            tombstones=found.tombstones,
            missing_documents=missing.documents,
            missing_revisions=missing.revisions,
            missing_tombstones=missing.tombstones,
            missing_ids=missing.ids(MAX_SAMPLE),
            changed_meanwhile=found.changed_meanwhile,
            compared=bodies.compared,
            different=bodies.different,
            different_ids=tuple(bodies.different_ids),
            superseded=bodies.superseded,
            findings=tuple(findings),
            notes=tuple(notes),
        )

    def _report(self, **found: Any) -> VerifyReport:
        before_source, before_target = self._requests
        return VerifyReport(
            source=f"{self._source.connection.name}/{self._source_db}",
            target=f"{self._target.connection.name}/{self._target_db}",
            level=self._level,
            requests={
                "source": self._source.requests - before_source,
                "target": 0 if self._target is self._source else self._target.requests - before_target,
            },
            seconds=time.monotonic() - self._began,
            **found,
        )


def _ignore(doc_id: str, revisions: Sequence[str]) -> None:
    """Nobody wants to compare its content."""
