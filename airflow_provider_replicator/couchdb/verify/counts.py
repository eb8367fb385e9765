# SPDX-License-Identifier: Apache-2.0
"""The two cheap looks: how many documents there are, and how many changes wait."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from airflow_provider_replicator.couchdb import databases

if TYPE_CHECKING:
    from airflow_provider_replicator.couchdb.client import CouchClient
    from airflow_provider_replicator.couchdb.verify.feed import Feed


async def counts(client: CouchClient, database: str) -> dict[str, int]:
    """Documents, and deleted ones. Servers of PouchDB do not count the latter."""
    info = await databases.info(client, database)
    found = {"docs": int(info["doc_count"])}
    return found | ({"deleted": int(info["doc_del_count"])} if "doc_del_count" in info else {})


async def pending(feed: Feed) -> int:
    """How many changes there are in the feed. One request, where the server counts them and none is to be left out."""
    told = await databases.pending(feed.client, feed.database, feed.since)
    if told == 0 or (told is not None and feed.selects_everything):
        return told
    async with aclosing(feed.pages()) as pages:
        return sum([len(page.rows) async for page in pages])
