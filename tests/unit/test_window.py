# SPDX-License-Identifier: Apache-2.0
"""Which window a run has, for every way in which Airflow 3.3 starts one."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_replicator.core.window import Window, iso, moment_ms, resolve
from airflow_provider_replicator.exceptions import WindowError

DAY = 86_400_000


def day(number: int) -> datetime:
    return datetime(2026, 11, number, tzinfo=UTC)


def ms(number: int) -> int:
    return int(day(number).timestamp() * 1000)


def interval(start: int, end: int) -> dict[str, Any]:
    return {"data_interval_start": day(start), "data_interval_end": day(end), "logical_date": day(start)}


ABSENT: dict[str, Any] = {}

#: how a run is started -> what its context holds -> the window that it gets. "The context" has no key for what is absent.
RUNS = [
    ("scheduler", interval(7, 8), (7, 8)),
    ("backfill by CLI, REST or UI", interval(7, 8), (7, 8)),
    # The interval of a manual run ends at its logical date: a window taken from the logical date would be off by one.
    ("UI trigger dialog, clicked through", interval(19, 20) | {"logical_date": day(21)}, (19, 20)),
    ("UI dialog, data interval by hand", interval(3, 17) | {"logical_date": day(9)}, (3, 17)),
    ("REST, logical_date null", ABSENT, None),
    ("REST, logical_date null with an interval that Airflow drops", ABSENT, None),
    ("REST with a logical date", interval(6, 7) | {"logical_date": day(7)}, (6, 7)),
    ("REST with a logical date and an interval", interval(1, 20) | {"logical_date": day(7)}, (1, 20)),
    ("CLI dags trigger", ABSENT, None),
    # Airflow infers it from now, not from L; misleading, but it is the run's interval, and the log says so.
    ("CLI dags trigger -l L", interval(20, 21) | {"logical_date": day(5)}, (20, 21)),
    ("airflow dags test D L, dag.test(logical_date=L)", interval(6, 7) | {"logical_date": day(7)}, (6, 7)),
    ("asset-triggered", ABSENT, None),
    ("CronPartitionTimetable", {"partition_key": "2026-11-07", "partition_date": day(7)}, None),
    ("schedule=None with a logical date", interval(7, 7), None),
    ("@daily, which has no data intervals", interval(7, 7), None),
]


def resolve_in(context: dict[str, Any], **arguments: Any) -> Window | None:
    names = ("data_interval_start", "data_interval_end", "partition_date")
    return resolve(**{name: context.get(name) for name in names}, **arguments).window


@pytest.mark.parametrize(("context", "expected"), [run[1:] for run in RUNS], ids=[run[0] for run in RUNS])
def test_window_of_every_kind_of_run(context: dict[str, Any], expected: tuple[int, int] | None) -> None:
    window = resolve_in(context)
    assert window == (expected and Window(ms(expected[0]), ms(expected[1]), "data interval"))


@pytest.mark.parametrize("context", [run[1] for run in RUNS], ids=[run[0] for run in RUNS])
def test_params_go_before_the_run_and_arguments_before_params(context: dict[str, Any]) -> None:
    params = {"window_start": "2026-10-01", "window_end": "2026-10-02T12:00:00+02:00", "else": 1}
    start = int(datetime(2026, 10, 1, tzinfo=UTC).timestamp() * 1000)
    by_params = resolve_in(context, params=params)
    assert by_params == Window(start, start + DAY + 10 * 3_600_000, "params")
    assert resolve_in(context, params=params, window_start=1, window_end=2) == Window(1, 2, "arguments")


def test_a_partition_is_a_window_if_its_length_is_declared() -> None:
    window = resolve(partition_date=day(7), partition_period=timedelta(days=1)).window
    assert window == Window(ms(7), ms(8), "partition")


def test_the_sentence_says_what_and_why() -> None:
    assert resolve(**_only(interval(7, 8))).sentence == (
        "window [2026-11-07T00:00:00Z, 2026-11-08T00:00:00Z) from the data interval"
    )
    zero = resolve(**_only(interval(7, 7)))
    assert zero.window is None
    assert "zero width (at 2026-11-07T00:00:00Z)" in zero.sentence
    assert "CronDataIntervalTimetable" in zero.sentence
    assert "no data interval" in resolve().sentence


def _only(context: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in context.items() if name != "logical_date"}


@pytest.mark.parametrize("nothing", [None, "", "  ", "None", "none", "null", "Undefined"])
def test_what_templates_make_of_nothing_is_nothing(nothing: str | None) -> None:
    context = interval(7, 8)
    params = {"window_start": nothing, "window_end": nothing}
    window = resolve_in(context, window_start=nothing, window_end=nothing, params=params)
    assert window == Window(ms(7), ms(8), "data interval")


@pytest.mark.parametrize(
    "value",
    [
        day(5),
        datetime(2026, 11, 5),
        datetime(2026, 11, 5, 2, tzinfo=timezone(timedelta(hours=2))),
        date(2026, 11, 5),
        ms(5),
        str(ms(5)),
        "2026-11-05",
        "20261105",
        " 2026-11-05T00:00:00Z ",
        "2026-11-05 00:00:00+00:00",
        "2026-11-05T02:00:00.000000999+02:00",
    ],
)
def test_ways_to_write_a_moment(value: object) -> None:
    assert moment_ms("window_start", value) == ms(5)


def test_moments_before_1970() -> None:
    assert moment_ms("window_start", "1969-12-31T23:59:59.9995Z") == -1
    assert moment_ms("window_start", "-5000") == -5000


@pytest.mark.parametrize("value", ["yesterday", "2026-13-01", 1.5, True, ["2026-11-05"], "1e12"])
def test_an_unreadable_moment_is_an_error_that_says_what_to_write(value: object) -> None:
    with pytest.raises(WindowError, match=r"window_start is .*2026-11-05T00:00:00Z"):
        resolve(window_start=value, window_end=day(8))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"window_start": day(8), "window_end": day(7)}, "reversed"),
        ({"window_start": day(8), "window_end": day(8)}, "zero width"),
        ({"window_start": day(8)}, "window_end is missing"),
        ({"window_end": day(8), "window_start": "None"}, "window_start is missing"),
        ({"params": {"window_start": "2026-11-08"}}, "window_end is missing"),
        ({"params": {"window_start": "2026-11-08", "window_end": "2026-11-07"}}, "reversed"),
        ({"window_start": day(7), "params": {"window_end": "2026-11-08"}}, "window_end is missing"),
        ({"data_interval_start": day(8), "data_interval_end": day(7)}, "reversed"),
        ({"data_interval_end": None}, "data_interval_end is missing"),
    ],
)
def test_a_wrong_window_is_an_error_that_names_the_three_ways(arguments: dict[str, Any], complaint: str) -> None:
    with pytest.raises(WindowError, match=complaint) as caught:
        resolve(**(interval_of_the_run() | arguments))
    for way in ("window_start and window_end", "run params of the same names", "CronDataIntervalTimetable"):
        assert way in str(caught.value)


def interval_of_the_run() -> dict[str, Any]:
    return {"data_interval_start": day(1), "data_interval_end": day(2)}


@given(st.integers(-(10**12), 10**13), st.integers(1, 10**10))
def test_what_a_report_says_can_be_given_again(start: int, width: int) -> None:
    window = Window(start, start + width, "params")
    said = window.as_dict()
    assert resolve(params={"window_start": said["start"], "window_end": said["end"]}).window == window


def test_iso_where_no_calendar_goes() -> None:
    assert iso(10**17) == f"{10**17} ms"


@given(st.datetimes(timezones=st.just(UTC), min_value=datetime(1800, 1, 1), max_value=datetime(2200, 1, 1)))
def test_the_datetimes_of_airflow_are_moments_too(moment: datetime) -> None:
    """They are pendulum's, whose differences do not divide like those of datetimes."""
    assert moment_ms("start", pendulum.instance(moment)) == moment_ms("start", moment)
    assert moment_ms("start", moment) == (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
