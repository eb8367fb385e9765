# SPDX-License-Identifier: Apache-2.0
"""The window of a task: half-open ``[start, end)``, UTC, in milliseconds since 1970, and who decides which it is."""

from __future__ import annotations

from calendar import timegm
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.exceptions import WindowError

if TYPE_CHECKING:
    from collections.abc import Mapping

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

#: What Airflow's templates make of nothing.
_NOTHING = frozenset({"", "none", "null", "undefined"})

THREE_WAYS = (
    "There are three ways to give a window: the operator's arguments window_start and window_end; run params of the same names "
    "(trigger form, or --conf); or a data interval, which a run has if its schedule is a CronDataIntervalTimetable or if it is a "
    "backfill of one. Both ends are given the same way, the start before the end; the end is exclusive"
)


@dataclass(frozen=True, slots=True)
class Window:
    """Half-open ``[start_ms, end_ms)`` in milliseconds since 1970, UTC. ``origin`` says who asked for it."""

    start_ms: int
    end_ms: int
    origin: str = "arguments"

    def __post_init__(self) -> None:
        if self.start_ms >= self.end_ms:
            raise WindowError(f"the window is empty or reversed: [{iso(self.start_ms)}, {iso(self.end_ms)})")

    def as_dict(self) -> dict[str, str]:
        return {"start": iso(self.start_ms), "end": iso(self.end_ms), "origin": self.origin}


@dataclass(frozen=True, slots=True)
class Resolution:
    """The window of a run or None, and a sentence for the log that says which and why."""

    window: Window | None
    sentence: str


def resolve(
    *,
    window_start: Any = None,
    window_end: Any = None,
    params: Mapping[str, Any] | None = None,
    data_interval_start: Any = None,
    data_interval_end: Any = None,
    partition_date: Any = None,
    partition_period: timedelta | None = None,
) -> Resolution:
    """The first of these that is given: arguments, run params, data interval, partition. No window is not an error.

    A moment is a datetime, a date, ISO 8601 as text (UTC if it names no zone), or milliseconds since 1970 as a number or text;
    ``None`` and what templates make of it are nothing. Raises :class:`WindowError` for a window that is half given, reversed or
    unreadable, and for one of zero width that somebody asked for. A data interval of zero width is no window: that is how
    Airflow says "this schedule has none" (``@daily``, or ``schedule=None`` with a logical date).

    ``partition_date`` counts only with ``partition_period``, the length that the caller declares a partition to have.
    """
    given = params or {}
    for origin, start, end in (
        ("arguments", window_start, window_end),
        ("params", given.get("window_start"), given.get("window_end")),
    ):
        window = _given(origin, start, end)
        if window is not None:
            return _resolved(window)
    interval = _ends("data interval", data_interval_start, data_interval_end)
    if interval is not None and interval[0] != interval[1]:
        return _resolved(_window("data interval", *interval))
    partition = moment_ms("partition_date", partition_date)
    if partition is not None and partition_period is not None:
        return _resolved(Window(partition, partition + partition_period // _MILLISECOND, "partition"))
    if interval is not None:
        return Resolution(
            None,
            f"no window: the run's data interval has zero width (at {iso(interval[0])}), as its schedule has no data "
            "intervals; a CronDataIntervalTimetable has",
        )
    return Resolution(None, "no window: neither arguments nor params name one, and the run has no data interval")


def moment_ms(name: str, value: Any) -> int | None:
    """A moment as milliseconds since 1970 (fractions of a millisecond are cut off), or None for nothing.

    ``name`` is for the error message. Eight digits are a date (``20261105``), other digits are milliseconds.
    """
    if isinstance(value, str):
        value = _from_text(name, value.strip())
    if value is None:
        return None
    if isinstance(value, datetime):
        aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        # Not by subtracting the epoch: the difference of Airflow's datetimes (pendulum) cannot be divided by a timedelta.
        return timegm(aware.astimezone(UTC).timetuple()) * 1000 + aware.microsecond // 1000
    if isinstance(value, date):
        return moment_ms(name, datetime.combine(value, time(), UTC))
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise _unreadable(name, value)


def iso(ms: int) -> str:
    """Milliseconds since 1970 as ISO 8601 in UTC, to the millisecond where there is one; as a number where no calendar goes."""
    try:
        moment = _EPOCH + timedelta(milliseconds=ms)
    except OverflowError:
        return f"{ms} ms"
    return moment.isoformat(timespec="milliseconds" if ms % 1000 else "seconds").replace("+00:00", "Z")


def _from_text(name: str, text: str) -> datetime | int | None:
    if text.lower() in _NOTHING:
        return None
    try:
        digits = text.removeprefix("-")
        if digits.isascii() and digits.isdigit() and len(digits) != len("YYYYMMDD"):
            return int(text)
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise _unreadable(name, text) from error


def _unreadable(name: str, value: object) -> WindowError:
    return WindowError(
        f"{name} is {value!r}: write ISO 8601 such as 2026-11-05T00:00:00Z, or milliseconds since 1970. {THREE_WAYS}."
    )


def _ends(origin: str, start: Any, end: Any) -> tuple[int, int] | None:
    """Both ends, or None if neither is given."""
    name = "data_interval" if origin == "data interval" else "window"
    start_ms, end_ms = moment_ms(f"{name}_start", start), moment_ms(f"{name}_end", end)
    if start_ms is None and end_ms is None:
        return None
    if start_ms is None or end_ms is None:
        missing = "start" if start_ms is None else "end"
        raise WindowError(f"half a window from the {origin}: {name}_{missing} is missing. {THREE_WAYS}.")
    return start_ms, end_ms


def _given(origin: str, start: Any, end: Any) -> Window | None:
    ends = _ends(origin, start, end)
    return None if ends is None else _window(origin, *ends)


def _window(origin: str, start_ms: int, end_ms: int) -> Window:
    if start_ms < end_ms:
        return Window(start_ms, end_ms, origin)
    what = "reversed" if start_ms > end_ms else "empty (zero width)"
    raise WindowError(f"the window [{iso(start_ms)}, {iso(end_ms)}) of the {origin} is {what}. {THREE_WAYS}.")


def _resolved(window: Window) -> Resolution:
    return Resolution(window, f"window [{iso(window.start_ms)}, {iso(window.end_ms)}) from the {window.origin}")
