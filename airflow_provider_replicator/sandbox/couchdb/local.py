# SPDX-License-Identifier: Apache-2.0
"""``_local`` documents: never replicated, no tree, never in conflict: the last writer wins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from airflow_provider_replicator.sandbox.couchdb import jsons
from airflow_provider_replicator.sandbox.couchdb.drafts import LOCAL, read_draft
from airflow_provider_replicator.sandbox.couchdb.errors import bad_request, not_found

#: what the number of a revision counts; it is checked against nothing
_FIRST = 1


class LocalDocuments:
    """Ids are given with ``_local/``. ``changed`` is called with the id of what was written or deleted."""

    def __init__(self, changed: Callable[[str], None] = lambda _: None) -> None:
        self._changed = changed
        self.stored: dict[str, tuple[int, bytes]] = {}

    def get(self, doc_id: str) -> dict[str, Any] | None:
        found = self.json(doc_id)
        return None if found is None else jsons.loads(found)

    def json(self, doc_id: str) -> bytes | None:
        found = self.stored.get(doc_id)
        if found is None:
            return None
        number, fields = found
        head = b'{"_id":%s,"_rev":"0-%d"' % (orjson.dumps(doc_id), number)
        return head + (b"," + fields if fields else b"") + b"}"

    def put(self, doc_id: str, document: Mapping[str, Any]) -> str:
        """The new revision: one more than the given one, whatever is stored."""
        if not doc_id.startswith(LOCAL):
            doc_id = LOCAL + doc_id
        draft = read_draft(document, doc_id)
        if draft.deleted:
            return self.delete(doc_id)
        number = _FIRST
        if draft.path:
            name = draft.path[0].removeprefix("0-")
            if not name.isdigit():
                raise bad_request("Invalid rev format")
            number = int(name) + 1
        self.stored[doc_id] = number, jsons.dumps(draft.body)[1:-1]
        self._changed(doc_id)
        return f"0-{number}"

    def delete(self, doc_id: str) -> str:
        """Raises 404."""
        if self.stored.pop(doc_id, None) is None:
            raise not_found()
        self._changed(doc_id)
        return "0-0"

    def ids(self) -> list[str]:
        return sorted(self.stored)
