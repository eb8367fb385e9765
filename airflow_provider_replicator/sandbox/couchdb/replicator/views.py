# SPDX-License-Identifier: Apache-2.0
"""What ``_scheduler`` and ``_active_tasks`` show: every state, no credentials."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_replicator.sandbox.couchdb.database import Database
from airflow_provider_replicator.sandbox.couchdb.drafts import DESIGN
from airflow_provider_replicator.sandbox.couchdb.replicator.documents import Documents, Row
from airflow_provider_replicator.sandbox.couchdb.replicator.endpoint import shown_url
from airflow_provider_replicator.sandbox.couchdb.replicator.job import Event, Job, consecutive_crashes
from airflow_provider_replicator.sandbox.couchdb.replicator.pace import iso8601
from airflow_provider_replicator.sandbox.couchdb.replicator.scheduler import Scheduler
from airflow_provider_replicator.sandbox.couchdb.replicator.states import REASON, STATE, STATS, TIME
from airflow_provider_replicator.sandbox.couchdb.replicator.texts import crash_text

NODE = "nonode@nohost"
#: of a database that was made without saying how many
_SHARDS = 2

Shown = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    states: frozenset[str]
    limit: int
    skip: int
    descending: bool = False


class Views:
    def __init__(self, documents: Documents, scheduler: Scheduler) -> None:
        self._documents = documents
        self._scheduler = scheduler

    def document(self, database: Database, doc_id: str) -> Shown | None:
        """None: there is no such document."""
        active = self._active(database.name, doc_id)
        if active is not None:
            return active
        document = database.get(doc_id)
        return None if document is None else _stored(database.name, document)

    def _active(self, database: str, doc_id: str) -> Shown | None:
        row = self._documents.rows.get((database, doc_id))
        if row is None:
            return None
        if row.state != "scheduled":
            return _waiting(row)
        job = self._scheduler.jobs.get(str(row.job_id))
        return None if job is None else self._scheduled(row, job)

    def _scheduled(self, row: Row, job: Job) -> Shown:
        crashes = consecutive_crashes(job.history, self._scheduler.health_threshold)
        state, info = _state(job)
        return {
            "database": row.database,
            "doc_id": row.doc_id,
            "id": job.id,
            "node": NODE,
            **_ends(job),
            "state": state,
            "info": info,
            "error_count": crashes,
            "last_updated": iso8601(job.history[0].shown),
            "start_time": iso8601(job.started),
            "source_proxy": job.replication.source.proxy,
            "target_proxy": job.replication.target.proxy,
        }

    def documents(self, database: Database, page: Page) -> Shown:
        """``total_rows`` counts every document. Each shard is asked for a whole page, and counts before it filters."""
        stored = sorted((one for one in database.all()), key=_id, reverse=page.descending)
        rows: list[Shown] = []
        for shard in range(database.shards):
            here = [one for one in stored if _shard(_id(one), database.shards) == shard][: page.skip + page.limit]
            rows += filter(None, (self._row(database.name, one, page.states) for one in here))
        rows.sort(key=lambda row: str(row["doc_id"]), reverse=page.descending)
        shown = rows[page.skip : page.skip + page.limit]
        return {"total_rows": len(stored), "offset": min(page.skip, len(stored)), "docs": shown}

    def _row(self, database: str, document: Mapping[str, Any], states: frozenset[str]) -> Shown | None:
        if _id(document).startswith(DESIGN):
            return None
        row: Shown | None = _stored(database, document)
        if row is not None and row["state"] is None:
            row = self._active(database, _id(document))
        return row if row is not None and (not states or row["state"] in states) else None

    def jobs(self, limit: int, skip: int) -> Shown:
        found = [self._job(job) for _, job in sorted(self._scheduler.jobs.items())]
        offset = min(skip, len(found))
        return {"total_rows": len(found), "offset": offset, "jobs": found[offset : offset + limit]}

    def job(self, job_id: str) -> Shown | None:
        job = self._scheduler.jobs.get(job_id.replace(" ", "+"))
        return None if job is None else self._job(job)

    def _job(self, job: Job) -> Shown:
        return {
            "database": job.database,
            "id": job.id,
            "pid": _pid(job) if job.running else None,
            **_ends(job),
            "user": job.user,
            "doc_id": job.doc_id,
            "info": job.info,
            "history": [_event(event) for event in job.history],
            "node": NODE,
            "start_time": iso8601(job.started),
        }

    def tasks(self) -> list[Shown]:
        """Jobs that have opened both databases."""
        found = [_task(job) for job in self._scheduler.jobs.values() if job.run is not None and job.run.began]
        return sorted(found, key=lambda task: str(task["pid"]))


def _id(document: Mapping[str, Any]) -> str:
    return str(document["_id"])


def _shard(doc_id: str, shards: int = _SHARDS) -> int:
    return zlib.crc32(doc_id.encode()) * shards >> 32


def _ends(job: Job) -> Shown:
    return {"source": job.replication.source.url, "target": job.replication.target.url}


def _state(job: Job) -> tuple[str, Shown | None]:
    if job.running:
        return "running", job.info
    newest = job.history[0]
    if newest.kind == "crashed":
        return "crashing", {"error": crash_text(newest.reason)}
    return "pending", job.info


def _waiting(row: Row) -> Shown:
    return {
        "database": row.database,
        "doc_id": row.doc_id,
        "id": row.job_id,
        "state": row.state,
        "info": None if row.error is None else {"error": row.error},
        "error_count": row.errors,
        "node": NODE,
        "last_updated": iso8601(row.updated),
        "start_time": iso8601(row.started),
    }


def _stored(database: str, document: Mapping[str, Any]) -> Shown:
    """What the document says of itself. ``state`` is None as long as nobody has looked at it."""
    state, changed = document.get(STATE), document.get(TIME)
    info, errors, start_time = None, 0, None
    if state == "completed":
        info = dict(document.get(STATS, {}))
        start_time = info.pop("start_time", None)
    elif state == "failed":
        reason = document.get(REASON)
        info, errors, start_time = (None if reason is None else {"error": reason}), 1, changed
    else:
        state = None
    return {
        "database": database,
        "doc_id": document["_id"],
        "id": None,
        "source": shown_url(document.get("source")),
        "target": shown_url(document.get("target")),
        "state": state,
        "error_count": errors,
        "info": info,
        "start_time": start_time,
        "last_updated": changed,
    }


def _event(event: Event) -> Shown:
    shown = {"timestamp": iso8601(event.shown), "type": event.kind}
    return shown | ({"reason": crash_text(event.reason)} if event.kind == "crashed" else {})


def _pid(job: Job) -> str:
    return f"<0.{zlib.crc32(job.id.encode()) % 30_000}.{len(job.history)}>"


def _task(job: Job) -> Shown:
    assert job.run is not None
    assert job.run.began is not None
    shown: Callable[[], Mapping[str, Any]] = job.run.info
    details = {
        **shown(),
        "checkpoint_interval": job.replication.options.checkpoint_interval,
        "continuous": job.continuous,
        "database": None if job.database is None else _file_name(job.database, str(job.doc_id)),
        "doc_id": job.doc_id,
        "replication_id": job.id,
        **_ends(job),
        "started_on": int(job.run.began),
        "type": "replication",
        "updated_on": int(job.run.updated),
        "user": job.user,
    }
    ordered: Sequence[tuple[str, Any]] = sorted(details.items())
    return {"node": NODE, "pid": _pid(job), "process_status": "waiting", **dict(ordered)}


def _file_name(database: str, doc_id: str) -> str:
    """The name of the shard, which is what CouchDB shows here."""
    part = ("00000000-7fffffff", "80000000-ffffffff")[_shard(doc_id)]
    return f"shards/{part}/{database}.{zlib.crc32(database.encode())}"
