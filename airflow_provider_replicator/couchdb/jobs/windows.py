# SPDX-License-Identifier: Apache-2.0
"""Windowed runs: each goes on where the run of the window before it began, and none depends on checkpoints of the server.

Servers know no upper bound: a one-shot replication copies up to now. So what is kept per window is the source's sequence from just
before its run. The run of a window starts from what is kept of the window before it, whenever and however often it is run; without
one it copies everything. What is kept lies in a ``_local`` document, which is not replicated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_replicator.couchdb.client import CouchClient


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowRun:
    """One run of one window: ``since_seq`` for its options (None: everything), and what to keep when it has succeeded. JSON-able."""

    stream: str
    window: str
    since_seq: str | None
    #: The window that ``since_seq`` was kept for, and why there is none, if there is none.
    previous: str | None
    reason: str
    #: The source's sequence from before the run, and which database it belongs to.
    last_seq: str
    identity: Mapping[str, str]

    def to_dict(self) -> dict[str, Any]:
        raise NotImplementedError

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> WindowRun:
        raise NotImplementedError


async def begin(
    source: CouchClient,
    source_db: str,
    *,
    stream: str,
    window: str,
    store: CouchClient | None = None,
    store_db: str | None = None,
) -> WindowRun:
    """Before the job is submitted. ``stream``: the logical stream (a task of a DAG); ``window``: ISO 8601, its start.

    ``store``, ``store_db``: where sequences are kept (default: the source, which then needs write access). Sequences of a database
    that was deleted and made again, or of another one, are not used: the run then copies everything, and ``reason`` says so.
    """
    raise NotImplementedError


async def record(store: CouchClient, store_db: str, run: WindowRun) -> None:
    """After the run has succeeded, and only then. Repeating it is harmless."""
    raise NotImplementedError
