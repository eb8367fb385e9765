# SPDX-License-Identifier: Apache-2.0
"""What the log says while a task runs."""

from __future__ import annotations

from airflow_provider_replicator.core.progress import Progress
from airflow_provider_replicator.core.report import Report


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_one_line_every_few_seconds_with_rate_and_eta() -> None:
    clock, lines = Clock(), list[str]()
    progress = Progress(lines.append, 5, clock=clock)
    report = Report("events", "here", "there", "full")
    for second in range(1, 13):
        clock.now += 1
        report.read = report.created = second * 1000
        progress.update(report, total=100_000)
    assert lines == [
        "events: read 5 000, created 5 000; 1 000/s, 5 % of 100 000, 1 min 35 s left",
        "events: read 10 000, created 10 000; 1 000/s, 10 % of 100 000, 1 min 30 s left",
    ]


def test_the_rate_is_that_of_now() -> None:
    clock, lines = Clock(), list[str]()
    progress = Progress(lines.append, 5, clock=clock)
    for read in (50_000, 50_000, 51_000):
        clock.now += 5
        progress.update({"read": read}, what="points")
    assert [line.partition("; ")[2] for line in lines] == ["10 000/s", "0/s", "200/s"]


def test_odd_moments() -> None:
    clock, lines = Clock(), list[str]()
    progress = Progress(lines.append, 5, clock=clock)
    clock.now += 5
    progress.update({}, total=10)
    clock.now += 5
    progress.update({"read": 20, "failed": 1}, total=10)  # the source grew while we read
    clock.now += 50_000
    progress.update({"read": 21}, total=1_000)
    assert lines == [
        "nothing yet; 0/s, 0 % of 10",
        "read 20, failed 1; 4/s, 100 % of 10",
        "read 21; 0/s, 2 % of 1 000, 13597 h 13 min left",
    ]
