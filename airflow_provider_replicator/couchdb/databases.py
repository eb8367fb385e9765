# SPDX-License-Identifier: Apache-2.0
"""What is asked of databases: free functions over a :class:`~airflow_provider_replicator.couchdb.client.CouchClient`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

from airflow_provider_replicator.couchdb.answers import parsed
from airflow_provider_replicator.exceptions import CouchConflictError, CouchNotFoundError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from airflow_provider_replicator.couchdb.client import CouchClient
    from airflow_provider_replicator.couchdb.transport import Answer

Style = Literal["main_only", "all_docs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesPage:
    """One page of a ``_changes`` feed. ``rows`` as the server wrote them; ``last_seq`` is opaque and the way to the next page.

    ``pending``: how many changes come after this page, filtered or not; None where the server does not say it (v1).
    """

    rows: list[dict[str, Any]]
    last_seq: str | int
    pending: int | None


async def info(client: CouchClient, database: str) -> dict[str, Any]:
    """``doc_count``, ``doc_del_count``, ``update_seq``, ``instance_start_time``, ``sizes`` and more."""
    found: dict[str, Any] = await client.get(database)
    return found


async def exists(client: CouchClient, database: str) -> bool:
    try:
        await client.answer("HEAD", database)
    except CouchNotFoundError:
        return False
    return True


async def create(client: CouchClient, database: str, *, params: Mapping[str, Any] | None = None) -> bool:
    """Make sure that there is such a database. False if it existed, which is fine. ``params``: ``q``, ``n``, ``partitioned``."""
    try:
        await client.put(database, params=params)
    except CouchConflictError:
        return False
    return True


async def drop(client: CouchClient, database: str) -> bool:
    """Delete a database with all that is in it. False if there was none."""
    try:
        await client.delete(database)
    except CouchNotFoundError:
        return False
    return True


async def get_document(client: CouchClient, database: str, doc_id: str, **params: Any) -> dict[str, Any] | None:
    """A document, or None if there is none or it is deleted. ``params``: ``rev``, ``conflicts``, ``open_revs`` …"""
    try:
        found: dict[str, Any] = await client.get(database, doc_id, params=params)
    except CouchNotFoundError:
        return None
    return found


async def put_document(client: CouchClient, database: str, doc_id: str, document: Mapping[str, Any]) -> str:
    """Write a document (with its ``_rev``, unless it is new). Returns the new revision. Raises CouchConflictError."""
    answer: dict[str, Any] = await client.put(database, doc_id, json=dict(document))
    return str(answer["rev"])


async def delete_document(client: CouchClient, database: str, doc_id: str, rev: str) -> str:
    """Delete a revision. Returns the tombstone's. Raises CouchConflictError if it is not the current one."""
    answer: dict[str, Any] = await client.delete(database, doc_id, params={"rev": rev})
    return str(answer["rev"])


async def all_docs(
    client: CouchClient,
    database: str,
    *,
    keys: Sequence[str] | None = None,
    include_docs: bool = False,
    limit: int | None = None,
    **params: Any,
) -> list[dict[str, Any]]:
    """Rows of ``_all_docs``. ``params``: ``start_key``, ``end_key``, ``skip``, ``conflicts`` … With ``keys``, one row per key."""
    params |= {"include_docs": include_docs or None, "limit": limit}
    if keys is None:
        answer = await client.get(database, "_all_docs", params=params)
    else:
        answer = await client.post(database, "_all_docs", json={"keys": list(keys)}, params=params)
    rows: list[dict[str, Any]] = answer["rows"]
    return rows


class Asked(TypedDict, total=False):
    """What a ``_changes`` feed is asked for. One of ``selector``, ``doc_ids`` and ``filter`` (with ``query_params``) restricts it.

    ``wait_seconds``: where there is nothing new, the server waits that long for something (long poll). ``max_bytes``, ``at_once``: as
    in :meth:`~airflow_provider_replicator.couchdb.client.CouchClient.answer`.
    """

    since: str | int | None
    limit: int | None
    style: Style
    include_docs: bool
    attachments: bool
    seq_interval: int | None
    selector: Mapping[str, Any] | None
    doc_ids: Sequence[str] | None
    filter: str | None
    query_params: Mapping[str, Any] | None
    wait_seconds: float | None
    descending: bool
    read_timeout: float | None
    max_bytes: int | None
    at_once: Collection[int]


