# SPDX-License-Identifier: Apache-2.0
"""The feed of changes, read page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.couchdb.client import Couch, Database, Doc, branch, by, refused, rev

if TYPE_CHECKING:
    from collections.abc import Callable

everywhere = pytest.mark.servers("sandbox", "pouchdb", "real")


def changed(feed: Doc) -> list[str]:
    """Ids in the order of the feed, which between the shards of a database is nobody's promise."""
    return [row["id"] for row in feed["results"]]


@everywhere
def test_every_document_is_in_the_feed_once(db: Database) -> None:
    db.fill(4)
    changed_again = db.put("d0001", {"_rev": db.get("d0001")["_rev"], "n": 11})
    tombstone = db.remove("d0002", db.get("d0002")["_rev"])
    rows = by("id", db.changes()["results"])
    assert sorted(rows) == ["d0000", "d0001", "d0002", "d0003"]
    assert rows["d0001"]["changes"] == [{"rev": changed_again}]
    assert rows["d0002"]["changes"] == [{"rev": tombstone}]
    assert [row["id"] for row in rows.values() if row.get("deleted")] == ["d0002"]


@everywhere
def test_it_goes_on_where_it_was_left(db: Database) -> None:
    db.fill(3)
    seen = db.changes()["last_seq"]
    assert db.changes(since=seen)["results"] == []
    db.fill(2, start=3)
    assert sorted(changed(db.changes(since=seen))) == ["d0003", "d0004"]


def test_pages_and_what_is_pending(db: Database) -> None:
    db.fill(7)
    found: list[str] = []
    since, pendings = "0", []
    for _ in range(3):
        page = db.changes(since=since, limit=3)
        assert page["last_seq"] == page["results"][-1]["seq"]
        found += changed(page)
        since = page["last_seq"]
        pendings.append(page["pending"])
    assert sorted(found) == [f"d{n:04}" for n in range(7)]
    assert pendings == [4, 1, 0]
    assert db.changes(since=since)["pending"] == 0


def test_the_winner_is_the_first_leaf(db: Database) -> None:
    db.graft(branch("k", "a", "c"), branch("k", "b", "c"), branch("k", "f", "e", "c", _deleted=True))
    (leaves,) = db.changes(style="all_docs")["results"]
    assert leaves["changes"][0]["rev"] == rev(2, "b")


def test_counting_without_reading(db: Database) -> None:
    db.fill(5)
    counted = db.changes(limit=0)
    assert (counted["results"], counted["pending"]) == ([], 5)
    assert counted["last_seq"].startswith("0-")
    two = db.changes(limit=2)["last_seq"]
    assert db.changes(limit=0, since=two)["pending"] == 3
    assert db.changes(limit=0, since="now")["pending"] == 0


@everywhere
def test_from_now_on(db: Database) -> None:
    db.fill(2)
    now = db.changes(since="now")
    assert now["results"] == []
    db.put("later")
    assert changed(db.changes(since=now["last_seq"])) == ["later"]


@everywhere
def test_all_leaves_or_the_winner(db: Database) -> None:
    db.graft(branch("k", "a", "c"), branch("k", "b", "c"), branch("k", "f", "e", "c", _deleted=True))
    (winner,) = db.changes()["results"]
    assert [each["rev"] for each in winner["changes"]] == [rev(2, "b")]
    assert "deleted" not in winner
    (leaves,) = db.changes(style="all_docs")["results"]
    assert {each["rev"] for each in leaves["changes"]} == {rev(2, "a"), rev(2, "b"), rev(3, "f")}


@everywhere
def test_documents_come_along(db: Database) -> None:
    db.graft(branch("k", "a", "c", x=1), branch("k", "b", "c", x=2), branch("gone", "d", _deleted=True))
    rows = by("id", db.changes(include_docs=True, conflicts=True)["results"])
    assert rows["k"]["doc"]["x"] == 2
    assert rows["k"]["doc"]["_conflicts"] == [rev(2, "a")]
    assert rows["gone"]["doc"] == {"_id": "gone", "_rev": rev(1, "d"), "_deleted": True}


