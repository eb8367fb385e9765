# SPDX-License-Identifier: Apache-2.0
"""The document of a job: which id it has, what it says, and how ours are told from those of others. Pure."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.core.checkpoint import fingerprint
from airflow_provider_replicator.couchdb.jobs.errors import redacted

if TYPE_CHECKING:
    from airflow_provider_replicator.couchdb.connection import CouchConnection
    from airflow_provider_replicator.couchdb.jobs.choices import Owner
    from airflow_provider_replicator.couchdb.jobs.options import ReplicationOptions
    from airflow_provider_replicator.couchdb.server import ServerInfo

#: The field of the document that is ours. Servers keep fields that they do not know, unless they begin with an underscore.
MARKER = "airflow"
_MADE_BY = "airflow-provider-replicator"
#: Servers before this one want name and password as a header.
_AUTH_SINCE = (3, 2)
_READABLE = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """Who has made a document, and what it says, in short."""

    dag_id: str
    task_id: str
    run_id: str
    map_index: int
    fingerprint: str
    submitted: str | None

    def belongs_to(self, owner: Owner) -> bool:
        """The same task of the same DAG, whichever run."""
        return (self.dag_id, self.task_id) == (owner.dag_id, owner.task_id)

    def __str__(self) -> str:
        return f"task {self.task_id} of DAG {self.dag_id}, run {self.run_id or '(any)'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A document that is to be written. ``body`` holds SECRETS."""

    doc_id: str
    body: Mapping[str, Any] = field(repr=False)
    marker: Marker
    source_url: str
    target_url: str

    def is_in(self, existing: Mapping[str, Any]) -> bool:
        """Whether ``existing`` is this very draft: written, although its answer was lost."""
        held = existing.get(MARKER)
        return isinstance(held, Mapping) and held.get("draft") == self.body[MARKER]["draft"]

    def says(self, existing: Mapping[str, Any]) -> bool:
        """Whether ``existing`` holds the same endpoints, credentials included."""
        return all(existing.get(name) == self.body[name] for name in ("source", "target"))


def draft(
    source: CouchConnection,
    target: CouchConnection,
    options: ReplicationOptions,
    *,
    owner: Owner,
    server: ServerInfo,
    doc_id: str | None = None,
    submitted: str | None = None,
) -> Draft:
    """The document for ``options`` on a server of that kind."""
    headers = not server.scheduler or server.version < _AUTH_SINCE
    ends = {
        "source": source.replication_endpoint(options.source_db, headers=headers),
        "target": target.replication_endpoint(options.target_db, headers=headers),
    }
    marker = Marker(
        **owner.as_dict(),
        fingerprint=fingerprint(source=_who(ends["source"]), target=_who(ends["target"]), options=options.sent()),
        submitted=submitted,
    )
    sent = options.sent()
    if "doc_ids" in sent and "pouch" not in server.vendor.lower():
        sent["doc_ids"] = [escaped(one) for one in sent["doc_ids"]]
    return Draft(
        doc_id=doc_id or document_id(source.name, target.name, options, owner),
        body={name: _written(end) for name, end in ends.items()}
        | sent
        | {MARKER: {"by": _MADE_BY, **asdict(marker), "draft": uuid.uuid4().hex}},
        marker=marker,
        source_url=redacted(ends["source"]["url"]),
        target_url=redacted(ends["target"]["url"]),
    )


def document_id(source: str, target: str, options: ReplicationOptions, owner: Owner) -> str:
    """The same for every try of a task instance, and for every run where the job is continuous; another for each mapped task.

    ``source`` and ``target`` are the names of the connections.
    """
    run = "" if options.continuous else owner.run_id
    key = (owner.dag_id, owner.task_id, run, owner.map_index, source, options.source_db, target, options.target_db)
    digest = hashlib.sha256("\0".join(map(str, key)).encode()).hexdigest()[:16]
    readable = re.sub(r"[^A-Za-z0-9_.-]+", "_", f"{owner.dag_id}-{owner.task_id}")[:_READABLE]
    return f"{MARKER}-{readable}-{digest}"


def escaped(doc_id: str) -> str:
    """A document id as ``doc_ids`` want it: the server decodes percent signs there, and takes a plus sign for a blank."""
    return doc_id.replace("%", "%25").replace("+", "%2B")


def marker_of(document: Mapping[str, Any]) -> Marker | None:
    """Our marker, or None: somebody else has made the document."""
    held = document.get(MARKER)
    if not isinstance(held, Mapping) or held.get("by") != _MADE_BY:
        return None
    submitted = held.get("submitted")
    try:
        return Marker(
            dag_id=str(held["dag_id"]),
            task_id=str(held["task_id"]),
            run_id=str(held["run_id"]),
            map_index=int(held["map_index"]),
            fingerprint=str(held["fingerprint"]),
            submitted=None if submitted is None else str(submitted),
        )
    except (KeyError, TypeError, ValueError):
        return None


def _written(endpoint: Mapping[str, Any]) -> Mapping[str, Any] | str:
    """As it is, or only its URL, if there is no more: PouchDB passes over objects without headers."""
    return endpoint if len(endpoint) > 1 else str(endpoint["url"])


def _who(endpoint: Mapping[str, Any]) -> tuple[str, str]:
    """Address and kind or name of the credentials: another password is no other job, another user is."""
    auth = endpoint.get("auth") or {}
    name = (
        (auth.get("basic") or {}).get("username") or ",".join(sorted(auth)) or ",".join(endpoint.get("headers") or ())
    )
    return endpoint["url"], name
