# SPDX-License-Identifier: Apache-2.0
"""Plans for datapoints: nothing left out, nothing twice, few requests."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_replicator.cdf.datapoints import plan
from airflow_provider_replicator.cdf.datapoints.plan import Bucket

HOUR = 3_600_000
RANGES = st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)).map(lambda r: (min(r), max(r) + 1)), max_size=6)


def buckets(counts: list[int], width: int = HOUR) -> list[Bucket]:
    return [Bucket(at * width, (at + 1) * width, count) for at, count in enumerate(counts)]


@given(st.integers(1, plan.END_MS - plan.FIRST_MS), st.integers(1, 10_000))
def test_a_granularity_covers_the_span_and_is_one_the_api_knows(span: int, wanted: int) -> None:
    name, length = plan.granularity(span, wanted)
    multiple, unit = int(name[:-1]), name[-1]
    assert 1 <= multiple <= (100_000 if unit == "h" else 120)
    assert length == multiple * {"s": 1000, "m": 60_000, "h": HOUR}[unit]
    assert -(-span // length) <= max(wanted, 18), "two centuries are 18 buckets of 100 000 hours"


@given(st.lists(st.integers(0, 250_000), max_size=60), st.integers(0, HOUR), st.integers(0, 5 * HOUR))
def test_segments_cover_the_range_without_gap_or_overlap(counts: list[int], early: int, late: int) -> None:
    start, end = -early, len(counts) * HOUR + late + 1
    found = plan.segments(start, end, buckets(counts))
    assert found[0][0] == start
    assert found[-1][1] == end
    assert all(left[1] == right[0] for left, right in pairwise(found))
    assert all(left < right for left, right in found)


@given(st.lists(st.integers(0, 90_000), min_size=1, max_size=200))
def test_segments_hold_no_more_than_planned(counts: list[int]) -> None:
    made = buckets(counts)
    most = plan.segment_points(sum(counts))
    for at, (start, end) in enumerate(plan.segments(0, len(counts) * HOUR, made)):
        held = sum(bucket.count for bucket in made if start <= bucket.start < end)
        assert held <= (plan.MAX_POINTS if at == 0 else most)


@pytest.mark.parametrize(("total", "requests"), [(1_000_000, 11), (10_000_000, 107), (100_000_000, 1060)])
def test_a_long_series_costs_few_requests_more_than_it_has_pages(total: int, requests: int) -> None:
    wanted = 1600
    made = buckets([total // wanted] * wanted)
    parts = plan.segments(0, wanted * HOUR, made)
    pages = 0
    for start, end in parts:
        held = sum(bucket.count for bucket in made[start // HOUR : end // HOUR])
        pages += -(-held // plan.MAX_POINTS)
    assert plan.fine_enough(made)
    assert pages <= requests * 1.07
    assert len(parts) >= 8


@given(st.lists(st.integers(0, 250_000), max_size=300), st.integers(1, 10))
def test_lanes_lose_nothing_and_fill_their_requests(expected: list[int], at_once: int) -> None:
    lanes = plan.lanes(enumerate(expected), at_once=at_once)
    assert sorted(item for lane in lanes for item in lane) == list(range(len(expected)))
    requests = 0
    for lane in lanes:
        left = [expected[item] for item in lane]
        while left:
            limits = plan.fill_request(left)
            requests += 1
            assert 1 <= len(limits) <= plan.MAX_ITEMS
            assert sum(limits) <= plan.MAX_POINTS
            left = [
                rest
                for one, limit in zip(left, [*limits, *[0] * len(left)], strict=False)
                if (rest := one - limit) > 0 or not limit
            ]
    pages = max(sum(expected) / plan.MAX_POINTS, len(expected) / plan.MAX_ITEMS)
    assert requests <= pages / 0.75 + 2


def test_small_series_share_requests_and_big_ones_go_at_the_same_time() -> None:
    assert len(plan.lanes([(at, 10) for at in range(1000)], at_once=10)) == 10
    assert len(plan.lanes([(at, 100_000) for at in range(10)], at_once=10)) == 10
    assert len(plan.lanes([(at, 10_000) for at in range(100)], at_once=10)) == 10
    assert len(plan.lanes([(at, 60_000) for at in range(100)], at_once=10)) == 10, "chains, whose requests are full"


@given(RANGES, st.integers(0, 50), st.integers(50, 101))
def test_what_is_left_and_what_is_done_are_the_whole(done: list[tuple[int, int]], start: int, end: int) -> None:
    left = plan.subtract(start, end, done)
    covered = {at for begin, finish in done for at in range(begin, finish)}
    assert [at for begin, finish in left for at in range(begin, finish)] == [
        at for at in range(start, end) if at not in covered
    ]


@given(RANGES)
def test_merged_ranges_are_the_same_times(ranges: list[tuple[int, int]]) -> None:
    found = plan.merged(ranges)
    assert {at for r in found for at in range(*r)} == {at for r in ranges for at in range(*r)}
    assert all(left[1] < right[0] for left, right in pairwise(found))


def test_the_extent_is_where_the_points_are() -> None:
    assert plan.extent(buckets([0, 5, 0, 7, 0]), 0, 5 * HOUR) == (HOUR, 4 * HOUR)
    assert plan.extent(buckets([0, 0]), 3, 99) == (3, 99)
    assert plan.extent(buckets([1]), 100, 200) == (100, 200)
