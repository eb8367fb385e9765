# SPDX-License-Identifier: Apache-2.0
"""What a replication is made of: many documents in one request, and the question which of them are missing."""

from __future__ import annotations

import pytest

from tests.contract.couchdb.client import Database, Doc, branch, by, refused, rev

everywhere = pytest.mark.servers("sandbox", "pouchdb", "real")


@everywhere
def test_many_documents_are_written_at_once(db: Database) -> None:
    db.put("there")
    answer = db.ask("POST", "_bulk_docs", json={"docs": [{"_id": "new"}, {"_id": "there"}, {"x": 1}]})
    assert answer.status_code == 201
    new, there, unnamed = answer.json()
    assert (new["ok"], new["id"]) == (True, "new")
    assert new["rev"].startswith("1-")
    assert (there["id"], there["error"]) == ("there", "conflict")
    assert db.get(unnamed["id"])["x"] == 1


def test_a_conflict_among_many(db: Database) -> None:
    db.put("there")
    (there,) = db.post("_bulk_docs", json={"docs": [{"_id": "there"}]})
    assert there == {"id": "there", "error": "conflict", "reason": "Document update conflict."}


@everywhere
def test_revisions_are_stored_as_they_are(db: Database) -> None:
    assert db.graft(branch("k", "a", "c"), branch("gone", "b", _deleted=True, left=1)) == []
    assert db.get("k", revs=True)["_revisions"] == {"start": 2, "ids": ["a" * 32, "c" * 32]}
    assert refused(db.ask("GET", "gone"))[0] == 404
    assert db.get("gone", rev=rev(1, "b"))["left"] == 1


def test_one_bad_document_spoils_the_request(db: Database) -> None:
    def bulk(*docs: object) -> tuple[int, str, str]:
        return refused(db.ask("POST", "_bulk_docs", json={"docs": docs}))

    reserved = "Only reserved document ids may start with underscore."
    assert bulk({"_id": "fine"}, {"_id": "_x"}) == (400, "illegal_docid", reserved)
    member = "Bad special document member: _foo"
    assert bulk({"_id": "fine"}, {"_id": "x", "_foo": 1}) == (400, "doc_validation", member)
    assert bulk(1) == (400, "bad_request", "Document must be a JSON object")
    assert db.ids() == set()


def test_requests_without_documents(db: Database) -> None:
    missing = refused(db.ask("POST", "_bulk_docs", json={}))
    assert missing == (400, "bad_request", "POST body must include `docs` parameter.")
    wrong = refused(db.ask("POST", "_bulk_docs", json={"docs": 1}))
    assert wrong == (400, "bad_request", "`docs` parameter must be an array.")
    assert db.post("_bulk_docs", json={"docs": []}) == []
    unnamed = refused(db.ask("POST", "_bulk_docs", json={"docs": [{"_id": "x"}], "new_edits": False}))
    reason = "When `new_edits: false`, the document needs `_rev` or `_revisions` specified"
    assert unnamed == (400, "bad_request", reason)


@everywhere
def test_which_revisions_are_missing(db: Database) -> None:
    db.graft(branch("k", "a", "c"), branch("k", "b", "c"), branch("gone", "a", _deleted=True))
    asked = {"k": [rev(2, "a"), rev(9, "a")], "new": [rev(1, "a")], "gone": [rev(1, "a")]}
    missing = db.post("_revs_diff", json=asked)
    assert missing.keys() == {"k", "new"}
    assert missing["k"]["missing"] == [rev(9, "a")]
    assert missing["new"]["missing"] == [rev(1, "a")]


def test_ancestors_are_not_missing_and_may_be_of_use(db: Database) -> None:
    db.graft(branch("k", "a", "c"), branch("k", "b", "c"))
    assert db.post("_revs_diff", json={"k": [rev(1, "c"), rev(2, "b")]}) == {}
    missing = db.post("_revs_diff", json={"k": [rev(3, "f"), rev(2, "e")], "new": [rev(1, "a")]})
    assert sorted(missing["k"]["missing"]) == [rev(2, "e"), rev(3, "f")]
    assert sorted(missing["k"]["possible_ancestors"]) == [rev(2, "a"), rev(2, "b")]
    assert "possible_ancestors" not in missing["new"]
    assert refused(db.ask("POST", "_revs_diff", json=[]))[:2] == (400, "bad_request")


def results(answer: Doc) -> list[tuple[str, list[Doc]]]:
    return [(each["id"], each["docs"]) for each in answer["results"]]


@everywhere
def test_many_documents_are_read_at_once(db: Database) -> None:
    db.graft(branch("k", "a", "c", side="a"), branch("k", "b", "c", side="b"))
    asked = [{"id": "k", "rev": rev(2, "a")}, {"id": "k", "rev": rev(2, "b")}, {"id": "k", "rev": rev(9, "a")}]
    found = results(db.post("_bulk_get", json={"docs": asked}, revs=True))
    docs = [doc for _, group in found for doc in group]
    sides = {doc["ok"]["side"]: doc["ok"] for doc in docs if "ok" in doc}
    assert sides["a"]["_rev"] == rev(2, "a")
    assert sides["b"]["_revisions"] == {"start": 2, "ids": ["b" * 32, "c" * 32]}
    assert len(docs) == 3


def test_documents_that_are_not_there(db: Database) -> None:
    db.graft(branch("k", "a"), branch("gone", "b", _deleted=True))
    asked: list[Doc] = [{"id": "k"}, {"id": "never"}, {"id": "k", "rev": rev(9, "a")}, {"id": "gone"}]
    leaf, never, other, gone = results(db.post("_bulk_get", json={"docs": asked}))
    assert leaf == ("k", [{"ok": {"_id": "k", "_rev": rev(1, "a")}}])
    error = {"id": "never", "rev": "undefined", "error": "not_found", "reason": "missing"}
    assert never == ("never", [{"error": error}])
    assert other == ("k", [{"error": {**error, "id": "k", "rev": rev(9, "a")}}])
    assert gone == ("gone", [{"ok": {"_id": "gone", "_rev": rev(1, "b"), "_deleted": True}}])


def test_questions_that_make_no_sense(db: Database) -> None:
    assert refused(db.ask("POST", "_bulk_get", json={})) == (400, "bad_request", "Missing JSON list of 'docs'.")
    asked = {"docs": [{"rev": rev(1, "a")}, {"id": "k", "rev": "bad"}]}
    unnamed, malformed = results(db.post("_bulk_get", json=asked))
    assert unnamed[1][0]["error"]["reason"] == "document id missed"
    assert malformed[1][0]["error"]["reason"] == "Invalid rev format"


def test_leaves_of_an_ancestor(db: Database) -> None:
    db.graft(branch("k", "a", "c"), branch("k", "b", "c"))
    ((_, docs),) = results(db.post("_bulk_get", json={"docs": [{"id": "k", "rev": rev(1, "c")}]}, latest=True))
    assert by("_rev", (each["ok"] for each in docs)).keys() == {rev(2, "a"), rev(2, "b")}
    ((_, all_docs),) = results(db.post("_bulk_get", json={"docs": [{"id": "k"}]}))
    assert len(all_docs) == 2
