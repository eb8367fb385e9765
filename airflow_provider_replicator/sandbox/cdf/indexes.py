# SPDX-License-Identifier: Apache-2.0
"""Indexes over the list view of a store: which rows can match, so that a filter need not read every document."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Hashable, Iterable
from typing import Any

Document = dict[str, Any]
KeysOf = Callable[[Document], Iterable[Hashable]]


class KeyIndex:
    """key -> rows. A key with one row holds the bare number: a set for each of a million unique keys would cost 200 MB."""

    def __init__(self, keys_of: KeysOf) -> None:
        self._keys_of = keys_of
        self._rows: dict[Hashable, int | set[int]] = {}

    def add(self, document: Document, row: int) -> None:
        rows = self._rows
        for key in self._keys_of(document):
            present = rows.get(key)
            if present is None:
                rows[key] = row
            elif isinstance(present, int):
                if present != row:
                    rows[key] = {present, row}
            else:
                present.add(row)

    def discard(self, document: Document, row: int) -> None:
        for key in self._keys_of(document):
            present = self._rows.get(key)
            if isinstance(present, set):
                present.discard(row)
            elif present == row:
                del self._rows[key]

    def rows(self, key: Hashable) -> Collection[int]:
        present = self._rows.get(key)
        if present is None:
            return ()
        return (present,) if isinstance(present, int) else present


class ChangeLog:
    """When which row was written: times ascending, so a window of ``lastUpdatedTime`` is two bisections."""

    def __init__(self) -> None:
        self._times: list[int] = []
        self._rows: list[int] = []

    def append(self, time: int, rows: Iterable[int]) -> None:
        before = len(self._rows)
        self._rows.extend(rows)
        self._times.extend([time] * (len(self._rows) - before))

    def count(self, minimum: int | None, maximum: int | None) -> int:
        start, end = self._bounds(minimum, maximum)
        return end - start

    def rows(self, minimum: int | None, maximum: int | None) -> list[int]:
        """Rows written in [minimum, maximum], each perhaps several times, and perhaps written again since."""
        start, end = self._bounds(minimum, maximum)
        return self._rows[start:end]

    def _bounds(self, minimum: int | None, maximum: int | None) -> tuple[int, int]:
        start = 0 if minimum is None else bisect_left(self._times, minimum)
        end = len(self._times) if maximum is None else bisect_right(self._times, maximum)
        return start, max(start, end)
