# SPDX-License-Identifier: Apache-2.0
"""Documents of jobs that have ended hold credentials: those that Airflow has made are deleted after some time."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.couchdb import databases
from airflow_provider_replicator.couchdb.jobs.document import marker_of
from airflow_provider_replicator.couchdb.jobs.listing import list_jobs
from airflow_provider_replicator.couchdb.jobs.reading import parse_moment
from airflow_provider_replicator.couchdb.jobs.states import TERMINAL
from airflow_provider_replicator.exceptions import ConfigurationError, CouchConflictError, CouchNotFoundError

if TYPE_CHECKING:
    from collections.abc import Collection

    from airflow_provider_replicator.couchdb.client import CouchClient

#: Ids in the result; all are counted.
_NAMED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """Of ``seen`` ended jobs, ``deleted`` (with ``dry_run``: would be); ``foreign`` are not ours, ``young`` not old enough.

    ``changed`` were started again meanwhile. ``ids``: the first that were deleted.
    """

    seen: int
    deleted: int
    foreign: int
    young: int
    changed: int = 0
    ids: tuple[str, ...] = ()
    dry_run: bool = False

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self) | {"ids": list(self.ids)}


async def cleanup(
    mediator: CouchClient,
    replicator_db: str = "_replicator",
    *,
    older_than: float,
    states: Collection[str] = ("completed", "failed"),
    dag_id: str | None = None,
    dry_run: bool = False,
    now: float | None = None,
) -> Cleaned:
    """Delete documents with our marker (of ``dag_id``, if given) that ended more than ``older_than`` seconds ago.

    ``now``: seconds since 1970 (default: this machine's clock). Live jobs are never touched; a job that is started again while this
    runs is left alone. Killed halfway and called again, it goes on.
    """
    if not states or set(states) - TERMINAL:
        raise ConfigurationError(
            f"states is {sorted(states)}: only jobs that have ended are cleaned up: completed, failed"
        )
    before = (time.time() if now is None else now) - older_than
    counted: Counter[str] = Counter()
    ids: list[str] = []
    found = [job async for job in list_jobs(mediator, replicator_db, states=states)]
    for job in found:
        ended = parse_moment(job.state.last_updated or job.state.start_time)
        if ended is None or ended.timestamp() > before:
            verdict = "young"
        else:
            verdict = await _delete(mediator, replicator_db, job.doc_id, dag_id, dry_run=dry_run)
        counted[verdict] += 1
        if verdict == "deleted" and len(ids) < _NAMED:
            ids.append(job.doc_id)
    return Cleaned(
        seen=len(found),
        deleted=counted["deleted"],
        foreign=counted["foreign"],
        young=counted["young"],
        changed=counted["changed"],
        ids=tuple(ids),
        dry_run=dry_run,
    )


async def _delete(mediator: CouchClient, database: str, doc_id: str, dag_id: str | None, *, dry_run: bool) -> str:
    """The document as it was when it had ended, and no later revision."""
    document = await databases.get_document(mediator, database, doc_id)
    if document is None:
        return "changed"
    marker = marker_of(document)
    if marker is None or dag_id not in (None, marker.dag_id):
        return "foreign"
    if document.get("_replication_state") not in TERMINAL:
        return "changed"
    if not dry_run:
        try:
            await databases.delete_document(mediator, database, doc_id, document["_rev"])
        except (CouchConflictError, CouchNotFoundError):
            return "changed"
    return "deleted"
