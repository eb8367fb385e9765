# SPDX-License-Identifier: Apache-2.0
"""``_all_docs``, ``_find`` and ``_index``."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.couchdb.caller import Caller

NO_SORT = (400, "no_usable_index", "No index exists for this sort, try indexing by the sort fields.")


@pytest.fixture
def filled(db: Caller) -> Caller:
    """a … e, a design document, and ``gone``."""
    db("POST", "/_bulk_docs", {"docs": [{"_id": name, "n": n} for n, name in enumerate("badce")]})
    db.put("_design/x", language="javascript")
    rev = db.put("gone")
    db("DELETE", f"/gone?rev={rev}")
    return db


@pytest.mark.parametrize(
    ("query", "ids", "offset"),
    [
        ("", ["_design/x", "a", "b", "c", "d", "e"], 0),
        ("?limit=2&skip=1", ["a", "b"], 1),
        ("?descending=true&limit=2", ["e", "d"], 0),
        ('?startkey="b"&endkey="d"', ["b", "c", "d"], 2),
        ('?start_key="b"&end_key="d"&inclusive_end=false', ["b", "c"], 2),
        ('?descending=true&startkey="d"&endkey="b"', ["d", "c", "b"], 1),
        ('?descending=true&startkey="d"&endkey="b"&inclusive_end=false', ["d", "c"], 1),
        ('?key="c"', ["c"], 3),
        ('?startkey="zz"', [], 6),
        ("?startkey=3", ["_design/x", "a", "b", "c", "d", "e"], 0),
        ("?endkey=3", [], 0),
        ("?limit=0", [], 0),
    ],
)
def test_ranges(filled: Caller, query: str, ids: list[str], offset: int) -> None:
    found = filled("GET", f"/_all_docs{query}").json
    assert [row["id"] for row in found["rows"]] == ids
    assert (found["total_rows"], found["offset"]) == (6, offset)


def test_keys(filled: Caller) -> None:
    found = filled("POST", "/_all_docs?include_docs=true", {"keys": ["c", "none", "gone", 3]}).json
    c, none, gone, number = found["rows"]
    assert c["doc"] == {"_id": "c", "_rev": c["value"]["rev"], "n": 3}
    assert none == {"key": "none", "error": "not_found"}
    assert (gone["value"]["deleted"], gone["doc"]) == (True, None)
    assert number == {"key": 3, "error": "not_found"}
    assert [row["id"] for row in filled("GET", '/_all_docs?keys=["b","a"]').json["rows"]] == ["b", "a"]
    assert filled("POST", "/_all_docs", {"keys": 3}).status == 400
    both = filled("POST", "/_all_docs/queries", {"queries": [{"keys": ["a"]}, {"limit": 1}]}).json["results"]
    assert [row["id"] for one in both for row in one["rows"]] == ["a", "_design/x"]


def test_what_else_is_listed(filled: Caller) -> None:
    assert filled("GET", "/_all_docs?update_seq=true&limit=0").json["update_seq"] == filled("GET").json["update_seq"]
    design = filled("GET", "/_design_docs?include_docs=true").json
    assert [row["doc"]["language"] for row in design["rows"]] == ["javascript"]
    assert design["total_rows"] == 1
    for query in ("limit=x", "limit=-1", "include_docs=1"):
        assert filled("GET", f"/_all_docs?{query}").error[:2] == (400, "query_parse_error")
    assert filled("DELETE", "/_all_docs").error[2] == "Only GET,HEAD,POST allowed"


def found(db: Caller, selector: dict[str, Any], **more: Any) -> list[str]:
    return [doc["_id"] for doc in db("POST", "/_find", {"selector": selector, **more}).json["docs"]]


def test_documents_are_found_by_selector(filled: Caller) -> None:
    assert found(filled, {"n": {"$gt": 1}}) == ["c", "d", "e"]
    assert found(filled, {"_id": {"$gt": "b"}}, sort=[{"_id": "desc"}], limit=2) == ["e", "d"]
    answer = filled("POST", "/_find", {"selector": {"n": 3}, "fields": ["n", "o.p"], "execution_stats": True}).json
    assert answer["docs"] == [{"n": 3}]
    assert answer["execution_stats"]["results_returned"] == 1
    assert answer["warning"].startswith("No matching index found")


def test_bookmarks_lead_through_the_pages(filled: Caller) -> None:
    seen, bookmark = [], "nil"
    while True:
        page = filled("POST", "/_find", {"selector": {"n": {"$gte": 0}}, "limit": 2, "bookmark": bookmark}).json
        if not page["docs"]:
            break
        seen.append([doc["_id"] for doc in page["docs"]])
        bookmark = page["bookmark"]
    assert seen == [["a", "b"], ["c", "d"], ["e"]]


def test_sorting_needs_an_index(filled: Caller) -> None:
    query = {"selector": {"n": {"$lt": 3}}, "sort": [{"n": "desc"}]}
    assert filled("POST", "/_find", query).error == NO_SORT
    index = {"index": {"fields": ["n"]}, "name": "by-n", "ddoc": "sorts"}
    assert filled("POST", "/_index", index).json == {"result": "created", "id": "_design/sorts", "name": "by-n"}
    assert filled("POST", "/_index", index).json["result"] == "exists"
    assert [doc["_id"] for doc in filled("POST", "/_find", query).json["docs"]] == ["d", "a", "b"]
    special, made = filled("GET", "/_index").json["indexes"]
    assert special["name"] == "_all_docs"
    assert (made["name"], made["def"]) == ("by-n", {"fields": [{"n": "asc"}]})
    assert filled("DELETE", "/_index/sorts/json/by-n").json == {"ok": True}
    assert filled("POST", "/_find", query).error == NO_SORT
    assert filled("DELETE", "/_index/sorts/json/by-n").status == 404


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ({}, "missing_required_key"),
        ({"selector": 3}, "invalid_selector_json"),
        ({"selector": {}, "foo": 1}, "invalid_key"),
        ({"selector": {}, "limit": "x"}, "invalid_non_neg_integer"),
        ({"selector": {}, "fields": 3}, "invalid_fields"),
        ({"selector": {}, "sort": "x"}, "invalid_sort_json"),
        ({"selector": {}, "sort": [{"a": "asc"}, {"b": "desc"}]}, "unsupported_mixed_sort"),
        ({"selector": {}, "bookmark": "?"}, "invalid_bookmark"),
        ({"selector": {"$gt": 3}}, "invalid_selector"),
    ],
)
def test_what_is_no_query(db: Caller, query: dict[str, Any], error: str) -> None:
    assert db("POST", "/_find", query).error[:2] == (400, error)


def test_there_are_no_views(filled: Caller) -> None:
    assert filled("GET", "/_design/x/_view/y").error[:2] == (501, "not_implemented")
    assert filled("GET", "/_design/none/_view/y").error == (404, "not_found", "missing")
