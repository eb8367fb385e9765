# SPDX-License-Identifier: Apache-2.0
"""``_local/{job}`` at both ends: where the next run begins, and what the runs before it have counted."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_replicator.sandbox.couchdb.replicator.pace import rfc1123
from airflow_provider_replicator.sandbox.couchdb.replicator.remote import CheckpointError, RemoteDatabase
from airflow_provider_replicator.sandbox.couchdb.replicator.stats import Stats

_LOWEST = 0
_VERSION = 4
_LONGEST_HISTORY = 50
_CHANGED = "instance_start_time on {} database has changed since last checkpoint."

Body = dict[str, Any]


def common_start(source: Mapping[str, Any], target: Mapping[str, Any]) -> tuple[Any, list[Body]]:
    """The sequence that both ends have recorded for the same session, and the history up to it. Else the beginning."""
    if source.get("session_id") == target.get("session_id"):
        return source.get("source_last_seq", _LOWEST), list(source.get("history", []))
    return _common_session(list(source.get("history", [])), list(target.get("history", [])))


def _common_session(source: list[Body], target: list[Body]) -> tuple[Any, list[Body]]:
    while source and target:
        if _session(source[0]) in map(_session, target):
            return source[0].get("recorded_seq", _LOWEST), source[1:]
        if _session(target[0]) in map(_session, source[1:]):
            return target[0].get("recorded_seq", _LOWEST), target[1:]
        source, target = source[1:], target[1:]
    return _LOWEST, []


def _session(entry: Mapping[str, Any]) -> Any:
    return entry.get("session_id")


@dataclass(slots=True)
class _Log:
    """The checkpoint document at one end."""

    name: str
    database: RemoteDatabase
    doc_id: str
    #: what the database said of itself when the run began
    started: str = ""
    body: Body = field(default_factory=dict)
    rev: str | None = None

    async def load(self) -> None:
        self.started = str((await self.database.info()).get("instance_start_time"))
        document = await self.database.local(self.doc_id) or {}
        self.rev = document.get("_rev")
        self.body = {name: value for name, value in document.items() if not name.startswith("_")}

    async def save(self, body: Body) -> None:
        """Raises CheckpointError."""
        try:
            self.rev = await self.database.put_local(self.doc_id, self._document(body))
        except CheckpointError as error:
            stored = await self.database.local(self.doc_id) if error.message == "conflict" else None
            if stored is None or {name: value for name, value in stored.items() if name[0] != "_"} != body:
                message = f"Error updating the {self.name} checkpoint document: {error.message}"
                raise CheckpointError(message) from error
            self.rev = stored["_rev"]  # an attempt of ours whose answer was lost

    def _document(self, body: Body) -> Body:
        head: Body = {"_id": f"_local/{self.doc_id}"}
        return head | ({"_rev": self.rev} if self.rev else {}) | body


class Checkpoints:
    """Of one run. ``start_seq`` and ``history`` are there after :meth:`load`."""

    def __init__(self, source: RemoteDatabase, target: RemoteDatabase, doc_id: str, *, started: float, by_ids: bool):
        self._source = _Log("source", source, doc_id)
        self._target = _Log("target", target, doc_id)
        self._started = started
        self._by_ids = by_ids
        self.session_id = uuid.uuid4().hex
        self.start_seq: Any = _LOWEST
        self.history: list[Body] = []
        #: the document as it was last written, or found
        self.body: Body = {}

    async def load(self) -> None:
        for log in (self._source, self._target):
            await log.load()
        self.start_seq, self.history = common_start(self._source.body, self._target.body)
        self.body = self._source.body

    @property
    def stats(self) -> Stats:
        """What the newest common session had counted in the end."""
        return Stats.from_history(self.history[0]) if self.history else Stats()

    async def save(self, *, start_seq: Any, seq: Any, stats: Stats, now: float) -> None:
        """Record at both ends that everything up to ``seq`` is done. Raises CheckpointError."""
        await self._commit()
        body = self._new_body(start_seq, seq, stats, now)
        await self._source.save(body)
        await self._target.save(body)
        self.body = body

    async def _commit(self) -> None:
        """Raises CheckpointError if one end cannot make its data durable, or is another database by now."""
        results = await asyncio.gather(*(log.database.commit() for log in self._both), return_exceptions=True)
        for log, result in reversed(list(zip(self._both, results, strict=True))):
            if isinstance(result, CheckpointError):
                raise CheckpointError(f"Failure on {log.name} commit: {result.message}")
            if isinstance(result, BaseException):
                raise result
        changed = [
            log.name
            for log, result in zip(self._both, results, strict=True)
            if result != log.started and "0" not in (result, log.started)
        ]
        if changed:
            raise CheckpointError(_CHANGED.format(" and ".join(changed)))

    @property
    def _both(self) -> Sequence[_Log]:
        return (self._source, self._target)

    def _new_body(self, start_seq: Any, seq: Any, stats: Stats, now: float) -> Body:
        times = {"start_time": rfc1123(self._started), "end_time": rfc1123(now)}
        entry = {
            "session_id": self.session_id,
            **times,
            "start_last_seq": start_seq,
            "end_last_seq": seq,
            "recorded_seq": seq,
            **stats.history(),
        }
        body: Body = {"session_id": self.session_id, "source_last_seq": seq, "replication_id_version": _VERSION}
        if self._by_ids:  # as CouchDB 0.11 had it
            counts = ("docs_read", "docs_written", "doc_write_failures")
            body |= times | {name: entry[name] for name in counts}
        return body | {"history": [entry, *self.history][:_LONGEST_HISTORY]}
