# SPDX-License-Identifier: Apache-2.0
"""When to ask again, and how long to wait."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_replicator.core.retry import RetryPolicy, Verdict, retry_after_seconds, verdict

NOW = 1_792_567_680_000  # Wed, 21 Oct 2026 07:28:00 GMT


@pytest.mark.parametrize(
    ("statuses", "meaning"),
    [
        ((200, 201, 202, 204), "accepted"),
        ((408, 429, 500, 501, 502, 503, 504, 599), "again"),
        ((401, 403), "access"),
        ((301, 302, 307, 400, 404, 405, 409, 413, 415, 422), "refused"),
    ],
)
def test_what_a_status_means(statuses: tuple[int, ...], meaning: Verdict) -> None:
    for status in statuses:
        assert verdict(status) == meaning
        # the server's word turns a refusal into a retry, and nothing else into anything
        assert verdict(status, auto_retryable=True) == ("again" if meaning == "refused" else meaning)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        (" 17 ", 17.0),
        ("Wed, 21 Oct 2026 07:28:30 GMT", 30.0),
        ("Wed, 21 Oct 2026 07:00:00 GMT", 0.0),
        ("Wednesday, 21-Oct-26 07:28:30 GMT", 30.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("²", None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(value, now_ms=NOW) == seconds


@given(st.text())
def test_any_retry_after_is_read_or_ignored(value: str) -> None:
    seconds = retry_after_seconds(value, now_ms=NOW)
    assert seconds is None or seconds >= 0


@given(st.integers(1, 40), st.integers())
def test_waits_are_jittered_doubled_and_bounded(failures: int, seed: int) -> None:
    policy = RetryPolicy(attempts=100, first_wait=0.5, longest_wait=30)
    wait = policy.wait(failures=failures, elapsed=0, random=random.Random(seed))
    assert wait is not None
    assert 0 <= wait <= min(30, 0.5 * 2 ** (failures - 1))


def test_jitter_is_full() -> None:
    """Clients that failed together do not come back together."""
    policy = RetryPolicy()
    waits = [policy.wait(failures=4, elapsed=0, random=random.Random(seed)) or 0.0 for seed in range(200)]
    assert min(waits) < 0.4
    assert max(waits) > 3.6


def test_attempts_and_seconds_end_the_retries() -> None:
    policy = RetryPolicy(attempts=3, connect_attempts=2, seconds=10)
    one = random.Random(1)
    assert policy.wait(failures=2, elapsed=0, random=one) is not None
    assert policy.wait(failures=3, elapsed=0, random=one) is None
    assert policy.wait(failures=1, elapsed=0, random=one, connected=False) is not None
    assert policy.wait(failures=2, elapsed=0, random=one, connected=False) is None
    assert policy.wait(failures=1, elapsed=10.1, random=one) is None
    assert policy.wait(failures=1, elapsed=4, random=one, retry_after=7) is None


@given(st.floats(0, 100), st.integers())
def test_a_server_that_says_when_is_never_asked_earlier(retry_after: float, seed: int) -> None:
    wait = RetryPolicy().wait(failures=3, elapsed=0, random=random.Random(seed), retry_after=retry_after)
    assert wait is not None
    assert retry_after <= wait <= retry_after + 0.5
