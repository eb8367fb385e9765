# SPDX-License-Identifier: Apache-2.0
"""The parts of verification that bounded memory and odd page borders make difficult."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from cognite.client._proto.data_points_pb2 import NumericDatapoints
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_replicator.cdf.verify.hashes import HashTable, Shares, hash64
from airflow_provider_replicator.cdf.verify.periods import HOUR_MS, PERIODS_PER_SERIES, grids, whole_hours
from airflow_provider_replicator.cdf.verify.points import PointReader, compare_points

if TYPE_CHECKING:
    from collections.abc import Iterable

EXAMPLES = settings(max_examples=150, deadline=None, derandomize=True)


# -- sets of hashes, a share at a time


def missing_and_changed(ours: dict[str, int], theirs: dict[str, int], capacity: int) -> tuple[set[str], set[str], int]:
    """Keys of ``ours`` that are not in ``theirs``, keys whose content differs, and the number of passes it took."""
    names = {hash64(key.encode()): key for key in ours}
    shares, missing, changed, passes = Shares(), set(), set(), 0
    for share in shares:
        passes += 1
        table = HashTable(share, shares, capacity=capacity)
        for key, content in ours.items():
            table.add(hash64(key.encode()), content)
        wanted = [key for key in theirs if hash64(key.encode()) in table.share]
        for key, held in zip(wanted, table.look_up([hash64(key.encode()) for key in wanted]), strict=True):
            if held is not None and held != theirs[key]:
                changed.add(key)
        left = table.forget_seen()
        found = [key for number, key in names.items() if table.look_up([number]) != [None]]
        assert len(found) == left
        missing |= set(found)
    return missing, changed, passes


contents = st.dictionaries(st.text(max_size=3), st.integers(0, 3), max_size=40)


@EXAMPLES
@given(contents, contents, st.integers(1, 50))
def test_shares_find_what_one_table_would_find(ours: dict[str, int], theirs: dict[str, int], capacity: int) -> None:
    missing, changed, passes = missing_and_changed(ours, theirs, capacity)
    assert missing == ours.keys() - theirs.keys()
    assert changed == {key for key in ours.keys() & theirs.keys() if ours[key] != theirs[key]}
    assert (passes == 1) == (len(ours) <= capacity)


# -- points, page by page


class Pages:
    """A reader of given points, in pages of given sizes (the last size goes on)."""

    def __init__(self, points: dict[int, float], sizes: Iterable[int]) -> None:
        self._points = sorted(points.items())
        self._sizes = list(sizes)
        self.exhausted = False

    async def next_page(self) -> Any:
        assert not self.exhausted
        size = self._sizes.pop(0) if len(self._sizes) > 1 else self._sizes[0]
        page, self._points = self._points[:size], self._points[size:]
        self.exhausted = not self._points
        message = NumericDatapoints()
        for timestamp, value in page:
            message.datapoints.add(timestamp=timestamp, value=value)
        return message


series = st.dictionaries(st.integers(-20, 20), st.sampled_from([0.0, 1.5]), max_size=30)
sizes = st.lists(st.integers(1, 6), min_size=1, max_size=4)


@EXAMPLES
@given(series, series, sizes, sizes)
def test_points_are_compared_whatever_the_pages(
    ours: dict[int, float], theirs: dict[int, float], our_pages: list[int], their_pages: list[int]
) -> None:
    left, right = Pages(ours, our_pages), Pages(theirs, their_pages)
    found = asyncio.run(compare_points(as_reader(left), as_reader(right), keep=3))
    different = {time for time in ours.keys() | theirs.keys() if ours.get(time) != theirs.get(time)}
    assert (found.source, found.target, found.different) == (len(ours), len(theirs), len(different))
    assert len(found.differences) == min(3, len(different))


def as_reader(pages: Pages) -> PointReader:
    reader: Any = pages
    found: PointReader = reader
    return found


# -- windows in whole hours


@EXAMPLES
@given(st.integers(-(10**13), 10**13), st.integers(1, 10**13))
def test_grids_and_edges_cover_a_window_exactly(start: int, length: int) -> None:
    end = start + length
    (first, last), edges = whole_hours(start, end)
    parts = sorted([(grid.start, grid.end) for grid in grids(first, last)] + edges)
    assert parts[0][0] == start
    assert parts[-1][1] == end
    assert all(before[1] == after[0] for before, after in pairwise(parts))
    for grid in grids(first, last):
        periods, rest = divmod(grid.end - grid.start, grid.hours * HOUR_MS)
        assert rest == 0
        assert 1 <= periods <= PERIODS_PER_SERIES
    assert sum(edge[1] - edge[0] for edge in edges) < 2 * HOUR_MS
