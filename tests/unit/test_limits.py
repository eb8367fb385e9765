# SPDX-License-Identifier: Apache-2.0
"""Limits are kept, on a virtual clock: seconds of throttling pass at once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_replicator.core.limits import Lane, Limit
from tests.simulation.virtual_loop import VirtualLoop, run


def on_virtual_time(program: Coroutine[Any, Any, Any]) -> Any:
    return run(program, VirtualLoop())


def now() -> float:
    return asyncio.get_running_loop().time()


def lane(into: Lane | None = None, **limit: Any) -> Lane:
    return Lane(Limit(**limit), time=now, sleep=asyncio.sleep, into=into)


async def ask(through: Lane, count: int, seconds: float = 0.05) -> list[float]:
    """``count`` requests at once, each taking ``seconds``; the moments at which each was let through, in order of asking."""
    moments = [0.0] * count

    async def one(number: int) -> None:
        async with through:
            moments[number] = now()
            await asyncio.sleep(seconds)

    await asyncio.gather(*(one(number) for number in range(count)))
    return moments


def most_within(moments: list[float], seconds: float) -> int:
    return max(sum(begin <= moment < begin + seconds for moment in moments) for begin in moments)


def accepted_by_a_bucket(moments: list[float], rate: float) -> bool:
    """Whether a server with a token bucket of one second, as the sandbox has, would have refused none of these."""
    tokens, last = rate, 0.0
    for moment in sorted(moments):
        tokens = min(rate, tokens + (moment - last) * rate) - 1
        last = moment
        if tokens < -1e-6:
            return False
    return True


@given(st.floats(1, 200), st.integers(1, 400), st.floats(0, 2))
def test_a_rate_is_kept_from_the_first_request_on(rate: float, count: int, seconds: float) -> None:
    moments = on_virtual_time(ask(lane(per_second=rate), count, seconds))
    assert accepted_by_a_bucket(moments, rate)
    assert moments == sorted(moments)  # first come, first served
    assert moments[0] == 0.0
    assert moments[-1] <= count / rate  # and no slower than it has to be


@given(st.floats(10, 200), st.integers(1, 400), st.lists(st.floats(0, 0.4), min_size=1))
def test_requests_that_arrive_late_and_bunched_are_still_within_the_rate(
    rate: float, count: int, delays: list[float]
) -> None:
    moments = on_virtual_time(ask(lane(per_second=rate), count, 0.0))
    assert accepted_by_a_bucket([moment + delays[n % len(delays)] for n, moment in enumerate(moments)], rate)


def test_a_rate_below_one_per_second() -> None:
    moments = on_virtual_time(ask(lane(per_second=0.5), 4))
    assert moments == pytest.approx([0, 2, 4, 6], abs=1e-6)


def test_after_silence_only_a_second_is_made_up_for() -> None:
    async def program() -> list[float]:
        through = lane(per_second=10)
        await ask(through, 5)
        await asyncio.sleep(100)
        return await ask(through, 30)

    assert most_within(on_virtual_time(program()), 1) <= 5 + 10


@given(st.integers(1, 20), st.integers(1, 60))
def test_no_more_in_flight_than_allowed(in_flight: int, count: int) -> None:
    through = lane(in_flight=in_flight)
    moments = on_virtual_time(ask(through, count, 1.0))
    assert through.peak == min(in_flight, count)
    assert through.in_flight == 0
    assert moments == sorted(moments)
    assert moments[-1] == pytest.approx((count - 1) // in_flight, abs=1e-3)


def test_a_narrow_queue_takes_no_place_in_the_wide_lane() -> None:
    """Fifty list requests wait for their rate; a create behind them goes at once."""

    async def program() -> tuple[float, int]:
        whole = lane(in_flight=5)
        lists, creates = lane(whole, per_second=2), lane(whole, in_flight=5)
        listing = asyncio.create_task(ask(lists, 50))
        await asyncio.sleep(1)
        moment = max(await ask(creates, 3)) - 1
        await listing
        return moment, whole.peak

    moment, peak = on_virtual_time(program())
    assert moment < 0.01
    assert peak <= 5


def test_the_wide_lane_bounds_the_sum() -> None:
    async def program() -> int:
        whole = lane(in_flight=4)
        await asyncio.gather(*(ask(lane(whole, in_flight=3), 20) for _ in range(3)))
        return whole.peak

    assert on_virtual_time(program()) == 4


def test_a_pause_holds_back_whoever_comes() -> None:
    async def program() -> list[float]:
        through = lane(in_flight=10)
        through.pause(7)
        through.pause(3)  # an earlier end does not shorten it
        return await ask(through, 3)

    assert on_virtual_time(program()) == pytest.approx([7, 7, 7], abs=1e-6)


def test_bytes_within_any_stretch_of_the_period() -> None:
    """30 requests of 10 bytes, 100 bytes per 60 s: nine or ten go, then it waits until the first are a minute old."""

    async def program() -> list[float]:
        through = lane(quota_bytes=100, quota_seconds=60, in_flight=1)
        moments = []
        for _ in range(30):
            async with through:
                moments.append(now())
                through.spend(10)
        return moments

    moments = on_virtual_time(program())
    assert most_within(moments, 59.9) == 10
    assert moments[-1] < 181


def test_a_lane_without_a_quota_counts_no_bytes() -> None:
    through = lane(in_flight=1)
    through.spend(10**12)
    assert on_virtual_time(ask(through, 2, 0.0)) == pytest.approx([0, 0], abs=1e-3)


@pytest.mark.parametrize("limit", [{"in_flight": 1}, {"in_flight": 1, "per_second": 1}])
def test_a_waiter_that_is_cancelled_gives_its_place_back(limit: dict[str, Any]) -> None:
    async def program() -> float:
        whole = lane(in_flight=1)
        through = lane(whole, **limit)
        tasks = [asyncio.create_task(ask(through, 1, 5.0)) for _ in range(4)]
        await asyncio.sleep(1)
        for task in tasks[:3]:  # one in flight, two waiting
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert (whole.in_flight, through.in_flight) == (0, 0)
        return now()

    assert on_virtual_time(program()) < 10


def test_an_error_inside_leaves_the_lane() -> None:
    async def program() -> None:
        through = lane(in_flight=1)
        for _ in range(3):
            with pytest.raises(ValueError, match="no"):
                async with through:
                    raise ValueError("no")
        assert through.in_flight == 0

    on_virtual_time(program())


@pytest.mark.parametrize("limit", [{"per_second": 0}, {"in_flight": 0}, {"quota_bytes": -1}, {"quota_seconds": 0}])
def test_a_limit_of_nothing_is_refused(limit: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="leave it out for no bound"):
        Limit(**limit)


def test_a_share_of_a_limit() -> None:
    limit = Limit(per_second=10, in_flight=3, quota_bytes=100, quota_seconds=60)
    assert limit.share(0.25) == Limit(per_second=2.5, in_flight=1, quota_bytes=25, quota_seconds=60)
    assert Limit().share(0.5) == Limit()
