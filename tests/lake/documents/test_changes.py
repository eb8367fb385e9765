# SPDX-License-Identifier: Apache-2.0
"""Loading, following, resyncing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from airflow_provider_replicator.couchdb import databases
from airflow_provider_replicator.exceptions import (
    ConfigurationError,
    LakeConflictError,
    LakeUnavailableError,
)
from airflow_provider_replicator.lake.feeds.current import pin
from airflow_provider_replicator.lake.table import Table
from tests.lake.documents.world import ALWAYS, NEVER, Between

if TYPE_CHECKING:
    from tests.lake.documents.world import World


def test_a_first_run_loads_everything(world: World) -> None:
    world.make(range(10))
    report = world.run()
    assert report.tables == [{"table": world.path, "written": 10, "deleted": 0, "version": 1, "did": ["load"]}]
    assert (report.read, report.written, report.deleted) == (10, 10, 0)
    assert report.source == f"couch/{world.database}"
    assert report.requests["source"] > 0
    assert report.bytes > 0
    world.check()


@pytest.mark.parametrize("deletes", ["remove", "mark"])
def test_a_first_run_finds_tombstones(world: World, deletes: str) -> None:
    world.make(range(6))
    world.delete("d2", "d4")
    report = world.run(deletes=deletes)
    assert (report.read, report.written) == (6, 4 if deletes == "remove" else 6)
    if deletes == "remove":
        world.check()
    else:
        assert sorted(one for one, row in world.by_id().items() if row["_deleted"]) == ["d2", "d4"]


def test_an_empty_database_is_an_empty_table(world: World) -> None:
    assert world.run().written == 0
    assert world.rows() == []
    world.make([1])
    world.run()
    world.check()


@pytest.mark.parametrize("merge_when", [ALWAYS, NEVER], ids=["merged", "waiting"])
def test_changes_and_deletes_are_followed(world: World, merge_when: Any) -> None:
    world.make(range(10))
    world.run(merge_when=merge_when)
    world.make([20, 21])
    world.make([1, 2], name="again")
    world.delete("d3", "d4")
    report = world.run(merge_when=merge_when)
    assert (report.written, report.deleted) == (4, 2)
    world.check()
    world.make([3], name="made again")
    world.delete("d5")
    world.make([5])
    world.run(merge_when=merge_when)
    world.check()
    assert len(pl.read_delta(world.lake.uri(world.path))) == (11 if merge_when is ALWAYS else 10)


def test_nothing_has_changed(world: World) -> None:
    world.make(range(3))
    world.run()
    report = world.run()
    assert (report.read, report.written, report.deleted) == (0, 0, 0)
    assert world.did() == []
    # GET /, GET /db three times (at the start, before reading, before the commit), one page
    assert world.run().requests["source"] == 5


def test_small_pages_and_commits(world: World) -> None:
    world.make(range(23))
    world.run(page_size=5, commit_rows=7)
    world.check()
    world.make(range(10, 40), name="again")
    world.run(page_size=3)
    world.check()


def test_a_document_is_kept_as_it_came(world: World) -> None:
    text = (
        '{"_id":"a","float":1.10,"large":123456789012345678901234567890,"exp":1E5,"text":"ünï \\u0000 \\ud83d\\ude00"}'
    )
    with_numbers = json.loads(text)
    world.write({name: value for name, value in with_numbers.items() if name != "large"})
    world.run()
    (row,) = world.rows()
    assert json.loads(row["document"]) == world.documents()["a"]
    assert json.loads(row["document"])["text"] == "ünï \0 😀"


def test_the_winning_revision_is_the_row(world: World) -> None:
    (rev,) = world.write({"_id": "a", "n": 1}).values()
    loser = {"_id": "a", "_rev": f"1-{'0' * 32}", "n": "loser"}
    world.ask(lambda client: databases.bulk_docs(client, world.database, [loser], new_edits=False))
    world.run()
    assert [row["_rev"] for row in world.rows()] == [rev]
    world.ask(lambda client: databases.delete_document(client, world.database, "a", rev))
    world.run()
    assert [row["_rev"] for row in world.rows()] == [loser["_rev"]]
    world.check()


def test_odd_ids(world: World) -> None:
    ids = ["ünï/cödé", "plus+x", "a%25b", " ", "'quoted' \"twice\"", "_local-not", "x" * 500]
    ids = [one for one in ids if not one.startswith("_")]
    world.write(*({"_id": one} for one in ids))
    world.run()
    world.check()
    world.delete(*ids[:3])
    world.run()
    world.check()


def test_design_documents_are_code(world: World) -> None:
    world.make([1])
    world.write({"_id": "_design/views", "language": "query"})
    report = world.run()
    assert set(world.by_id()) == {"d1"}
    assert report.skipped == {"design document": 1}
    assert world.did(design_documents=True)[0].startswith("resync: other columns")
    assert set(world.by_id()) == {"d1", "_design/views"}


def test_deletes_are_marked_if_that_is_wanted(world: World) -> None:
    world.make(range(3))
    world.run(deletes="mark")
    world.delete("d1")
    report = world.run(deletes="mark")
    assert (report.written, report.deleted) == (1, 0)
    assert {one: row["_deleted"] for one, row in world.by_id().items()} == {"d0": False, "d1": True, "d2": False}
    world.make([1])
    world.run(deletes="mark")
    world.check()
    world.delete("d0")
    assert world.did()[0].startswith("resync")
    world.check()


def test_history_keeps_what_was_seen(world: World) -> None:
    world.make([1, 2])
    world.run(history=True)
    world.make([1], name="second")
    world.run(history=True)
    world.delete("d1")
    world.run(history=True)
    changes = pl.read_delta(world.lake.uri(world.changes_path)).sort("_batch", "_order")
    assert changes.select("_id", "_deleted").rows() == [("d1", False), ("d1", True)]
    world.check()


# -- what happens meanwhile


@pytest.mark.parametrize("merge_when", [ALWAYS, NEVER], ids=["merged", "waiting"])
def test_documents_that_are_written_while_they_are_loaded(world: World, merge_when: Any) -> None:
    """They are read twice; each is a row once."""
    world.make(range(20))
    world.wrap = lambda inner: Between(inner, "_changes", lambda: world.make(range(3), name="again"), skip=2)
    report = world.run(page_size=5, commit_rows=5, merge_when=merge_when)
    world.wrap = lambda inner: inner
    assert report.read > 20
    world.check()


def test_documents_that_are_deleted_while_they_are_loaded(world: World) -> None:
    world.make(range(20))
    world.wrap = lambda inner: Between(inner, "_changes", lambda: world.delete("d0", "d1", "d19"), skip=2)
    world.run(page_size=5, commit_rows=5)
    world.wrap = lambda inner: inner
    world.check()


def test_a_database_that_is_written_to_all_the_time_is_no_endless_one(world: World) -> None:
    world.make(range(5))
    world.run()
    world.make(range(5, 20))
    numbers = iter(range(1000, 10_000))
    world.wrap = lambda inner: Between(
        inner, "_changes", lambda: world.make([next(numbers) for _ in range(6)]), times=100
    )
    report = world.run(page_size=5)
    assert report.read < 100
    world.wrap = lambda inner: inner
    world.run()
    world.check()


def test_two_runs_at_once(world: World) -> None:
    """One of them commits; the other has written nothing."""
    world.make(range(5))
    world.run()
    world.make(range(5, 10))
    world.wrap = lambda inner: Between(inner, "_changes", second)

    def second() -> None:
        world.wrap = lambda inner: inner
        world.run()

    with pytest.raises(LakeConflictError):
        world.run()
    world.check()
    world.run()
    world.check()


def test_a_load_that_is_not_done_is_not_read_as_one(world: World) -> None:
    world.make(range(10))

    def stop() -> None:
        raise KeyError("stopped")

    world.wrap = lambda inner: Between(inner, "_changes", stop, skip=2)
    with pytest.raises(KeyError):
        world.run(page_size=2, commit_rows=2)
    with pytest.raises(LakeUnavailableError):
        pin(world.lake, world.path)
    world.wrap = lambda inner: inner
    report = world.run(page_size=2)
    assert report.resumed
    assert report.read < 10
    world.check()


# -- names


def test_tables_have_the_names_of_databases(world: World) -> None:
    world.make([1])
    world.run()
    assert world.path == f"documents/{world.database.replace('/', '!2F')}"
    world.run(table="other")
    assert len(pl.read_delta(world.lake.uri("documents/other"))) == 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"database": ""}, "database is missing"),
        ({"table": "_changes"}, "tables of changes are kept there"),
        ({"deletes": "keep"}, "deletes is 'keep': write 'remove' or 'mark'"),
        ({"page_size": 0}, "page_size is 0"),
        ({"columns": {"_x": "text"}}, "underscore"),
        ({"columns": {"x": "varchar"}}, "of type 'varchar': write a type"),
        ({"columns": {"x": "json[]"}}, "of type"),
        ({"columns": {"x": {"path": "a"}}}, "write a type"),
        ({"columns": {"x": {"type": "text", "path": "a..b"}}}, "has the path"),
    ],
)
def test_wrong_options_say_what_to_write(world: World, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        world.options(**wrong)


def test_cursors_are_tidied(world: World) -> None:
    for number in range(12):
        world.make([number])
        world.run()
    folder = f"{world.changes_path}/_cdf_cursors/"
    cursors = [one.key for one in world.lake.objects().list(folder)]
    assert 4 <= len(cursors) <= 12
    assert Table(world.lake, world.path).open() is not None
