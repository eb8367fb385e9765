# SPDX-License-Identifier: Apache-2.0
"""Does the target know every leaf revision of the source? One request to each side per page, and memory for a page."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.couchdb import databases
from airflow_provider_replicator.couchdb.verify.halves import in_halves
from airflow_provider_replicator.couchdb.verify.missing import Lacking, Missing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from airflow_provider_replicator.couchdb.client import CouchClient
    from airflow_provider_replicator.couchdb.databases import ChangesPage
    from airflow_provider_replicator.couchdb.verify.feed import Feed

    #: Is given each document that the target knows whole: its id and its leaf revisions.
    Seen = Callable[[str, Sequence[str]], None]
    #: Is told that a page is done: documents so far, and how many there will be, if known.
    PageDone = Callable[[int, int | None], Awaitable[None]]


@dataclass(slots=True)
class Revisions:
    """What was found. ``conflicts``: documents with several leaf revisions. ``changed_meanwhile``: see the report."""

    documents: int = 0
    revisions: int = 0
    conflicts: int = 0
    tombstones: int = 0
    changed_meanwhile: int = 0
    missing: Missing = field(default_factory=Missing)


async def compare_revisions(
    feed: Feed, target: CouchClient, target_db: str, *, seen: Seen, page_done: PageDone
) -> Revisions:
    """Ask the target, page by page, for what it lacks. What has changed after the end of the feed is no finding."""
    found = Revisions()
    async with aclosing(feed.pages()) as pages:
        async for page in pages:
            await _page(page, found, target, target_db, seen)
            await page_done(found.documents, feed.total)
    if found.missing.documents:
        async with aclosing(feed.after().pages()) as pages:
            async for page in pages:
                found.changed_meanwhile += found.missing.forget(row["id"] for row in page.rows)
    return found


async def _page(page: ChangesPage, found: Revisions, target: CouchClient, target_db: str, seen: Seen) -> None:
    rows = {row["id"]: row for row in page.rows}
    leaves = {doc_id: [change["rev"] for change in row["changes"]] for doc_id, row in rows.items()}
    found.documents += len(leaves)
    found.revisions += sum(map(len, leaves.values()))
    found.conflicts += sum(len(revisions) > 1 for revisions in leaves.values())
    found.tombstones += sum(bool(row.get("deleted")) for row in rows.values())
    lacking = await _lacking(leaves, target, target_db)
    for doc_id, revisions in leaves.items():
        missing = lacking.get(doc_id)
        if missing is None:
            seen(doc_id, revisions)
        else:
            deleted = bool(rows[doc_id].get("deleted"))
            winner = revisions[0] in missing
            found.missing.add(doc_id, Lacking(revisions=len(missing), winner=winner, tombstone=deleted))


async def _lacking(leaves: dict[str, list[str]], target: CouchClient, target_db: str) -> dict[str, list[str]]:
    """Revisions that the target does not know, by document."""

    async def ask(some: Sequence[tuple[str, list[str]]]) -> dict[str, dict[str, Any]]:
        return await databases.revs_diff(target, target_db, dict(some))

    lacking: dict[str, list[str]] = {}
    for part, answer in await in_halves(list(leaves.items()), ask):
        if answer is None:  # a single document with so many revisions that the target refuses to look
            lacking |= dict(part)
        else:
            lacking |= {doc_id: one["missing"] for doc_id, one in answer.items() if one.get("missing")}
    return lacking
