# SPDX-License-Identifier: Apache-2.0
"""What was counted before a run, out of the history of its checkpoint."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_replicator.couchdb.jobs.history import Counts, before, common_history, first_sequence
from airflow_provider_replicator.couchdb.jobs.states import Counters

NOTHING = Counters()


def session(second: int, written: int, name: str = "", start: Any = "0") -> dict[str, Any]:
    """An entry of a session that began in that second."""
    return {
        "session_id": name or f"session{second}",
        "start_time": f"Sat, 21 Nov 2026 18:49:{second:02} GMT",
        "end_time": f"Sat, 21 Nov 2026 18:49:{second:02} GMT",
        "start_last_seq": start,
        "docs_written": written,
        "missing_checked": written,
    }


def at(second: int) -> str:
    return f"2026-11-21T18:49:{second:02}Z"


def counted(written: int) -> Counters:
    return Counters(docs_written=written, revisions_checked=written)


def checkpoint(*history: dict[str, Any]) -> dict[str, Any]:
    return {"session_id": history[0]["session_id"] if history else None, "history": list(history)}


@pytest.mark.parametrize(
    ("history", "submitted", "expected"),
    [
        ([], at(10), NOTHING),
        ([session(11, 100)], at(10), NOTHING),  # all of it is this run's
        ([session(10, 100)], at(10), NOTHING),  # the same second: histories are no finer, so runs are kept apart
        ([session(9, 100)], at(10), counted(100)),  # nothing was new
        ([session(11, 101), session(9, 100), session(5, 50)], at(10), counted(100)),
        ([session(40, 103), session(12, 102), session(9, 100)], at(10), counted(100)),  # crashed in between
        ([{"docs_written": 7}], at(10), Counters(docs_written=7)),  # an entry without a time is an old one
        ([session(9, 100)], "unreadable", counted(100)),
    ],
)
def test_the_entry_before_those_of_the_run(history: list[Any], submitted: str, expected: Counters) -> None:
    assert before(history, submitted) == expected


A, B, C, D = session(1, 1, "a"), session(2, 2, "b"), session(3, 3, "c"), session(4, 4, "d")


@pytest.mark.parametrize(
    ("here", "there", "expected"),
    [
        (checkpoint(C, B, A), checkpoint(C, B, A), [C, B, A]),
        (checkpoint(), checkpoint(B, A), []),  # the source was made anew
        (checkpoint(B, A), checkpoint(), []),  # the target was made anew
        ({}, {}, []),
        (
            checkpoint(C, B, A),
            checkpoint(B, A),
            [A],
        ),  # only the source's document was written: the server goes back by one
        (checkpoint(B, A), checkpoint(C, B, A), [A]),
        (checkpoint(D, B, A), checkpoint(C, B, A), [A]),
        (checkpoint(D, C), checkpoint(B, A), []),
    ],
)
def test_what_both_databases_agree_on(here: Any, there: Any, expected: list[Any]) -> None:
    assert list(common_history(here, there)) == expected


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (checkpoint(session(12, 2, start="7-x"), session(11, 1, start="5-x"), session(9, 1, start="3-x")), "5-x"),
        (checkpoint(session(11, 1)), None),
        (checkpoint(session(9, 1, start="3-x")), None),
        ({}, None),
    ],
)
def test_where_a_run_began_to_read(document: Any, expected: str | None) -> None:
    assert first_sequence(document, at(10)) == expected


def test_totals_are_never_passed_off_as_those_of_a_run() -> None:
    total = counted(100)
    assert Counts(total=total, before=counted(97)).run == counted(3)
    assert Counts(total=total, before=None).run is None
    assert Counts(total=total, before=counted(101)).run is None
