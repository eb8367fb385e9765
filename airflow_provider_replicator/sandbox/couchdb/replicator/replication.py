# SPDX-License-Identifier: Apache-2.0
"""A replication as it is asked for: what a document or the body of ``POST /_replicate`` means."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_replicator.sandbox.couchdb.replicator import filters
from airflow_provider_replicator.sandbox.couchdb.replicator.endpoint import Endpoint, read_endpoint
from airflow_provider_replicator.sandbox.couchdb.replicator.erlang import Atom, Chars
from airflow_provider_replicator.sandbox.couchdb.replicator.options import MISSING, Options, Settings
from airflow_provider_replicator.sandbox.couchdb.replicator.texts import RejectedDocumentError, failed_with, thrown


@dataclass(frozen=True, slots=True, kw_only=True)
class Replication:
    """Two of them that are equal ask for the same; a document that changes in nothing else leaves its job alone."""

    source: Endpoint
    target: Endpoint
    options: Options

    @property
    def suffix(self) -> str:
        """What the id of the job has behind the id of its checkpoints."""
        flags = (("+continuous", self.options.continuous), ("+create_target", self.options.create_target))
        return "".join(name for name, given in flags if given)


def read_replication(document: Mapping[str, Any], settings: Settings | None = None) -> Replication:
    """Raises RejectedDocumentError with the reason that CouchDB gives."""
    user = document.get("user_ctx", {})  # has no effect any more
    if not isinstance(user, Mapping):
        raise failed_with((Atom("case_clause"), user))
    source_proxy, target_proxy = _proxies(document)
    options = Options.read(document, settings)
    source = _endpoint(document, "source", source_proxy)
    target = _endpoint(document, "target", target_proxy)
    filters.check(options)
    return Replication(source=source, target=target, options=options)


def _endpoint(document: Mapping[str, Any], side: str, proxy: Any) -> Endpoint:
    if side not in document:
        raise RejectedDocumentError("Missing replicator database")
    return read_endpoint(document[side], proxy)


def _proxies(document: Mapping[str, Any]) -> tuple[Any, Any]:
    both, source, target = (document.get(name, "") for name in ("proxy", "source_proxy", "target_proxy"))
    if both == "":
        return source, target
    for name, given in (("source_proxy", source), ("target_proxy", target)):
        if given != "":
            raise thrown((Atom("bad_request"), Chars(f"`proxy` is mutually exclusive with `{name}`")))
    return both, both


def checkpoint_id(
    replication: Replication, *, server: str, filter_code: str | None = None, since_counts: bool = False
) -> str:
    """The id of the job without suffix, which names its checkpoints at both ends.

    ``server`` is the UUID of the server that runs it. ``since_counts``: CouchDB 3.5.2 and later tell jobs with
    different ``since_seq`` apart.
    """
    options = replication.options
    parts: list[Any] = [server, replication.source.identity, replication.target.identity]
    parts += filters.identity(options, filter_code)
    if options.winning_revs_only:
        parts.append("winning_revs_only")
    if since_counts and options.since_seq is not MISSING:
        parts.append(options.since_seq)
    return hashlib.md5(json.dumps(parts, sort_keys=True).encode(), usedforsecurity=False).hexdigest()
