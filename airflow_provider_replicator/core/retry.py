# SPDX-License-Identifier: Apache-2.0
"""When to ask again, and how long to wait before. Pure: no clock, no sleep, no HTTP library.

These are the retries for hiccups of seconds. Outages of minutes are for Airflow's own task retries.
"""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from random import Random

#: ``accepted`` 2xx; ``again`` may succeed later; ``access`` is about who asks; ``refused`` is about what was asked.
Verdict = Literal["accepted", "again", "access", "refused"]

#: Request timeout, and too many requests: the only 4xx that time alone can cure.
_PASSING_4XX = frozenset({408, 429})


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """``attempts`` in all (the first included), within ``seconds`` from the first one; ``connect_attempts`` where nobody answers
    the door at all. The n-th wait is uniform between 0 and ``first_wait * 2**n``, at most ``longest_wait`` seconds.
    """

    attempts: int = 10
    connect_attempts: int = 5
    seconds: float = 180.0
    first_wait: float = 0.5
    longest_wait: float = 30.0

    def wait(
        self,
        *,
        failures: int,
        elapsed: float,
        random: Random,
        retry_after: float | None = None,
        connected: bool = True,
    ) -> float | None:
        """Seconds to wait before the next attempt, or None: give up. ``failures`` attempts have failed, the last just now.

        A server that says when to come back is believed, with some jitter on top so that its clients do not come back together;
        if that is later than the budget allows, waiting is pointless and the answer is None at once.
        """
        if failures >= (self.attempts if connected else self.connect_attempts):
            return None
        jitter = random.uniform(0.0, min(self.longest_wait, self.first_wait * 2.0 ** (failures - 1)))
        wait = jitter if retry_after is None else retry_after + min(jitter, self.first_wait)
        return wait if elapsed + wait <= self.seconds else None


def verdict(status: int, *, auto_retryable: bool = False) -> Verdict:
    """What a status means. ``auto_retryable`` is CDF's own word (header ``cdf-is-auto-retryable``) that the same call may succeed."""
    if 200 <= status < 300:
        return "accepted"
    if status in (401, 403):
        return "access"  # before the server's word: identity providers lock accounts that try again and again
    if status >= 500 or status in _PASSING_4XX or auto_retryable:
        return "again"
    return "refused"


def retry_after_seconds(value: str | None, *, now_ms: int) -> float | None:
    """The header ``Retry-After`` (seconds or an HTTP date) as seconds from now, never negative; None if absent or unreadable."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
        return max(0.0, moment.timestamp() - now_ms / 1000.0)
    except (ValueError, OverflowError):
        return None
