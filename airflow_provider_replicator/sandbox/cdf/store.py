# SPDX-License-Identifier: Apache-2.0
"""Documents of one resource type in one project.

Two views of the same documents: *by key* (what retrieval by id sees: always current) and *by row* (what lists, searches and
aggregates see: behind by the commit delay). A row number is given once and never again: pages go by row, so they neither skip nor
repeat while documents come and go, and partition m of n is simply every n-th row. Each version of a document keeps its encoded JSON.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

import orjson

from airflow_provider_replicator.sandbox.cdf.indexes import ChangeLog, Document, KeyIndex, KeysOf
from airflow_provider_replicator.sandbox.cdf.settings import Settings
from airflow_provider_replicator.sandbox.clock import Clock


class Entry:
    """One version of one document. Never changed: an update makes a new one with the same row."""

    __slots__ = ("doc", "encoded", "row")

    def __init__(self, doc: Document, row: int) -> None:
        self.doc = doc
        self.row = row
        # The slice is a copy of the right size. What dumps() returns sits in a buffer of 4 KB: kept, a million of them are 4 GB.
        self.encoded: bytes = orjson.dumps(doc, option=orjson.OPT_APPEND_NEWLINE)[:-1]


class DocumentStore:
    """``on_write`` hooks get the versions that a request stored, ``on_delete`` hooks the documents that it deleted, afterwards."""

    def __init__(self, clock: Clock, settings: Settings) -> None:
        self._clock = clock
        self._settings = settings
        self.by_id: dict[int, Entry] = {}
        self.by_external_id: dict[str, Entry] = {}
        self.by_instance_id: dict[tuple[str, str], Entry] = {}
        self.on_write: list[Callable[[list[Entry]], None]] = []
        self.on_delete: list[Callable[[list[Document]], None]] = []
        self.log = ChangeLog()
        self._rows: list[Entry | None] = []
        self._hidden: deque[tuple[int, int, Entry | None]] = deque()
        self._indexes: dict[Hashable, KeyIndex] = {}

    def __len__(self) -> int:
        return len(self.by_id) or len(self.by_external_id)

    # -- by key ------------------------------------------------------------------------------------------------------

    def find(self, item: Any) -> Entry | None:
        """The current version of ``{"id"}``, ``{"externalId"}`` or ``{"instanceId": {"space", "externalId"}}``."""
        if "id" in item:
            return self.by_id.get(item["id"])
        if "externalId" in item:
            return self.by_external_id.get(item["externalId"])
        instance = item.get("instanceId")
        return self.by_instance_id.get((instance["space"], instance["externalId"])) if instance else None

    def resolve(self, item: Any) -> Document | None:
        """The document that :meth:`find` finds. It is shared: change it only through :meth:`replace`."""
        entry = self.find(item)
        return None if entry is None else entry.doc

    def insert(self, docs: Sequence[Document], *, time: int) -> list[Entry]:
        """Store new documents, complete with their ids; the caller has made sure that no key exists."""
        first = len(self._rows)
        entries = [Entry(doc, row) for row, doc in enumerate(docs, first)]
        for entry in entries:
            self._name(entry)
        self._rows.extend([None] * len(entries))
        self._show([(entry.row, entry) for entry in entries], time)
        self._wrote(entries)
        return entries

    def replace(self, changes: Iterable[tuple[Entry, Document]], *, time: int) -> list[Entry]:
        """Store new versions. Their external ids may have changed, even swapped; the caller has made sure that they are unique."""
        pairs = [(old, Entry(doc, old.row)) for old, doc in changes]
        for old, _ in pairs:
            self._forget(old)
        for _, new in pairs:
            self._name(new)
        self._show([(new.row, new) for _, new in pairs], time)
        entries = [new for _, new in pairs]
        self._wrote(entries)
        return entries

    def rewrite(self, changes: Iterable[tuple[Entry, Document]]) -> None:
        """Store new versions that are no update: nobody's ``lastUpdatedTime`` moves."""
        for old, doc in changes:
            new = Entry(doc, old.row)
            self._name(new)
            self._queue([(new.row, new)])

    def remove(self, entries: Sequence[Entry], *, time: int) -> None:
        for entry in entries:
            self._forget(entry)
        self._show([(entry.row, None) for entry in entries], time)
        docs = [entry.doc for entry in entries]
        for hook in self.on_delete:
            hook(docs)

    def _wrote(self, entries: list[Entry]) -> None:
        for hook in self.on_write:
            hook(entries)

    def _name(self, entry: Entry) -> None:
        doc = entry.doc
        if "id" in doc:  # labels and relationships have none
            self.by_id[doc["id"]] = entry
        external_id = doc.get("externalId")
        if external_id is not None:
            self.by_external_id[external_id] = entry
        instance = doc.get("instanceId")
        if instance is not None:
            self.by_instance_id[(instance["space"], instance["externalId"])] = entry

    def _forget(self, entry: Entry) -> None:
        doc = entry.doc
        if "id" in doc:
            del self.by_id[doc["id"]]
        if "externalId" in doc:
            self.by_external_id.pop(doc["externalId"], None)
        if "instanceId" in doc:
            self.by_instance_id.pop((doc["instanceId"]["space"], doc["instanceId"]["externalId"]), None)

    # -- by row ------------------------------------------------------------------------------------------------------

    def rows(self) -> list[Entry | None]:
        """What lists see now, by row; None where a document is gone or not yet visible. Do not change it."""
        if self._hidden:
            self._settle()
        return self._rows

    def visible(self) -> list[Entry]:
        return [entry for entry in self.rows() if entry is not None]

    def index(self, name: Hashable, keys_of: KeysOf) -> KeyIndex:
        """An index of the list view, built when first asked for and kept from then on."""
        visible = self.rows()  # first of all: what has become visible by now belongs into the index
        index = self._indexes.get(name)
        if index is None:
            index = KeyIndex(keys_of)
            for entry in filter(None, visible):
                index.add(entry.doc, entry.row)
            self._indexes[name] = index
        return index

    def _show(self, changes: list[tuple[int, Entry | None]], time: int) -> None:
        self.log.append(time, [row for row, _ in changes])
        self._queue(changes)

    def _queue(self, changes: list[tuple[int, Entry | None]]) -> None:
        delay = self._settings.commit_delay_ms
        if not delay and not self._hidden:
            self._apply(changes)
            return
        due = self._clock.now_ms() + delay
        self._hidden.extend((due, row, entry) for row, entry in changes)

    def _settle(self) -> None:
        now = self._clock.now_ms()
        due: list[tuple[int, Entry | None]] = []
        while self._hidden and self._hidden[0][0] <= now:
            _, row, entry = self._hidden.popleft()
            due.append((row, entry))
        self._apply(due)

    def _apply(self, changes: list[tuple[int, Entry | None]]) -> None:
        rows = self._rows
        for row, entry in changes:
            for index in self._indexes.values():
                old = rows[row]
                if old is not None:
                    index.discard(old.doc, row)
                if entry is not None:
                    index.add(entry.doc, row)
            rows[row] = entry
