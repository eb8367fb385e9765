# SPDX-License-Identifier: Apache-2.0
"""Many documents at once, as clients and replicators ask for them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.couchdb.caller import Caller, revision


def test_each_document_has_its_own_result(db: Caller) -> None:
    db.put("x", v=1)
    answer = db("POST", "/_bulk_docs", {"docs": [{"_id": "new"}, {"_id": "x"}, {"_id": "new"}, {"v": 1}]})
    assert answer.status == 201
    made, stale, twice, unnamed = answer.json
    assert made == {"ok": True, "id": "new", "rev": "1-967a00dff5e02add41819138abb3284d"}
    assert stale == {"id": "x", "error": "conflict", "reason": "Document update conflict."}
    assert twice["error"] == "conflict"
    assert len(unnamed["id"]) == 32


def test_revisions_of_a_replicator_only_fail_by_name(db: Caller) -> None:
    assert db.graft(revision("a", "2-b", "1-a", v=1), revision("a", "2-c", "1-a", v=2)).json == []
    assert db("GET", "/a?conflicts=true").json == {"_id": "a", "_rev": "2-c", "v": 2, "_conflicts": ["2-b"]}
    assert db.graft(revision("a", "2-c", "1-a", v=3)).json == []
    assert db("GET", "/a").json["v"] == 2  # what is known already is left alone
    assert db.graft({"_id": "a"}).error[0] == 400


def test_what_is_written_together_is_numbered_by_id_and_once_a_document(db: Caller) -> None:
    db.graft(revision("b", "1-a"), revision("a", "1-a"), revision("b", "2-b", "1-a"), revision("b", "2-c", "1-a"))
    page = db("GET", "/_changes?style=all_docs").json
    assert [(row["id"], row["seq"].partition("-")[0]) for row in page["results"]] == [("a", "1"), ("b", "2")]
    assert page["results"][1]["changes"] == [{"rev": "2-c"}, {"rev": "2-b"}]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "POST body must include `docs` parameter."),
        ({"docs": 3}, "`docs` parameter must be an array."),
        ({"docs": [], "new_edits": "x"}, "`new_edits` parameter must be a boolean."),
        ({"docs": [{"_id": "a"}, 3]}, "Document must be a JSON object"),
        ({"docs": [{"_id": "a"}, {"_id": "b", "_rev": "x"}]}, "Invalid rev format"),
        ([], "Request body must be a JSON object"),
    ],
)
def test_a_request_that_cannot_be_read_stores_nothing(db: Caller, body: Any, reason: str) -> None:
    assert db("POST", "/_bulk_docs", body).error == (400, "bad_request", reason)
    assert db("GET", "").json["doc_count"] == 0


def test_which_revisions_are_missing(db: Caller) -> None:
    db.graft(revision("n", "2-c", "1-a"), revision("n", "3-e", "2-d", "1-a", _deleted=True))
    asked = {"n": ["1-a", "2-c", "2-d", "3-e", "4-x", "1-y"], "known": [], "zz": ["1-x"]}
    assert db("POST", "/_revs_diff", asked).json == {
        "n": {"missing": ["1-y", "4-x"], "possible_ancestors": ["2-c", "3-e"]},
        "zz": {"missing": ["1-x"]},
    }
    assert db("POST", "/_revs_diff", {"n": ["1-a"]}).json == {}
    assert db("POST", "/_missing_revs", asked).json == {"missing_revs": {"n": ["1-y", "4-x"], "zz": ["1-x"]}}
    assert db("POST", "/_revs_diff", {"n": ["x"]}).error == (400, "bad_request", "Invalid rev format")
    assert db("GET", "/_revs_diff").error == (405, "method_not_allowed", "Only POST allowed")
    assert db("POST", "/_revs_diff", b"{}", content_type="text/plain").status == 415


def test_many_documents_are_read_at_once(db: Caller) -> None:
    db.graft(revision("n", "2-c", "1-a", w=1), revision("n", "2-d", "1-a", w=2), revision("n", "3-e", "2-c", "1-a"))
    wanted = [
        {"id": "n"},
        {"id": "n", "rev": "2-c"},
        {"id": "n", "rev": "9-x"},
        {"id": "no"},
        {},
        {"id": "n", "rev": "x"},
    ]
    results = db("POST", "/_bulk_get", {"docs": wanted}).json["results"]
    assert [doc["ok"]["_rev"] for doc in results[0]["docs"]] == ["3-e", "2-d"]
    assert results[1] == {"id": "n", "docs": [{"ok": {"_id": "n", "_rev": "2-c", "w": 1}}]}
    problems = [result["docs"][0]["error"] for result in results[2:]]
    assert [(one["rev"], one["error"]) for one in problems] == [
        ("9-x", "not_found"),
        ("undefined", "not_found"),
        (None, "bad_request"),
        ("x", "bad_request"),
    ]
    latest = db("POST", "/_bulk_get?latest=true&revs=true", {"docs": [{"id": "n", "rev": "1-a"}]}).json["results"]
    assert [doc["ok"]["_revisions"]["ids"] for doc in latest[0]["docs"]] == [["e", "c", "a"], ["d", "a"]]


def test_purged_revisions_are_forgotten(db: Caller) -> None:
    db.graft(revision("a", "2-b", "1-a"), revision("a", "2-c", "1-a"), revision("b", "1-a"))
    answer = db("POST", "/_purge", {"a": ["2-c", "1-a"], "b": ["1-a"], "none": ["1-x"]})
    assert answer.status == 201
    assert answer.json == {"purge_seq": None, "purged": {"a": ["2-c"], "b": ["1-a"], "none": []}}
    assert db("GET", "/a").json["_rev"] == "2-b"
    assert db("GET", "/b").error == (404, "not_found", "missing")
    assert [row["id"] for row in db("GET", "/_changes").json["results"]] == ["a"]
    assert db("POST", "/_revs_diff", {"b": ["1-a"]}).json == {"b": {"missing": ["1-a"]}}
    assert db.graft(revision("b", "1-a")).json == []
    assert db("GET", "").json["doc_count"] == 2


def test_old_ancestors_are_stemmed(db: Caller) -> None:
    assert db("PUT", "/_revs_limit", b"3").json == {"ok": True}
    rev = db.put("a", n=0)
    for n in range(1, 6):
        rev = db.put("a", _rev=rev, n=n)
    assert len(db("GET", "/a?revs=true").json["_revisions"]["ids"]) == 3
    assert db("GET", "/_revs_limit").json == 3
