# SPDX-License-Identifier: Apache-2.0
"""The database at one side of a job: what a replicator asks it, in CouchDB's replication protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson

from airflow_provider_replicator.sandbox.couchdb.replicator.erlang import Atom, Opaque, text
from airflow_provider_replicator.sandbox.couchdb.replicator.network import Reply
from airflow_provider_replicator.sandbox.couchdb.replicator.peer import MAX_BACKOFF, Call, Peer
from airflow_provider_replicator.sandbox.couchdb.replicator.texts import CrashError

#: an id and one of its revisions
Leaf = tuple[str, str]

_OK = (200, 201, 202)
#: what becomes of a job whose process for one document has died
_UNREADABLE = (
    Atom("worker_died"),
    Opaque("<0.1207.0>"),
    (Atom("process_died"), Opaque("<0.1266.0>"), Atom("open_doc_revs_failed")),
)


class MissingDocumentError(Exception):
    """The source does not have a revision that it has just listed."""


class CheckpointError(CrashError):
    """A checkpoint could not be written."""

    def __init__(self, message: str) -> None:
        super().__init__((Atom("checkpoint_commit_failure"), message))
        self.message = message


@dataclass(frozen=True, slots=True)
class Refused:
    """A target did not take a document, which counts as a write failure and nothing else."""

    reason: str


def encoded(doc_id: str) -> str:
    for prefix in ("_design/", "_local/"):
        if doc_id.startswith(prefix):
            return prefix + quote(doc_id.removeprefix(prefix), safe="")
    return quote(doc_id, safe="")


class RemoteDatabase:
    """Every call raises CrashError when the server cannot be reached or answers what CouchDB's replicator does not expect."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.uri = peer.endpoint.url

    async def open(self, *, create: bool = False, parameters: Mapping[str, Any] | None = None) -> None:
        """Log in, make the database if asked to, and look whether it is there."""
        await self.peer.login()
        if create:
            query = tuple((name, _plain(value)) for name, value in (parameters or {}).items())
            reply = await self.peer.send(Call("PUT", query=query))
            self._check_access(reply)
        reply = await self.peer.send(Call("GET"))
        self._check_access(reply)
        info = reply.object() if reply.status == 200 else {}
        if "update_seq" not in info or "instance_start_time" not in info:
            raise CrashError((Atom("db_not_found"), self.uri))

    def _check_access(self, reply: Reply) -> None:
        if reply.status == 401:
            raise CrashError((Atom("unauthorized"), self.uri))
        if reply.status == 403:
            raise CrashError((Atom("forbidden"), self.uri))

    async def info(self) -> dict[str, Any]:
        reply = await self.peer.send(Call("GET"))
        if reply.status != 200:
            raise CrashError(Atom("function_clause"))
        return reply.object()

    async def pending(self, since: Any) -> int | None:
        """How many changes there are after ``since``; None if the server does not say."""
        if isinstance(since, int | float):
            latest = (await self.peer.send(Call("GET", retries=3))).object().get("update_seq")
            return int(latest - since) if isinstance(latest, int | float) else None
        query = (("since", seq_text(since)), ("limit", "0"))
        pending = (await self.peer.send(Call("GET", "_changes", query, retries=3))).object().get("pending")
        return pending if isinstance(pending, int) else None

    async def commit(self) -> str:
        """Make everything so far durable; the database's ``instance_start_time``. Raises CheckpointError with a bare reason."""
        try:
            reply = await self.peer.send(Call("POST", "_ensure_full_commit", body=b"{}"))
        except CrashError as error:
            raise CheckpointError(text((Atom("'EXIT'"), error.reason))) from error
        if reply.status != 201:
            raise CheckpointError(text((Atom("error"), reply.object().get("error"))))
        return str(reply.object().get("instance_start_time"))

    async def missing(self, revisions: Mapping[str, Sequence[str]]) -> dict[Leaf, list[str]]:
        """Which of these the database lacks, each with possible ancestors that it has."""
        reply = await self.peer.send(Call("POST", "_revs_diff", body=dict(revisions)))
        if reply.status != 200:
            raise CrashError((Atom("revs_diff_failed"), reply.status, reply.json()))
        return {
            (doc_id, rev): found.get("possible_ancestors", [])
            for doc_id, found in reply.object().items()
            for rev in found["missing"]
        }

    async def bulk_get(self, leaves: Mapping[Leaf, Sequence[str]]) -> dict[Leaf, dict[str, Any]]:
        """The documents that have no attachments. What is left out has to be asked for one by one."""
        asked = sorted(leaves)
        body: dict[str, Any] = {
            "docs": [{"id": doc_id, "rev": rev, "atts_since": list(leaves[doc_id, rev])} for doc_id, rev in asked],
            "latest": True,
            "revs": True,
            "attachments": False,
        }
        query = (("latest", "true"), ("revs", "true"), ("attachments", "false"))
        try:
            reply = await self.peer.send(Call("POST", "_bulk_get", query, body))
        except CrashError as error:
            if not _is_status(error):
                raise
            return {}
        results = reply.object().get("results") if reply.status == 200 else None
        if not isinstance(results, list):
            return {}
        found = {leaf: _only_document(result) for leaf, result in zip(asked, results, strict=False)}
        return {leaf: document for leaf, document in found.items() if document is not None}

    async def read(self, leaf: Leaf) -> list[dict[str, Any]]:
        """A revision, or newer ones made from it, whole, with attachments. Raises MissingDocumentError."""
        doc_id, rev = leaf
        revs = orjson.dumps([rev]).decode()
        query = (("revs", "true"), ("open_revs", revs), ("latest", "true"), ("attachments", "true"))
        try:
            reply = await self.peer.send(Call("GET", encoded(doc_id), query))
        except CrashError as error:
            gave_up = error.reason[-1] == MAX_BACKOFF
            raise CrashError(MAX_BACKOFF if gave_up else _UNREADABLE) from error
        if reply.status != 200:
            raise CrashError(_UNREADABLE)
        results = reply.json()
        documents = [one["ok"] for one in results if "ok" in one] if isinstance(results, list) else []
        if not documents:
            raise MissingDocumentError
        return documents

    async def write(self, documents: Sequence[bytes]) -> list[dict[str, Any]] | None:
        """Store revisions as they are; the errors. None: the request is too large."""
        body = b'{"new_edits":false,"docs":[' + b",".join(documents) + b"]}"
        headers = {"X-Couch-Full-Commit": "false"}
        reply = await self.peer.send(Call("POST", "_bulk_docs", body=body, headers=headers))
        if reply.status == 413:
            return None
        results = reply.json()
        if reply.status not in (201, 417) or not isinstance(results, list):
            raise CrashError((Atom("bulk_docs_failed"), reply.status, results))
        return [one for one in results if "error" in one]

    async def write_one(self, document: Mapping[str, Any]) -> Refused | None:
        """Store one revision by itself, so that it alone may be refused."""
        call = Call("PUT", encoded(document["_id"]), (("new_edits", "false"),), orjson.dumps(document), retries=0)
        reply = await self.peer.send(call)
        if reply.status in _OK:
            return None
        error, reason = reply.object().get("error"), str(reply.object().get("reason"))
        if reply.status in (401, 403, 413, 415):
            return Refused(reason)
        if reply.status == 400 and error == "bad_request" and reason.startswith("Attachment name "):
            return Refused(reason)
        raise CrashError((Atom("doc_write_failed"), (Atom("error"), (error, reason))))

    async def local(self, doc_id: str) -> dict[str, Any] | None:
        reply = await self.peer.send(Call("GET", f"_local/{doc_id}"))
        return reply.object() if reply.status == 200 else None

    async def put_local(self, doc_id: str, document: Mapping[str, Any]) -> str:
        """The new revision. Raises CheckpointError with a bare reason."""
        headers = {"X-Couch-Full-Commit": "false"}
        reply = await self.peer.send(
            Call("PUT", f"_local/{doc_id}", body=orjson.dumps(document), headers=headers, retries=0)
        )
        answered = reply.object()
        if reply.status in _OK:
            return str(answered["rev"])
        if reply.status == 409:
            raise CheckpointError("conflict")
        if reply.status in (401, 403):
            raise CrashError((Atom("bad_return_value"), (Atom(answered.get("error")), answered.get("reason"))))
        raise CheckpointError(text((answered.get("error"), answered.get("reason"))))


def seq_text(seq: Any) -> str:
    return seq if isinstance(seq, str) else orjson.dumps(seq).decode()


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _is_status(error: CrashError) -> bool:
    """The server answered, but with an error."""
    last = error.reason[-1]
    return isinstance(last, tuple) and isinstance(last[-1], tuple) and last[-1][0] == "code"


def _only_document(result: Any) -> dict[str, Any] | None:
    docs = result.get("docs") if isinstance(result, Mapping) else None
    document = docs[0].get("ok") if docs and len(docs) == 1 else None
    return document if document and not document.get("_attachments") else None
