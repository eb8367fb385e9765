# SPDX-License-Identifier: Apache-2.0
"""One document: writing, reading, conflicts, tombstones, local documents. All answers are those of a real 3.5.0."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.couchdb.caller import Caller, revision

CONFLICT = (409, "conflict", "Document update conflict.")
A, C, D, E = "1-" + "a" * 32, "2-" + "c" * 32, "2-" + "d" * 32, "3-" + "e" * 32


@pytest.fixture
def branched(db: Caller) -> Caller:
    """``n`` with a winner, and a deleted leaf on another branch."""
    documents = (
        revision("n", C, A, w=1),
        revision("n", D, A, w=2),
        revision("n", E, C, A, _deleted=True),
    )
    assert db.graft(*documents).json == []
    return db


def test_a_document_is_written_changed_and_deleted(db: Caller) -> None:
    made = db("PUT", "/a", {"a": 1})
    assert made.status == 201
    first = "1-23202479633c2b380f79507a776743d5"
    assert made.json == {"ok": True, "id": "a", "rev": first}
    assert made.headers["etag"] == f'"{first}"'
    assert made.headers["location"].endswith(f"{db.root}/a")
    second = db.put("a", _rev=first, a=2)
    assert db("GET", "/a").json == {"_id": "a", "_rev": second, "a": 2}
    assert db("GET", f"/a?rev={first}").json["a"] == 1
    gone = db("DELETE", f"/a?rev={second}")
    assert gone.status == 200
    assert db("GET", "/a").error == (404, "not_found", "deleted")
    tombstone = gone.json["rev"]
    assert db("GET", f"/a?rev={tombstone}").json == {"_id": "a", "_rev": tombstone, "_deleted": True}
    assert db("GET", "/missing").error == (404, "not_found", "missing")
    assert db("DELETE", "/a").error == (404, "not_found", "deleted")


def test_writing_without_or_with_an_old_revision_conflicts(db: Caller) -> None:
    first = db.put("a", v=1)
    db.put("a", _rev=first, v=2)
    for body in ({}, {"_rev": first}, {"_rev": "1-zz"}):
        assert db("PUT", "/a", body).error == CONFLICT
    assert db("DELETE", "/a").error == CONFLICT
    assert db("PUT", "/a", {}, if_match=first).error == CONFLICT
    # A revision of a document that never was is believed.
    assert db.put("b?rev=1-abc", x=1) == "2-7bb76e3956271362e863bc9e3e16ec13"


def test_the_revision_may_come_in_three_places_but_not_in_two_versions(db: Caller) -> None:
    first = db.put("a", v=1)
    second = db("PUT", f"/a?rev={first}", {"v": 2}).json["rev"]
    third = db("PUT", "/a", {"v": 3}, if_match=f'"{second}"').json["rev"]
    assert db("PUT", f"/a?rev={second}", {"_rev": third}).status == 400
    assert db("PUT", "/a", {"_rev": third}, if_match=second).status == 400
    assert db("PUT", "/a", {"_rev": "nonsense"}).error == (400, "bad_request", "Invalid rev format")


def test_a_deleted_document_is_made_again_on_top_of_its_tombstone(db: Caller) -> None:
    assert db("PUT", "/e", {"_deleted": True}).status == 200
    tombstone = db("GET", "/e?open_revs=all").json[0]["ok"]["_rev"]
    assert tombstone == "1-de715bf126efc93d225d9e3f8e8eb81a"
    assert db("PUT", "/e", {"_rev": tombstone, "x": 1}).error == CONFLICT
    assert db("PUT", "/e", {"_deleted": True}).error == CONFLICT
    again = db.put("e", again=1)
    assert db("GET", "/e?revs=true").json["_revisions"] == {
        "start": 2,
        "ids": [again.partition("-")[2], tombstone.partition("-")[2]],
    }


@pytest.mark.parametrize(
    ("path", "body", "error"),
    [
        ("/_x", {}, (400, "illegal_docid", "Only reserved document ids may start with underscore.")),
        ("/d", {"_foo": 1}, (400, "doc_validation", "Bad special document member: _foo")),
        ("/d", {"_deleted": "x"}, (400, "doc_validation", "Bad special document member: _deleted")),
        ("/d", [1], (400, "bad_request", "Document must be a JSON object")),
        ("/d", b"{", (400, "bad_request", "invalid UTF-8 JSON")),
        ("/d?rev=x", {}, (400, "bad_request", "Invalid rev format")),
        ("/d?new_edits=false", {}, (400, "bad_request", None)),
        ("/%ff", {}, (400, "illegal_docid", "Document id must be valid UTF-8")),
    ],
)
def test_what_is_no_document(db: Caller, path: str, body: Any, error: tuple[int, str, str | None]) -> None:
    status, name, reason = db("PUT", path, body).error
    assert (status, name) == error[:2]
    assert error[2] in (None, reason)


def test_ids_with_odd_characters(db: Caller) -> None:
    for escaped, plain in (("a%2Bb", "a+b"), ("a%25b", "a%b"), ("%C3%BCn%2F%C3%AF", "ün/ï"), ("a+c", "a c")):
        db.put(escaped)
        assert db("GET", f"/{escaped}").json["_id"] == plain
    assert db("GET", "/bad%zz").error == (400, "bad_request", "invalid_url_encoding")


def test_conflicts_and_the_winner(branched: Caller) -> None:
    assert branched("GET", "/n").json == {"_id": "n", "_rev": D, "w": 2}
    meta = branched("GET", "/n?meta=true").json
    assert meta["_deleted_conflicts"] == [E]
    assert "_conflicts" not in meta
    assert [one["status"] for one in meta["_revs_info"]] == ["available", "missing"]
    branched.graft(revision("n", "2-" + "b" * 32, A))
    assert branched("GET", "/n?conflicts=true").json["_conflicts"] == ["2-" + "b" * 32]
    branched("DELETE", f"/n?rev={D}")
    assert branched("GET", "/n").json["_rev"] == "2-" + "b" * 32


def test_open_revisions(branched: Caller) -> None:
    def opened(query: str) -> list[str]:
        return [one.get("missing") or one["ok"]["_rev"] for one in branched("GET", f"/n?open_revs={query}").json]

    assert opened("all") == [D, E]
    assert opened(f'["9-x","{C}","{A}"]') == [C, "9-x", A]
    assert opened(f'["{A}"]&latest=true') == [D, E]
    assert opened(f'["{C}"]&latest=true') == [E]
    assert branched("GET", "/none?open_revs=all").status == 404
    assert branched("GET", '/none?open_revs=["1-a"]').json == [{"missing": "1-a"}]
    assert branched("GET", "/n?open_revs=[]").json["_rev"] == D
    assert branched("GET", "/n?open_revs=3").status == 400


def test_open_revisions_come_in_parts_unless_json_is_asked_for(branched: Caller) -> None:
    answer = branched("GET", f'/n?open_revs=["{D}","9-x"]', accept="*/*")
    assert answer.headers["content-type"].startswith("multipart/mixed; boundary=")
    assert f'"_rev":"{D}"'.encode() in answer.body
    assert b'application/json; error="true"\r\n\r\n{"missing":"9-x"}' in answer.body


def test_etags(branched: Caller) -> None:
    etag = branched("GET", "/n").headers["etag"]
    assert etag == f'"{D}"'
    unchanged = branched("GET", "/n", if_none_match=etag)
    assert (unchanged.status, unchanged.body) == (304, b"")
    assert branched("GET", "/n", if_none_match='"other"').status == 200
    assert "etag" in branched("GET", "/n?conflicts=true").headers  # it has none
    assert "etag" not in branched("GET", "/n?meta=true").headers
    head = branched("HEAD", "/n")
    assert (head.status, head.body, head.headers["etag"]) == (200, b"", etag)
    assert int(head.headers["content-length"]) > 20


def test_a_document_is_copied(db: Caller) -> None:
    rev = db.put("a", v=1)
    copied = db("COPY", "/a", destination="b")
    assert copied.status == 201
    assert db("GET", "/b").json["v"] == 1
    assert db("COPY", "/a", destination="b").error == CONFLICT
    assert db("COPY", f"/a?rev={rev}", destination=f"b?rev={copied.json['rev']}").status == 201
    assert db("COPY", "/a").error == (400, "bad_request", "Destination header is mandatory for COPY.")


def test_the_server_names_documents(db: Caller) -> None:
    made = db("POST", "", {"x": 1})
    assert made.status == 201
    assert len(made.json["id"]) == 32
    assert db("POST", "", {"_id": "own"}).json["id"] == "own"
    assert db("POST", "?batch=ok", {"_id": "later"}).status == 202
    assert db("POST", "", b"{}", content_type="text/plain").error == (
        415,
        "bad_content_type",
        "Content-Type must be application/json",
    )


def test_local_documents(db: Caller) -> None:
    made = db("PUT", "/_local/x", {"a": 1})
    assert (made.status, made.json) == (201, {"ok": True, "id": "_local/x", "rev": "0-1"})
    assert db.put("_local/x", _rev="0-7", a=2) == "0-8"  # whatever is stored
    assert db.put("_local/x", a=3) == "0-1"
    assert db("GET", "/_local/x").json == {"_id": "_local/x", "_rev": "0-1", "a": 3}
    assert db("GET", "/_changes").json["results"] == []
    assert db("GET", "").json["doc_count"] == 0
    db.put("_local/a%2Fb")
    assert [row["id"] for row in db("GET", "/_local_docs").json["rows"]] == ["_local/a/b", "_local/x"]
    assert db("GET", "/_local_docs?include_docs=true&limit=1&descending=true").json["rows"][0]["doc"]["a"] == 3
    assert db("DELETE", "/_local/x").json["rev"] == "0-0"
    assert db("DELETE", "/_local/x").error == (404, "not_found", "missing")
    assert db("GET", "/_local").status == 400


def test_a_large_document_is_refused(db: Caller, call: Caller) -> None:
    setting = "/_node/_local/_config/couchdb/max_document_size"
    call("PUT", setting, "50")
    try:
        assert db("PUT", "/fits", {"x": "y" * 42}).status == 201
        assert db("PUT", "/big", {"x": "y" * 43}).error == (413, "document_too_large", "")
        # One that is too large refuses all of them.
        body = {"docs": [{"_id": "small"}, {"_id": "big", "x": "y" * 43}]}
        assert db("POST", "/_bulk_docs", body).error == (413, "document_too_large", "big")
        assert db("GET", "/small").status == 404
        assert db("PUT", "/escaped", {"x": "\n" * 42}).status == 201  # what escaping adds does not count
    finally:
        call("DELETE", setting)
    assert db("PUT", "/big", {"x": "y" * 43}).status == 201
