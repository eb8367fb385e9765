# SPDX-License-Identifier: Apache-2.0
"""The documents of a database: by id, in order, and in the order of their updates."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from airflow_provider_replicator.sandbox.couchdb.documents import Document
from airflow_provider_replicator.sandbox.couchdb.errors import not_found
from airflow_provider_replicator.sandbox.couchdb.log import ChangeLog, Sequences
from airflow_provider_replicator.sandbox.couchdb.revisions import Revision

REVS_LIMIT = 1000


class Storage:
    """Knows no rules: what may be written, and how, is for :class:`.database.Database`."""

    def __init__(self, unique: str, created_ms: int) -> None:
        self.identify(unique, created_ms)
        self.documents: dict[str, Document] = {}
        self.log = ChangeLog()
        self.revs_limit = REVS_LIMIT
        self.doc_count = 0
        self.doc_del_count = 0
        #: of all bodies that were ever written
        self.bytes = 0
        self._ids: list[str] = []
        self._unsorted: list[str] = []

    def identify(self, unique: str, created_ms: int) -> None:
        """Which database this is: its sequences belong to it."""
        self.uuid, self.created_ms = unique, created_ms
        self.sequences = Sequences(unique)

    @property
    def update_seq(self) -> str:
        return self.sequences.encode(self.log.last).decode()

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

    # changing

    def add(
        self, document: Document | None, doc_id: str, revisions: Iterable[tuple[Revision, Sequence[str]]]
    ) -> Document:
        """Merge revisions with their paths into the tree. It has no place in the order of updates before it is given one."""
        if document is None:
            document = self.documents[doc_id] = Document(doc_id)
            self._unsorted.append(doc_id)
        else:
            self._count(document, -1)
        for revision, path in revisions:
            document.tree.merge(revision, path)
            self.bytes += len(revision.fields or b"")
        document.tree.stem(self.revs_limit)
        document.changed()
        self._count(document, 1)
        return document

    def restore(self, doc_id: str, seq: int, revisions: Iterable[tuple[Revision, Sequence[str]]]) -> None:
        """As it was once stored, in its place."""
        document = self.add(self.documents.get(doc_id), doc_id, revisions)
        self.log.last = seq - 1
        self.log.append(document)

    def remove_leaves(self, document: Document, revs: Sequence[str]) -> list[str]:
        """Forget these leaves as if they had never been; those that there were. Without any left, the document is forgotten."""
        self._count(document, -1)
        removed = [rev for rev in revs if document.tree.remove_leaf(rev)]
        if not document.tree.leaves:
            self.forget(document.doc_id)
        else:
            self._count(document, 1)
            document.changed()
        return removed

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

    def _count(self, document: Document, by: int) -> None:
        if document.deleted:
            self.doc_del_count += by
        else:
            self.doc_count += by
