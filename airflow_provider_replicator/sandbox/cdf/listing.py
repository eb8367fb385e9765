# SPDX-License-Identifier: Apache-2.0
"""Pages: from a list request to the entries of one page and the cursor of the next."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from airflow_provider_replicator.sandbox.cdf.filters import Condition, Predicate, all_of
from airflow_provider_replicator.sandbox.cdf.http import ApiError
from airflow_provider_replicator.sandbox.cdf.store import DocumentStore, Entry

MAX_PARTITIONS = 10
_CHUNK = 4000


@dataclass(frozen=True, slots=True)
class Partition:
    """The ``number``-th (from 0) of ``count``: every row with ``row % count == number``."""

    number: int = 0
    count: int = 1


def parse_partition(value: Any, *, strict: bool) -> Partition | None:
    """``"m/n"``. Strict resources refuse n > 10; the others take it as 10. None: a partition that is always empty (m > 10)."""
    if value is None:
        return Partition()
    number, _, count = value.partition("/") if isinstance(value, str) else ("", "", "")
    if not (number.isascii() and number.isdigit() and count.isascii() and count.isdigit() and len(value) < 20):
        raise ApiError(400, "partition: expected 'm/n'")
    m, n = int(number), int(count)
    if not 1 <= m <= n:
        raise ApiError(400, "partition: m must be between 1 and n")
    if n > MAX_PARTITIONS:
        if strict:
            raise ApiError(400, f"partition: there can be at most {MAX_PARTITIONS} partitions")
        if m > MAX_PARTITIONS:
            return None
    return Partition(m - 1, min(n, MAX_PARTITIONS))


def page(
    store: DocumentStore, conditions: list[Condition], partition: Partition, start: int, limit: int
) -> tuple[list[Entry], int | None]:
    """At most ``limit`` entries from row ``start`` on, and the row where the next page begins unless this was the last."""
    found: list[Entry] = []
    for chunk in _scan(store, partition, conditions, start, limit + 1):
        found += chunk
        if len(found) > limit:
            return found[:limit], found[limit - 1].row + 1
    return found, None


def matching(store: DocumentStore, conditions: list[Condition], partition: Partition | None = None) -> list[Entry]:
    """Everything that matches, in row order."""
    chunks = _scan(store, partition or Partition(), conditions, 0, _CHUNK)
    return [entry for chunk in chunks for entry in chunk]


def _scan(
    store: DocumentStore, partition: Partition, conditions: list[Condition], start: int, wanted: int
) -> Iterator[list[Entry]]:
    """Matching entries from row ``start`` on, in chunks, in row order."""
    rows = store.rows()
    predicate = all_of([condition.predicate for condition in conditions])
    candidates = min((c.candidates for c in conditions if c.candidates is not None), key=lambda c: c[0], default=None)
    if candidates is not None and candidates[0] <= max(1000, len(rows) // 20):
        yield _filtered(_picked(rows, partition, start, sorted(set(candidates[1]()))), predicate)
        return
    count = partition.count
    position = start + (partition.number - start) % count
    step = (wanted if predicate is None else max(wanted, _CHUNK)) * count
    while position < len(rows):
        yield _filtered(rows[position : position + step : count], predicate)
        position += step


def _picked(rows: list[Entry | None], partition: Partition, start: int, ordered: list[int]) -> list[Entry | None]:
    after = ordered[bisect_left(ordered, start) :]
    if partition.count == 1:
        return [rows[row] for row in after]
    return [rows[row] for row in after if row % partition.count == partition.number]


def _filtered(chunk: list[Entry | None], predicate: Predicate | None) -> list[Entry]:
    if predicate is None:
        return [entry for entry in chunk if entry is not None]
    return [entry for entry in chunk if entry is not None and predicate(entry.doc)]
