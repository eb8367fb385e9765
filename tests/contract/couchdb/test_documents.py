# SPDX-License-Identifier: Apache-2.0
"""Documents and their revisions, conflicts, tombstones, local documents."""

from __future__ import annotations

import pytest

from tests.contract.couchdb.client import Database, branch, by, refused, rev

everywhere = pytest.mark.servers("sandbox", "pouchdb", "real")
CONFLICT = (409, "conflict", "Document update conflict.")
MISSING = (404, "not_found", "missing")
DELETED = (404, "not_found", "deleted")


@everywhere
def test_a_document_is_written_read_changed_and_deleted(db: Database) -> None:
    made = db.ask("PUT", "a", json={"x": 1})
    assert made.status_code == 201
    first = made.json()["rev"]
    assert made.json() == {"ok": True, "id": "a", "rev": first}
    assert first.startswith("1-")
    assert db.get("a") == {"_id": "a", "_rev": first, "x": 1}

    second = db.put("a", {"_rev": first, "x": 2})
    assert second.startswith("2-")
    assert db.get("a")["x"] == 2
    assert db.get("a", rev=first)["x"] == 1

    third = db.remove("a", second)
    assert third.startswith("3-")
    assert refused(db.ask("GET", "a"))[:2] == DELETED[:2]
    assert db.get("a", rev=third) == {"_id": "a", "_rev": third, "_deleted": True}
    assert refused(db.ask("GET", "never")) == MISSING


@everywhere
def test_only_the_newest_revision_can_be_changed(db: Database) -> None:
    first = db.put("a", {"x": 1})
    second = db.put("a", {"_rev": first, "x": 2})
    assert refused(db.ask("PUT", "a", json={"x": 3}))[:2] == CONFLICT[:2]
    assert refused(db.ask("PUT", "a", json={"x": 3, "_rev": first}))[:2] == CONFLICT[:2]
    assert refused(db.ask("DELETE", "a", rev=first))[:2] == CONFLICT[:2]
    assert db.get("a")["_rev"] == second


def test_how_a_conflict_is_said(db: Database) -> None:
    first = db.put("a", {})
    assert refused(db.ask("PUT", "a", json={})) == CONFLICT
    assert refused(db.ask("PUT", "a", json={"_rev": rev(1, "a")})) == CONFLICT
    assert refused(db.ask("DELETE", "a")) == CONFLICT
    assert refused(db.ask("DELETE", "never")) == MISSING
    assert refused(db.ask("DELETE", "never", rev=first)) == MISSING
    db.remove("a", first)
    assert refused(db.ask("GET", "a", rev=rev(7, "a"))) == MISSING


def test_revisions_that_are_none(db: Database) -> None:
    first = db.put("a", {})
    malformed = (400, "bad_request", "Invalid rev format")
    assert refused(db.ask("PUT", "a", json={"_rev": "bad"})) == malformed
    assert refused(db.ask("GET", "a", rev="bad")) == malformed
    both = refused(db.ask("PUT", "a", json={"_rev": rev(1, "a")}, rev=first))
    assert both == (400, "bad_request", "Document rev from request body and query string have different values")


def test_the_name_of_a_revision_follows_from_its_content(db: Database, target: Database) -> None:
    assert db.put("a", {}) == "1-967a00dff5e02add41819138abb3284d"
    assert target.put("b", {}) == "1-967a00dff5e02add41819138abb3284d"
    assert db.put("c", {"x": 1}) == target.put("d", {"x": 1}) != db.put("e", {"x": 2})


def test_a_deleted_document_can_be_written_again(db: Database) -> None:
    tombstone = db.remove("a", db.put("a", {}))
    again = db.put("a", {"x": 1})
    assert again.startswith("3-")
    history = db.get("a", revs=True)["_revisions"]
    assert history["start"] == 3
    assert history["ids"][1] == tombstone.partition("-")[2]


def test_a_tombstone_may_say_something(db: Database) -> None:
    answer = db.ask("PUT", "a", json={"_deleted": True, "why": "old"})
    assert answer.status_code == 200
    assert refused(db.ask("GET", "a")) == DELETED
    assert db.get("a", rev=answer.json()["rev"])["why"] == "old"


@pytest.mark.parametrize("doc_id", ["a/b", "plus+x", "a%25b", "ünï/cödé", "a b", "?&=#", "-_.~"])
@everywhere
def test_ids_are_anything(db: Database, doc_id: str) -> None:
    written = db.put(doc_id, {"x": 1})
    assert db.get(doc_id) == {"_id": doc_id, "_rev": written, "x": 1}
    assert doc_id in db.ids()
    assert [row["id"] for row in db.changes()["results"]] == [doc_id]
    db.remove(doc_id, written)


def test_ids_and_fields_that_it_refuses(db: Database) -> None:
    reserved = refused(db.ask("PUT", "_x", json={}))
    assert reserved == (400, "illegal_docid", "Only reserved document ids may start with underscore.")
    unknown = refused(db.ask("PUT", "a", json={"_airflow": 1}))
    assert unknown == (400, "doc_validation", "Bad special document member: _airflow")


def test_documents_that_are_too_large(db: Database) -> None:
    large = {"text": "x" * 8_000_001}
    assert refused(db.ask("PUT", "a", json=large))[:2] == (413, "document_too_large")
    among_others = refused(db.ask("POST", "_bulk_docs", json={"docs": [{"_id": "b"}, {"_id": "a", **large}]}))
    assert among_others == (413, "document_too_large", "a")
    assert db.ids() == set()


