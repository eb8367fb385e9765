# SPDX-License-Identifier: Apache-2.0
"""Put the document of a job where the server finds it: once, whatever happens in between."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_replicator.couchdb import databases
from airflow_provider_replicator.couchdb.jobs import sequences
from airflow_provider_replicator.couchdb.jobs.document import Draft, draft, marker_of
from airflow_provider_replicator.couchdb.jobs.job import Job
from airflow_provider_replicator.couchdb.jobs.server_time import server_time
from airflow_provider_replicator.couchdb.jobs.states import JobState, read_state, state_of
from airflow_provider_replicator.couchdb.jobs.stop import check_ours, pause, stop_and_forget
from airflow_provider_replicator.exceptions import (
    ConfigurationError,
    CouchConflictError,
    CouchNotFoundError,
    ReplicationFailedError,
    ReplicationStalledError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_provider_replicator.couchdb.client import CouchClient
    from airflow_provider_replicator.couchdb.connection import CouchConnection
    from airflow_provider_replicator.couchdb.jobs.choices import Owner, Policies
    from airflow_provider_replicator.couchdb.jobs.options import ReplicationOptions

_ATTEMPTS = 10
#: Pauses between looks for a job's name, in seconds.
_NAMED_WITHIN = (0.02, 0.03, 0.05, 0.1, 0.2, 0.4)
#: What is done with a document that is there already: follow it; write over it, which starts an ended job again; or delete it first,
#: because a live job goes on as it is while only its document changes.
Step = Literal["adopt", "overwrite", "restart"]


async def submit(
    mediator: CouchClient,
    source: CouchConnection,
    target: CouchConnection,
    options: ReplicationOptions,
    *,
    owner: Owner,
    policies: Policies,
    doc_id: str | None = None,
    source_client: CouchClient | None = None,
    clock: Callable[[], float] = time.time,
) -> Job:
    """Make the job, or find the one that a try before this has made (by a document id that follows from owner and endpoints).

    There already, with the same fingerprint: live is adopted; completed is reused or rerun (``if_completed``); failed or crashing is
    started again. Another fingerprint: ``on_mismatch``. Without our marker: ReplicationFailedError, and the document is left as it is.
    For a continuous job the run is no part of the id: every run of the DAG adopts the one job.
    The mediator's ``connection.replicator_db`` says where (``_replicator``, or one of its own that ends in ``/_replicator``, which is
    made if there is none). With ``source_client``, or where the mediator is the source, ``since_seq`` is checked to belong there.
    After a crash at any point the same call finds what is there. Raises ConfigurationError and what the client raises.
    """
    before = mediator.requests
    server = await mediator.features()
    await _check_since(mediator, source, options, source_client)
    written = draft(
        source,
        target,
        options,
        owner=owner,
        server=server,
        doc_id=_checked_id(doc_id),
        submitted=await _time_there(mediator),
    )
    job = Job(
        doc_id=written.doc_id,
        replicator_db=mediator.connection.replicator_db,
        source_db=options.source_db,
        target_db=options.target_db,
        source_url=written.source_url,
        target_url=written.target_url,
        fingerprint=written.marker.fingerprint,
        continuous=options.continuous,
        checkpoints=options.checkpoints,
        scheduler=server.scheduler,
        submitted=written.marker.submitted,
        submitted_at=clock(),
    )
    made = await _named(mediator, await _Submission(mediator, job, written, owner, policies).run())
    return replace(made, requests=mediator.requests - before)


@dataclass(frozen=True, slots=True)
class _Submission:
    mediator: CouchClient
    job: Job
    draft: Draft
    owner: Owner
    policies: Policies

    async def run(self) -> Job:
        """PUT, and look what is there where that is refused, until one of both succeeds."""
        rev: str | None = None
        # v1 servers refuse to write over a live document as if it were a matter of access: there it is looked for first.
        written = self.job.scheduler and await self._put(rev)
        for attempt in range(_ATTEMPTS):
            if written:
                return self.job
            existing = await databases.get_document(self.mediator, self.job.replicator_db, self.job.doc_id)
            rev = None
            if existing is not None:
                if self.draft.is_in(existing):
                    return self.job
                found = await self._existing(existing)
                if isinstance(found, Job):
                    return found
                rev = found
            if attempt:
                await self.mediator.transport.sleep(pause(attempt))
            written = await self._put(rev)
        raise ReplicationStalledError(f"document {self.job.doc_id} changes whenever it is to be written: try again")

    async def _put(self, rev: str | None) -> bool:
        """False: there is another revision than ``rev``."""
        body = dict(self.draft.body) | ({} if rev is None else {"_rev": rev})
        try:
            await databases.put_document(self.mediator, self.job.replicator_db, self.job.doc_id, body)
        except CouchConflictError:
            return False
        return True

    async def _existing(self, existing: Mapping[str, Any]) -> Job | str | None:
        """The job that is followed instead, or the revision to write over; None: it is gone, write anew."""
        check_ours(existing, self.job.doc_id, owner=self.owner)
        state = await read_state(self.mediator, self.job.replicator_db, self.job.doc_id)
        step = decide(existing, self.draft, state, self.policies)
        if step == "adopt":
            marker = marker_of(existing)
            submitted = marker.submitted if marker is not None else None
            return replace(self.job, adopted=True, submitted=submitted or state.start_time).seen(state)
        if step == "overwrite":
            return str(existing["_rev"])
        await stop_and_forget(self.mediator, self.job.replicator_db, self.job.doc_id, state, owner=self.owner)
        return None


def decide(existing: Mapping[str, Any], written: Draft, state: JobState, policies: Policies) -> Step:
    """What to do with one of our documents that is in the way. Pure. Raises ReplicationFailedError for ``on_mismatch="fail"``."""
    marker = marker_of(existing)
    same = marker is not None and marker.fingerprint == written.marker.fingerprint
    if not same and policies.on_mismatch == "fail":
        raise ReplicationFailedError(
            f"document {written.doc_id} replicates with other options than these, and is left as it is "
            '(on_mismatch="fail"): stop it, or write on_mismatch="replace"'
        )
    if state.state == "completed":
        return "adopt" if same and policies.if_completed == "reuse" else "overwrite"
    if state.state in ("failed", "gone"):
        return "overwrite"
    return "adopt" if same and not state.crashing and written.says(existing) else "restart"


async def _named(mediator: CouchClient, job: Job) -> Job:
    """With the server's name of it, which it has within milliseconds and loses when it has ended; without, if it takes longer.

    What a run has copied is looked up under that name.
    """
    for seconds in _NAMED_WITHIN if job.scheduler and job.job_id is None else ():
        state = await state_of(mediator, job)
        job = job.seen(state)
        if job.job_id is not None or state.terminal or state.state == "gone":
            break
        await mediator.transport.sleep(seconds)
    return job


async def _check_since(
    mediator: CouchClient, source: CouchConnection, options: ReplicationOptions, source_client: CouchClient | None
) -> None:
    """Raises ConfigurationError for a sequence of another database, as far as it can be told."""
    if options.since_seq in (None, sequences.FROM_THE_START):
        return
    client = source_client or (mediator if mediator.connection.base_url == source.base_url else None)
    if client is not None:
        there = await databases.info(client, options.source_db)
        sequences.refuse_foreign(options.since_seq, there.get("update_seq"), options.source_db)


async def _time_there(mediator: CouchClient) -> str | None:
    """The server's clock, in whole seconds; on the way, that there is a replicator database."""
    name = mediator.connection.replicator_db
    try:
        return await server_time(mediator)
    except CouchNotFoundError:
        if not name.endswith("/_replicator"):
            raise ConfigurationError(
                f"connection {mediator.connection.name!r}: the server has no database {name}, so it runs no replications: "
                "create it (CouchDB's set-up does), or name another one in replicator_db"
            ) from None
    await databases.create(mediator, name)
    return await server_time(mediator)


def _checked_id(doc_id: str | None) -> str | None:
    if doc_id is not None and (not doc_id or doc_id.startswith("_")):
        raise ConfigurationError(f"doc_id is {doc_id!r}: write an id that does not begin with an underscore")
    return doc_id
