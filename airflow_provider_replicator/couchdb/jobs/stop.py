# SPDX-License-Identifier: Apache-2.0
"""Stop a job: delete its document, against the server's own writes to it."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from airflow_provider_replicator.couchdb import databases
from airflow_provider_replicator.couchdb.jobs.document import Marker, marker_of
from airflow_provider_replicator.couchdb.jobs.states import read_state
from airflow_provider_replicator.exceptions import (
    CouchConflictError,
    CouchNotFoundError,
    ReplicationFailedError,
    ReplicationStalledError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from airflow_provider_replicator.couchdb.client import CouchClient
    from airflow_provider_replicator.couchdb.jobs.choices import Owner
    from airflow_provider_replicator.couchdb.jobs.states import JobState

#: The server writes states into the same document: three deletes in thirty met such a write.
_ATTEMPTS = 10
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0
#: Seconds until the job of a deleted document has ended; it usually takes one.
_ENDED_IN = 30.0


async def stop(
    mediator: CouchClient,
    replicator_db: str,
    doc_id: str,
    *,
    owner: Owner | None = None,
    foreign: bool = False,
) -> bool:
    """Delete the document. False: there was none. The server writes a last checkpoint, so that a later job goes on from there.

    Documents without our marker are refused (ReplicationFailedError) unless ``foreign``; with ``owner``, so are those of another
    DAG or task. A conflict with the server's own write is tried again. Calling it twice is harmless.
    """
    for attempt in range(_ATTEMPTS):
        document = await databases.get_document(mediator, replicator_db, doc_id)
        if document is None:
            return attempt > 0  # an earlier attempt's answer was lost, or somebody else was faster
        check_ours(document, doc_id, owner=owner, foreign=foreign)
        try:
            await databases.delete_document(mediator, replicator_db, doc_id, document["_rev"])
        except CouchNotFoundError:
            return True
        except CouchConflictError:
            await mediator.transport.sleep(pause(attempt))
        else:
            return True
    raise ReplicationStalledError(
        f"document {doc_id} in {replicator_db} changed {_ATTEMPTS} times while it was to be deleted: try again"
    )


async def stop_and_forget(
    mediator: CouchClient, replicator_db: str, doc_id: str, state: JobState, *, owner: Owner | None = None
) -> None:
    """:func:`stop`, and wait until the job has ended; ``state`` is the job's before.

    A document that is made again sooner is taken for the old one, and its job ends with the old one's.
    """
    await stop(mediator, replicator_db, doc_id, owner=owner)
    gone = False
    for attempt in range(_ATTEMPTS):
        gone = gone or (await read_state(mediator, replicator_db, doc_id)).state == "gone"
        if gone:
            break
        await mediator.transport.sleep(pause(attempt))
    if not gone or not await ended(mediator, state.job_id, doc_id):
        raise ReplicationStalledError(
            f"the server still runs the job of document {doc_id}, which was deleted: try again"
        )


async def ended(
    mediator: CouchClient, job_id: str | None, doc_id: str, *, clock: Callable[[], float] = time.monotonic
) -> bool:
    """Wait until no job of the document runs any more: it outlives its document by a moment. False: not within half a minute."""
    until, attempt = clock() + _ENDED_IN, 0
    while await _document_of(mediator, job_id) == doc_id:
        if clock() > until:
            return False
        await mediator.transport.sleep(pause(attempt))
        attempt += 1
    return True


async def _document_of(mediator: CouchClient, job_id: str | None) -> str | None:
    """The document whose job runs under ``job_id``; None: there is no such job."""
    if job_id is None or not (await mediator.features()).scheduler:
        return None
    try:
        job = await mediator.get("_scheduler", "jobs", job_id)
    except CouchNotFoundError:
        return None
    return str(job.get("doc_id"))


def check_ours(
    document: Mapping[str, Any], doc_id: str, *, owner: Owner | None = None, foreign: bool = False
) -> Marker | None:
    """The marker. Raises ReplicationFailedError for a document that is not to be touched; it is not quoted: it holds credentials."""
    marker = marker_of(document)
    if foreign:
        return marker
    if marker is None:
        raise ReplicationFailedError(
            f"document {doc_id} was not made by Airflow, so it is left as it is: give another id, or delete it yourself"
        )
    if owner is not None and not marker.belongs_to(owner):
        raise ReplicationFailedError(f"document {doc_id} belongs to {marker}, so it is left as it is: give another id")
    return marker


def pause(attempt: int) -> float:
    """Seconds before the next try, with jitter."""
    return random.uniform(0.5, 1.0) * min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0**attempt)
