# SPDX-License-Identifier: Apache-2.0
"""``_changes`` in one answer: order, pages, sequences, filters."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.couchdb.caller import Caller, revision


@pytest.fixture
def filled(db: Caller) -> Caller:
    """d0 … d9 in this order, with a filter function."""
    db.put("_design/f", filters={"even": "function (doc, req) { return doc.n % 2 === Number0(req); }", "n": _BY_N})
    db("POST", "/_bulk_docs", {"docs": [{"_id": f"d{n}", "n": n} for n in range(10)]})
    return db


_BY_N = "function (doc, req) { return doc.n == req.query.n; }"


def ids(page: dict[str, Any]) -> list[str]:
    return [row["id"] for row in page["results"]]


def number(seq: str) -> int:
    return int(seq.partition("-")[0])


def test_a_document_stands_where_it_was_changed_last(db: Caller) -> None:
    first = db.put("a", v=1)
    db.put("b")
    db.put("a", _rev=first, v=2)
    rev = db("GET", "/b").json["_rev"]
    db("DELETE", f"/b?rev={rev}")
    page = db("GET", "/_changes").json
    assert [(row["id"], number(row["seq"]), row.get("deleted")) for row in page["results"]] == [
        ("a", 3, None),
        ("b", 4, True),
    ]
    assert (page["last_seq"], page["pending"]) == (page["results"][-1]["seq"], 0)


def test_pages(filled: Caller) -> None:
    seen: list[str] = []
    since, pending = "0", -1
    while pending:
        page = filled("GET", f"/_changes?limit=4&since={since}").json
        seen += ids(page)
        since, pending = page["last_seq"], page["pending"]
        assert pending == 11 - len(seen)
    assert seen == ["_design/f", *[f"d{n}" for n in range(10)]]
    nothing = filled("GET", f"/_changes?limit=0&since={since}").json
    assert (nothing["results"], nothing["last_seq"], nothing["pending"]) == ([], since, 0)
    assert filled("GET", "/_changes?limit=0").json["pending"] == 11


def test_now_and_the_end(filled: Caller) -> None:
    page = filled("GET", "/_changes?since=now").json
    assert (page["results"], number(page["last_seq"])) == ([], 11)
    assert filled("GET", "").json["update_seq"] == page["last_seq"]
    filled.put("later")
    assert ids(filled("GET", f"/_changes?since={page['last_seq']}").json) == ["later"]


def test_sequences_belong_to_one_database(filled: Caller, call: Caller) -> None:
    foreign = call("GET", "/_users").json["update_seq"]
    assert len(filled("GET", f"/_changes?since={foreign}").json["results"]) == 11  # from the beginning
    last = filled("GET", "/_changes").json["last_seq"]
    opaque = last.partition("-")[2]
    for text in (f"999-{opaque}", opaque, f'"{last}"', f'[11,"{opaque}"]'):
        assert filled("GET", f"/_changes?since={text.replace(chr(34), '%22')}").json["results"] == []
    for text in ("3", "garbage", "11-", ""):
        assert filled("GET", f"/_changes?since={text}").error == (
            400,
            "bad_request",
            "Malformed sequence supplied in 'since' parameter.",
        )


def test_a_database_that_is_made_again_is_another(call: Caller) -> None:
    call("PUT", "/again")
    call("PUT", "/again/a", {})
    before = call("GET", "/again").json
    call("DELETE", "/again")
    call("PUT", "/again")
    call("PUT", "/again/b", {})
    assert [row["id"] for row in call("GET", f"/again/_changes?since={before['update_seq']}").json["results"]] == ["b"]
    call("DELETE", "/again")


def test_all_leaves_or_the_winner(db: Caller) -> None:
    db.graft(
        revision("n", "2-c", "1-a"), revision("n", "2-d", "1-a"), revision("n", "3-e", "2-c", "1-a", _deleted=True)
    )
    assert db("GET", "/_changes").json["results"][0]["changes"] == [{"rev": "2-d"}]
    row = db("GET", "/_changes?style=all_docs").json["results"][0]
    assert row["changes"] == [{"rev": "2-d"}, {"rev": "3-e"}]
    assert "deleted" not in row


def test_backwards(filled: Caller) -> None:
    page = filled("GET", "/_changes?descending=true&limit=3").json
    assert ids(page) == ["d9", "d8", "d7"]
    assert (page["last_seq"], page["pending"]) == (page["results"][-1]["seq"], 8)


def test_documents_come_along(filled: Caller) -> None:
    filled.graft(revision("n", "1-a", v=1), revision("n", "1-b", v=2))
    page = filled("GET", "/_changes?include_docs=true&conflicts=true").json
    assert page["results"][1]["doc"]["n"] == 0
    assert page["results"][-1]["doc"] == {"_id": "n", "_rev": "1-b", "v": 2, "_conflicts": ["1-a"]}


@pytest.mark.parametrize(
    ("query", "with_seq"),
    [("seq_interval=3", [2, 5, 8, 11]), ("seq_interval=3&limit=4", [2]), ("seq_interval=5&limit=5", [1])],
)
def test_only_some_rows_have_a_sequence(filled: Caller, query: str, with_seq: list[int]) -> None:
    page = filled("GET", f"/_changes?{query}").json
    assert [number(row["seq"]) for row in page["results"] if row["seq"]] == with_seq
    assert number(page["last_seq"]) == len(page["results"])


def test_by_id(filled: Caller) -> None:
    page = filled("POST", "/_changes?filter=_doc_ids", {"doc_ids": ["d7", "d2", "none"]}).json
    assert ids(page) == ["d2", "d7"]
    # What was not asked for counts as pending for ever.
    assert (number(page["last_seq"]), page["pending"]) == (11, 9)
    assert ids(filled("GET", '/_changes?filter=_doc_ids&doc_ids=["d1"]').json) == ["d1"]
    many = [f"x{n}" for n in range(1000)] + ["d3"]
    assert filled("POST", "/_changes?filter=_doc_ids", {"doc_ids": many}).json["pending"] == 0
    assert filled("POST", "/_changes?filter=_doc_ids", {}).status == 400


def test_by_selector(filled: Caller) -> None:
    page = filled("POST", "/_changes?filter=_selector&limit=2", {"selector": {"n": {"$gt": 5}}}).json
    assert ids(page) == ["d6", "d7"]
    assert page["pending"] == 2  # those that come after, whether they fit or not
    rest = filled("POST", f"/_changes?filter=_selector&since={page['last_seq']}", {"selector": {"n": {"$lt": 5}}}).json
    assert (rest["results"], rest["pending"], number(rest["last_seq"])) == ([], 0, 11)
    filled.graft(revision("c", "2-x", "1-a", n=50), revision("c", "2-y", "1-a", n=1))
    both = filled("POST", "/_changes?filter=_selector&style=all_docs", {"selector": {"n": 50}}).json["results"]
    assert both[0]["changes"] == [{"rev": "2-x"}]
    deleted = filled("POST", "/_changes?filter=_selector", {"selector": {"_deleted": True}}).json
    assert deleted["results"] == []
    for body in ({}, {"selector": 3}, {"selector": {"n": {"$foo": 1}}}):
        assert filled("POST", "/_changes?filter=_selector", body).error[:2] == (400, "bad_request")


def test_by_function(filled: Caller) -> None:
    assert ids(filled("GET", "/_changes?filter=_design").json) == ["_design/f"]
    assert ids(filled("GET", "/_changes?filter=f/n&n=3").json) == ["d3"]
    assert filled("GET", "/_changes?filter=f/none").error == (404, "not_found", "missing json key: none")
    assert filled("GET", "/_changes?filter=none/f").error == (404, "not_found", "missing")
    assert filled("GET", "/_changes?filter=f").error[0] == 400
    assert filled("GET", "/_changes?filter=_none").error == (400, "bad_request", "unknown builtin filter name")
    assert filled("GET", "/_changes?filter=f/even").error[:2] == (500, "ReferenceError")


@pytest.mark.parametrize("query", ["limit=x", "feed=x", "heartbeat=0", "timeout=x", "seq_interval=0", "style=x"])
def test_what_cannot_be_meant(db: Caller, query: str) -> None:
    assert db("GET", f"/_changes?{query}").error[0] == 400
