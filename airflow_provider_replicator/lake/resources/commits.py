# SPDX-License-Identifier: Apache-2.0
"""The two ways in which rows get into a table: newer versions merged by key, or everything replaced. One commit each.

Every commit carries a number in the table's application transaction, ``replacements << 43 | merges since << 24 | random``, and goes
through a handle that was opened before the source was read. The number grows, and no two commits share one. So of two runs at once
that are about to commit, the second is always refused:

* A merge is then tried again on what the other run left, as merges can be done in any order: an older version of a row never replaces
  a newer one. Unless the other run replaced the table: what this one has read may be gone since. It fails with ``LakeConflictError``.
* A replacement fails with ``LakeConflictError``: what it has read may be older than what was merged meanwhile.

The next try of the task reads the source again, and is right.
"""

from __future__ import annotations

import random
import secrets
import time
from typing import TYPE_CHECKING

from airflow_provider_replicator.exceptions import LakeConflictError
from airflow_provider_replicator.lake.columns import quoted
from airflow_provider_replicator.lake.table import commit_properties, writer_properties

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pyarrow as pa
    from deltalake import DeltaTable, Transaction
    from deltalake.table import TableMerger

    from airflow_provider_replicator.lake.resources.declared import Layout
    from airflow_provider_replicator.lake.table import Table

_APP = "cdf-rows"
_NONCE_BITS = 24
_REPLACEMENT_BITS = 43
#: How often a merge is tried that others keep overtaking, and the longest wait between two tries, in seconds.
_TRIES = 12
_LONGEST_WAIT = 4.0


def _number(handle: DeltaTable) -> int:
    return handle.transaction_version(_APP) or 0


def replacements(handle: DeltaTable) -> int:
    """How often the table had been replaced as a whole, at this version."""
    return _number(handle) >> _REPLACEMENT_BITS


def _following(handle: DeltaTable, bits: int) -> Transaction:
    """One more of what the bits from ``bits`` on count."""
    from deltalake import Transaction

    return Transaction(_APP, ((_number(handle) >> bits) + 1) << bits | secrets.randbelow(1 << _NONCE_BITS))


def replace(table: Table, handle: DeltaTable, schema: pa.Schema, rows: Iterable[pa.RecordBatch]) -> None:
    """Replace all rows, streamed. When ``rows`` raises, nothing is committed, and that error is what the caller sees."""
    import pyarrow as pa

    failed: list[BaseException] = []

    def watched() -> Iterable[pa.RecordBatch]:
        try:
            yield from rows
        except BaseException as error:
            failed.append(error)  # Arrow makes a text of it
            raise

    data = pa.RecordBatchReader.from_batches(schema, watched())
    try:
        table.replace(handle, data, transaction=_following(handle, _REPLACEMENT_BITS))
    except Exception:
        if failed:
            raise failed[0] from None
        raise


class Merges:
    """Merges into one table, beside other runs that do so. ``handle`` is from before the source was read."""

    def __init__(self, table: Table, handle: DeltaTable, layout: Layout) -> None:
        self._table = table
        self._handle = handle
        self._layout = layout
        self._replacements = replacements(handle)
        self.created = 0
        self.updated = 0
        self.deleted = 0

    @property
    def handle(self) -> DeltaTable:
        """The table as the last commit left it."""
        return self._handle

    def upsert(self, rows: pa.Table) -> None:
        """Insert the rows whose key is new, update those that are not older than what the table has."""
        rows = newest(rows, self._layout)
        time_column = quoted(self._layout.time)

        def insert_or_update(transaction: Transaction) -> None:
            if not self._handle.file_uris():
                self._table.append(self._handle, rows, transaction=transaction)
                self.created += rows.num_rows
                return
            merge = self._merger(rows, transaction)
            merge = merge.when_matched_update_all(predicate=f"s.{time_column} >= t.{time_column}")
            done = self._execute(merge.when_not_matched_insert_all(), transaction)
            self.created += done.get("num_target_rows_inserted", 0)
            self.updated += done.get("num_target_rows_updated", rows.num_rows)

        self._with_turn(insert_or_update)

    def delete(self, gone: pa.Table) -> None:
        """Delete the rows with these keys, but for those that changed after ``gone``'s time column says."""
        time_column = quoted(self._layout.time)

        def delete_matched(transaction: Transaction) -> None:
            merge = self._merger(gone, transaction)
            merge = merge.when_matched_delete(predicate=f"t.{time_column} <= s.{time_column}")
            self.deleted += self._execute(merge, transaction).get("num_target_rows_deleted", gone.num_rows)

        self._with_turn(delete_matched)

    def _merger(self, rows: pa.Table, transaction: Transaction) -> TableMerger:
        key = quoted(self._layout.key_column)
        return self._handle.merge(
            rows,
            predicate=f"t.{key} = s.{key}",
            source_alias="s",
            target_alias="t",
            streamed_exec=False,  # measured faster
            writer_properties=writer_properties(),
            commit_properties=commit_properties(transaction),
        )

    def _execute(self, merge: TableMerger, transaction: Transaction) -> dict[str, int]:
        """What the merge says it did; nothing if its answer was lost, and it turned out to be done."""
        with self._table.committing(self._handle, f"merge into {self._table.path}", transaction):
            done: dict[str, int] = merge.execute()
            return done
        return {}

    def _with_turn(self, work: Callable[[Transaction], None]) -> None:
        """``work`` in one commit; again on the newest version while others are faster."""
        for attempt in range(_TRIES):
            try:
                work(_following(self._handle, _NONCE_BITS))
            except LakeConflictError:
                if attempt == _TRIES - 1:
                    raise
                time.sleep(random.uniform(0, min(_LONGEST_WAIT, 0.1 * 2**attempt)))
                self._reopen()
            else:
                self._reopen()
                return

    def _reopen(self) -> None:
        handle = self._table.open()
        if handle is None or replacements(handle) != self._replacements:
            raise LakeConflictError(
                f"{self._table.path}: another run replaced the whole table meanwhile; a retry reads the source again"
            )
        self._handle = handle


def newest(rows: pa.Table, layout: Layout) -> pa.Table:
    """One row per key: the newest, and of two of the same time the one that was read later."""
    import pyarrow as pa
    import pyarrow.compute as pc

    keys = rows.column(layout.key_column)
    if pc.count_distinct(keys).as_py() == rows.num_rows:
        return rows
    order = pa.table({"key": keys, "time": rows.column(layout.time), "place": pa.array(range(rows.num_rows))})
    order = order.sort_by([("key", "ascending"), ("time", "ascending"), ("place", "ascending")])
    ordered = order.column("key").combine_chunks()
    last = pc.fill_null(pc.not_equal(ordered[:-1], ordered[1:]), True)
    keep = pa.concat_arrays([last, pa.array([True])])
    return rows.take(order.column("place").combine_chunks().filter(keep).sort())
