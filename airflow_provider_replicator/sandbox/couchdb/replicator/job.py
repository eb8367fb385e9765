# SPDX-License-Identifier: Apache-2.0
"""A job of the scheduler: what it is, what has happened to it, and when it may be tried again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from airflow_provider_replicator.sandbox.couchdb.replicator.replication import Replication
from airflow_provider_replicator.sandbox.couchdb.replicator.run import Run

Kind = Literal["added", "started", "stopped", "crashed"]
_LARGEST_EXPONENT = 10


@dataclass(frozen=True, slots=True)
class Event:
    """``at`` is in seconds of CouchDB's time, ``shown`` in seconds since 1970."""

    kind: Kind
    at: float
    shown: float
    reason: Any = None


def consecutive_crashes(history: Sequence[Event], health_threshold: float) -> int:
    """How often the job crashed without having run well, for longer than ``health_threshold``, in between. Newest first."""
    count = 0
    for number, event in enumerate(history):
        before = history[number + 1] if number + 1 < len(history) else None
        if before is None:
            break
        if event.kind == "crashed":
            if event.at - before.at > health_threshold:
                break
            count += 1
        elif event.kind == "stopped" and before.kind == "started":
            break
    return count


def backoff(crashes: int, first: float) -> float:
    """Seconds between a crash and the next attempt: ``first``, then twice as long each time, up to 1024 times."""
    return first * float(2.0 ** min(crashes - 1, _LARGEST_EXPONENT))


def may_start(history: Sequence[Event], now: float, *, health_threshold: float, first_backoff: float) -> bool:
    if len(history) == 1 and history[0].kind == "added":
        return True
    if history[0].kind == "stopped":
        return True
    crashed = next((event.at for event in history if event.kind == "crashed"), float("-inf"))
    return now - crashed >= backoff(consecutive_crashes(history, health_threshold), first_backoff)


@dataclass(slots=True, eq=False)
class Job:
    """``database`` and ``doc_id`` are None for a job from ``POST /_replicate``. ``started`` is when it was asked for."""

    id: str
    checkpoint_id: str
    replication: Replication
    started: float
    database: str | None = None
    doc_id: str | None = None
    user: str | None = None
    #: newest first
    history: list[Event] = field(default_factory=list)
    info: dict[str, Any] | None = None
    run: Run | None = None
    task: asyncio.Task[None] | None = None
    #: for whoever waits for the end of a transient job
    ended: asyncio.Future[Any] | None = None

    @property
    def running(self) -> bool:
        return self.task is not None

    @property
    def continuous(self) -> bool:
        return self.replication.options.continuous

    @property
    def last_started(self) -> float:
        return next((event.at for event in self.history if event.kind == "started"), float("-inf"))