def test_the_revision_is_in_the_headers(db: Database) -> None:
    made = db.ask("PUT", "a", json={})
    tag = f'"{made.json()["rev"]}"'
    assert made.headers["ETag"] == tag
    assert made.headers["Location"].endswith(f"/{db.name}/a")
    head = db.ask("HEAD", "a")
    assert (head.status_code, head.headers["ETag"], head.content) == (200, tag, b"")
    assert db.ask("GET", "a", headers={"If-None-Match": tag}).status_code == 304


def test_an_id_is_made_up_for_a_document_without_one(db: Database) -> None:
    made = db.post(json={"x": 1})
    assert db.get(made["id"])["x"] == 1


@everywhere
def test_branches_are_kept_and_one_wins(db: Database) -> None:
    db.graft(branch("k", "a", "c", side="a"), branch("k", "b", "c", side="b"))
    db.graft(branch("k", "b", "c", side="b"))  # known already
    winner = db.get("k", conflicts=True)
    assert (winner["side"], winner["_conflicts"]) == ("b", [rev(2, "a")])
    assert db.get("k", rev=rev(2, "a"))["side"] == "a"
    leaves = db.ask("GET", "k", open_revs="all", headers={"Accept": "application/json"}).json()
    assert {leaf["ok"]["_rev"] for leaf in leaves} == {rev(2, "a"), rev(2, "b")}

    # The longer branch wins, whatever its name is; a deleted one never does.
    db.graft(branch("k", "0", "a", "c", side="long"))
    assert db.get("k")["side"] == "long"
    db.graft(branch("k", "f", "0", "a", "c", _deleted=True))
    assert db.get("k")["side"] == "b"


def test_what_is_known_of_the_past(db: Database) -> None:
    db.graft(branch("k", "a", "c"), branch("k", "b", "c"))
    assert db.get("k", revs_info=True)["_revs_info"] == [
        {"rev": rev(2, "b"), "status": "available"},
        {"rev": rev(1, "c"), "status": "missing"},
    ]
    assert refused(db.ask("GET", "k", rev=rev(1, "c"))) == MISSING
    tombstone = db.remove("k", rev(2, "b"))
    meta = db.get("k", meta=True)
    assert (meta["_rev"], meta["_deleted_conflicts"]) == (rev(2, "a"), [tombstone])
    assert "_conflicts" not in meta


def test_leaves_are_found_from_an_ancestor(db: Database) -> None:
    db.graft(branch("k", "a", "c"), branch("k", "b", "c"))
    as_json = {"Accept": "application/json"}
    latest = db.ask("GET", "k", open_revs=[rev(1, "c")], latest=True, headers=as_json).json()
    assert {each["ok"]["_rev"] for each in latest} == {rev(2, "a"), rev(2, "b")}
    both = db.ask("GET", "k", open_revs=[rev(2, "a"), rev(9, "a")], headers=as_json).json()
    assert both[0]["ok"]["_rev"] == rev(2, "a")
    assert both[1] == {"missing": rev(9, "a")}
    assert refused(db.ask("GET", "never", open_revs="all", headers=as_json)) == MISSING


@everywhere
def test_all_documents_by_id(db: Database) -> None:
    db.fill(5)
    db.remove("d0002", db.get("d0002")["_rev"])
    found = db.get("_all_docs")
    assert (found["total_rows"], [row["id"] for row in found["rows"]]) == (4, ["d0000", "d0001", "d0003", "d0004"])
    page = db.get("_all_docs", limit=2, skip=1, include_docs=True)["rows"]
    assert [row["doc"]["n"] for row in page] == [1, 3]
    assert page[0]["value"] == {"rev": page[0]["doc"]["_rev"]}
    part = db.get("_all_docs", startkey='"d0001"', endkey='"d0003"')["rows"]
    assert [row["id"] for row in part] == ["d0001", "d0003"]
    down = db.get("_all_docs", descending=True, limit=1)["rows"]
    assert [row["id"] for row in down] == ["d0004"]


def test_documents_that_are_asked_for_by_id(db: Database) -> None:
    db.fill(2)
    tombstone = db.remove("d0001", db.get("d0001")["_rev"])
    rows = by("key", db.post("_all_docs", json={"keys": ["d0001", "d0000", "never"]})["rows"])
    assert list(rows) == ["d0001", "d0000", "never"]
    assert rows["d0001"]["value"] == {"rev": tombstone, "deleted": True}
    assert rows["never"] == {"key": "never", "error": "not_found"}


@everywhere
def test_local_documents_stay_where_they_are(db: Database) -> None:
    before = db.get()
    assert refused(db.ask("GET", "_local", "mine"))[0] == 404
    first = db.put("_local/mine", {"x": 1})
    assert first == "0-1"
    second = db.put("_local/mine", {"_rev": first, "x": 2})
    assert second == "0-2"
    assert db.get("_local", "mine") == {"_id": "_local/mine", "_rev": second, "x": 2}
    assert db.get()["doc_count"] == before["doc_count"]
    assert db.changes()["results"] == []
    assert db.ids() == set()
    db.remove("_local/mine", second)
    assert refused(db.ask("GET", "_local", "mine"))[0] == 404


def test_local_documents_are_listed_and_overwritten_without_a_revision(db: Database) -> None:
    db.put("_local/a/b", {"x": 1})
    db.put("_local/c")
    assert db.put("_local/c", {"x": 2}) == "0-1"
    found = db.get("_local_docs", include_docs=True)
    assert [row["id"] for row in found["rows"]] == ["_local/a/b", "_local/c"]
    assert found["rows"][1]["doc"] == {"_id": "_local/c", "_rev": "0-1", "x": 2}
    assert db.get("_local", "a/b")["x"] == 1
