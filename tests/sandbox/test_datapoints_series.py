# SPDX-License-Identifier: Apache-2.0
"""How the sandbox keeps points, against a plain dictionary."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_replicator.sandbox.cdf import points as module
from airflow_provider_replicator.sandbox.cdf.points import Points, Series, join

BAD = 0x8000_0000


def made(times: list[int], values: list[float], codes: list[int] | None = None) -> Points:
    return Points(
        np.array(times, np.int64),
        np.array(values, np.float64),
        None if codes is None else np.array(codes, np.uint32),
    )


def content(series: Series) -> dict[int, tuple[float, int]]:
    found = join(list(series.parts(-(1 << 60), 1 << 60)), is_string=False)
    codes = [0] * len(found) if found.codes is None else found.codes.tolist()
    assert found.times.tolist() == sorted(set(found.times.tolist()))
    return {
        time: (value, code)
        for time, value, code in zip(found.times.tolist(), found.values.tolist(), codes, strict=True)
    }


INSERT = st.tuples(
    st.just("insert"),
    st.lists(st.tuples(st.integers(-50, 50), st.floats(-5, 5), st.sampled_from([0, 0, BAD])), max_size=15),
)
DELETE = st.tuples(st.just("delete"), st.tuples(st.integers(-60, 60), st.integers(1, 40)))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(INSERT, DELETE), max_size=12), st.integers(-60, 60), st.integers(0, 60))
def test_a_series_is_a_sorted_dictionary_of_its_points(steps: list[tuple[str, Any]], start: int, width: int) -> None:
    """Any order of inserts, overwrites and deletes, with blocks so small that all of their borders are met."""
    model: dict[int, tuple[float, int]] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK", 8)
        series = Series(is_string=False)
        for name, argument in steps:
            if name == "insert":
                rows = argument
                series.insert(made([r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows]))
                model.update({time: (value, code) for time, value, code in rows})
            else:
                begin, span = argument
                series.delete(begin, begin + span)
                model = {time: rest for time, rest in model.items() if not begin <= time < begin + span}
        assert content(series) == model
        assert len(series) == len(model)
        inside = [time for part in series.parts(start, start + width) for time in part.times.tolist()]
        assert inside == sorted(time for time in model if start <= time < start + width)
        before = series.last_before(start, ignore_bad=True, uncertain_as_bad=True).times.tolist()
        assert before == sorted(time for time, (_, code) in model.items() if time < start and not code)[-1:]
        after = series.first_from(start, ignore_bad=False, uncertain_as_bad=False).times.tolist()
        assert after == sorted(time for time in model if time >= start)[:1]
        assert all(0 < len(block) <= 8 for block in series.blocks)


def test_of_points_with_the_same_timestamp_in_one_batch_the_last_counts() -> None:
    series = Series(is_string=False)
    series.insert(made([5, 3, 5], [1, 2, 3]))
    assert content(series) == {3: (2.0, 0), 5: (3.0, 0)}


def test_an_overwrite_takes_the_status_along() -> None:
    series = Series(is_string=False)
    series.insert(made([1, 2], [1, 2], [BAD, BAD]))
    series.insert(made([2], [7]))
    assert content(series) == {1: (1.0, BAD), 2: (7.0, 0)}


def test_batches_in_any_order_touch_only_their_own_blocks() -> None:
    """A long series copied in parallel arrives in random order: that must not cost the square of its length."""
    series = Series(is_string=False)
    size = 10_000
    for part in (7, 2, 9, 0, 5, 1, 8, 3, 6, 4):
        times = np.arange(part * size, (part + 1) * size, dtype=np.int64)
        untouched = {id(block.times) for block in series.blocks}
        series.insert(Points(times, times.astype(np.float64)))
        replaced = untouched - {id(block.times) for block in series.blocks}
        assert len(replaced) <= 1
    assert len(series) == 10 * size
