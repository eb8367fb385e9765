# SPDX-License-Identifier: Apache-2.0
"""One stored document: its revisions, and the pieces of JSON that are asked for again and again."""

from __future__ import annotations

from typing import Any

import orjson

from airflow_provider_replicator.sandbox.couchdb import jsons
from airflow_provider_replicator.sandbox.couchdb.revisions import Revision, RevisionTree


class Document:
    """``seq`` is the number of its last update. The two rows are what ``_changes`` says of it after the sequence."""

    __slots__ = ("_all", "_main", "doc_id", "id_json", "seq", "tree")

    def __init__(self, doc_id: str) -> None:
        self.doc_id = doc_id
        # A copy: what orjson returns keeps its first buffer of several kilobytes.
        self.id_json = b"%b" % orjson.dumps(doc_id)
        self.tree = RevisionTree()
        self.seq = 0
        self._main: bytes | None = None
        self._all: bytes | None = None

    @property
    def winner(self) -> Revision:
        return self.tree.leaves[0]

    @property
    def deleted(self) -> bool:
        return self.tree.leaves[0].deleted

    def changed(self) -> None:
        """The tree is another now."""
        self._main = self._all = None

    def row(self, *, all_docs: bool) -> bytes:
        """``,"id":…,"changes":[…]`` and ``,"deleted":true`` if it is; all leaves, or just the winner."""
        if all_docs and len(self.tree.leaves) > 1:
            if self._all is None:
                self._all = self._changes(self.tree.leaves)
            return self._all
        if self._main is None:
            self._main = self._changes(self.tree.leaves[:1])
        return self._main

    def partial_row(self, leaves: list[Revision]) -> bytes:
        """As above, of these leaves only."""
        return self._changes(leaves)

    def _changes(self, leaves: list[Revision]) -> bytes:
        revs = b'"},{"rev":"'.join([leaf.rev.encode() for leaf in leaves])
        gone = b',"deleted":true' if self.deleted else b""
        return b"".join((b',"id":', self.id_json, b',"changes":[{"rev":"', revs, b'"}]', gone))

    def json(self, revision: Revision, *more: bytes) -> bytes:
        """The document at this revision; ``more`` are further members, as JSON."""
        parts = [b'"_id":' + self.id_json, b'"_rev":"' + revision.rev.encode() + b'"']
        if revision.fields:
            parts.append(revision.fields)
        if revision.deleted:
            parts.append(b'"_deleted":true')
        return b"{" + b",".join([*parts, *more]) + b"}"

    def body(self, revision: Revision) -> dict[str, Any]:
        """What users wrote, without members of ours."""
        value: dict[str, Any] = jsons.loads(b"{" + (revision.fields or b"") + b"}")
        return value

    def whole(self, revision: Revision) -> dict[str, Any]:
        """With ``_id``, ``_rev``, ``_deleted`` and stubs of the attachments: what a filter or a validation sees."""
        value: dict[str, Any] = jsons.loads(self.json(revision))
        if revision.attachments:
            value["_attachments"] = {name: one.describe("stub") for name, one in revision.attachments.items()}
        return value
