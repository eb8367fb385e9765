# SPDX-License-Identifier: Apache-2.0
"""The code of a filter, read from the source: it is part of a job's id."""

from __future__ import annotations

from typing import Any

from airflow_provider_replicator.sandbox.couchdb.replicator import filters
from airflow_provider_replicator.sandbox.couchdb.replicator.erlang import Atom, text
from airflow_provider_replicator.sandbox.couchdb.replicator.peer import Call, Peer, Surroundings
from airflow_provider_replicator.sandbox.couchdb.replicator.remote import RemoteDatabase, encoded
from airflow_provider_replicator.sandbox.couchdb.replicator.replication import Replication
from airflow_provider_replicator.sandbox.couchdb.replicator.texts import CrashError, FilterFetchError


async def fetch_code(replication: Replication, around: Surroundings) -> str:
    """Raises FilterFetchError if the source, the design document or the function cannot be had."""
    options = replication.options
    design, name = filters.split(options)
    peer = Peer(
        replication.source,
        around,
        connections=options.http_connections,
        timeout_ms=options.connection_timeout,
        retries=options.retries,
    )
    try:
        document = await _read(RemoteDatabase(peer), design)
    finally:
        await peer.close()
    found = _lookup(document, name)
    if isinstance(found, tuple):
        raise FilterFetchError(
            f"Couldn't parse filter code from document {design} on `{replication.source.url}`  Error: {text(found)}"
        )
    return str(found).strip()


async def _read(source: RemoteDatabase, design: str) -> dict[str, Any]:
    try:
        await source.open()
    except CrashError as error:
        reason = _caught(error)
        raise FilterFetchError(f"Could not open source database `{source.uri}`: {text(reason)}") from error
    try:
        reply = await source.peer.send(Call("GET", encoded(f"_design/{design}")))
        if reply.status == 200:
            return reply.object()
        reason = (Atom("error"), reply.object().get("error"))
    except CrashError as error:
        reason = _caught(error)
    raise FilterFetchError(
        f"Couldn't open document `_design/{design}` from source database `{source.uri}`: {text(reason)}"
    )


def _caught(error: CrashError) -> Any:
    """CouchDB shows whether it was told (``{db_not_found, …}``) or could not ask (``{'EXIT', …}``)."""
    reason = error.reason
    return (Atom("'EXIT'"), reason) if reason[0] == "http_request_failed" else reason


def _lookup(document: dict[str, Any], name: str) -> Any:
    """The code, or an Erlang tuple that says what is missing."""
    value: Any = document
    for key in ("filters", name):
        if not isinstance(value, dict):
            return (Atom("not_found"), Atom("json_mismatch"))
        if key not in value:
            return (Atom("not_found"), f"missing json key: {key}")
        value = value[key]
    return value
