# SPDX-License-Identifier: Apache-2.0
"""``--data FILE``: what a server knows, so that one that was killed can be started again.

Lines of JSON, one for each change, written before the change is answered; what the kernel has got survives the end of the
process, not that of the machine. Reading it again makes one line of each document.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from airflow_provider_replicator.sandbox.couchdb.attachments import Attachment
from airflow_provider_replicator.sandbox.couchdb.database import Commit, Database
from airflow_provider_replicator.sandbox.couchdb.documents import Document
from airflow_provider_replicator.sandbox.couchdb.revisions import Revision, position_of
from airflow_provider_replicator.sandbox.couchdb.store import CouchInstance, Event

Line = dict[str, Any]


class Journal:
    """Call :meth:`start` when all hooks are in place, before the server listens."""

    def __init__(self, path: Path, instance: CouchInstance) -> None:
        self._path = path
        self._instance = instance

    def start(self) -> None:
        """Take over what the file says, then write down whatever changes."""
        if self._path.exists():
            reader = Reader(self._instance)
            for line in _lines(self._path):
                reader.take(line)
            reader.finish()
        scratch = self._path.with_name(self._path.name + ".new")
        with scratch.open("wb") as file:
            for line in _snapshot(self._instance):
                file.write(orjson.dumps(line) + b"\n")
        scratch.replace(self._path)
        self._file = self._path.open("ab", buffering=0)
        self._instance.listen(self._on_database)
        self._instance.config.listen(lambda section, key, _: self._write(_setting(self._instance, section, key)))
        for database in self._instance.databases.values():
            self._watch(database)

    def _write(self, *lines: Line) -> None:
        self._file.write(b"".join(orjson.dumps(line) + b"\n" for line in lines))

    def _on_database(self, event: Event, database: Database) -> None:
        if event == "created":
            self._write(_made(database))
            self._watch(database)
        else:
            self._write({"db": database.name, "kind": "dropped"})

    def _watch(self, database: Database) -> None:
        database.listen(self._on_commit)
        database.on_note.append(partial(self._on_note, database))

    def _on_commit(self, commit: Commit) -> None:
        self._write(*(_document(commit.database, one, since=one.seq) for one in commit.documents))

    def _on_note(self, database: Database, kind: str, doc_id: str) -> None:
        """Something changed that is no document, or that no document has any more."""
        if kind == "local":
            self._write(_local(database, doc_id))
        elif kind == "purge":
            self._write({"db": database.name, "kind": "purge", "id": doc_id})
            if doc_id in database.documents:
                self._write(_document(database, database.documents[doc_id]))
        self._write(_settings(database))


def _lines(path: Path) -> Iterator[Line]:
    """The last line may be cut: then its change was never answered."""
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield orjson.loads(line)


# writing


def _snapshot(instance: CouchInstance) -> Iterator[Line]:
    yield {"kind": "server", "uuid": instance.uuid}
    for section, values in instance.config.sections.items():
        for key in values:
            yield _setting(instance, section, key)
    for database in instance.databases.values():
        yield _made(database)
        yield from (_document(database, one) for one in database.log.after(0))
        yield from (_local(database, doc_id) for doc_id in database.local.ids())
        yield _settings(database)


def _setting(instance: CouchInstance, section: str, key: str) -> Line:
    return {
        "kind": "config",
        "section": section,
        "key": key,
        "value": instance.config.sections.get(section, {}).get(key),
    }


def _made(database: Database) -> Line:
    return {
        "db": database.name,
        "kind": "made",
        "uuid": database.uuid,
        "created_ms": database.created_ms,
        "shards": database.shards,
    }


def _settings(database: Database) -> Line:
    return {
        "db": database.name,
        "kind": "settings",
        "security": database.security.value,
        "revs_limit": database.revs_limit,
        "purge_seq": database.purge_seq,
        "shards": database.shards,
        "seq": database.log.last,
    }


def _local(database: Database, doc_id: str) -> Line:
    stored = database.local.stored.get(doc_id)
    kept = {} if stored is None else {"number": stored[0], "fields": stored[1].decode()}
    return {"db": database.name, "kind": "local", "id": doc_id, **kept}


def _document(database: Database, document: Document, since: int = 0) -> Line:
    """The revisions that were written from this update on, ancestors first."""
    written = [one for one in document.tree.revisions.values() if one.fields is not None and one.seq >= since]
    written.sort(key=lambda one: position_of(one.rev))
    revs = [_revision(document, one) for one in written]
    return {"db": database.name, "kind": "doc", "id": document.doc_id, "seq": document.seq, "revs": revs}


def _revision(document: Document, revision: Revision) -> Line:
    line: Line = {"path": document.tree.path(revision.rev), "seq": revision.seq}
    line["fields"] = (revision.fields or b"").decode()
    if revision.deleted:
        line["deleted"] = True
    if revision.attachments:
        line["attachments"] = {
            name: [one.content_type, one.revpos, b64encode(one.data).decode(), one.length, one.encoding]
            for name, one in revision.attachments.items()
        }
    return line


# reading


class Reader:
    """Takes one line after the other."""

    def __init__(self, instance: CouchInstance) -> None:
        self._instance = instance
        self._takers: dict[str, Callable[[Database, Line], None]] = {
            "made": _take_made,
            "doc": _take_document,
            "local": _take_local,
            "purge": lambda database, line: database.forget(line["id"]),
            "settings": _take_settings,
        }

    def take(self, line: Line) -> None:
        kind = line["kind"]
        if kind == "server":
            self._instance.uuid = line["uuid"]
        elif kind == "config":
            self._take_setting(line["section"], line["key"], line["value"])
        elif kind == "dropped":
            self._instance.delete(line["db"])
        else:
            found = self._instance.databases.get(line["db"])
            self._takers[kind](found or self._instance.create(line["db"]), line)

    def _take_setting(self, section: str, key: str, value: str | None) -> None:
        if value is not None:
            self._instance.config.set(section, key, value)
        elif key in self._instance.config.sections.get(section, {}):
            self._instance.config.delete(section, key)

    def finish(self) -> None:
        """Whoever listens to databases learns what is in them."""
        for database in self._instance.databases.values():
            database.tell_all()


def _take_made(database: Database, line: Line) -> None:
    database.identify(line["uuid"], line["created_ms"])
    database.shards = line["shards"]


def _take_document(database: Database, line: Line) -> None:
    database.restore(line["id"], line["seq"], [(_read(one), one["path"]) for one in line["revs"]])


def _read(line: Line) -> Revision:
    return Revision(
        line["path"][0],
        deleted=line.get("deleted", False),
        fields=line["fields"].encode(),
        attachments=dict(_read_attachments(line.get("attachments", {}).items())) or None,
        seq=line["seq"],
    )


def _read_attachments(listed: Iterable[tuple[str, list[Any]]]) -> Iterator[tuple[str, Attachment]]:
    for name, (content_type, revpos, data, length, encoding) in listed:
        yield name, Attachment(content_type, revpos, b64decode(data), length, encoding)


def _take_local(database: Database, line: Line) -> None:
    if "number" in line:
        database.local.stored[line["id"]] = line["number"], line["fields"].encode()
    else:
        database.local.stored.pop(line["id"], None)


def _take_settings(database: Database, line: Line) -> None:
    database.security.value = line["security"]
    database.revs_limit, database.purge_seq, database.shards = line["revs_limit"], line["purge_seq"], line["shards"]
    database.log.last = max(database.log.last, line["seq"])
