# SPDX-License-Identifier: Apache-2.0
"""What the target lacks, counted. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Documents that are remembered one by one. Where more are missing, it does not matter which of them were only just written.
_REMEMBERED = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Lacking:
    """What is missing of one document: so many ``revisions``; ``winner``: the winning one is among them. ``tombstone``: it is deleted
    at the source.
    """

    revisions: int
    winner: bool = True
    tombstone: bool = False


@dataclass(slots=True)
class Missing:
    """Sums over documents. A document that is added again counts as it was added last."""

    documents: int = 0
    revisions: int = 0
    winners: int = 0
    tombstones: int = 0
    _known: dict[str, Lacking] = field(default_factory=dict)

    def add(self, doc_id: str, lacking: Lacking) -> None:
        self.forget([doc_id])
        if len(self._known) < _REMEMBERED:
            self._known[doc_id] = lacking
        self._count(lacking, 1)

    def forget(self, doc_ids: Iterable[str]) -> int:
        """Take these documents out again; how many there were."""
        found = 0
        for doc_id in doc_ids:
            if (lacking := self._known.pop(doc_id, None)) is not None:
                self._count(lacking, -1)
                found += 1
        return found

    def ids(self, most: int) -> tuple[str, ...]:
        """The first of them."""
        return tuple(doc_id for doc_id, _ in zip(self._known, range(most), strict=False))

    @property
    def only_design_documents(self) -> bool:
        return bool(self._known) and len(self._known) == self.documents and all(map(_is_design, self._known))

    def _count(self, lacking: Lacking, sign: int) -> None:
        self.documents += sign
        self.revisions += sign * lacking.revisions
        self.winners += sign * lacking.winner
        self.tombstones += sign * lacking.tombstone


def _is_design(doc_id: str) -> bool:
    return doc_id.startswith("_design/")
