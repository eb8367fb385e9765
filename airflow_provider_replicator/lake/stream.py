# SPDX-License-Identifier: Apache-2.0
"""Exactly once: a stream's cursor and its data become visible in one commit.

A commit to a Delta table can carry an application transaction, (stream, number), which lives as long as the table. So, for each
batch: the cursor from which to go on *after* the batch is written as an object of its own that nobody refers to yet; then the data is
committed with a number that names that object. On start the number is read from the table, and it names the cursor.

* Killed before the commit: the table is unchanged, the object is an orphan (removed later), the batch is read again.
* Killed after it: the next start finds the new number.
* Two runs at once: both commit through a handle that they opened before; the second one's commit is refused, because the stream's
  number has changed since (``LakeConflictError``).

The number is ``batch << 20 | random``: it grows, and no two tries share an object, so a try that lost cannot have replaced the cursor
of the one that won.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.exceptions import LakeError
from airflow_provider_replicator.lake.errors import lake_errors

if TYPE_CHECKING:
    from deltalake import DeltaTable, Transaction

    from airflow_provider_replicator.lake.table import Table

_NONCE_BITS = 20
#: Cursor objects that are kept behind the current one: for people who want to see where a stream was.
_KEPT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where a stream is: ``batch`` counts its commits, ``state`` is what the reader needs to go on (JSON), ``query`` identifies
    what was asked (a cursor is worth nothing for another question), ``saved_ms`` is when it was saved.
    """

    batch: int
    state: dict[str, Any]
    query: str
    saved_ms: int

    def age_seconds(self) -> float:
        return time.time() - self.saved_ms / 1000


def query_hash(**parts: Any) -> str:
    """Identifies a question: views, properties, filters …"""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


class Stream:
    """A named stream into one table. ``name`` is unique within the table, and any text."""

    def __init__(self, table: Table, name: str) -> None:
        self._table = table
        self.app_id = f"cdf-stream:{name}"
        digest = hashlib.sha256(name.encode()).hexdigest()[:16]
        # Inside of the table, where vacuum leaves names with an underscore alone, and what removes the table removes it.
        self._folder = f"{table.path}/_cdf_cursors/{digest}"
        self._objects = table.lake.objects()
        self._seen: tuple[int, int | None] | None = None

    def position(self, handle: DeltaTable) -> Position | None:
        """Where the stream is in this version of the table; None if it has never been written."""
        number = self._number(handle)
        if number is None:
            return None
        saved = self._objects.get(self._key(number))
        if saved is None:
            raise LakeError(
                f"{self._table.path}: the cursor {self._key(number)} is gone, so the stream cannot go on: "
                "run once with resync=True"
            )
        fields = json.loads(saved)
        return Position(
            batch=number >> _NONCE_BITS, state=fields["state"], query=fields["query"], saved_ms=fields["saved_ms"]
        )

    def advance(self, handle: DeltaTable, state: dict[str, Any], *, query: str) -> Transaction:
        """Save ``state`` and return the transaction to commit the batch with, through this very ``handle``.

        Also for a batch without rows: append zero rows, so that the cursor is renewed.
        """
        from deltalake import Transaction

        before = self._number(handle)
        batch = 1 if before is None else (before >> _NONCE_BITS) + 1
        # The writer: so that an object which is already there can be nobody's but this call's (an answer was lost).
        fields = {"state": state, "query": query, "saved_ms": int(time.time() * 1000), "writer": secrets.token_hex(8)}
        saved = json.dumps(fields).encode()
        while True:
            number = batch << _NONCE_BITS | secrets.randbelow(1 << _NONCE_BITS)
            if self._objects.put_if_absent(self._key(number), saved):
                return Transaction(self.app_id, number)

    def tidy(self, handle: DeltaTable) -> int:
        """Remove cursors that are neither current nor among the last few; returns how many. Safe beside other runs."""
        number = self._number(handle)
        if number is None:
            return 0
        oldest = self._key(max((number >> _NONCE_BITS) - _KEPT, 0) << _NONCE_BITS)
        old = [found.key for found in self._objects.list(f"{self._folder}/") if found.key < oldest]
        self._objects.delete(old)
        return len(old)

    def _number(self, handle: DeltaTable) -> int | None:
        """The stream's number in the version that the handle is at. The library reads the log for it: once per version."""
        version = handle.version()
        if self._seen is None or self._seen[0] != version:
            with lake_errors(f"read the log of {self._table.path}"):
                self._seen = version, handle.transaction_version(self.app_id)
        return self._seen[1]

    def _key(self, number: int) -> str:
        return f"{self._folder}/{number:020d}.json"
