# SPDX-License-Identifier: Apache-2.0
"""Windows of a database: in any order, more than once, several tasks, and always at least what was changed in them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_replicator.exceptions import ConfigurationError, ReplicationFailedError
from airflow_provider_replicator.operators.cloudant import CloudantReplicateOperator, CloudantReplicateWindowOperator
from tests.operators.couch_tasks import Task
from tests.operators.couch_world import PATIENT, REFUSED

if TYPE_CHECKING:
    from tests.contract.couchdb.client import Database
    from tests.operators.couch_world import World

FIRST = datetime(2026, 11, 1, tzinfo=UTC)


def day(number: int) -> dict[str, Any]:
    """The data interval of a run."""
    begin = FIRST + timedelta(days=number)
    return {"data_interval_start": begin, "data_interval_end": begin + timedelta(days=1)}


def window_task(world: World, source: Database, target: Database, number: int, **arguments: Any) -> Task:
    operator = CloudantReplicateWindowOperator(task_id="window", **world.ends(source, target, **arguments))
    return Task(operator, run_id=f"day {number}", more=day(number))


def kept(target: Database) -> dict[str, Any]:
    """What the target has of windows: begin -> sequence."""
    documents = [doc for name, doc in target.local().items() if name.startswith("airflow-window-")]
    return {begin: entry["seq"] for doc in documents for begin, entry in doc["windows"].items()}


def test_each_window_copies_what_has_changed_since_the_one_before(world: World) -> None:
    source, target = world.pair(30)
    first = window_task(world, source, target, 0, verify="revisions").run()
    source.fill(5, start=30)
    second = window_task(world, source, target, 1, verify="revisions").run()
    assert target.ids() == source.ids()
    assert first["window"] == {
        "start": "2026-11-01T00:00:00Z",
        "end": "2026-11-02T00:00:00Z",
        "origin": "data interval",
    }
    assert (first["since_window"], second["since_window"]) == (None, "2026-11-01T00:00:00Z")
    assert second["verification"]["documents"] == 5
    assert list(kept(target)) == ["2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z"]


def test_windows_leave_the_checkpoint_of_other_replications_alone(world: World) -> None:
    """With ``since_seq`` alone, servers up to 3.5.1 would skip everything older in the next plain run."""
    source, target = world.pair(20)
    other = world.database("-other")
    window_task(world, source, target, 0).run()
    source.fill(3, start=20)
    window_task(world, source, target, 1).run()
    target.post("_bulk_docs", json={"docs": [{"_id": "theirs"}]})
    for number in range(20):
        row = target.get(f"d{number:04}")
        target.post("_purge", json={row["_id"]: [row["_rev"]]})
    report = Task(CloudantReplicateOperator(task_id="plain", **world.ends(source, target))).run()
    assert report["docs_written"] == 20
    assert Task(CloudantReplicateOperator(task_id="plain", **world.ends(source, other))).run()["docs_written"] == 23


@pytest.mark.parametrize("order", [(2, 1, 0), (1, 0, 2, 1)])
def test_windows_in_any_order_and_twice_make_the_same_target(world: World, order: tuple[int, ...]) -> None:
    source, target = world.pair(0)
    for count, number in enumerate(order):
        source.fill(4, start=4 * count)
        task = window_task(world, source, target, number)
        task.run_id = f"{count}: day {number}"
        task.run()
        assert target.ids() == source.ids()


def test_a_window_that_is_run_again_brings_back_what_it_is_for(world: World) -> None:
    source, target = world.pair(3)
    window_task(world, source, target, 0).run()
    source.fill(3, start=3)
    again = window_task(world, source, target, 1)
    again.run()
    window_task(world, source, target, 0).cleared().run()
    lost = target.get("d0004")
    target.post("_purge", json={"d0004": [lost["_rev"]]})
    again.cleared().run()
    assert target.ids() == source.ids()


def test_a_window_that_failed_is_not_remembered(world: World) -> None:
    source, target = world.pair(3)
    source.put(REFUSED)
    world.refuse(target)
    with pytest.raises(ReplicationFailedError):
        window_task(world, source, target, 0).run()
    assert kept(target) == {}


def test_a_retry_remembers_where_the_first_try_began(world: World) -> None:
    """What was written after the job began is not in it: it belongs to the next window."""
    source, target = world.pair(3)
    world.slow(source, seconds=2)
    first = window_task(world, source, target, 0, deferrable=True, options=PATIENT)
    began = source.get()["update_seq"]
    first.defer()
    world.once(source, "running")
    source.fill(3, start=3)
    assert first.again().run()["adopted"] is True
    assert kept(target) == {"2026-11-01T00:00:00Z": began}
    world.control.clear_faults()
    window_task(world, source, target, 1).run()
    assert target.ids() == source.ids()


def test_a_retry_that_remembers_nothing_lets_the_next_window_copy_more(world: World) -> None:
    source, target = world.pair(3)
    world.slow(source, seconds=2)
    first = window_task(world, source, target, 0, deferrable=True, options=PATIENT)
    first.defer()
    world.once(source, "running")
    source.fill(3, start=3)
    second = window_task(world, source, target, 0, options=PATIENT, if_completed="reuse")
    assert second.run()["adopted"] is True
    assert kept(target) == {"2026-11-01T00:00:00Z": "0"}
    world.control.clear_faults()
    window_task(world, source, target, 1).run()
    assert target.ids() == source.ids()


def test_a_window_of_another_target_or_selection_begins_anew(world: World) -> None:
    source, target = world.pair(3)
    other = world.database("-other")
    window_task(world, source, target, 0).run()
    window_task(world, source, other, 1).run()
    assert other.ids() == source.ids()
    some = world.database("-some")
    window_task(world, source, some, 2, doc_ids=["d0001"]).run()
    window_task(world, source, some, 3).run()
    assert some.ids() == source.ids()


def test_a_source_that_was_made_again_is_copied_whole(world: World) -> None:
    source, target = world.pair(3)
    window_task(world, source, target, 0).run()
    world.couch.delete(source.name)
    world.couch.put(source.name)
    source.put("new")
    window_task(world, source, target, 1).run()
    assert "new" in target.ids()


def test_a_target_that_was_made_again_is_filled_again(world: World) -> None:
    source, target = world.pair(3)
    window_task(world, source, target, 0).run()
    world.couch.delete(target.name)
    window_task(world, source, target, 1, create_target=True).run()
    assert target.ids() == source.ids()


def test_without_a_window_it_replicates_as_any_other(world: World) -> None:
    source, target = world.pair(3)
    operator = CloudantReplicateWindowOperator(task_id="window", **world.ends(source, target))
    report = Task(operator).run()
    assert (report["window"], report["docs_written"], kept(target)) == (None, 3, {})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"mode": "window"}, "three ways to give a window"),
        ({"mode": "full", "window_start": "2026-11-01", "window_end": "2026-11-02"}, "leave out window_start"),
        ({"window_start": "2026-11-02", "window_end": "2026-11-01"}, "is reversed"),
        ({"continuous": True}, "has no windows"),
        ({"options": {"since_seq": "0"}}, "follows from the window"),
        ({"on_duplicate": "adopt"}, "began elsewhere"),
    ],
)
def test_what_has_no_meaning_is_refused_before_anything_is_opened(arguments: dict[str, Any], words: str) -> None:
    operator = CloudantReplicateWindowOperator(
        task_id="window", source_conn_id="none", source_db="a", target_conn_id="none", **arguments
    )
    with pytest.raises(ConfigurationError, match=words):
        Task(operator).run()
