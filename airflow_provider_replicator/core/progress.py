# SPDX-License-Identifier: Apache-2.0
"""Progress in the log: how many, how fast, how long still. At most one line every few seconds."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_replicator.core.report import Report

#: The counts of a report worth a place in a line of the log, if they are not zero.
_SHOWN = ("read", "written", "created", "updated", "unchanged", "deleted", "unlinked", "failed")


class Progress:
    """Call :meth:`update` as often as you like: it is cheap, and logs at most once in ``every_seconds``.

    The rate is that of the time since the previous line (what happens now), the ETA follows from it.
    """

    def __init__(
        self,
        log: Callable[[str], None],
        every_seconds: float = 5.0,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._every = every_seconds
        self._clock = clock
        self._logged_at = clock()
        self._logged_done = 0

    def update(self, counts: Report | Mapping[str, int], total: int | None = None, *, what: str | None = None) -> None:
        """``counts`` so far: a report, or a mapping of the same names. ``total`` is what ``read`` will be at the end, if known."""
        now = self._clock()
        if now - self._logged_at < self._every:
            return
        values = _counts(counts)
        done = values.get("read", 0)
        rate = max(0, done - self._logged_done) / (now - self._logged_at)
        self._logged_at, self._logged_done = now, done
        shown = ", ".join(f"{name} {thousands(values[name])}" for name in _SHOWN if values.get(name))
        name = what or getattr(counts, "resource", None)
        self._log((f"{name}: " if name else "") + (shown or "nothing yet") + _pace(done, rate, total))


def _counts(counts: Report | Mapping[str, int]) -> dict[str, int]:
    if isinstance(counts, Mapping):
        return dict(counts)
    return {name: getattr(counts, name) for name in _SHOWN}


def _pace(done: int, rate: float, total: int | None) -> str:
    text = f"; {thousands(round(rate))}/s"
    if not total:
        return text
    text += f", {min(100, 100 * done // total)} % of {thousands(total)}"
    if rate > 0 and done < total:
        text += f", {duration((total - done) / rate)} left"
    return text


def thousands(number: int) -> str:
    """For people: ``1 234 567``."""
    return f"{number:_}".replace("_", " ")


def duration(seconds: float) -> str:
    """For people: ``5 s``, ``2 min 05 s``, ``3 h 07 min``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
