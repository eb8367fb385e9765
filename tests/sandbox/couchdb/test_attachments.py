# SPDX-License-Identifier: Apache-2.0
"""Attachments: inline, as stubs, in parts of their own; digests are those of a real 3.5.0."""

from __future__ import annotations

import gzip
import hashlib
from base64 import b64decode, b64encode
from typing import Any

import orjson
import pytest

from tests.sandbox.couchdb.caller import Answer, Caller, revision

TEXT, BINARY = b"hello world " * 20, bytes(range(256))
TEXT_DIGEST, BINARY_DIGEST = "md5-+e//YI1dy2vi30rMxL9b9A==", "md5-4shl20Fivtljv6qe9qwY8A=="


def inline(data: bytes, content_type: str) -> dict[str, Any]:
    return {"content_type": content_type, "data": b64encode(data).decode()}


@pytest.fixture
def doc(db: Caller) -> Caller:
    """``a`` with a text, which is packed, and bytes, which are not."""
    members = {"t.txt": inline(TEXT, "text/plain"), "b.bin": inline(BINARY, "application/octet-stream")}
    assert db.put("a", _attachments=members) == "1-a9bd95cc640dbd8221c769b75876b589"
    return db


def multipart(document: dict[str, Any], **parts: tuple[bytes, str]) -> tuple[bytes, str]:
    """A body, and its content type. Parts are bytes and further header lines, in the order of the ``follows``."""
    pieces = [b"--xyz\r\nContent-Type: application/json\r\n\r\n" + orjson.dumps(document)]
    pieces += [b"--xyz\r\n" + more.encode() + b"\r\n" + data for data, more in parts.values()]
    return b"\r\n".join(pieces) + b"\r\n--xyz--", 'multipart/related; boundary="xyz"'


def put(db: Caller, path: str, data: bytes, content_type: str) -> Answer:
    return db("PUT", path, data, content_type=content_type)


def test_stubs_and_data(doc: Caller) -> None:
    text = {"content_type": "text/plain", "revpos": 1, "digest": TEXT_DIGEST}
    binary = {"content_type": "application/octet-stream", "revpos": 1, "digest": BINARY_DIGEST}
    members = doc("GET", "/a").json["_attachments"]
    assert members == {"t.txt": text | {"length": 240, "stub": True}, "b.bin": binary | {"length": 256, "stub": True}}
    with_data = doc("GET", "/a?attachments=true").json["_attachments"]
    assert b64decode(with_data["t.txt"]["data"]) == TEXT
    assert b64decode(with_data["b.bin"]["data"]) == BINARY
    packed = doc("GET", "/a?att_encoding_info=true").json["_attachments"]
    assert (packed["t.txt"]["encoding"], packed["t.txt"]["encoded_length"]) == ("gzip", 35)
    assert "encoding" not in packed["b.bin"]


def test_one_attachment(doc: Caller) -> None:
    plain = doc("GET", "/a/t.txt")
    assert (plain.body, plain.headers["content-type"]) == (TEXT, "text/plain")
    assert "content-encoding" not in plain.headers
    packed = doc("GET", "/a/t.txt", accept_encoding="gzip")
    assert (packed.headers["content-encoding"], gzip.decompress(packed.body)) == ("gzip", TEXT)
    etag = packed.headers["etag"]
    assert etag == '"' + TEXT_DIGEST.removeprefix("md5-") + '"'
    assert doc("GET", "/a/t.txt", if_none_match=etag).status == 304
    part = doc("GET", "/a/b.bin", range="bytes=2-5")
    assert (part.status, part.body, part.headers["content-range"]) == (206, BINARY[2:6], "bytes 2-5/256")
    assert doc("GET", "/a/b.bin", range="bytes=-5").body == BINARY[-5:]
    assert doc("GET", "/a/b.bin", range="bytes=300-").status == 416
    assert doc("GET", "/a/t.txt", range="bytes=2-5").status == 200
    assert doc("GET", "/a/none").error == (404, "not_found", "Document is missing attachment")
    assert doc("GET", "/none/none").error == (404, "not_found", "missing")
    assert int(doc("HEAD", "/a/b.bin").headers["content-length"]) == 256


