# SPDX-License-Identifier: Apache-2.0
"""One database: the rules for writing to it, and who is told."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_replicator.sandbox.couchdb import attachments
from airflow_provider_replicator.sandbox.couchdb.config import Config
from airflow_provider_replicator.sandbox.couchdb.documents import Document
from airflow_provider_replicator.sandbox.couchdb.drafts import DESIGN, Draft, read_draft
from airflow_provider_replicator.sandbox.couchdb.errors import CouchError, bad_request, conflict
from airflow_provider_replicator.sandbox.couchdb.hashing import new_rev
from airflow_provider_replicator.sandbox.couchdb.local import LocalDocuments
from airflow_provider_replicator.sandbox.couchdb.revisions import Revision, position_of
from airflow_provider_replicator.sandbox.couchdb.security import Security
from airflow_provider_replicator.sandbox.couchdb.storage import Storage
from airflow_provider_replicator.sandbox.couchdb.users import SERVER, User


@dataclass(frozen=True, slots=True)
class Commit:
    """What one call of ``write`` stored: documents in the order of their updates; each is as it is now. None at all: the database
    was deleted."""

    database: Database
    documents: tuple[Document, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """``rev`` is the stored revision; with ``error`` it is the one that was offered (None: none was)."""

    doc_id: str
    rev: str | None
    error: CouchError | None = None


#: ``hook(database, draft, current, user, new_edits)``: may change ``draft.body`` or raise CouchError; ``current`` is the winner as a
#: document (None: there is none, or it is deleted).
BeforeWrite = Callable[["Database", Draft, "dict[str, Any] | None", User, bool], None]
#: ``hook(database, document, user)``: the document (``_id``, ``_rev`` and all) as this user may see it. May raise CouchError.
AfterRead = Callable[["Database", "dict[str, Any]", User], "dict[str, Any]"]
#: ``validate(new, old, user, security)`` of a design document. Raises CouchError to refuse.
Validator = Callable[["dict[str, Any]", "dict[str, Any] | None", User, "dict[str, Any]"], None]


class Database(Storage):
    """Everything is in memory and done at once: when a call returns, it is committed and listeners have been told."""

    def __init__(self, name: str, config: Config, now_ms: int) -> None:
        super().__init__(uuid.uuid4().hex, now_ms)
        self.name = name
        self.config = config
        #: what it says of its shards; there are none
        self.shards = 2
        self.local = LocalDocuments(lambda doc_id: self.note("local", doc_id))
        self.security = Security(config)
        self.purge_seq = 0
        self.deleted = False
        #: asked about every document of a call before anything else is: one that raises refuses the whole call
        self.admit: list[BeforeWrite] = []
        self.before_write: list[BeforeWrite] = []
        self.after_read: list[AfterRead] = []
        #: by the id of the design document
        self.validators: dict[str, Validator] = {}
        #: called with a kind and perhaps an id when something changes that is no document: local, purge, security, revs_limit
        self.on_note: list[Callable[[str, str], None]] = []
        self._listeners: list[Callable[[Commit], None]] = []
        #: revisions of this call of ``write``, by the ids of their documents
        self._written: dict[str, list[Revision]] = {}

    # writing

    def put(self, document: Mapping[str, Any], *, user: User = SERVER) -> str:
        """Store one edit; the new revision. Raises CouchError: 409 if ``_rev`` is not the current one, 403 if refused, …"""
        (written,) = self.write([document], user=user)
        if written.error is not None:
            raise written.error
        assert written.rev is not None
        return written.rev

    def write(
        self, documents: Iterable[Mapping[str, Any] | Draft], *, user: User = SERVER, new_edits: bool = True
    ) -> list[Written]:
        """Store each document or say why not. ``new_edits=False``: revisions come with their names, as a replicator brings them.

        Raises CouchError for what is no document at all, what ``admit`` refuses, and what has stubs of attachments that there are
        not; then nothing of the call is stored."""
        drafts = [one if isinstance(one, Draft) else read_draft(one) for one in documents]
        self._ask(self.admit, drafts, user, new_edits=new_edits)
        self._check_stubs(drafts, new_edits=new_edits)
        results = []
        for draft in drafts:
            offered = draft.path[0] if draft.path else None
            try:
                rev = self._edit(draft, user) if new_edits else self._graft(draft, user)
                results.append(Written(draft.doc_id, rev))
            except CouchError as error:
                results.append(Written(draft.doc_id, offered, error))
        self._number()
        return results

    def _ask(self, hooks: Iterable[BeforeWrite], drafts: Iterable[Draft], user: User, *, new_edits: bool) -> None:
        for hook in hooks:
            for draft in drafts:
                hook(self, draft, self.get(draft.doc_id), user, new_edits)

    def _check_stubs(self, drafts: Iterable[Draft], *, new_edits: bool) -> None:
        for draft in drafts:
            if draft.members is None or not attachments.has_stubs(draft.members):
                continue
            document = self.documents.get(draft.doc_id)
            try:
                base = self._replaced(document, draft) if new_edits else _nearest(document, draft)
            except CouchError:
                continue  # a conflict is told of each document
            attachments.check_stubs(draft.doc_id, draft.members, base.attachments if base and draft.path else None)

    def _number(self) -> None:
        """What was written together takes its places in the order of updates by id, each document one place."""
        written, self._written = self._written, {}
        for doc_id in sorted(written):
            document, revisions = self.documents[doc_id], written[doc_id]
            seq = self.log.append(document)
            for revision in revisions:
                revision.seq = seq
        self._tell(self.documents[doc_id] for doc_id in sorted(written))

    def _edit(self, draft: Draft, user: User) -> str:
        """A new revision that replaces a leaf."""
        document = self.documents.get(draft.doc_id)
        base = self._replaced(document, draft)
        # What is made again descends from its tombstone; what never was, from whatever its writer says.
        parent = base.rev if base is not None else draft.path[0] if draft.path else None
        known = base.attachments if base is not None and draft.path else None
        self._check(draft, document, base, user, new_edits=True)
        kept = self._attachments(draft, known, 1 + position_of(parent or "0-"), new_edit=True)
        rev = new_rev(parent, draft.body, kept or {}, deleted=draft.deleted)
        self._commit(draft, document, [rev, parent] if parent else [rev], kept)
        return rev

    def _replaced(self, document: Document | None, draft: Draft) -> Revision | None:
        """The leaf that an edit replaces. Raises 409."""
        if document is None:
            return None
        if not draft.path:
            if not document.deleted or draft.deleted:
                raise conflict()
            return document.winner
        leaf = document.tree.leaf(draft.path[0])
        if leaf is None or document.deleted:
            raise conflict()
        return leaf

    def _graft(self, draft: Draft, user: User) -> str:
        """A revision with its history, into whatever tree there is."""
        if not draft.path:
            raise bad_request("When `new_edits: false`, the document needs `_rev` or `_revisions` specified")
        rev = draft.path[0]
        document = self.documents.get(draft.doc_id)
        if document is not None and rev in document.tree.revisions:
            return rev
        base = _nearest(document, draft)
        self._check(draft, document, base, user, new_edits=False)
        kept = self._attachments(draft, base.attachments if base else None, position_of(rev), new_edit=False)
        self._commit(draft, document, draft.path, kept)
        return rev

    def _attachments(
        self, draft: Draft, known: attachments.Known | None, position: int, *, new_edit: bool
    ) -> attachments.Known | None:
        if draft.members is None:
            return None
        return attachments.read(
            draft.members, known=known, follows=draft.follows, position=position, new_edit=new_edit, config=self.config
        )

    def _check(
        self, draft: Draft, document: Document | None, base: Revision | None, user: User, *, new_edits: bool
    ) -> None:
        """Everything that may refuse a write."""
        if self.before_write:
            current = document.whole(document.winner) if document is not None and not document.deleted else None
            for hook in self.before_write:
                hook(self, draft, current, user, new_edits)
        if draft.doc_id.startswith(DESIGN):
            self.security.check_admin(user)
        elif self.validators:
            old = (
                document.whole(base) if document is not None and base is not None and base.fields is not None else None
            )
            for validate in self.validators.values():
                validate(draft.whole(), old, user, self.security.value)

    def _commit(
        self, draft: Draft, document: Document | None, path: Sequence[str], kept: attachments.Known | None
    ) -> None:
        fields = draft.fields(anew=bool(self.before_write or self.admit))
        revision = Revision(path[0], deleted=draft.deleted, fields=fields, attachments=kept)
        self.add(document, draft.doc_id, [(revision, path)])
        self._written.setdefault(draft.doc_id, []).append(revision)

    def purge(self, doc_id: str, revs: Sequence[str]) -> list[str]:
        """Forget these leaves as if they had never been; those that there were."""
        document = self.documents.get(doc_id)
        if document is None:
            return []
        purged = self.remove_leaves(document, revs)
        if purged and doc_id in self.documents:
            self.log.append(document)
            self._tell([document])
        if purged:
            self.purge_seq += 1
            self.note("purge", doc_id)
        return purged

    def tell_all(self) -> None:
        """Listeners learn of all documents as if they had just been written."""
        self._tell(self.log.after(0))

    # listening

    def listen(self, callback: Callable[[Commit], None]) -> Callable[[], None]:
        """Call ``callback`` after each commit, until what is returned is called."""
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback)

    def note(self, kind: str, doc_id: str = "") -> None:
        """Something changed that is no document."""
        for callback in self.on_note:
            callback(kind, doc_id)

    def _tell(self, documents: Iterable[Document]) -> None:
        stored = tuple(documents)
        if stored:
            self._call(Commit(self, stored))

    def _call(self, commit: Commit) -> None:
        for callback in tuple(self._listeners):
            callback(commit)

    def end(self) -> None:
        """The database is deleted. What it holds stays readable for whoever still holds it."""
        self.deleted = True
        self._call(Commit(self, ()))


def _nearest(document: Document | None, draft: Draft) -> Revision | None:
    """The youngest ancestor whose body is here."""
    known = document.tree.revisions if document is not None else {}
    return next((known[one] for one in draft.path[1:] if one in known and known[one].fields is not None), None)
