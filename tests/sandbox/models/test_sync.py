# SPDX-License-Identifier: Apache-2.0
"""``/models/instances/sync``: its modes, and what they tell of changes and deletes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.caller import AnswerError, Caller
from tests.sandbox.conftest import NOW
from tests.sandbox.models import plant
from tests.sandbox.models.plant import delete, of_pump, pipe, pump
from tests.sandbox.models.syncing import Reader, make


@pytest.fixture
def cdf(cdf: Caller) -> Caller:
    return plant.build(cdf)


# -- one phase -------------------------------------------------------------------------------------------------------------


def test_one_phase_streams_what_there_is_and_then_every_change(cdf: Caller) -> None:
    make(cdf, *range(5))
    reader = Reader(cdf, limit=2)
    assert [reader.names() for _ in range(4)] == [["p0", "p1"], ["p2", "p3"], ["p4"], []]
    plant.apply(cdf, pump("p1", size=100))
    delete(cdf, "p3")
    make(cdf, 7)
    assert [reader.names() for _ in range(3)] == [["p1", "-p3"], ["p7"], []]


def test_a_page_is_a_hundred_instances_unless_asked_otherwise(cdf: Caller) -> None:
    make(cdf, *range(150))
    reader = Reader(cdf)
    assert [len(reader.page()) for _ in range(3)] == [100, 50, 0]
    with pytest.raises(AnswerError, match="between 1 and 2000"):
        Reader(cdf, limit=2001).page()


def test_what_changes_while_pages_are_read_moves_to_their_end(cdf: Caller) -> None:
    make(cdf, *range(6))
    reader = Reader(cdf, limit=2)
    seen = reader.names()
    plant.apply(cdf, pump("p0", size=100), pump("p3", size=100))
    delete(cdf, "p1")
    while page := reader.names():
        seen += page
    assert seen == ["p0", "p1", "p2", "p4", "p5", "p0", "p3", "-p1"]


def test_a_tombstone_has_a_time_and_no_properties(cdf: Caller) -> None:
    make(cdf, 1)
    reader = Reader(cdf)
    before = reader.page()[0]
    cdf.server.clock.advance(1000)
    delete(cdf, "p1")
    gone = reader.page()[0]
    assert gone["deletedTime"] == gone["lastUpdatedTime"] == NOW + 1000
    assert (gone["properties"], gone["createdTime"]) == ({}, before["createdTime"])
    assert gone["version"] > before["version"]


def test_deleted_and_made_again_between_two_pages_is_both(cdf: Caller) -> None:
    make(cdf, 1, 2)
    reader = Reader(cdf)
    reader.page()
    delete(cdf, "p1", "p2")
    make(cdf, 1)
    assert reader.names() == ["-p1", "-p2", "p1"]


def test_what_was_deleted_before_the_sync_is_skipped_unless_asked_for(cdf: Caller) -> None:
    make(cdf, 1, 2, 3)
    delete(cdf, "p2")
    reader, everything = Reader(cdf), Reader(cdf, skipAlreadyDeleted=False)
    assert reader.names() == ["p1", "p3"]
    assert everything.names() == ["p1", "p3", "-p2"]
    delete(cdf, "p3")
    assert reader.names() == everything.names() == ["-p3"]


def test_deletes_after_the_first_page_are_told_even_of_what_was_not_yet_read(cdf: Caller) -> None:
    make(cdf, *range(4))
    delete(cdf, "p0")
    reader = Reader(cdf, limit=1)
    assert reader.names() == ["p1"]
    delete(cdf, "p2")
    assert [reader.names() for _ in range(3)] == [["p3"], ["-p2"], []]


def test_edges_of_a_deleted_node_are_deleted_with_it(cdf: Caller) -> None:
    make(cdf, 1, 2, 3)
    plant.apply(cdf, pipe("p1", "p2"), pipe("p2", "p3"), pipe("p3", "p1"))
    reader = Reader(cdf, "edges", select={})
    assert reader.names() == ["p1-p2", "p2-p3", "p3-p1"]
    delete(cdf, "p2")
    assert sorted(reader.names()) == ["-p1-p2", "-p2-p3"]


# -- the other modes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [5, 6])
def test_a_backfill_ends_with_a_page_that_is_not_full(cdf: Caller, count: int) -> None:
    """Also when the last full page was the last: then an empty page ends it. What changed meanwhile follows after that."""
    make(cdf, *range(count))
    reader = Reader(cdf, limit=3, mode="twoPhase")
    assert reader.names() == ["p0", "p1", "p2"]
    delete(cdf, "p0")
    plant.apply(cdf, pump("p1", size=50))
    assert reader.names() == [f"p{n}" for n in range(3, count)]
    if count == 6:
        assert reader.names() == []
    assert reader.names() == ["-p0", "p1"]
    assert reader.names() == []


def test_a_backfill_may_be_sorted_if_an_index_supports_it(cdf: Caller) -> None:
    make(cdf, 3, 1, 2, 5, 4)
    by_size = [{"property": of_pump("size"), "direction": "descending"}]
    reader = Reader(cdf, limit=2, mode="twoPhase", backfillSort=by_size)
    assert reader.names() == ["p5", "p4"]
    make(cdf, 9, 0)
    delete(cdf, "p2")
    assert [reader.names() for _ in range(4)] == [["p3", "p1"], ["p0"], ["p9", "p0"], ["-p2"]]
    for sort in ([{"property": of_pump("name")}], [{"property": of_pump("size")}, {"property": of_pump("name")}]):
        with pytest.raises(AnswerError, match="cursorable index"):
            Reader(cdf, mode="twoPhase", backfillSort=sort).page()
    by_id = [{"property": ["node", "externalId"]}]
    assert Reader(cdf, mode="twoPhase", backfillSort=by_id, limit=2).names() == ["p0", "p1"]


@pytest.mark.parametrize("mode", ["onePhase", "noBackfill", None])
def test_only_two_phases_are_sorted(cdf: Caller, mode: str | None) -> None:
    options: dict[str, Any] = {} if mode is None else {"mode": mode}
    with pytest.raises(AnswerError) as refused:
        Reader(cdf, backfillSort=[{"property": ["node", "externalId"]}], **options).page()
    assert (refused.value.status, refused.value.error["message"]) == (
        400,
        "Backfill sort can only be used with two-phase sync.",
    )


def test_a_backfill_shows_earlier_deletes_if_asked_for(cdf: Caller) -> None:
    make(cdf, *range(5))
    delete(cdf, "p1", "p2", "p3")
    reader = Reader(cdf, limit=2, mode="twoPhase", skipAlreadyDeleted=False)
    assert [reader.names() for _ in range(4)] == [["p0", "p4"], ["-p1", "-p2"], ["-p3"], []]
    delete(cdf, "p0")
    assert reader.names() == ["-p0"]


def test_without_a_backfill_only_changes_are_told(cdf: Caller) -> None:
    make(cdf, 1, 2)
    delete(cdf, "p2")
    reader = Reader(cdf, mode="noBackfill")
    assert reader.names() == []
    make(cdf, 3)
    delete(cdf, "p1")
    assert reader.names() == ["p3", "-p1"]
