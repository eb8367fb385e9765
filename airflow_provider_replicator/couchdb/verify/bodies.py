# SPDX-License-Identifier: Apache-2.0
"""Is the content of a revision the same on both sides? Of a sample of documents, or of all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.couchdb.answers import parsed
from airflow_provider_replicator.couchdb.verify.halves import in_halves
from airflow_provider_replicator.exceptions import CouchTooLargeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_replicator.couchdb.client import CouchClient

    #: A document's id and one of its revisions.
    Revision = tuple[str, str]

#: Revisions of one request, and the bytes of its answer: two of these are in memory.
_TOGETHER = 100
_MOST_BYTES = 32 << 20
#: Different documents that are named.
_NAMED = 100


class Sample:
    """So many documents of those that are offered, each with the same chance; None: all of them, which are taken away in between."""

    def __init__(self, most: int | None, random: Random | None = None) -> None:
        self._most = most
        self._random = random or Random()
        self._offered = 0
        self._taken: list[tuple[str, tuple[str, ...]]] = []

    def offer(self, doc_id: str, revisions: Sequence[str]) -> None:
        self._offered += 1
        if self._most is None or len(self._taken) < self._most:
            self._taken.append((doc_id, tuple(revisions)))
            return
        place = self._random.randrange(self._offered)
        if place < self._most:
            self._taken[place] = (doc_id, tuple(revisions))

    @property
    def is_final(self) -> bool:
        """Whether what is taken will not be replaced by what is offered later."""
        return self._most is None

    def take(self) -> list[Revision]:
        """The revisions of the documents, which are the sample's no longer."""
        taken, self._taken = self._taken, []
        return [(doc_id, rev) for doc_id, revisions in taken for rev in revisions]


@dataclass(slots=True)
class Bodies:
    """Compares revisions. ``superseded``: known to the target, which has newer ones and does not keep them."""

    source: CouchClient
    source_db: str
    target: CouchClient
    target_db: str
    compared: int = 0
    different: int = 0
    superseded: int = 0
    too_large: int = 0
    different_ids: list[str] = field(default_factory=list)

    async def compare(self, revisions: Sequence[Revision]) -> None:
        """Ask both sides for these revisions, a hundred at a time."""
        for start in range(0, len(revisions), _TOGETHER):
            for some, both in await in_halves(revisions[start : start + _TOGETHER], self._ask):
                if both is None:
                    self.too_large += len(some)
                    continue
                for revision in some:
                    await self._judge(revision, both[0].get(revision), both[1].get(revision))

    async def _ask(self, revisions: Sequence[Revision]) -> tuple[dict[Revision, Any], dict[Revision, Any]]:
        return (
            await _documents(self.source, self.source_db, revisions),
            await _documents(self.target, self.target_db, revisions),
        )

    async def _judge(self, revision: Revision, there: Any, here: Any) -> None:
        if there is None:
            return  # superseded at the source, while this was running
        if here is None:
            self.superseded += 1
            return
        self.compared += 1
        if same(_content(there), _content(here)) and await self._same_attachments(revision, there, here):
            return
        self.different += 1
        if len(self.different_ids) < _NAMED and revision[0] not in self.different_ids:
            self.different_ids.append(revision[0])

    async def _same_attachments(self, revision: Revision, there: Any, here: Any) -> bool:
        """By their digests. Servers compress attachments in their own ways, so where only the digest differs, the bytes decide."""
        one, other = there.get("_attachments") or {}, here.get("_attachments") or {}
        if one.keys() != other.keys():
            return False
        for name, stub in one.items():
            against = other[name]
            if any(stub.get(part) != against.get(part) for part in ("content_type", "length")):
                return False
            if stub.get("digest") != against.get("digest") and not await self._same_bytes(revision, name):
                return False
        return True

    async def _same_bytes(self, revision: Revision, name: str) -> bool:
        doc_id, rev = revision
        asked: dict[str, Any] = {"params": {"rev": rev}, "max_bytes": _MOST_BYTES}
        try:
            there = await self.source.answer("GET", self.source_db, doc_id, name, **asked)
            here = await self.target.answer("GET", self.target_db, doc_id, name, **asked)
        except CouchTooLargeError:
            self.too_large += 1
            return True
        return there.body == here.body


async def _documents(client: CouchClient, database: str, revisions: Sequence[Revision]) -> dict[Revision, Any]:
    """The documents that the server has of these."""
    asked = {"docs": [{"id": doc_id, "rev": rev} for doc_id, rev in revisions]}
    answer = await client.answer("POST", database, "_bulk_get", json=asked, max_bytes=_MOST_BYTES)
    documents = [
        one["ok"]
        for result in parsed(answer, (database, "_bulk_get"))["results"]
        for one in result["docs"]
        if "ok" in one
    ]
    return {(document["_id"], document["_rev"]): document for document in documents}


def _content(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in ("_revisions", "_attachments")}


def same(one: Any, other: Any) -> bool:
    """Equal as JSON: true is no 1, but 1 and 1.0 are the same number, which servers write as they like."""
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return bool(one == other)
