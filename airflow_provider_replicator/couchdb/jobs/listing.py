# SPDX-License-Identifier: Apache-2.0
"""All jobs of a replicator database with their states, page by page, without credentials."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_replicator.couchdb.client import CouchClient
    from airflow_provider_replicator.couchdb.jobs.states import JobState


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One job. ``source`` and ``target`` are URLs without credentials."""

    doc_id: str
    replicator_db: str
    source: str | None
    target: str | None
    state: JobState


def list_jobs(
    mediator: CouchClient,
    replicator_db: str = "_replicator",
    *,
    states: Sequence[str] = (),
    prefix: str = "",
    page: int = 100,
) -> AsyncIterator[Listed]:
    """Every job in one of ``states`` (empty: all) whose id begins with ``prefix``. On v1 servers read from the documents."""
    raise NotImplementedError