def test_an_attachment_is_written_and_deleted_by_itself(doc: Caller) -> None:
    first = doc("GET", "/a").json["_rev"]
    assert put(doc, "/a/new.txt", b"plain text", "text/plain").status == 409
    made = put(doc, f"/a/new.txt?rev={first}", b"plain text", "text/plain")
    assert (made.status, made.json["rev"]) == (201, "2-428dfcebcb6f5ab776b05058e1e139cc")
    members = doc("GET", "/a").json["_attachments"]
    assert {name: one["revpos"] for name, one in members.items()} == {"new.txt": 2, "t.txt": 1, "b.bin": 1}
    slashed = put(doc, f"/a/x/y%20z?rev={made.json['rev']}", b"slash", "application/x-foo").json["rev"]
    assert doc("GET", "/a/x%2Fy%20z").body == b"slash"
    assert doc("DELETE", "/a/new.txt").status == 409
    assert doc("DELETE", f"/a/none?rev={slashed}").status == 404
    assert doc("DELETE", f"/a/new.txt?rev={slashed}").status == 200
    assert "new.txt" not in doc("GET", "/a").json["_attachments"]
    assert doc("GET", f"/a/new.txt?rev={slashed}").body == b"plain text"
    assert put(doc, "/fresh/att", b"abc", "image/png").json["rev"] == "1-5ab7a39b7b9f9bf47377d376ad6b777a"


def test_stubs_keep_what_is_there(doc: Caller) -> None:
    rev = doc("GET", "/a").json["_rev"]
    for members in ({"none": {"stub": True}}, {"t.txt": {"stub": True, "revpos": 9}}):
        name = next(iter(members))
        error = (412, "missing_stub", f"Invalid attachment stub in a for {name}")
        assert doc("PUT", "/a", {"_rev": rev, "_attachments": members}).error == error
        # Nothing else of the request is stored.
        docs = [{"_id": "a", "_rev": rev, "_attachments": members}, {"_id": "other"}]
        assert doc("POST", "/_bulk_docs", {"docs": docs}).error == error
    assert doc("GET", "/other").status == 404
    doc.put("a", _rev=rev, v=1, _attachments={"t.txt": {"stub": True}})
    kept = doc("GET", "/a").json["_attachments"]
    assert list(kept) == ["t.txt"]
    assert (kept["t.txt"]["revpos"], kept["t.txt"]["digest"]) == (1, TEXT_DIGEST)


@pytest.mark.parametrize(
    ("members", "error"),
    [
        ({"t": {"data": "!!"}}, (400, "bad_request", "Invalid attachment data for t")),
        ({"_t": {"data": ""}}, (400, "bad_request", "Attachment name '_t' starts with prohibited character '_'")),
        (3, (400, "doc_validation", "Bad special document member: _attachments")),
    ],
)
def test_what_is_no_attachment(db: Caller, members: Any, error: tuple[int, str, str]) -> None:
    assert db("PUT", "/q", {"_attachments": members}).error == error


def test_a_document_with_its_attachments_in_parts(doc: Caller) -> None:
    answer = doc("GET", "/a?attachments=true", accept="*/*")
    assert answer.headers["content-type"].startswith("multipart/related; boundary=")
    boundary = answer.headers["content-type"].partition('"')[2].rstrip('"').encode()
    json, text, binary = answer.body.split(b"--" + boundary)[1:4]
    members = orjson.loads(json.partition(b"\r\n\r\n")[2])["_attachments"]
    assert [one["follows"] for one in members.values()] == [True, True]
    head, _, data = text.partition(b"\r\n\r\n")
    assert b'Content-Disposition: attachment; filename="t.txt"' in head
    assert b"Content-Encoding: gzip" in head
    assert gzip.decompress(data.removesuffix(b"\r\n")) == TEXT
    assert binary.partition(b"\r\n\r\n")[2] == BINARY + b"\r\n"
    assert answer.body.endswith(b"--" + boundary + b"--")


