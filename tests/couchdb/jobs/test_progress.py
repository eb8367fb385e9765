# SPDX-License-Identifier: Apache-2.0
"""Rates and remaining times of states, and the line for the log."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_replicator.couchdb.jobs.progress import Meter, Progress
from airflow_provider_replicator.couchdb.jobs.states import Counters, JobState


def running(written: int, failures: int = 0, pending: int | None = None) -> JobState:
    return JobState(
        state="running",
        counters=Counters(docs_written=written, doc_write_failures=failures),
        changes_pending=pending,
    )


def test_the_rate_is_that_of_the_last_minute() -> None:
    meter = Meter(window=60)
    rates = [meter.look(running(written), moment).rate for moment, written in ((0, 0), (10, 1000), (60, 6000))]
    assert rates == [None, 100.0, 100.0]
    assert meter.look(running(6000), 120).rate == 0.0
    assert meter.look(running(6600), 180).rate == 10.0


def test_the_remaining_time_follows_from_the_rate() -> None:
    meter = Meter()
    meter.look(running(0), 0)
    progress = meter.look(running(100), 10, pending=500)
    assert (progress.rate, progress.eta, progress.exact) == (10.0, 50.0, True)
    server = meter.look(running(200, pending=40), 20)
    assert (server.pending, server.eta, server.exact) == (40, 4.0, False)
    assert meter.look(running(200), 3000, pending=7).eta is None  # at no rate there is no telling


def test_nothing_is_left_of_a_job_that_has_ended() -> None:
    """Whatever the server's last number was."""
    meter = Meter()
    meter.look(running(0, pending=500), 0)
    done = meter.look(replace(running(500, pending=500), state="completed"), 10)
    assert (done.rate, done.pending, done.eta) == (50.0, None, None)


def test_a_server_that_begins_to_count_anew_gives_no_negative_rate() -> None:
    meter = Meter()
    meter.look(running(500), 0)
    assert meter.look(running(3), 5).rate is None
    assert meter.look(running(13), 10).rate == 2.0


def test_counts_are_of_this_run_where_its_baseline_is_known() -> None:
    baseline = Counters(docs_written=100, doc_write_failures=2)
    progress = Meter().look(running(130, 3), 0, baseline=baseline)
    assert (progress.docs_written, progress.docs_written_total, progress.doc_write_failures) == (30, 130, 1)
    unknown = Meter().look(running(130, 3), 0)
    assert (unknown.docs_written, unknown.docs_written_total, unknown.doc_write_failures) == (None, 130, None)
    other = Meter().look(running(3), 0, baseline=baseline)
    assert other.docs_written is None


@pytest.mark.parametrize(
    ("known", "line"),
    [
        ({"state": "unseen"}, "unseen"),
        ({"state": "running", "docs_written_total": 12345}, "running, 12 345 written in all runs"),
        (
            {"state": "running", "docs_written": 1200, "pending": 3400, "exact": True, "rate": 51.4, "eta": 66.0},
            "running, 1 200 written, 3 400 to go, 51/s, 1 min 06 s left",
        ),
        (
            {"state": "running", "docs_written": 1, "doc_write_failures": 2, "pending": 3, "rate": 0.25},
            "running, 1 written, 2 refused by the target, about 3 to go, 0.2/s",
        ),
        ({"state": "crashing", "error": "conn_failed", "error_count": 2}, "crashing, crash 2: conn_failed"),
        ({"state": "failed", "error": "bad", "error_count": 1}, "failed, bad"),
    ],
)
def test_the_line(known: dict[str, Any], line: str) -> None:
    assert Progress(**known).line() == line
