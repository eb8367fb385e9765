# SPDX-License-Identifier: Apache-2.0
"""All jobs of a replicator database with their states, page by page, without credentials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from airflow_provider_replicator.couchdb import databases
from airflow_provider_replicator.couchdb.jobs.errors import redacted
from airflow_provider_replicator.couchdb.jobs.reading import from_document, from_scheduler
from airflow_provider_replicator.couchdb.jobs.states import JobState, State
from airflow_provider_replicator.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping

    from airflow_provider_replicator.couchdb.client import CouchClient

#: Cloudant gives no more than 200 at once.
_PAGE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One job. ``source`` and ``target`` are URLs without credentials."""

    doc_id: str
    replicator_db: str
    source: str | None
    target: str | None
    state: JobState


async def list_jobs(
    mediator: CouchClient,
    replicator_db: str = "_replicator",
    *,
    states: Collection[str] = (),
    prefix: str = "",
    page: int = _PAGE,
) -> AsyncIterator[Listed]:
    """Every job in one of ``states`` (empty: all) whose id begins with ``prefix``, in the order of ids.

    On v1 servers read from the documents. Jobs that come or end while the pages are read may be missing, or be there twice.
    """
    unknown = sorted(set(states) - set(get_args(State)))
    if unknown:
        raise ConfigurationError(
            f"no state of a replication: {', '.join(unknown)}. There are: {', '.join(get_args(State))}"
        )
    server = await mediator.features()
    pages = _scheduled(mediator, replicator_db, page) if server.scheduler else _v1(mediator, replicator_db, page)
    async for listed in pages:
        if listed.doc_id.startswith(prefix) and (not states or listed.state.state in states):
            yield listed


async def _scheduled(mediator: CouchClient, replicator_db: str, page: int) -> AsyncIterator[Listed]:
    """All of them: the server's own filter by state counts what it leaves out, and does not know jobs without state."""
    skip, total = 0, 1
    while skip < total:
        params = {"limit": page, "skip": skip}
        answer = await mediator.get("_scheduler", "docs", replicator_db, params=params)
        total = answer.get("total_rows", 0)
        for row in answer["docs"]:
            yield Listed(
                doc_id=row["doc_id"],
                replicator_db=replicator_db,
                source=_address(row.get("source")),
                target=_address(row.get("target")),
                state=from_scheduler(row, mediator.connection),
            )
        skip += page


async def _v1(mediator: CouchClient, replicator_db: str, page: int) -> AsyncIterator[Listed]:
    start: str | None = None
    while True:
        rows = await databases.all_docs(
            mediator, replicator_db, include_docs=True, limit=page + 1, **({} if start is None else {"startkey": start})
        )
        for row in rows[:page]:
            if not row["id"].startswith("_design/"):
                yield Listed(
                    doc_id=row["id"],
                    replicator_db=replicator_db,
                    source=_address(row["doc"].get("source")),
                    target=_address(row["doc"].get("target")),
                    state=from_document(row["doc"], mediator.connection),
                )
        if len(rows) <= page:
            return
        start = rows[page]["id"]


def _address(endpoint: Mapping[str, Any] | str | None) -> str | None:
    """The URL of an endpoint, however it is written, without credentials."""
    url = endpoint.get("url") if isinstance(endpoint, dict) else endpoint
    return redacted(url) if isinstance(url, str) else None
