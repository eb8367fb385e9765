# SPDX-License-Identifier: Apache-2.0
"""A user's function between reading and writing, over a real socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from airflow_provider_replicator.exceptions import ConfigurationError
from tests.cdf.streams import BAD, FIRST, UNCERTAIN, Side, copy_points, new_pair, sandbox, series_on_both

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox
    from tests.cdf.streams import Pair


@pytest.fixture(scope="module")
def box() -> Iterator[RunningSandbox]:
    with sandbox() as running:
        yield running


@pytest.fixture
def pair(box: RunningSandbox) -> Pair:
    return new_pair(box)


def fahrenheit(stamps: Any, values: Any) -> Any:
    return stamps, values * 9 / 5 + 32


def shout(stamps: Any, values: Any) -> Any:
    return stamps, np.array([None if value is None else value.upper() for value in values], object)


def by_ten(stamps: Any, values: Any) -> Any:
    return stamps // 10 * 10, values


def only_even(stamps: Any, values: Any) -> Any:
    return stamps[stamps % 2 == 0], values[stamps % 2 == 0]


def impossible(stamps: Any, values: Any) -> Any:
    values = values.copy()
    values[:3] = [np.nan, np.inf, 2e100]
    stamps = stamps.copy()
    stamps[3] = FIRST - 1
    return stamps, values


def test_a_transform_changes_values_and_keeps_statuses(pair: Pair) -> None:
    async def work(source: Side, target: Side) -> None:
        await series_on_both(source, target, "t")
        await source.insert("t", {0: 0.0, 1: 100.0, 2: (10.0, UNCERTAIN), 3: (None, BAD)})
        for options in ({}, {"resume": False}):
            report = await copy_points(source, target, transform=fahrenheit, **options)
            assert await target.points("t") == {0: 32.0, 1: 212.0, 2: (50.0, UNCERTAIN), 3: (None, BAD)}
        assert (report.written, report.unchanged) == (0, 4), "what was transformed the same way is not written again"

    pair.run(work)


def test_a_transform_of_strings(pair: Pair) -> None:
    async def work(source: Side, target: Side) -> None:
        await series_on_both(source, target, "t", isString=True)
        await source.insert("t", {0: "på", 1: (None, BAD)}, strings=True)
        await copy_points(source, target, transform=shout)
        assert await target.points("t") == {0: "PÅ", 1: (None, BAD)}

    pair.run(work)


def test_a_transform_of_strings_returns_strings(pair: Pair) -> None:
    async def work(source: Side, target: Side) -> None:
        await series_on_both(source, target, "t", isString=True)
        await source.insert("t", {0: "1"}, strings=True)
        with pytest.raises(ConfigurationError, match="no strings"):
            await copy_points(source, target, transform=lambda stamps, values: (stamps, values.astype(float)))

    pair.run(work)


def test_of_points_that_a_transform_moves_together_the_last_one_counts(pair: Pair) -> None:
    async def work(source: Side, target: Side) -> None:
        await series_on_both(source, target, "t")
        await source.insert("t", {at: float(at) for at in range(100)})
        await target.insert("t", {7: 7.0})
        tens = {at * 10: at * 10 + 9.0 for at in range(10)}
        await copy_points(source, target, transform=by_ten)
        assert await target.points("t") == {7: 7.0} | tens
        await copy_points(source, target, transform=by_ten, resume=False)
        assert await target.points("t") == tens

    pair.run(work)


def test_points_that_a_transform_drops_are_mirrored(pair: Pair) -> None:
    async def work(source: Side, target: Side) -> None:
        await series_on_both(source, target, "t")
        await source.insert("t", {at: float(at) for at in range(1, 7)})
        await target.insert("t", {2: 2.0, 3: 3.0})
        report = await copy_points(source, target, transform=only_even, resume=False)
        assert await target.points("t") == {2: 2.0, 4: 4.0, 6: 6.0}
        assert (report.written, report.deleted, report.unchanged) == (2, 1, 1)

    pair.run(work)


def test_what_the_api_would_refuse_is_counted_by_reason_and_not_sent(pair: Pair) -> None:
    async def work(source: Side, target: Side) -> None:
        await series_on_both(source, target, "t")
        await source.insert("t", {at: float(at) for at in range(6)})
        report = await copy_points(source, target, transform=impossible)
        assert report.skipped == {"no_value": 1, "number_beyond_1e100": 2, "time_out_of_range": 1}
        assert await target.points("t") == {4: 4.0, 5: 5.0}

    pair.run(work)


@pytest.mark.parametrize(
    ("transform", "complaint"),
    [
        (lambda stamps, values: values, r"return \(timestamps, values\)"),
        (lambda stamps, values: (stamps[1:], values), "two arrays of one length"),
        (lambda stamps, values: (stamps / 1000, values), "int64 milliseconds"),
        (lambda stamps, values: (stamps, values.astype(str)), None),
        (lambda stamps, values: (stamps, np.array(["x"] * len(values))), "no numbers"),
        (lambda stamps, values: (np.array([[1]]), np.array([[1.0]])), "one length"),
    ],
)
def test_a_transform_that_returns_something_else_is_an_error_that_says_so(
    pair: Pair, transform: Any, complaint: str | None
) -> None:
    async def work(source: Side, target: Side) -> None:
        await series_on_both(source, target, "t")
        await source.insert("t", {1: 1.0, 2: 2.0})
        if complaint is None:
            await copy_points(source, target, transform=transform)
            assert await target.points("t") == {1: 1.0, 2: 2.0}, "numbers as text are numbers"
            return
        with pytest.raises(ConfigurationError, match=complaint):
            await copy_points(source, target, transform=transform)

    pair.run(work)
