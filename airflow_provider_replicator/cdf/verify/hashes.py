# SPDX-License-Identifier: Apache-2.0
"""Sets too big to keep: 64-bit hashes of keys and contents, a share of them at a time.

Sixteen bytes an entry. When the table is full it keeps the half whose hashes are even in the next bit and puts the other half
off to a later pass, so that memory is bounded and the number of passes grows with the size of the set.
"""

from __future__ import annotations

import hashlib
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Entries in memory at a time: 64 MB, and as much again for a moment while they are sorted.
CAPACITY = 4_000_000


def hash64(data: bytes) -> int:
    """Two different values share a hash once in 2**64: never in a lifetime of verifications, for sets that fit a project."""
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")


@dataclass(frozen=True, slots=True)
class Share:
    """The hashes that are ``index`` modulo ``of`` (a power of two)."""

    index: int = 0
    of: int = 1

    def __contains__(self, key: int) -> bool:
        return key % self.of == self.index

    def halves(self) -> tuple[Share, Share]:
        return Share(self.index, self.of * 2), Share(self.index + self.of, self.of * 2)


class Shares:
    """The passes over a set of unknown size: ``for share in shares``; a table that fills up puts half of its share off."""

    def __init__(self) -> None:
        self._waiting = [Share()]

    def __iter__(self) -> Iterator[Share]:
        while self._waiting:
            yield self._waiting.pop()

    def put_off(self, share: Share) -> None:
        self._waiting.append(share)


class HashTable:
    """key hash -> content hash of one share, filled once, then looked up."""

    def __init__(self, share: Share, shares: Shares, *, capacity: int = CAPACITY) -> None:
        self.share = share
        self._shares = shares
        self._capacity = capacity
        self._keys = array("Q")
        self._contents = array("Q")
        self._sorted: tuple[Any, Any, Any] | None = None

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: int, content: int = 0) -> None:
        if key not in self.share:
            return
        self._keys.append(key)
        self._contents.append(content)
        if len(self._keys) > self._capacity:
            self._halve()

    def _halve(self) -> None:
        self.share, later = self.share.halves()
        self._shares.put_off(later)
        kept = [(key, content) for key, content in zip(self._keys, self._contents, strict=True) if key in self.share]
        self._keys = array("Q", [key for key, _ in kept])
        self._contents = array("Q", [content for _, content in kept])

    def look_up(self, keys: Sequence[int]) -> list[int | None]:
        """The content hash under each key, which is then marked as seen; None where there is none."""
        import numpy as np

        table, contents, seen = self._sorted or self._sort()
        wanted = np.array(keys, dtype=np.uint64)
        at = np.minimum(table.searchsorted(wanted), max(len(table) - 1, 0))
        found = table[at] == wanted if len(table) else np.zeros(len(wanted), dtype=bool)
        if len(table):
            seen[at[found]] = True
        return [int(contents[i]) if hit else None for i, hit in zip(at.tolist(), found.tolist(), strict=True)]

    def forget_seen(self) -> int:
        """Keep only the keys that nobody has looked up; how many they are."""
        table, contents, seen = self._sorted or self._sort()
        self._sorted = (table[~seen], contents[~seen], seen[~seen])
        return len(self._sorted[0])

    def _sort(self) -> tuple[Any, Any, Any]:
        import numpy as np

        keys, contents = np.array(self._keys, dtype=np.uint64), np.array(self._contents, dtype=np.uint64)
        order = np.argsort(keys, kind="stable")
        self._sorted = (keys[order], contents[order], np.zeros(len(keys), dtype=bool))
        self._keys, self._contents = array("Q"), array("Q")
        return self._sorted
