# SPDX-License-Identifier: Apache-2.0
"""One database: its documents, the order of their updates, and the rules for writing."""

from __future__ import annotations

import uuid
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_replicator.sandbox.couchdb import attachments
from airflow_provider_replicator.sandbox.couchdb.config import Config
from airflow_provider_replicator.sandbox.couchdb.documents import Document
from airflow_provider_replicator.sandbox.couchdb.drafts import DESIGN, Draft, read_draft
from airflow_provider_replicator.sandbox.couchdb.errors import CouchError, bad_request, conflict, not_found
from airflow_provider_replicator.sandbox.couchdb.hashing import new_rev
from airflow_provider_replicator.sandbox.couchdb.local import LocalDocuments
from airflow_provider_replicator.sandbox.couchdb.log import ChangeLog, Sequences
from airflow_provider_replicator.sandbox.couchdb.revisions import Revision, position_of
from airflow_provider_replicator.sandbox.couchdb.security import Security
from airflow_provider_replicator.sandbox.couchdb.users import SERVER, User

REVS_LIMIT = 1000


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


class Database:
    """Everything is in memory and done at once: when a call returns, it is committed and listeners have been told."""

    def __init__(self, name: str, config: Config, now_ms: int) -> None:
        self.name = name
        self.config = config
        self.identify(uuid.uuid4().hex, now_ms)
        #: what it says of its shards; there are none
        self.shards = 2
        self.documents: dict[str, Document] = {}
        self.log = ChangeLog()
        self.local = LocalDocuments(lambda doc_id: self.note("local", doc_id))
        self.security = Security(config)
        self.revs_limit = REVS_LIMIT
        self.purge_seq = 0
        self.doc_count = 0
        self.doc_del_count = 0
        self.deleted = False
        self.bytes = 0
        #: asked about every document of a call before anything else is: one that raises refuses the whole call
        self.admit: list[BeforeWrite] = []
        self.before_write: list[BeforeWrite] = []
        self.after_read: list[AfterRead] = []
        #: by the id of the design document
        self.validators: dict[str, Validator] = {}
        #: called with a kind and perhaps an id when something changes that is no document: local, purge, security, revs_limit
        self.on_note: list[Callable[[str, str], None]] = []
        self._listeners: list[Callable[[Commit], None]] = []
        self._ids: list[str] = []
        self._unsorted: list[str] = []
        #: revisions of this call of ``write``, by the ids of their documents
        self._written: dict[str, list[Revision]] = {}

    # reading

    def get(self, doc_id: str, rev: str | None = None) -> dict[str, Any] | None:
        """The winner, or the named revision, with ``_id`` and ``_rev``. None: missing or (without ``rev``) deleted."""
        document = self.documents.get(doc_id)
        if document is None:
            return None
        revision = document.winner if rev is None else document.tree.revisions.get(rev)
        if revision is None or revision.fields is None or (rev is None and revision.deleted):
            return None
        return document.whole(revision)

    def find(self, doc_id: str) -> Document:
        """Raises 404, also for a deleted document."""
        document = self.documents.get(doc_id)
        if document is None or document.deleted:
            raise not_found("missing" if document is None else "deleted")
        return document

    def all(self) -> Iterator[dict[str, Any]]:
        """The winners that are not deleted, by id."""
        for document in self.sorted():
            yield document.whole(document.winner)

    def sorted(self, start: str | None = None, end: str | None = None, *, inclusive_end: bool = True) -> list[Document]:
        """Documents that are not deleted, by id, from ``start`` to ``end``."""
        if self._unsorted:
            self._ids = sorted(self._ids + self._unsorted)
            self._unsorted = []
        first = 0 if start is None else bisect_left(self._ids, start)
        cut = bisect_right if inclusive_end else bisect_left
        last = len(self._ids) if end is None else cut(self._ids, end)
        found = map(self.documents.__getitem__, self._ids[first:last])
        return [one for one in found if not one.tree.leaves[0].deleted]

    @property
    def update_seq(self) -> str:
        return self.sequences.encode(self.log.last).decode()

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
        if document is None:
            document = self._new(draft.doc_id)
        else:
            self._count(document, -1)
        fields = draft.fields(anew=bool(self.before_write or self.admit))
        self.bytes += len(fields)
        revision = Revision(path[0], deleted=draft.deleted, fields=fields, attachments=kept)
        document.tree.merge(revision, path)
        document.tree.stem(self.revs_limit)
        document.changed()
        self._count(document, 1)
        self._written.setdefault(draft.doc_id, []).append(revision)

    def _new(self, doc_id: str) -> Document:
        document = self.documents[doc_id] = Document(doc_id)
        self._unsorted.append(doc_id)
        return document

    def _count(self, document: Document, by: int) -> None:
        if document.deleted:
            self.doc_del_count += by
        else:
            self.doc_count += by

    def purge(self, doc_id: str, revs: Sequence[str]) -> list[str]:
        """Forget these leaves as if they had never been; those that there were."""
        document = self.documents.get(doc_id)
        if document is None:
            return []
        self._count(document, -1)
        purged = [rev for rev in revs if document.tree.remove_leaf(rev)]
        if document.tree.leaves:
            self._count(document, 1)
            if purged:
                document.changed()
                self.log.append(document)
                self._tell([document])
        else:
            self.forget(doc_id)
        if purged:
            self.purge_seq += 1
            self.note("purge", doc_id)
        return purged

    def forget(self, doc_id: str) -> None:
        """As if it had never been."""
        document = self.documents.pop(doc_id, None)
        if document is None:
            return
        if document.tree.leaves:
            self._count(document, -1)
        self._ids = [one for one in self._ids + self._unsorted if one != doc_id]
        self._unsorted = []
        self.log.forget(document)
        self.log.skip()

    # beginning again

    def identify(self, unique: str, created_ms: int) -> None:
        """Which database this is: its sequences belong to it."""
        self.uuid, self.created_ms = unique, created_ms
        self.sequences = Sequences(unique)

    def restore(self, doc_id: str, seq: int, revisions: Iterable[tuple[Revision, Sequence[str]]]) -> None:
        """Revisions with their paths, as they were once stored."""
        document = self.documents.get(doc_id)
        if document is None:
            document = self._new(doc_id)
        else:
            self._count(document, -1)
        for revision, path in revisions:
            document.tree.merge(revision, path)
            self.bytes += len(revision.fields or b"")
        document.tree.stem(self.revs_limit)
        document.changed()
        self.log.last = seq - 1
        self.log.append(document)
        self._count(document, 1)

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