async def changes(client: CouchClient, database: str, **asked: Unpack[Asked]) -> ChangesPage:
    """One page of the feed after ``since``."""
    return changes_page(await changes_answer(client, database, **asked), database)


def changes_page(answer: Answer, database: str) -> ChangesPage:
    """The page that an answer holds."""
    found = parsed(answer, (database, "_changes"))
    return ChangesPage(rows=found["results"], last_seq=found["last_seq"], pending=found.get("pending"))


async def changes_answer(client: CouchClient, database: str, **asked: Unpack[Asked]) -> Answer:
    """The same, not parsed."""
    params: dict[str, Any] = {name: asked.get(name) or None for name in ("include_docs", "attachments", "descending")}
    params |= {name: asked.get(name) for name in ("since", "limit", "seq_interval")}
    params["style"] = "all_docs" if asked.get("style") == "all_docs" else None
    read_timeout = asked.get("read_timeout")
    wait_seconds = asked.get("wait_seconds")
    if wait_seconds is not None:
        params |= {"feed": "longpoll", "timeout": int(wait_seconds * 1000)}
        read_timeout = wait_seconds + (read_timeout or client.connection.read_timeout)
    body, params["filter"] = _restriction(asked.get("selector"), asked.get("doc_ids"), asked.get("filter"))
    sent = {**(asked.get("query_params") or {}), **{name: value for name, value in params.items() if value is not None}}
    return await client.answer(
        "GET" if body is None else "POST",
        database,
        "_changes",
        params=sent,
        json=body,
        read_timeout=read_timeout,
        max_bytes=asked.get("max_bytes"),
        at_once=asked.get("at_once", ()),
    )


async def pending(client: CouchClient, database: str, since: str | int | None) -> int | None:
    """How many changes come after ``since``; None where the server does not say it (v1). A few milliseconds.

    The server counts them all, whether a filter lets them pass or not.
    """
    return (await changes(client, database, since=since, limit=0)).pending


async def revs_diff(
    client: CouchClient, database: str, revisions: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, Any]]:
    """Of these revisions by document id, those that the database lacks: ``{id: {"missing": [rev, …]}}``."""
    answer: dict[str, dict[str, Any]] = await client.post(database, "_revs_diff", json=dict(revisions))
    return answer


async def bulk_get(
    client: CouchClient, database: str, docs: Sequence[Mapping[str, str]], **params: Any
) -> list[dict[str, Any]]:
    """``results`` for ``[{"id": …, "rev": …}, …]``: each with ``id`` and ``docs``, which are ``{"ok": …}`` or ``{"error": …}``."""
    answer = await client.post(database, "_bulk_get", json={"docs": list(docs)}, params=params)
    results: list[dict[str, Any]] = answer["results"]
    return results


async def bulk_docs(
    client: CouchClient, database: str, docs: Sequence[Mapping[str, Any]], *, new_edits: bool = True
) -> list[dict[str, Any]]:
    """Write many documents; what the server says to each. With ``new_edits=False``, revisions as they are, and only errors come back.

    With ``new_edits`` (the default) it is not sent again after a lost answer: CouchUnavailableError, CouchConnectionError.
    """
    body = {"docs": list(docs)} | ({} if new_edits else {"new_edits": False})
    answer: list[dict[str, Any]] = await client.post(database, "_bulk_docs", json=body, idempotent=not new_edits)
    return answer


async def local_get(client: CouchClient, database: str, name: str) -> dict[str, Any] | None:
    """The document ``_local/<name>``, which is not replicated; None if there is none."""
    return await get_document(client, database, f"_local/{name}")


async def local_put(client: CouchClient, database: str, name: str, document: Mapping[str, Any]) -> str:
    """Write ``_local/<name>``. Returns the new revision. CouchDB 3 checks no revision here: the last writer wins."""
    return await put_document(client, database, f"_local/{name}", document)


def _restriction(
    selector: Mapping[str, Any] | None,
    doc_ids: Sequence[str] | None,
    filter: str | None,  # noqa: A002 - the server's name
) -> tuple[dict[str, Any] | None, str | None]:
    """The body and the filter's name."""
    if sum(given is not None for given in (selector, doc_ids, filter)) > 1:
        raise ValueError("there is more than one of selector, doc_ids and filter")
    if selector is not None:
        return {"selector": dict(selector)}, "_selector"
    if doc_ids is not None:
        return {"doc_ids": list(doc_ids)}, "_doc_ids"
    return None, filter
