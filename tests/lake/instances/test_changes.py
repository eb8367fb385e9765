# SPDX-License-Identifier: Apache-2.0
"""Following changes: what the older replicators lose, and what else may happen."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from airflow_provider_replicator.cdf.http.transport import HttpResponse
from airflow_provider_replicator.exceptions import (
    CdfAccessError,
    CdfUnavailableError,
    LakeError,
    LakeUnavailableError,
)
from airflow_provider_replicator.lake.feeds.current import pin
from airflow_provider_replicator.lake.feeds.state import changes_state, changes_stream
from airflow_provider_replicator.lake.table import Table
from tests.acceptance.projects import Watched
from tests.lake.instances.world import ALWAYS, CHANGES, NEVER, NODES

if TYPE_CHECKING:
    from airflow_provider_replicator.cdf.http.transport import HttpRequest
    from tests.lake.instances.world import World

DAY = 24 * 3600 * 1000
SYNC = "/models/instances/sync"
QUERY = "/models/instances/query"


def saved_cursor(world: World) -> str:
    table = Table(world.lake, CHANGES)
    handle = table.open()
    assert handle is not None
    found = changes_state(changes_stream(table), handle)
    assert found is not None
    return found[0].cursor


# -- cursors (flaws 1, 2, 3, 4)


def test_an_idle_source_is_never_read_anew(world: World) -> None:
    """The cursor of an empty page is kept, so that it is always young."""
    world.make(range(3))
    world.run()
    for _ in range(4):
        world.project.sandbox.control.advance(int(2.5 * DAY))
        before = saved_cursor(world)
        assert world.did() == []
        assert saved_cursor(world) != before
    world.make([4])
    assert world.did() == ["merge"]
    world.check()


def test_an_expired_cursor_reads_everything_anew_and_removes_what_is_gone(world: World) -> None:
    world.make(range(10))
    world.run(merge_when=NEVER)
    world.make([3], name="changed")
    world.run(merge_when=NEVER)
    world.delete("p1", "p2")
    world.make([5], name="again")
    world.project.sandbox.control.advance(4 * DAY)
    world.make([11])
    (first, *_) = world.did(merge_when=NEVER)
    assert first.startswith("resync: Cursor has expired")
    world.check()
    world.make([12])
    assert world.did(merge_when=NEVER) == []
    world.check()


@pytest.mark.parametrize("status", [500, 503, 408, 429])
def test_an_outage_is_an_error_and_changes_nothing(world: World, status: int) -> None:
    world.make(range(5))
    world.run()
    world.make([6])
    before = saved_cursor(world)
    answer = HttpResponse(status, b'{"error": {"message": "out of order"}}')
    world.wrap = lambda inner: Watched(inner, before=lambda request: answer if request.path == SYNC else None)
    with pytest.raises(CdfUnavailableError):
        world.run()
    assert saved_cursor(world) == before
    world.wrap = lambda inner: inner
    assert world.did() == ["merge"]
    world.check()


@pytest.mark.parametrize("nth", [2, 3])
def test_an_error_on_a_later_page_is_not_swallowed(world: World, nth: int) -> None:
    world.run()
    world.make(range(10))
    world.project.sandbox.control.fault(path=SYNC, method="POST", kind="status", status=403, nth=nth)
    with pytest.raises(CdfAccessError):
        world.run(page_size=2)
    world.project.sandbox.control.clear_faults()
    world.run(page_size=2)
    world.check()


def test_other_refusals_of_a_cursor_are_errors(world: World) -> None:
    from airflow_provider_replicator.exceptions import CdfRequestError

    world.make(range(3))
    world.run()
    refusal = HttpResponse(400, b'{"error": {"code": 400, "message": "Too many properties selected"}}')
    world.wrap = lambda inner: Watched(inner, before=lambda request: refusal if request.path == SYNC else None)
    with pytest.raises(CdfRequestError, match="Too many properties"):
        world.run()
    world.wrap = lambda inner: inner
    assert world.did() == []


def test_a_source_whose_clock_is_ahead_is_read_once(world: World) -> None:
    """What was changed later than our own clock set the cursor back, so that the same page was read and written by every run."""
    world.make(range(3))
    world.run()
    world.project.sandbox.control.advance(DAY)
    world.make([1], name="of tomorrow")
    world.delete("p2")
    assert world.run().read == 2
    for _ in range(2):
        assert world.run().read == 0
    world.check()


@pytest.mark.parametrize("status", [403, 503])
@pytest.mark.parametrize("failures", [1, 5, 10, 15])
def test_however_long_an_outage_nothing_is_read_anew(world: World, status: int, failures: int) -> None:
    """After ten failures in a row the cursor was thrown away, and everything was read and written once more."""
    world.make(range(5))
    world.run()
    world.make([6])
    world.delete("p2")
    world.project.sandbox.control.fault(path=f"*{SYNC}", method="POST", status=status, kind="status", times=failures)
    asked: list[str] = []
    world.wrap = lambda inner: Watched(inner, before=lambda request: asked.append(request.path))
    for _ in range(failures + 1):
        try:
            report = world.run()
        except (CdfAccessError, CdfUnavailableError):
            continue
        break
    assert (report.read, report.written, report.deleted) == (2, 1, 1)
    assert asked.count(SYNC) >= failures
    assert QUERY not in asked
    world.check()


def test_all_is_deleted_while_the_cursor_expires(world: World) -> None:
    """Nothing was found when everything was read anew, so the old rows stayed, and the expired cursor with them."""
    world.make(range(3))
    world.run()
    world.delete("p0", "p1", "p2")
    world.project.sandbox.control.advance(4 * DAY)
    (first, *_) = world.did()
    assert first.startswith("resync: Cursor has expired")
    world.check()
    assert world.rows() == []
    assert world.did() == []


# -- keys and order (flaws 5, 6, 7)


def test_the_same_external_id_in_two_spaces(world: World) -> None:
    world.project.call("POST", "/models/spaces", {"items": [{"space": "other"}]})
    world.make(range(3))
    world.apply({"externalId": "p1", "name": "another"}, space="other")
    world.run()
    world.check()
    world.delete("p1")
    world.run()
    world.check()
    assert ("other", "p1") in {(row["_space"], row["_externalId"]) for row in world.rows()}
    world.run(instance_spaces=("other",))
    assert {row["_space"] for row in world.rows()} == {"other"}


@pytest.mark.parametrize("frozen", [False, True], ids=["in order", "in one millisecond"])
@pytest.mark.parametrize("merge_when", [ALWAYS, NEVER], ids=["merged", "pending"])
def test_deleted_and_made_again_in_one_page(world: World, frozen: bool, merge_when: Any) -> None:
    if frozen:
        world.project.sandbox.control.freeze()
    world.make(range(4))
    world.run(merge_when=merge_when)
    world.delete("p1", "p2")
    world.make([1], name="again")
    world.make([7])
    world.delete("p7")
    world.run(merge_when=merge_when)
    world.check()


@pytest.mark.parametrize("shown", ["{}", '{"plant":{"Pump/v1":{}}}', '{"plant":{"Pump/v1":{"name":"last","count":1}}}'])
def test_tombstones_with_and_without_properties(world: World, shown: str) -> None:
    """Those without were dropped, so that the row stayed; those with took the rows of other spaces, and those made anew, with them."""

    def show(_request: HttpRequest, answer: HttpResponse) -> None:
        body = re.sub(rb'("deletedTime":\d+,"properties":){}', rb"\1" + shown.encode(), answer.body)
        object.__setattr__(answer, "body", body)

    world.project.call("POST", "/models/spaces", {"items": [{"space": "other"}]})
    world.make(range(4))
    world.apply({"externalId": "p1", "name": "another"}, space="other")
    world.wrap = lambda inner: Watched(inner, after=show)
    world.run()
    world.delete("p1", "p2", "p3")
    world.make([2], name="again")
    world.apply({"externalId": "p1", "name": "changed"}, {"externalId": "p3", "name": "new"}, space="other")
    assert world.run(merge_when=NEVER).deleted == 2
    world.check()
    world.run(merge_when=ALWAYS)
    world.check()
    assert pl.read_delta(world.lake.uri(NODES)).height == 4


def test_every_row_is_there_once_although_pages_overlap(world: World) -> None:
    world.run()
    world.project.sandbox.control.settings(sync_overlap=2)
    try:
        world.make(range(20))
        world.run(page_size=5)
    finally:
        world.project.sandbox.control.settings(sync_overlap=0)
    world.check()


# -- loads


def test_changes_while_the_load_runs(world: World) -> None:
    """Deleted and made again behind the reader: loaded twice, and still there once. Deleted: gone."""
    world.make(range(12))
    pages = []

    def edit(request: HttpRequest, _answer: HttpResponse) -> None:
        if request.path != QUERY:
            return
        pages.append(request)
        if len(pages) == 2:
            world.delete("p0", "p1", "p11")
            world.make([0, 20], name="in between")
            world.make([3], name="changed")

    world.wrap = lambda inner: Watched(inner, after=edit)
    world.run(load_page_size=4, merge_when=NEVER)
    assert len(pages) >= 3
    stored = pl.scan_delta(world.lake.uri(NODES)).collect()
    assert stored.filter(pl.col("_externalId") == "p0").height == 2
    world.wrap = lambda inner: inner
    world.check()
    world.run(merge_when=ALWAYS)
    world.check()
    assert pl.scan_delta(world.lake.uri(NODES)).collect().height == 11


def test_a_table_that_is_being_loaded_is_not_read(world: World) -> None:
    world.make(range(6))
    with pytest.raises(LakeError, match="no such table"):
        world.rows()
    world.project.sandbox.control.fault(path=QUERY, method="POST", kind="status", status=403, nth=3)
    with pytest.raises(CdfAccessError):
        world.run(load_page_size=2, commit_rows=2)
    with pytest.raises(LakeUnavailableError, match="is being loaded"):
        pin(world.lake, NODES)
    world.project.sandbox.control.clear_faults()
    world.run(load_page_size=2, commit_rows=2)
    world.check()


def test_a_load_resumed_after_days_begins_anew(world: World) -> None:
    world.make(range(6))
    world.project.sandbox.control.fault(path=QUERY, method="POST", kind="status", status=403, nth=3)
    with pytest.raises(CdfAccessError):
        world.run(load_page_size=2, commit_rows=2)
    world.project.sandbox.control.clear_faults()
    world.delete("p1")
    world.project.sandbox.control.advance(4 * DAY)
    world.run(load_page_size=2, commit_rows=2)
    world.check()


# -- a source that never rests, and one that is slow


def test_a_busy_source_does_not_hold_the_run(world: World) -> None:
    world.run()
    world.make(range(4))
    made: list[int] = []

    def busy(request: HttpRequest, _answer: HttpResponse) -> None:
        if request.path == SYNC:
            made.append(len(made))
            if len(made) > 200:
                raise AssertionError("the run does not end")
            world.project.sandbox.control.advance(1000)
            world.make([100 + 2 * len(made), 101 + 2 * len(made)])

    world.wrap = lambda inner: Watched(inner, after=busy)
    world.run(page_size=2)
    assert len(made) < 20
    world.wrap = lambda inner: inner
    world.run()
    world.check()


@pytest.mark.parametrize("status", [408, 503])
def test_pages_that_take_too_long_shrink_and_grow(world: World, status: int) -> None:
    world.make(range(300))
    sizes = []

    def heavy(request: HttpRequest) -> HttpResponse | None:
        if request.path not in (QUERY, SYNC):
            return None
        (expression,) = json.loads(request.body)["with"].values()
        sizes.append(expression["limit"])
        return HttpResponse(status, b'{"error": {"message": "slow"}}') if expression["limit"] > 100 else None

    world.wrap = lambda inner: Watched(inner, before=heavy)
    world.run(load_page_size=400)
    assert 400 in sizes
    assert {200, 100} <= set(sizes)
    world.check()
    world.make(range(600), name="again")
    sizes.clear()
    world.run(page_size=150)
    assert 75 in sizes
    assert max(sizes[2:]) > 75
    world.check()