@everywhere
def test_a_database_of_one_shard_has_an_order(admin: Couch, new_name: Callable[[], str]) -> None:
    db = Database(admin, new_name())
    admin.put(db.name, q=1)
    db.fill(3)
    db.put("d0001", {"_rev": db.get("d0001")["_rev"]})
    assert changed(db.changes()) == ["d0000", "d0002", "d0001"]
    assert changed(db.changes(descending=True)) == ["d0001", "d0002", "d0000"]
    assert changed(db.changes(descending=True, limit=1)) == ["d0001"]


def test_sequences_are_opaque_strings(db: Database, target: Database) -> None:
    db.fill(3)
    rows = db.changes()["results"]
    assert {type(row["seq"]) for row in rows} == {str}
    assert sorted(int(row["seq"].partition("-")[0]) for row in rows) == [1, 2, 3]
    malformed = (400, "bad_request", "Malformed sequence supplied in 'since' parameter.")
    for since in ("5", "bad", "3-bad"):
        assert refused(db.ask("GET", "_changes", since=since)) == malformed


def test_most_sequences_can_be_left_out(db: Database) -> None:
    db.fill(10)
    feed = db.changes(seq_interval=5)
    assert sum(row["seq"] is not None for row in feed["results"]) == 2
    assert isinstance(feed["last_seq"], str)
    assert db.changes(since=feed["last_seq"])["results"] == []
    page = db.changes(seq_interval=4, limit=4)
    assert sum(row["seq"] is not None for row in page["results"]) <= 2
    assert len(changed(db.changes(since=page["last_seq"]))) == 6


def filtered(db: Database, name: str, body: Any, **params: Any) -> Doc:
    feed: Doc = db.post("_changes", json=body, filter=name, **params)
    return feed


@everywhere
def test_named_documents_only(db: Database) -> None:
    db.fill(5)
    assert sorted(changed(filtered(db, "_doc_ids", {"doc_ids": ["d0001", "d0003", "never"]}))) == ["d0001", "d0003"]


def test_documents_that_match_a_selector(db: Database) -> None:
    db.fill(6)
    tombstone = db.remove("d0005", db.get("d0005")["_rev"])
    feed = filtered(db, "_selector", {"selector": {"n": {"$gt": 3}}})
    assert changed(feed) == ["d0004"]
    assert feed["pending"] == 0
    assert feed["last_seq"].startswith("7-"), "it has seen what it left out"
    deleted = filtered(db, "_selector", {"selector": {"_deleted": True}})
    assert [(row["id"], row["changes"]) for row in deleted["results"]] == [("d0005", [{"rev": tombstone}])]
    first = filtered(db, "_selector", {"selector": {"_id": {"$gt": None}}}, limit=2)
    assert (len(changed(first)), first["pending"]) == (2, 4)


def test_a_selector_looks_at_every_leaf(db: Database) -> None:
    db.graft(branch("k", "a", "c", side="a"), branch("k", "b", "c", side="b"))
    assert changed(filtered(db, "_selector", {"selector": {"side": "a"}})) == []
    (both,) = filtered(db, "_selector", {"selector": {"side": "a"}}, style="all_docs")["results"]
    assert both["changes"] == [{"rev": rev(2, "a")}]


def test_design_documents_only(db: Database) -> None:
    db.fill(2)
    db.put("_design/x")
    assert changed(db.changes(filter="_design")) == ["_design/x"]


def test_filters_that_make_no_sense(db: Database) -> None:
    def get(name: str) -> tuple[int, str, str]:
        return refused(db.ask("GET", "_changes", filter=name))

    assert get("_selector") == (400, "bad_request", "Selector must be specified in POST payload")
    assert get("one") == (400, "bad_request", "`filter` must be of the form `designname/filtername`")
    assert get("no/such") == (404, "not_found", "missing")
    ids = refused(db.ask("POST", "_changes", json={}, filter="_doc_ids"))
    assert ids == (400, "bad_request", "`doc_ids` filter parameter is not a list of doc ids.")
    operator = refused(db.ask("POST", "_changes", json={"selector": {"$foo": 1}}, filter="_selector"))
    assert operator == (400, "bad_request", "Invalid operator: $foo")
