# SPDX-License-Identifier: Apache-2.0
"""``/models/instances/sync``: cursors, their expiry, and a replica that must end up equal to its source."""

from __future__ import annotations

import random
from typing import Any

import pytest

from airflow_provider_replicator.sandbox.cdf.models.state import models_of
from tests.sandbox.caller import AnswerError, Caller
from tests.sandbox.models import plant
from tests.sandbox.models.plant import PUMP, SPACE, delete, names, of_pump, pipe, pump, shown
from tests.sandbox.models.syncing import Reader, make

DAY = 86_400_000
EXPIRED = "Cursor has expired. Try again with a new cursor."


@pytest.fixture
def cdf(cdf: Caller) -> Caller:
    return plant.build(cdf)


# -- cursors ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["onePhase", "twoPhase", "noBackfill"])
def test_a_cursor_lives_for_three_days_since_it_was_given(cdf: Caller, mode: str) -> None:
    make(cdf, 1)
    reader = Reader(cdf, mode=mode)
    clock = cdf.server.clock
    reader.page()
    for _ in range(3):
        clock.advance(3 * DAY)
        reader.page()
    clock.advance(3 * DAY + 1)
    with pytest.raises(AnswerError) as refused:
        reader.page()
    assert (refused.value.status, refused.value.error["message"]) == (400, EXPIRED)
    make(cdf, 2)
    assert reader.names(allowExpiredCursorsAndAcceptMissedDeletes=True) == ["p2"]
    assert reader.names() == []


def test_an_expired_cursor_misses_deletes(cdf: Caller) -> None:
    make(cdf, 1, 2)
    reader = Reader(cdf)
    reader.page()
    delete(cdf, "p1")
    cdf.server.clock.advance(2 * DAY)
    delete(cdf, "p2")
    cdf.server.clock.advance(2 * DAY)
    assert reader.names(allowExpiredCursorsAndAcceptMissedDeletes=True) == ["-p2"]


def test_a_tombstone_is_told_for_three_days(cdf: Caller) -> None:
    make(cdf, 1)
    delete(cdf, "p1")
    cdf.server.clock.advance(3 * DAY)
    assert Reader(cdf, skipAlreadyDeleted=False).names() == ["-p1"]
    cdf.server.clock.advance(1000)
    assert Reader(cdf, skipAlreadyDeleted=False).names() == []


def test_a_cursor_may_be_used_again(cdf: Caller) -> None:
    make(cdf, *range(4))
    reader = Reader(cdf, limit=3)
    reader.page()
    cursors = reader.cursors
    assert reader.names() == ["p3"]
    delete(cdf, "p3")
    reader.cursors = cursors
    assert reader.names() == ["-p3"]


def test_another_limit_is_the_same_query_everything_else_is_another(cdf: Caller) -> None:
    make(cdf, *range(6))
    reader = Reader(cdf, limit=2, filter={"hasData": [PUMP]})
    reader.page()
    cursors = reader.cursors
    expression = reader.asked["with"]["a"]
    assert names(reader.page(**{"with": {"a": {**expression, "limit": 3}}})) == ["p2", "p3", "p4"]
    reader.cursors = cursors
    for wrong in (
        {"with": {"a": {**expression, "nodes": {}}}},
        {"with": {"a": {**expression, "mode": "twoPhase"}}},
        {"select": {"a": shown("size")}},
        {"cursors": {"a": "nonsense"}},
    ):
        with pytest.raises(AnswerError) as refused:
            reader.page(**wrong)
        assert (refused.value.status, refused.value.error["message"]) == (400, "Invalid cursor provided.")
    assert reader.names() == ["p2", "p3"]


def test_null_cursors_begin_anew(cdf: Caller) -> None:
    make(cdf, 1)
    reader = Reader(cdf)
    assert reader.names(cursors={"a": None}) == reader.names(cursors=None) == ["p1"]


# -- expressions -----------------------------------------------------------------------------------------------------------


def test_each_expression_has_its_own_filter_and_cursor(cdf: Caller) -> None:
    make(cdf, *range(4))
    plant.apply(cdf, pipe("p0", "p1"))
    size = {"range": {"property": of_pump("size"), "gte": {"parameter": "least"}}}
    asked: dict[str, Any] = {
        "with": {"big": {"nodes": {"filter": size}, "limit": 1}, "pipes": {"edges": {}}, "unseen": {"nodes": {}}},
        "select": {"big": {}, "pipes": {}},
        "parameters": {"least": 2},
    }
    pages = []
    cursors: dict[str, str] = {}
    for _ in range(3):
        answer = cdf.post("/models/instances/sync", {**asked, "cursors": cursors})
        cursors = answer["nextCursor"]
        pages.append({name: names(items) for name, items in answer["items"].items()})
    assert pages == [{"big": ["p2"], "pipes": ["p0-p1"]}, {"big": ["p3"], "pipes": []}, {"big": [], "pipes": []}]
    assert set(cursors) == {"big", "pipes"}


def test_what_leaves_the_filter_is_not_told_of_and_what_enters_is(cdf: Caller) -> None:
    make(cdf, 1, 2)
    reader = Reader(cdf, filter={"range": {"property": of_pump("size"), "gte": 2}})
    assert reader.names() == ["p2"]
    plant.apply(cdf, pump("p1", size=5), pump("p2", size=0))
    assert reader.names() == ["p1"]
    delete(cdf, "p1", "p2")
    assert reader.names() == ["-p1"]


