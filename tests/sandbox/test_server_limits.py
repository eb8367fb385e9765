# SPDX-License-Identifier: Apache-2.0
"""CDF's request rates and concurrencies."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_provider_replicator.sandbox.cdf.http import ApiError
from airflow_provider_replicator.sandbox.cdf.limits import Gate, Limiter, categories
from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox
from airflow_provider_replicator.sandbox.cdf.settings import Settings
from airflow_provider_replicator.sandbox.clock import Clock
from tests.sandbox.wire import send


@pytest.fixture
def clock() -> Clock:
    return Clock(at=0)


@pytest.fixture
def limiter(clock: Clock) -> Limiter:
    return Limiter(clock, Settings(rate_limits=True))


def passed(limiter: Limiter, path: str, *, tries: int = 1000, identity: str = "me") -> int:
    """How many of so many requests are let through, each ending before the next begins."""
    count = 0
    refusals = set()
    for _ in range(tries):
        try:
            limiter.leave(limiter.enter("source", identity, "POST", path))
            count += 1
        except ApiError as error:
            refusals.add((error.status, error.message.partition(". ")[2]))
    assert refusals <= {(429, "Please try again later.")}
    return count


@pytest.mark.parametrize(
    ("path", "rate"),
    [
        ("/assets/list", 23),
        ("/assets/aggregate", 12),
        ("/assets/byids", 130),
        ("/assets", 130),
        ("/events/list", 23),
        ("/events/delete", 130),
        ("/timeseries/list", 23),
        ("/files/list", 23),
        ("/files", 120),
        ("/timeseries/data", 1000),
        ("/raw/dbs/a/tables/b/rows", 1000),
    ],
)
def test_the_rate_of_one_identity(limiter: Limiter, clock: Clock, path: str, rate: int) -> None:
    assert passed(limiter, path) == rate
    assert passed(limiter, path) == (0 if rate < 1000 else 1000)
    clock.advance(500)
    assert abs(passed(limiter, path) - rate / 2) <= 1 or rate == 1000
    clock.advance(60_000)
    assert passed(limiter, path) == rate


def test_a_second_identity_has_only_what_the_project_has_left(limiter: Limiter) -> None:
    assert passed(limiter, "/assets/list", identity="one") == 23
    assert 0 < passed(limiter, "/assets/list", identity="two") <= 7


def test_categories_share_the_limit_of_the_whole_api(limiter: Limiter) -> None:
    assert passed(limiter, "/assets/byids") == 130
    assert 0 < passed(limiter, "/assets/list") <= 20


def held(limiter: Limiter, path: str, identity: str = "me") -> list[list[Gate]]:
    """As many requests at a time as are let in."""
    found: list[list[Gate]] = []

    def enter_all() -> None:
        found.extend(limiter.enter("source", identity, "POST", path) for _ in range(100))

    with pytest.raises(ApiError, match="concurrent requests"):
        enter_all()
    return found


def test_concurrency_of_one_identity_and_of_the_project(limiter: Limiter, clock: Clock) -> None:
    mine = held(limiter, "/assets/list")
    assert len(mine) == 12
    clock.advance(1000)
    others = held(limiter, "/assets/list", identity="other")
    assert len(others) == 3
    limiter.leave(mine.pop())
    clock.advance(1000)
    assert len(held(limiter, "/assets/list", identity="other")) == 1


def test_raw_has_a_budget_of_bytes(limiter: Limiter, clock: Clock) -> None:
    rows = "/raw/dbs/a/tables/b/rows"
    limiter.spend("source", "me", "POST", rows, received=1_299_999_999, sent=10)
    assert passed(limiter, rows, tries=1) == 1
    limiter.spend("source", "me", "POST", rows, received=1, sent=10)
    with pytest.raises(ApiError, match="data rate") as caught:
        limiter.enter("source", "me", "POST", rows)
    assert caught.value.status == 429
    assert passed(limiter, rows, tries=1, identity="other") == 1
    limiter.leave(limiter.enter("source", "me", "GET", rows))
    clock.advance(599_999)
    assert passed(limiter, rows, tries=1) == 0
    clock.advance(1)
    assert passed(limiter, rows, tries=1) == 1


def test_limits_can_be_scaled(clock: Clock) -> None:
    limiter = Limiter(clock, Settings(rate_limits=True, rate_factor=0.1))
    assert passed(limiter, "/assets/byids") == 13


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/assets", ("assets", ("all", "analytical"))),
        ("GET", "/assets/5", ("assets", ("all", "crud"))),
        ("POST", "/assets/search", ("assets", ("all", "analytical"))),
        ("POST", "/timeseries/data/list", ("timeseries/data", ())),
        ("POST", "/sequences/data/latest", ("sequences/data", ())),
    ],
)
def test_categories(method: str, path: str, expected: tuple[str, tuple[str, ...]]) -> None:
    assert categories(method, path) == expected


def test_over_a_socket(sandbox: RunningSandbox) -> None:
    sandbox.control.reset_counters()
    sandbox.control.settings(rate_limits=True, rate_factor=0.13, latency_ms=500)
    sandbox.control.freeze()
    gate = threading.Barrier(6)

    def ask(_: int) -> int:
        gate.wait(10)
        return send(sandbox, "/assets/list", {"limit": 1}).status

    with ThreadPoolExecutor(6) as pool:
        statuses = sorted(pool.map(ask, range(6)))
    # 12 * 0.13: one at a time. The refused have used up the rate of 23 * 0.13 a second.
    assert statuses == [200, 429, 429, 429, 429, 429]
    counters = sandbox.control.counters()
    assert counters["throttled"] == {"source": 5}
    assert counters["statuses"]["source 429"] == 5
    sandbox.control.settings(rate_limits=False)
    assert ask_once(sandbox) == 200


def ask_once(sandbox: RunningSandbox) -> int:
    return send(sandbox, "/assets/list", {"limit": 1}).status
