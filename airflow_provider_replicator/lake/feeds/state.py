# SPDX-License-Identifier: Apache-2.0
"""What is remembered of a feed's tables, in the streams that commit with them.

Two tables, two streams. The current table's stream says how far its content goes: still loading, or merged up to a batch of the
changes table. The changes table's stream says where in the feed its source is. A *generation* is one load and all changes after it;
a resync begins the next one.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_replicator.lake.stream import Stream

if TYPE_CHECKING:
    from deltalake import DeltaTable

    from airflow_provider_replicator.lake.stream import Position
    from airflow_provider_replicator.lake.table import Table

Phase = Literal["load", "live"]
CURRENT = "current"
CHANGES = "changes"


class FeedLostError(Exception):
    """Where the feed was is worth nothing any more: everything has to be read anew. The message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentState:
    """``cursor``: where the load goes on. ``live``, ``live_ms``: the feed's cursor taken before the load, and when. ``merged``: the
    table holds all changes up to this batch; ``merged_rows`` of them, ``merged_bytes``, were written until then. ``doubles``: the
    load may have read an object twice, which the next merge puts right. ``misfits``: objects that the load left out. ``source``:
    what tells the source from another one of the same name, where that is known.
    """

    phase: Phase
    generation: int
    live: str
    live_ms: int
    cursor: str | None = None
    merged: int = 0
    merged_rows: int = 0
    merged_bytes: int = 0
    doubles: bool = True
    misfits: int = 0
    source: str = ""

    def with_(self, **changes: Any) -> CurrentState:
        return replace(self, **changes)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesState:
    """``cursor``: where the feed goes on. ``rows``, ``bytes`` (of memory): written to the table so far, since it was made.
    ``since_ms``: when the oldest change that was not merged at that time was written; 0: there was none. ``settled``: all changes of
    the time of the load have been read, so that table and changes together are the source at one moment. ``cleaned``: no changes up
    to this batch are left. ``misfits``: objects that the run of this batch left out so far; ``done``: it was that run's last batch,
    and it told of them.
    """

    generation: int
    cursor: str
    settled: bool = False
    rows: int = 0
    bytes: int = 0
    since_ms: int = 0
    cleaned: int = 0
    misfits: int = 0
    done: bool = False

    def with_(self, **changes: Any) -> ChangesState:
        return replace(self, **changes)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def current_stream(table: Table) -> Stream:
    return Stream(table, CURRENT)


def changes_stream(table: Table) -> Stream:
    return Stream(table, CHANGES)


def current_state(stream: Stream, handle: DeltaTable) -> tuple[CurrentState, Position] | None:
    """The state of the current table at the version of ``handle``; None before its first commit."""
    position = stream.position(handle)
    return None if position is None else (CurrentState(**position.state), position)


def changes_state(stream: Stream, handle: DeltaTable) -> tuple[ChangesState, Position] | None:
    """The same of the changes table."""
    position = stream.position(handle)
    return None if position is None else (ChangesState(**position.state), position)
