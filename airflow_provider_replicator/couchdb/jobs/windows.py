# SPDX-License-Identifier: Apache-2.0
"""Windowed runs: each goes on where the run of the window before it began, and none depends on checkpoints of the server.

Servers know no upper bound: a one-shot replication copies up to now. So what is kept per window is the source's sequence from just
before its run. The run of a window starts from what is kept of the window before it, whenever and however often it is run; without
one it copies everything. What is kept lies in a ``_local`` document, which is not replicated.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.core.window import iso, moment_ms
from airflow_provider_replicator.couchdb import databases
from airflow_provider_replicator.couchdb.jobs import sequences
from airflow_provider_replicator.exceptions import ConfigurationError, CouchConflictError, ReplicationStalledError

if TYPE_CHECKING:
    from airflow_provider_replicator.couchdb.client import CouchClient

#: Windows kept per stream: with daily runs a year, and under 1 MB also where a sequence names 64 shards.
_KEPT = 400
_ATTEMPTS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowRun:
    """One run of one window: ``since_seq`` for its options (None: everything), and what to keep when it has succeeded. JSON-able."""

    stream: str
    window: str
    since_seq: str | None
    #: The window that ``since_seq`` was kept for.
    previous: str | None
    #: Why it starts where it starts, for the log and the report.
    reason: str
    #: The source's sequence from before the run, and which database it belongs to.
    last_seq: str
    identity: Mapping[str, str]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> WindowRun:
        return cls(**values)


async def begin(
    source: CouchClient,
    source_db: str,
    *,
    stream: str,
    window: str,
    store: CouchClient | None = None,
    store_db: str | None = None,
) -> WindowRun:
    """Before the job is submitted. ``stream``: the logical stream (a task of a DAG); ``window``: its start, ISO 8601.

    ``store``, ``store_db``: where sequences are kept (default: the source, which then needs write access). Sequences of a database
    that was deleted and made again, or of another one, are not used: the run then copies everything, and ``reason`` says so.
    Two requests and, once per client, one more.
    """
    key = _key(window)
    there = await databases.info(source, source_db)
    last_seq = there.get("update_seq")
    if not isinstance(last_seq, str):
        raise ConfigurationError(
            f"{source_db}: windows need sequences as CouchDB has them since 2.0; this server's are {type(last_seq).__name__}s"
        )
    identity = await _identity(source, source_db, there)
    kept = await databases.local_get(store or source, store_db or source_db, _name(stream)) or {}
    since, previous, reason = start_of(kept, key, identity)
    if since is not None and sequences.foreign(since, last_seq):
        since, previous, reason = None, None, f"everything: what was kept of {previous} is of another database"
    return WindowRun(
        stream=stream,
        window=key,
        since_seq=since,
        previous=previous,
        reason=reason,
        last_seq=last_seq,
        identity=identity,
    )


async def record(store: CouchClient, store_db: str, run: WindowRun) -> None:
    """After the run has succeeded, and only then. Repeating it is harmless; other windows' runs may record at the same time."""
    for _ in range(_ATTEMPTS):
        kept = await databases.local_get(store, store_db, _name(run.stream)) or {}
        document = {name: kept[name] for name in ("_rev",) if name in kept} | recorded(kept, run)
        try:
            await databases.local_put(store, store_db, _name(run.stream), document)
        except CouchConflictError:
            continue
        return
    raise ReplicationStalledError(f"what is kept of {run.stream} in {store_db} changes all the time: try again")


def start_of(kept: Mapping[str, Any], window: str, identity: Mapping[str, str]) -> tuple[str | None, str | None, str]:
    """``since_seq``, the window it was kept for, and why. Pure."""
    windows = kept.get("windows") or {}
    earlier = [one for one in windows if one < window]
    if not earlier:
        return (
            None,
            None,
            "everything: it is the first window of its stream"
            if not windows
            else ("everything: nothing is kept of an earlier window"),
        )
    previous = max(earlier)
    entry = windows[previous]
    if different := _different(entry.get("identity") or {}, identity):
        return None, None, f"everything: the source is another database than for {previous} ({', '.join(different)})"
    return entry["seq"], previous, f"what has changed since the run of {previous} began"


def recorded(kept: Mapping[str, Any], run: WindowRun) -> dict[str, Any]:
    """What is kept, with ``run``: the newest windows. Pure.

    Of a window that is run again, the first sequence stays: the next window, run again alone, is then still whole.
    """
    windows = dict(kept.get("windows") or {})
    before = windows.get(run.window)
    if before is None or _different(before.get("identity") or {}, run.identity):
        windows[run.window] = {"seq": run.last_seq, "identity": dict(run.identity)}
    return {"stream": run.stream, "windows": {window: windows[window] for window in sorted(windows)[-_KEPT:]}}


async def _identity(source: CouchClient, source_db: str, there: Mapping[str, Any]) -> dict[str, str]:
    """Which database it is: its server, its name, and when it was made. Servers before 3.3 do not say the last ("0")."""
    server = await source.features()
    known = {
        "server": server.uuid,
        "database": there.get("db_name") or source_db,
        "instance_start_time": there.get("instance_start_time"),
    }
    return {name: str(value) for name, value in known.items() if value not in (None, "", "0")}


def _different(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    return sorted(name for name in before.keys() & now.keys() if before[name] != now[name])


def _key(window: str) -> str:
    """A window's start in one form, so that windows sort as they follow each other."""
    ms = moment_ms("window", window)
    if ms is None:
        raise ConfigurationError(f"window is {window!r}: write the start of a window, ISO 8601")
    return iso(ms)


def _name(stream: str) -> str:
    return f"airflow-window-{hashlib.sha256(stream.encode()).hexdigest()[:24]}"
