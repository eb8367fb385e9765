# SPDX-License-Identifier: Apache-2.0
"""What is saved of a stream: enough to go on, and small whatever the run."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_replicator.cdf.datapoints.checkpoint import Progressed
from airflow_provider_replicator.cdf.datapoints.series import Series
from airflow_provider_replicator.cdf.raw.checkpoint import RowsProgressed
from airflow_provider_replicator.cdf.raw.tables import Table
from airflow_provider_replicator.cdf.raw.write import PageTicket, Position
from airflow_provider_replicator.core.checkpoint import Checkpoint, MemoryStore
from airflow_provider_replicator.core.report import Report

SERIES = [Series(f"{'ø' * 240}{number:04}", number, "numeric") for number in range(1000)]


class Clock:
    now = 0

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def checkpoint() -> Checkpoint:
    return Checkpoint(MemoryStore(), "run")


def report() -> Report:
    return Report("datapoints", "a", "b", "full")


def progressed(checkpoint: Checkpoint, clock: Clock | None = None, counts: Report | None = None) -> Progressed:
    return Progressed(counts or report(), clock or Clock(), checkpoint)


def test_series_are_done_in_order_and_only_when_their_writes_are(checkpoint: Checkpoint) -> None:
    before = progressed(checkpoint)
    units = [before.begin(SERIES[start : start + 100]) for start in (0, 100, 200)]
    written = before.writing(units[0])
    for unit in units[:2]:
        before.all_read(unit)
    before.save()
    assert progressed(checkpoint).remaining(SERIES) == SERIES, "the first unit waits for a write"
    written()
    before.save()
    assert progressed(checkpoint).remaining(SERIES) == SERIES[200:]


def test_parts_of_long_series_are_remembered_until_the_series_is_done(checkpoint: Checkpoint) -> None:
    before = progressed(checkpoint)
    unit = before.begin(SERIES[:1])
    before.part_done(SERIES[0], 10, 20)
    before.part_done(SERIES[0], 30, 40)
    before.part_done(SERIES[0], 20, 30)
    before.part_done(SERIES[0], 50, 60)
    before.save()
    assert progressed(checkpoint).done_parts(SERIES[0]) == [(10, 40), (50, 60)]
    before.all_read(unit)
    before.save()
    assert progressed(checkpoint).done_parts(SERIES[0]) == []


def test_a_checkpoint_is_small_whatever_is_in_work(checkpoint: Checkpoint) -> None:
    counts = report()
    for _ in range(100):
        counts.dead_letter("ø" * 255, "x" * 1000)
    before = progressed(checkpoint, counts=counts)
    before.begin(SERIES)
    for series in SERIES:
        for start in range(0, 400, 10):
            before.part_done(series, start, start + 5)
    before.save()
    assert len(json.dumps(checkpoint.load())) < 64_000
    checkpoint.clear()
    rows = RowsProgressed(counts, Clock(), checkpoint)
    for number in range(1000):
        table = Table("db", f"{number}")
        rows.begin(table)
        rows.follow(table, [Position("c" * 500) for _ in range(5)])
    rows.save()
    assert len(json.dumps(checkpoint.load())) < 64_000


def test_it_is_saved_every_five_seconds_and_the_counts_go_on(checkpoint: Checkpoint) -> None:
    clock, counts = Clock(), report()
    before = progressed(checkpoint, clock, counts)
    counts.written, counts.read = 7, 9
    counts.skip("excluded", 3)
    counts.dead_letter("key", "reason")
    clock.now = 4_999
    before.tick()
    assert checkpoint.load() is None
    clock.now = 5_000
    before.tick()
    again = report()
    progressed(checkpoint, counts=again)
    assert again.resumed
    assert (again.written, again.read, again.failed, again.skipped) == (7, 9, 1, {"excluded": 3})
    assert again.dead_letters == ["key: reason"]
    before.clear()
    assert checkpoint.load() is None


def test_a_chain_of_rows_goes_on_at_the_first_page_that_is_not_written(checkpoint: Checkpoint) -> None:
    table = Table("db", "t")
    position = Position("start")
    counts = report()
    before = RowsProgressed(counts, Clock(), checkpoint)
    before.begin(table)
    before.follow(table, [position])

    def saved() -> Any:
        before.save()
        return RowsProgressed(report(), Clock(), checkpoint).saved_cursors(table)

    pages = [PageTicket(cursor, 10, 1.0) for cursor in ("start", "second", "third")]
    position.pages.extend(pages)
    position.cursor = "fourth"
    assert saved() == ["start"]
    pages[1].waiting = 0
    assert saved() == ["start"], "a later page that is written does not count before an earlier one"
    pages[0].waiting = 0
    assert saved() == ["third"]
    pages[2].waiting = 0
    assert saved() == ["fourth"]
    position.cursor, position.at_end = None, True
    assert saved() == []
    before.finished(table)
    before.save()
    assert RowsProgressed(report(), Clock(), checkpoint).remaining([table, Table("db", "u")]) == [Table("db", "u")]
