# SPDX-License-Identifier: Apache-2.0
"""A forest into batches: as few as possible, parents before or with their children, and as independent as possible. Pure.

Numbers only: a million nodes take a second and some 60 bytes each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

#: A batch this full is closed where a subtree ends rather than filled up with the beginning of the next one …
_FULL_ENOUGH = 0.9
#: … and after so many batches in a row that begin inside a subtree of the one before, one is closed in any case.
_CHAIN = 8


@dataclass(frozen=True, slots=True)
class Batch:
    """``rows`` in an order with parents first. ``after``: numbers of the batches that hold parents of these."""

    rows: Any
    after: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Packing:
    """Batches in an order in which they may be sent one by one. ``in_cycles``: rows that hang from themselves."""

    batches: list[Batch]
    in_cycles: list[int]


def parent_rows(ids: Sequence[int], parents: Sequence[int]) -> Any:
    """For each id the row of its parent, -1 if that is not among ``ids`` (which are unique)."""
    import numpy as np

    numbers, wanted = np.asarray(ids, dtype=np.int64), np.asarray(parents, dtype=np.int64)
    if not len(numbers):
        return np.empty(0, dtype=np.int64)
    order = np.argsort(numbers, kind="stable")
    place = np.minimum(np.searchsorted(numbers, wanted, sorter=order), len(numbers) - 1)
    rows = order[place]
    return np.where(numbers[rows] == wanted, rows, -1)


def depths(parent: Any) -> Any:
    """Levels above each row (0: no parent); -1 for rows in or below a cycle."""
    import numpy as np

    depth = np.where(parent >= 0, 1, 0)
    above = parent.copy()
    for _ in range(max(1, len(parent)).bit_length() + 1):  # doubles the step, so a chain of any length ends in time
        open_ = np.flatnonzero(above >= 0)
        if not len(open_):
            return depth
        step = above[open_]
        depth[open_] += depth[step]
        above[open_] = above[step]
    depth[above >= 0] = -1
    return depth


def pack(parent: Any, size: int) -> Packing:
    """Batches of at most ``size`` rows. ``parent``: row of the parent, -1 for none, as an int64 array.

    Nodes with more than ``size`` descendants come first, level by level; what hangs from them are whole subtrees that fit into a
    batch, in their natural order. So most batches depend on the few first ones only and can go in parallel.
    """
    import numpy as np

    depth = depths(parent)
    rows = np.flatnonzero(depth >= 0)
    if not len(rows):
        return Packing([], np.flatnonzero(depth < 0).tolist())
    by_depth = rows[np.argsort(depth[rows], kind="stable")]
    levels = np.split(by_depth, np.flatnonzero(np.diff(depth[by_depth])) + 1)
    sizes = _sizes(parent, levels)
    place = _places(parent, levels, sizes)
    small = sizes[rows] <= size
    order = rows[np.lexsort((place[rows], np.where(small, 0, depth[rows]), small))]
    starts = _starts(order, parent, sizes, size)
    batches = _cut(order, starts, size)
    return Packing(_with_dependencies(batches, parent), np.flatnonzero(depth < 0).tolist())


def _sizes(parent: Any, levels: list[Any]) -> Any:
    """Nodes of each node's subtree, itself included."""
    import numpy as np

    sizes = np.ones(len(parent), dtype=np.int64)
    for level in reversed(levels[1:]):
        np.add.at(sizes, parent[level], sizes[level])
    return sizes


def _places(parent: Any, levels: list[Any], sizes: Any) -> Any:
    """Each node's place when every subtree is kept together, parents first."""
    import numpy as np

    places = np.zeros(len(parent), dtype=np.int64)
    for n, level in enumerate(levels):
        siblings = level[np.argsort(parent[level], kind="stable")]
        before = np.cumsum(sizes[siblings]) - sizes[siblings]
        if n:
            above = parent[siblings]
            first = np.flatnonzero(np.concatenate(([True], above[1:] != above[:-1])))
            group = np.repeat(first, np.diff(np.concatenate((first, [len(siblings)]))))
            before = before - before[group] + places[above] + 1
        places[siblings] = before
    return places


def _starts(order: Any, parent: Any, sizes: Any, size: int) -> Any:
    """Positions in ``order`` where it can be cut without cutting a subtree that fits into a batch."""
    import numpy as np

    above = parent[order]
    is_start = (sizes[order] > size) | (above < 0) | (sizes[above] > size)
    return np.flatnonzero(is_start)


def _cut(order: Any, starts: Any, size: int) -> list[Any]:
    import numpy as np

    batches = []
    begin, chain = 0, 0
    while begin < len(order):
        end = min(begin + size, len(order))
        if end < len(order):
            whole = int(starts[np.searchsorted(starts, end, side="right") - 1])
            if whole == end or whole - begin >= _FULL_ENOUGH * size or (whole > begin and chain >= _CHAIN):
                end, chain = whole, 0
            else:
                chain += 1
        batches.append(order[begin:end])
        begin = end
    return batches


def _with_dependencies(batches: list[Any], parent: Any) -> list[Batch]:
    import numpy as np

    batch_of = np.full(len(parent) + 1, -1, dtype=np.int64)  # the last one is for the row -1: no parent
    for n, rows in enumerate(batches):
        batch_of[rows] = n
    batch_of[-1] = -1
    found = []
    for n, rows in enumerate(batches):
        above = np.unique(batch_of[parent[rows]])
        found.append(Batch(rows, tuple(above[(above >= 0) & (above != n)].tolist())))
    return found
