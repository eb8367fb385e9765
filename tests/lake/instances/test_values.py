# SPDX-License-Identifier: Apache-2.0
"""What comes into the tables: values that fit or not, new properties, history, views with filters."""

from __future__ import annotations

import asyncio
import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from airflow_provider_replicator.cdf.http.transport import HttpResponse
from airflow_provider_replicator.exceptions import (
    CdfAccessError,
    LakeConflictError,
    PartialReplicationError,
    SchemaChangedError,
)
from airflow_provider_replicator.lake.feeds.tables import FeedTables
from airflow_provider_replicator.lake.table import Table
from tests.acceptance.projects import Watched
from tests.lake.instances.world import ALWAYS, CHANGES, NODES, SPACE, TYPES, options

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_replicator.cdf.http.transport import HttpRequest
    from tests.lake.instances.world import World

SYNC = "/models/instances/sync"
QUERY = "/models/instances/query"


# -- values and schemas (flaw 8)


def broken(inner: Any) -> Any:
    """The server sends a text where the view says float64, for p2."""

    def after(_request: HttpRequest, answer: HttpResponse) -> None:
        object.__setattr__(answer, "body", answer.body.replace(b'"power":0.5', b'"power":"0.5"'))

    return Watched(inner, after=after)


def test_what_does_not_fit_is_a_dead_letter_and_the_rest_is_written(world: World, tmp_path: Path) -> None:
    world.make(range(5))
    world.wrap = broken
    letters = tmp_path / "letters.jsonl"
    with pytest.raises(PartialReplicationError, match=r"plant:p2: power: '0\.5' is no float64") as caught:
        world.run(dead_letter_path=str(letters))
    assert caught.value.report["failed"] == 1
    assert {row["_externalId"] for row in world.rows()} == {"p0", "p1", "p3", "p4"}
    (letter,) = map(json.loads, letters.read_text().splitlines())
    assert (letter["key"], letter["resource"]) == ("plant:p2", NODES)
    assert letter["document"]["externalId"] == "p2"
    world.wrap = lambda inner: inner
    world.make([2], name="again")
    world.run()
    world.check()


def test_what_does_not_fit_is_rescued(world: World) -> None:
    world.make(range(5))
    world.wrap = broken
    world.run(on_misfit="rescue")
    rows = {row["_externalId"]: row for row in world.rows()}
    assert rows["p2"]["power"] is None
    assert json.loads(rows["p2"]["_rescued"]) == {"power": "0.5"}
    assert rows["p3"]["_rescued"] is None


def test_types_are_those_of_the_view_whatever_comes_first(world: World) -> None:
    """What came first made the type: 1.75 became 1 after whole numbers, a number became text after nothing, and a page with 3 and
    1.75 in it was never written, nor anything after it."""
    types: dict[str, Any] = {
        "level": {"type": "float64"},
        "size": {"type": "int64"},
        "tags": {"type": "text", "list": True},
    }
    world.make_view(types, name="Tank")
    path = f"instances/{SPACE}/Tank/v1/nodes"

    def whole(_request: HttpRequest, answer: HttpResponse) -> None:
        """Floats without a fraction may come without a point."""
        object.__setattr__(answer, "body", re.sub(rb'("level":\d+)\.0\b', rb"\1", answer.body))

    world.wrap = lambda inner: Watched(inner, after=whole)
    world.apply({"externalId": "a", "level": 1}, {"externalId": "b", "level": 2}, view="Tank")
    world.run(views=("Tank",))
    world.apply({"externalId": "c", "level": 1.75, "size": 7, "tags": ["x", "y"]}, view="Tank")
    world.run(views=("Tank",))
    world.apply({"externalId": "d", "level": 3}, {"externalId": "e", "level": 1.75}, view="Tank")
    world.run(views=("Tank",), merge_when=ALWAYS)
    world.check(path, "Tank")
    stored = pl.read_delta(world.lake.uri(path)).select("level", "size", "tags")
    assert list(stored.schema.items()) == [
        ("level", pl.Float64),
        ("size", pl.Int64),
        ("tags", pl.List(pl.String)),
    ]
    assert sorted(stored["level"]) == [1, 1.75, 1.75, 2, 3]


def test_a_new_property_gets_its_values_in_old_rows(world: World) -> None:
    world.make(range(5))
    world.run()
    types = TYPES | {"4-new": {"type": "timestamp"}}
    world.make_view(types)
    world.apply({"externalId": "p1", "4-new": "2024-01-01T00:00:00.000+00:00"})
    world.run()
    world.make_view(types | {"newer": {"type": "int32", "list": True}})
    world.apply({"externalId": "p2", "newer": [1, 2]})
    (first, *_) = world.did()
    assert first == "resync: the view has changed"
    rows = {row["_externalId"]: row for row in world.rows()}
    assert rows["p1"]["4-new"] is not None
    assert rows["p2"]["newer"] == [1, 2]
    assert rows["p2"]["name"] == "Pump 2"


def test_a_frozen_table_refuses_new_properties(world: World) -> None:
    world.make(range(2))
    world.run()
    world.make_view(TYPES | {"new": {"type": "text"}})
    with pytest.raises(SchemaChangedError, match="new columns new"):
        world.run(on_schema_change="freeze")
    world.run()
    assert "new" in world.rows()[0]


# -- two at once (flaw 19)


