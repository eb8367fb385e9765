# SPDX-License-Identifier: Apache-2.0
"""What two servers really hold, asked with plain requests: every revision that has no successor, its content, its attachments.

Nothing here is the engine's: the demo must not prove it with itself.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scripts.demo.couch_server import CouchServer

#: Documents of one request.
BATCH = 1000
#: Of a document, what says how it came about and not what it is.
HISTORY = frozenset({"_revisions", "_revs_info", "_conflicts", "_local_seq"})


@dataclass(frozen=True, slots=True)
class Held:
    """One database. ``documents`` is what ``_all_docs`` counts; ``leaves`` is what ``_changes`` lists: id -> revisions without a
    successor, tombstones and conflicts included. ``bodies``: ``id rev`` -> hash of the content and of all attachments.
    """

    documents: int
    leaves: Mapping[str, tuple[str, ...]]
    deleted: frozenset[str]
    bodies: Mapping[str, str] = field(repr=False)

    @property
    def revisions(self) -> int:
        return sum(map(len, self.leaves.values()))

    @property
    def conflicts(self) -> int:
        return sum(len(revisions) > 1 for revisions in self.leaves.values())


@dataclass(frozen=True, slots=True)
class Compared:
    """``missing``: by what the target itself says of the source's revisions. ``different``: the same revision, another content."""

    source: Held
    target: Held
    missing: Mapping[str, Sequence[str]]
    different: Sequence[str]

    @property
    def missing_revisions(self) -> int:
        return sum(map(len, self.missing.values()))

    def as_dict(self) -> dict[str, Any]:
        return {
            "docs_source": self.source.documents,
            "docs_target": self.target.documents,
            "revisions": self.source.revisions,
            "conflicts": self.source.conflicts,
            "tombstones": len(self.source.deleted),
            "missing_revisions": self.missing_revisions,
            "missing_documents": sorted(self.missing)[:5],
            "different_bodies": len(self.different),
        }


def compare(source: CouchServer, target: CouchServer, database: str) -> Compared:
    ours, theirs = read(source, database), read(target, database)
    common = ours.bodies.keys() & theirs.bodies.keys()
    different = sorted(key for key in common if ours.bodies[key] != theirs.bodies[key])
    return Compared(ours, theirs, missing(target, database, ours.leaves), different)


def missing(target: CouchServer, database: str, leaves: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Of these revisions, what the target has not: id -> revisions."""
    found: dict[str, list[str]] = {}
    names = sorted(leaves)
    for start in range(0, len(names), BATCH):
        asked = {name: list(leaves[name]) for name in names[start : start + BATCH]}
        answered = target.ask("POST", database, "_revs_diff", json=asked)
        found |= {name: lacking["missing"] for name, lacking in answered.items()}
    return found


def read(server: CouchServer, database: str) -> Held:
    """Everything in a database; one that is not there is empty."""
    if not server.has(database):
        return Held(0, {}, frozenset(), {})
    rows = server.ask("GET", database, "_changes", style="all_docs")["results"]
    leaves = {row["id"]: tuple(change["rev"] for change in row["changes"]) for row in rows}
    deleted = frozenset(row["id"] for row in rows if row.get("deleted"))
    documents = len(server.ask("GET", database, "_all_docs")["rows"])
    return Held(documents, leaves, deleted, _bodies(server, database, leaves))


def _bodies(server: CouchServer, database: str, leaves: Mapping[str, Sequence[str]]) -> dict[str, str]:
    wanted = [{"id": name, "rev": revision} for name, revisions in leaves.items() for revision in revisions]
    found = {}
    for start in range(0, len(wanted), BATCH):
        answered = server.ask("POST", database, "_bulk_get", json={"docs": wanted[start : start + BATCH]})
        for one in (entry for result in answered["results"] for entry in result["docs"]):
            body = one.get("ok") or {"unreadable": one["error"]}
            found[f"{body.get('_id')} {body.get('_rev')}"] = _hash(server, database, body)
    return found


def _hash(server: CouchServer, database: str, body: Mapping[str, Any]) -> str:
    """Attachments are fetched and hashed: what a server says of their digests is not what it would hand out."""
    content = {name: value for name, value in body.items() if name not in HISTORY}
    attached = content.pop("_attachments", {})
    lines = [json.dumps(content, sort_keys=True)]
    for name in sorted(attached):
        answer = server.answer("GET", database, body["_id"], name, rev=body["_rev"])
        answer.raise_for_status()
        lines.append(f"{name} {answer.headers['Content-Type']} {hashlib.sha256(answer.content).hexdigest()}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