def test_attachments_younger_than_what_is_known(doc: Caller) -> None:
    first = doc("GET", "/a").json["_rev"]
    second = put(doc, f"/a/new.txt?rev={first}", b"new", "text/plain").json["rev"]

    def with_data(found: dict[str, Any]) -> list[str]:
        return sorted(name for name, one in found["_attachments"].items() if "data" in one)

    assert with_data(doc("GET", f'/a?atts_since=["{first}"]').json) == ["new.txt"]
    assert with_data(doc("GET", f'/a?atts_since=["{second}"]').json) == []
    assert with_data(doc("GET", '/a?atts_since=["1-none"]').json) == ["b.bin", "new.txt", "t.txt"]
    got = doc("POST", "/_bulk_get?revs=true", {"docs": [{"id": "a", "atts_since": [first]}]}).json
    assert with_data(got["results"][0]["docs"][0]["ok"]) == ["new.txt"]
    query = f'/a?open_revs=["{second}"]&revs=true&latest=true&atts_since=["{first}"]'
    mixed = doc("GET", query, accept="application/json, multipart/mixed")
    assert mixed.headers["content-type"].startswith("multipart/mixed")
    assert mixed.body.count(b'"follows":true') == 1
    assert mixed.body.count(b'"stub":true') == 2


def test_a_replicator_brings_attachments_as_they_are_packed(db: Caller) -> None:
    packed = gzip.compress(b"gz" * 50, mtime=0)
    digest = "md5-" + b64encode(hashlib.md5(packed, usedforsecurity=False).digest()).decode()
    member = {"follows": True, "content_type": "text/plain", "revpos": 2, "length": 100, "digest": digest}
    member |= {"encoded_length": len(packed), "encoding": "gzip"}
    document = revision("m", "2-bb", "1-aa", _attachments={"g.txt": member})
    body, kind = multipart(document, g=(packed, 'Content-Disposition: attachment; filename="g.txt"\r\n'))
    made = put(db, "/m?new_edits=false", body, kind)
    assert (made.status, made.json["rev"]) == (201, "2-bb")
    stored = db("GET", "/m?att_encoding_info=true").json["_attachments"]["g.txt"]
    assert (stored["digest"], stored["encoding"], stored["length"]) == (digest, "gzip", 100)
    assert db("GET", "/m/g.txt").body == b"gz" * 50


def test_parts_without_names_follow_in_order(db: Caller) -> None:
    members = {name: {"follows": True, "content_type": "application/octet-stream"} for name in ("x", "y")}
    body, kind = multipart({"_attachments": members}, x=(b"first", ""), y=(b"second", ""))
    assert put(db, "/m", body, kind).status == 201
    assert [db("GET", f"/m/{name}").body for name in ("x", "y")] == [b"first", b"second"]
    wrong = "md5-" + b64encode(b"0" * 16).decode()
    members["x"]["digest"] = wrong
    body, kind = multipart({"_attachments": members}, x=(b"first", ""), y=(b"second", ""))
    assert put(db, "/n", body, kind).status == 500


def test_stubs_of_a_replicator(db: Caller) -> None:
    members = {"t": inline(b"xyz" * 30, "text/plain") | {"revpos": 1}}
    assert db.graft(revision("r", "2-b", "1-a", _attachments=members)).json == []
    stub = {"t": {"stub": True, "revpos": 1}}
    assert db.graft(revision("r", "3-c", "2-b", "1-a", _attachments=stub)).json == []
    assert db("GET", "/r/t").body == b"xyz" * 30
    assert db.graft(revision("new", "3-c", "2-b", _attachments=stub)).status == 412
    gone = db("DELETE", "/r?rev=3-c").json["rev"]
    assert db("GET", "/r/t").error == (404, "not_found", "deleted")
    assert "_attachments" not in db("GET", f"/r?rev={gone}").json
