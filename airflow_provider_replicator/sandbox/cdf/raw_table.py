# SPDX-License-Identifier: Apache-2.0
"""The rows of one raw table: by key, in order of keys, and by when they changed."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

_WINDOWS_KEPT = 16


class Row(NamedTuple):
    """``encoded[start:end]`` is the JSON of the columns; ``encoded`` as a whole is the row as lists return it."""

    time: int
    encoded: bytes
    start: int
    end: int

    @property
    def columns(self) -> bytes:
        return self.encoded[self.start : self.end]


@dataclass(frozen=True, slots=True)
class Window:
    """Rows that changed in ``(after, until]``; None is no bound."""

    after: int | None
    until: int | None

    def holds(self, time: int) -> bool:
        return (self.after is None or time > self.after) and (self.until is None or time <= self.until)


EVERYTHING = Window(None, None)


class Table:
    """Keys are sorted when somebody reads after new ones came: writing stays cheap."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self._sorted: list[str] = []
        self._unsorted: list[str] = []
        self._gone = False
        self._change_times: list[int] = []
        self._changes: list[list[str]] = []
        self._windows: dict[Window, list[str]] = {}

    def upsert(self, items: list[tuple[str, dict[str, Any]]], *, time: int) -> None:
        """Replace whole rows. A row's time moves only if its JSON differs."""
        rows, dumps = self.rows, orjson.dumps
        tail = b',"lastUpdatedTime":%d}' % time
        changed = []
        for key, columns in items:
            encoded = dumps(columns)
            old = rows.get(key)
            if old is None:
                self._unsorted.append(key)
            elif old.encoded[old.start : old.end] == encoded or _is_same(old.columns, columns):
                continue
            head = b'{"key":' + dumps(key) + b',"columns":'
            end = len(head) + len(encoded)
            rows[key] = Row(time, head + encoded + tail, len(head), end)
            changed.append(key)
        if changed:
            self._change_times.append(time)
            self._changes.append(changed)
            self._windows.clear()

    def delete(self, keys: list[str]) -> None:
        """Keys that do not exist are ignored."""
        for key in keys:
            self._gone |= self.rows.pop(key, None) is not None
        self._windows.clear()

    def keys(self, window: Window = EVERYTHING) -> list[str]:
        """Ascending. Do not change it."""
        if self._gone:
            self._sorted, self._unsorted, self._gone = sorted(self.rows), [], False
        elif self._unsorted:
            self._sorted = sorted(self._sorted + sorted(self._unsorted))  # two runs: merged in linear time
            self._unsorted = []
        if window == EVERYTHING:
            return self._sorted
        found = self._windows.get(window)
        if found is None:
            if len(self._windows) >= _WINDOWS_KEPT:
                self._windows.clear()
            found = self._windows[window] = self._changed_in(window)
        return found

    def _changed_in(self, window: Window) -> list[str]:
        first = 0 if window.after is None else bisect_right(self._change_times, window.after)
        last = None if window.until is None else bisect_right(self._change_times, window.until)
        candidates = {key for keys in self._changes[first:last] for key in keys}
        rows = self.rows
        return sorted(key for key in candidates if key in rows and window.holds(rows[key].time))

    def page(self, window: Window, begin: str | None, end: str | None, limit: int) -> tuple[list[Row], str | None]:
        """Up to ``limit`` rows with keys in ``[begin, end)``, and the key to go on with."""
        keys = self.keys(window)
        low = 0 if begin is None else bisect_left(keys, begin)
        high = len(keys) if end is None else bisect_left(keys, end)
        stop = min(low + limit, high)
        return [self.rows[key] for key in keys[low:stop]], keys[stop] if stop < high else None

    def ranges(self, window: Window, count: int) -> list[tuple[str | None, str | None]]:
        """At most ``count`` disjoint ranges ``[begin, end)`` of keys that together hold every key, now and later."""
        keys = self.keys(window)
        count = max(1, min(count, len(keys)))
        cuts = [keys[len(keys) * index // count] for index in range(1, count)]
        edges = [None, *cuts, None]
        return [(edges[index], edges[index + 1]) for index in range(count)]


def _is_same(old: bytes, new: dict[str, Any]) -> bool:
    """The same JSON but for the order of its keys."""
    if len(old) != len(orjson.dumps(new)):
        return False
    return orjson.dumps(orjson.loads(old), option=orjson.OPT_SORT_KEYS) == orjson.dumps(
        new, option=orjson.OPT_SORT_KEYS
    )