def test_chained_expressions_follow_what_they_lead_to(cdf: Caller) -> None:
    make(cdf, *range(5))
    plant.apply(cdf, pipe("p0", "p1"), pipe("p1", "p2"), pipe("p3", "p4"))
    start = {"equals": {"property": ["node", "externalId"], "value": "p0"}}
    asked: dict[str, Any] = {
        "with": {
            "start": {"nodes": {"filter": start}},
            "pipes": {"edges": {"from": "start"}},
            "ends": {"nodes": {"from": "pipes"}},
        },
        "select": {"pipes": {}, "ends": {}},
    }
    first = cdf.post("/models/instances/sync", asked)
    assert {name: names(items) for name, items in first["items"].items()} == {
        "pipes": ["p0-p1", "p1-p2"],
        "ends": ["p1", "p2"],
    }
    plant.apply(cdf, pipe("p2", "p3"), pump("p4", size=40), pump("p0", size=9))
    delete(cdf, "p1-p2", kind="edge")
    second = cdf.post("/models/instances/sync", {**asked, "cursors": first["nextCursor"]})
    # The way to p4 leads over a pipe that is just deleted, as a client knows it until it hears of that.
    assert names(second["items"]["pipes"]) == ["p2-p3", "p1-p2"]
    assert names(second["items"]["ends"]) == ["p4"]


@pytest.mark.parametrize("wrong", [{"union": ["a"]}, {}, {"nodes": {}, "mode": "threePhase"}, {"nodes": {"from": "x"}}])
def test_what_means_nothing_is_refused(cdf: Caller, wrong: dict[str, Any]) -> None:
    with pytest.raises(AnswerError) as refused:
        cdf.post("/models/instances/sync", {"with": {"a": wrong}, "select": {"a": {}}})
    assert refused.value.status == 400


# -- what tests may switch ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["onePhase", "twoPhase"])
def test_pages_may_overlap(cdf: Caller, mode: str) -> None:
    make(cdf, *range(6))
    cdf.server.settings.sync_overlap = 1
    reader = Reader(cdf, limit=3, mode=mode)
    assert [reader.names() for _ in range(4)] == [["p0", "p1", "p2"], ["p2", "p3", "p4"], ["p4", "p5"], []]
    cdf.server.settings.sync_overlap = 50  # never so many that nothing new comes
    reader = Reader(cdf, limit=2, mode=mode)
    assert [reader.names() for _ in range(3)] == [["p0", "p1"], ["p1", "p2"], ["p2", "p3"]]


def test_a_sync_may_time_out(cdf: Caller) -> None:
    cdf.server.settings.graph_timeout_above = 1000
    make(cdf, 1)
    assert Reader(cdf, limit=1000).names() == ["p1"]
    with pytest.raises(AnswerError, match="timed out") as refused:
        Reader(cdf, limit=1001).page()
    assert refused.value.status == 408


# -- a replica -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(30))
def test_a_replica_ends_up_equal_to_its_source(cdf: Caller, seed: int) -> None:
    """Whatever is written between the pages, whatever the mode, with overlapping pages and with edges that go with their nodes."""
    rng = random.Random(seed)
    cdf.server.settings.sync_overlap = rng.choice([0, 0, 2])
    mode = rng.choice(["onePhase", "twoPhase"])
    make(cdf, *rng.sample(range(20), 10))
    replicas: dict[str, dict[str, int]] = {"nodes": {}, "edges": {}}
    readers = {kind: Reader(cdf, kind, select={}, mode=mode, limit=rng.randint(1, 7)) for kind in replicas}
    for _ in range(60):
        for _ in range(rng.randint(0, 2)):
            write_something(cdf, rng)
        kind = rng.choice(["nodes", "edges"])
        merge(replicas[kind], readers[kind].page())
        cdf.server.clock.advance(rng.choice([1, 3_600_000]))
    for kind, replica in replicas.items():
        full = readers[kind].asked["with"]["a"]["limit"]
        quiet = 0
        while quiet < 2:
            page = readers[kind].page()
            merge(replica, page)
            quiet = 0 if len(page) == full else quiet + 1
        live = models_of(cdf.server.projects["source"]).instances.by_key.values()
        assert replica == {one.external_id: one.version for one in live if one.key[:2] == (kind[:-1], SPACE)}


def write_something(cdf: Caller, rng: random.Random) -> None:
    one, other = (f"p{n}" for n in rng.sample(range(20), 2))
    choice = rng.random()
    if choice < 0.4:
        plant.apply(cdf, pump(one, size=rng.randint(0, 1000)))
    elif choice < 0.65:
        plant.apply(cdf, pump(one, size=0), pump(other, size=0), pipe(one, other))
    elif choice < 0.9:
        delete(cdf, one)
    else:
        delete(cdf, one)
        plant.apply(cdf, pump(one, size=-1))


def merge(replica: dict[str, int], page: list[dict[str, Any]]) -> None:
    """Deletes first: what was deleted and made again in one page is there."""
    for item in page:
        if "deletedTime" in item:
            replica.pop(item["externalId"], None)
    for item in page:
        if "deletedTime" not in item:
            replica[item["externalId"]] = item["version"]
