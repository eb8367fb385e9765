# SPDX-License-Identifier: Apache-2.0
"""Windowed runs: in order, out of order, again, after a crash, and when the source is another database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_replicator.couchdb import databases
from airflow_provider_replicator.couchdb.blocking import run
from airflow_provider_replicator.couchdb.jobs.windows import WindowRun, begin, record, recorded, start_of
from airflow_provider_replicator.exceptions import ConfigurationError, WindowError

if TYPE_CHECKING:
    from tests.couchdb.jobs.pair import Pair

DAYS = [f"2026-11-{day:02}T00:00:00Z" for day in range(1, 9)]
HERE = {"server": "u", "database": "orders", "instance_start_time": "1"}


def kept(*windows: str, identity: dict[str, str] = HERE) -> dict[str, Any]:
    return {"windows": {window: {"seq": f"1-{window[8:10]}", "identity": identity} for window in windows}}


@pytest.mark.parametrize(
    ("document", "window", "since", "previous"),
    [
        ({}, DAYS[3], None, None),
        (kept(DAYS[2]), DAYS[3], "1-03", DAYS[2]),
        (kept(DAYS[0], DAYS[2]), DAYS[1], "1-01", DAYS[0]),  # a back-fill in between
        (kept(DAYS[2], DAYS[3]), DAYS[3], "1-03", DAYS[2]),  # the same window again: from where it began
        (kept(DAYS[2]), DAYS[0], None, None),  # before all others: everything
        (kept(DAYS[0]), DAYS[5], "1-01", DAYS[0]),  # windows were skipped: nothing is
        (kept(DAYS[0], identity=HERE | {"instance_start_time": "2"}), DAYS[1], None, None),
        (kept(DAYS[0], identity=HERE | {"server": "v"}), DAYS[1], None, None),
        (kept(DAYS[0], identity={"database": "orders"}), DAYS[1], "1-01", DAYS[0]),  # an old server said no more
    ],
)
def test_where_a_window_starts(document: Any, window: str, since: str | None, previous: str | None) -> None:
    found = start_of(document, window, HERE)
    assert found[:2] == (since, previous)
    assert ("everything" in found[2]) == (since is None)


def test_what_is_kept_does_not_grow_for_ever() -> None:
    document: dict[str, Any] = {}
    for number in range(1000):
        window = f"{2000 + number}-01-01T00:00:00Z"
        document = recorded(
            document,
            WindowRun(
                stream="s", window=window, since_seq=None, previous=None, reason="", last_seq="1-a", identity=HERE
            ),
        )
    assert len(document["windows"]) == 400
    assert max(document["windows"]) == "2999-01-01T00:00:00Z"


class Stream:
    """A stream of windows between the databases of a pair."""

    def __init__(self, pair: Pair, name: str = "dag.task") -> None:
        self.pair = pair
        self.name = name

    def begin(self, window: str, **where: Any) -> WindowRun:
        return run(begin(self.pair.client, self.pair.source, stream=self.name, window=window, **where))

    def run(self, window: str) -> dict[str, Any]:
        """One whole run of a window."""
        begun = WindowRun.from_dict(self.begin(window).to_dict())
        report = self.pair.replicate(since_seq=begun.since_seq)
        run(record(self.pair.client, self.pair.source, begun))
        return report


def test_each_window_copies_what_is_new(pair: Pair) -> None:
    stream = Stream(pair)
    for number, window in enumerate(DAYS[:3]):
        pair.put(f"day{number}")
        stream.run(window)
        assert len(pair.ids()) == number + 1
    assert stream.begin(DAYS[3]).previous == DAYS[2]
    stream.run(DAYS[1])
    assert len(pair.ids()) == 3


def test_a_window_that_failed_is_not_kept(pair: Pair) -> None:
    stream = Stream(pair)
    stream.run(DAYS[0])
    pair.put("a")
    stream.begin(DAYS[1])  # and the run dies
    pair.put("b")
    later = stream.begin(DAYS[2])
    assert later.previous == DAYS[0]
    stream.run(DAYS[2])
    assert pair.ids() == ["a", "b"]


def test_a_whole_run_after_windows_copies_everything(pair: Pair) -> None:
    """Fact 4."""
    pair.fill(3)
    stream = Stream(pair)
    first = stream.begin(DAYS[0])
    run(record(pair.client, pair.source, first))  # as if it had run
    pair.put("new")
    stream.run(DAYS[1])
    assert pair.ids() == ["new"]
    pair.replicate()
    assert len(pair.ids()) == 4


def test_a_source_made_anew_is_copied_whole(pair: Pair) -> None:
    stream = Stream(pair)
    stored = {"store": pair.client, "store_db": pair.target}
    run(record(pair.client, pair.target, stream.begin(DAYS[0], **stored)))
    assert stream.begin(DAYS[1], **stored).previous == DAYS[0]
    run(databases.drop(pair.client, pair.source))
    run(pair.client.transport.sleep(1.1))  # databases are told apart by the second in which they were made
    run(databases.create(pair.client, pair.source))
    begun = stream.begin(DAYS[1], **stored)
    assert begun.since_seq is None
    assert "another database" in begun.reason


def test_streams_are_kept_apart_and_are_not_replicated(pair: Pair) -> None:
    run(record(pair.client, pair.source, Stream(pair, "one").begin(DAYS[0])))
    assert Stream(pair, "one").begin(DAYS[1]).previous == DAYS[0]
    assert Stream(pair, "two").begin(DAYS[1]).since_seq is None
    assert pair.replicate()["docs_written"] == 0


def test_two_windows_may_be_recorded_at_the_same_time(pair: Pair) -> None:
    stream = Stream(pair)
    one, two = stream.begin(DAYS[0]), stream.begin(DAYS[1])
    for begun in (two, one, one):
        run(record(pair.client, pair.source, begun))
    assert stream.begin(DAYS[2]).previous == DAYS[1]
    assert stream.begin(DAYS[1]).previous == DAYS[0]


def test_a_window_has_a_start(pair: Pair) -> None:
    assert Stream(pair).begin("2026-11-05 01:00:00+01:00").window == "2026-11-05T00:00:00Z"
    with pytest.raises(ConfigurationError, match="window"):
        Stream(pair).begin("")
    with pytest.raises(WindowError, match="window"):
        Stream(pair).begin("yesterday")
