# SPDX-License-Identifier: Apache-2.0
"""Revision trees: which revisions of a document there are, how they descend from each other, and which of them wins.

A tree is the union of all paths ever merged into it, so the order of merging does not matter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal

from airflow_provider_replicator.sandbox.couchdb.attachments import Attachment
from airflow_provider_replicator.sandbox.couchdb.errors import bad_request

Outcome = Literal["new_leaf", "new_branch", "internal_node"]

_HASH_LENGTH = 32


def parse_rev(text: object) -> str:
    """The revision in the form it is stored. Raises 400 unless it is ``<number>-<hash>``."""
    position, dash, name = text.partition("-") if isinstance(text, str) else ("", "", "")
    if not dash or not position.isascii() or not position.isdigit():
        raise bad_request("Invalid rev format")
    return f"{int(position)}-{_normal(name)}"


def _normal(name: str) -> str:
    """CouchDB keeps a hash of 32 hexadecimal digits as 16 bytes, so upper case is lost."""
    if len(name) != _HASH_LENGTH or name.islower():
        return name
    try:
        return bytes.fromhex(name).hex()
    except ValueError:
        raise bad_request("Invalid rev format") from None


def position_of(rev: str) -> int:
    return int(rev.partition("-")[0])


def path_of(start: int, names: Sequence[str]) -> list[str]:
    """``_revisions`` as revisions, the newest first."""
    return [f"{start - n}-{_normal(name)}" for n, name in enumerate(names)]


def order_of(rev: str) -> tuple[int, bytes]:
    """Sorts revisions as CouchDB does: by number, then by the bytes of the hash."""
    position, _, name = rev.partition("-")
    if len(name) == _HASH_LENGTH:
        try:
            return int(position), bytes.fromhex(name)
        except ValueError:
            pass
    return int(position), name.encode()


class Revision:
    """One edit. ``fields`` is its body as JSON without the braces and without ``_`` members; None: only its name is known.
    ``seq`` is the number of the update that wrote it."""

    __slots__ = ("attachments", "deleted", "fields", "parent", "rev", "seq")

    def __init__(
        self,
        rev: str,
        *,
        parent: str | None = None,
        deleted: bool = False,
        fields: bytes | None = None,
        attachments: dict[str, Attachment] | None = None,
        seq: int = 0,
    ) -> None:
        self.rev = rev
        self.parent = parent
        self.deleted = deleted
        self.fields = fields
        self.attachments = attachments
        self.seq = seq


class RevisionTree:
    """``leaves`` is sorted: the winner first, then as CouchDB lists conflicts. ``revisions`` is by name."""

    __slots__ = ("leaves", "revisions")

    def __init__(self) -> None:
        self.leaves: list[Revision] = []
        self.revisions: dict[str, Revision] = {}

    @property
    def winner(self) -> Revision:
        return self.leaves[0]

    def leaf(self, rev: str) -> Revision | None:
        found = self.revisions.get(rev)
        return found if found is not None and found in self.leaves else None

    def merge(self, revision: Revision, path: Sequence[str]) -> Outcome:
        """Add ``revision``, the first of ``path``, and its ancestors, the rest. One that is known already changes nothing."""
        if revision.rev in self.revisions:
            return "internal_node"
        self.revisions[revision.rev] = revision
        for child, parent in pairwise(path):
            if parent not in self.revisions:
                self.revisions[parent] = Revision(parent)
            node = self.revisions[child]
            if node.parent is None:  # new, or a root whose ancestors had been forgotten
                node.parent = parent
        return "new_leaf" if self._replace_leaves(path, revision) or len(self.leaves) == 1 else "new_branch"

    def _replace_leaves(self, path: Sequence[str], new: Revision) -> bool:
        """Whoever has a child is no leaf any more. Says whether the path grew out of a leaf."""
        ancestors = set(path[1:])
        left = [leaf for leaf in self.leaves if leaf.rev not in ancestors]
        grafted = len(left) < len(self.leaves)
        left.append(new)
        if len(left) > 1:
            left.sort(key=lambda leaf: (not leaf.deleted, order_of(leaf.rev)), reverse=True)
        self.leaves = left
        return grafted

    def ancestry(self, rev: str) -> Iterator[Revision]:
        """The revision and what it descends from, the newest first."""
        node = self.revisions.get(rev)
        while node is not None:
            yield node
            node = self.revisions.get(node.parent) if node.parent is not None else None

    def path(self, rev: str) -> list[str]:
        return [node.rev for node in self.ancestry(rev)]

    def stem(self, limit: int) -> None:
        """Forget what is further than ``limit`` revisions from every leaf."""
        if len(self.revisions) <= limit:
            return
        kept: dict[str, Revision] = {}
        for leaf in self.leaves:
            for depth, node in enumerate(self.ancestry(leaf.rev), 1):
                kept[node.rev] = node
                if depth == limit:
                    break
        for node in kept.values():
            if node.parent not in kept:
                node.parent = None
        self.revisions = kept

    def remove_leaf(self, rev: str) -> bool:
        """Take out a leaf with the ancestors that only it has. False if it is no leaf."""
        if self.leaf(rev) is None:
            return False
        path = self.path(rev)
        self.leaves = [leaf for leaf in self.leaves if leaf.rev != rev]
        kept = {name for leaf in self.leaves for name in self.path(leaf.rev)}
        for name in path:
            if name not in kept:
                del self.revisions[name]
        return True

    def descendants(self, rev: str) -> list[Revision]:
        """The leaves that descend from ``rev``."""
        return [leaf for leaf in self.leaves if rev in self.path(leaf.rev)]

    def by_name(self) -> list[Revision]:
        """The leaves by number and hash: ``open_revs``."""
        return sorted(self.leaves, key=lambda leaf: order_of(leaf.rev))

    def by_branch(self) -> list[Revision]:
        """The leaves as they come on a walk through the tree: ``_bulk_get``."""
        return sorted(self.leaves, key=lambda leaf: [order_of(rev) for rev in reversed(self.path(leaf.rev))])