def test_two_runs_at_once(world: World) -> None:
    world.make(range(20))
    chosen = options(load_page_size=4, page_size=4, commit_rows=8, merge_when=ALWAYS)

    async def both() -> list[Any]:
        return list(await asyncio.gather(world.arun(chosen), world.arun(chosen), return_exceptions=True))

    for number in range(4):
        outcomes = asyncio.run(both())
        lost = [one for one in outcomes if isinstance(one, BaseException)]
        assert len(lost) < 2
        assert all(isinstance(one, LakeConflictError) for one in lost), lost
        world.run(chosen)
        world.check()
        world.make(range(number, number + 9), name=f"round {number}")
        world.delete(f"p{number}")


def test_a_run_of_one_view_sets_no_cursor_of_another_back(world: World) -> None:
    """Every run saved the cursors of all views as they were when it began, also those that another run had moved on since."""
    world.make_view({"length": {"type": "float64"}}, name="Tank")
    world.make(range(3))
    world.apply({"externalId": "t", "length": 1}, view="Tank")
    world.run(views=("Pump", "Tank"))
    world.make(range(2, 5), name="again")
    world.apply({"externalId": "t", "length": 2}, view="Tank")
    between: list[Any] = []

    def other(request: HttpRequest) -> None:
        if request.path == SYNC and not between:
            world.wrap = lambda inner: inner
            with ThreadPoolExecutor(1) as thread:
                between.append(thread.submit(world.run, None, views=("Pump",)).result())

    world.wrap = lambda inner: Watched(inner, before=other)
    assert world.run(views=("Tank",)).read == 1
    assert [report.read for report in between] == [3]
    assert world.run(views=("Pump", "Tank")).read == 0
    world.check()
    world.check(f"instances/{SPACE}/Tank/v1/nodes", "Tank")


# -- history


def test_history_keeps_every_version_and_tombstone(world: World) -> None:
    world.make([1])
    world.run(history=True)
    for name in ("a", "b"):
        world.make([1], name=name)
        world.run(history=True, merge_when=ALWAYS)
    world.delete("p1")
    world.run(history=True, merge_when=ALWAYS)
    world.make([1], name="c")
    world.run(history=True, merge_when=ALWAYS)
    world.check()
    kept = pl.scan_delta(world.lake.uri(CHANGES)).sort("_batch", "_order").collect()
    assert kept["name"].to_list() == ["a", "b", None, "c"]
    assert kept["_deletedTime"].is_null().to_list() == [True, True, False, True]


# -- the report (flaw 20)


def test_counts_and_requests_are_reported(world: World) -> None:
    world.make(range(7))
    report = world.run(load_page_size=5)
    (table,) = report.tables
    assert (report.read, report.written, report.failed) == (7, 7, 0)
    assert (table["table"], table["written"], table["deleted"], table["did"]) == (NODES, 7, 0, ["load"])
    assert report.requests["source"] >= 4
    assert report.bytes > 0
    world.delete("p1")
    world.make([2], name="x")
    report = world.run()
    (table,) = report.tables
    assert (report.written, report.deleted, table["did"]) == (1, 1, ["merge"])


def test_who_leaves_a_view_with_a_filter_leaves_the_table(world: World) -> None:
    """CDF sends no tombstone for it: it lives on, but elsewhere."""
    own = {"range": {"property": [SPACE, "Pump", "count"], "gte": 5}}
    world.make_view(TYPES, view={"externalId": "Big", "filter": own})
    path = f"instances/{SPACE}/Big/v1/nodes"
    world.make(range(10))
    world.run(views=("Big",))
    assert {row["count"] for row in world.rows(path)} == {5, 6, 7, 8, 9}
    world.apply({"externalId": "p6", "count": 1}, {"externalId": "p1", "count": 11}, {"externalId": "p2", "count": 2})
    world.delete("p7")
    world.run(views=("Big",))
    assert {row["_externalId"]: row["count"] for row in world.rows(path)} == {"p5": 5, "p8": 8, "p9": 9, "p1": 11}


def test_what_an_interrupted_run_left_out_is_an_error_of_the_next(world: World) -> None:
    world.make(range(8))
    world.wrap = broken
    world.project.sandbox.control.fault(path=QUERY, method="POST", kind="status", status=403, nth=4)
    with pytest.raises(CdfAccessError):
        world.run(load_page_size=2, commit_rows=2)
    world.wrap = lambda inner: inner
    with pytest.raises(PartialReplicationError, match=r"1 of .* could not be copied"):
        world.run(load_page_size=2, commit_rows=2)
    report = world.run()
    assert (report.failed, report.resumed) == (0, False)
    world.make([5, 6], power=0.5)
    world.wrap = broken
    world.project.sandbox.control.fault(path=SYNC, method="POST", kind="status", status=403, nth=2)
    with pytest.raises(CdfAccessError):
        world.run(page_size=2)
    with pytest.raises(PartialReplicationError, match="2 of 2 could not be copied"):
        world.run(page_size=2)
    assert world.run().failed == 0


def test_maintenance_in_between_is_no_conflict(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A compaction commits while changes are about to be merged: the merge is done again on what it left."""
    world.make(range(6))
    world.run(load_page_size=2, commit_rows=2)
    inner = FeedTables.merge_if_due

    def after_compaction(tables: FeedTables, *, caught_up: bool) -> bool:
        handle = Table(world.lake, NODES).open()
        assert handle is not None
        handle.optimize.compact()
        return inner(tables, caught_up=caught_up)

    monkeypatch.setattr(FeedTables, "merge_if_due", after_compaction)
    world.make([1, 2], name="again")
    world.delete("p3")
    assert world.did(merge_when=ALWAYS) == ["merge"]
    world.check()
