# SPDX-License-Identifier: Apache-2.0
"""Attachments: inside of documents, beside them, as stubs, packed, and in several parts."""

from __future__ import annotations

import email
import gzip
import hashlib
import json
from base64 import b64decode, b64encode
from email.message import Message
from typing import TYPE_CHECKING

import pytest

from tests.contract.couchdb.client import Database, Doc, accepted, refused

if TYPE_CHECKING:
    import requests

everywhere = pytest.mark.servers("sandbox", "pouchdb", "real")
JSON = {"Accept": "application/json"}
TEXT = b"hello " * 20
BYTES = bytes(range(256))


def inline(data: bytes, content_type: str) -> Doc:
    return {"content_type": content_type, "data": b64encode(data).decode()}


def digest(data: bytes) -> str:
    return "md5-" + b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


@pytest.fixture
def rev(db: Database) -> str:
    """Of the document ``a`` with a text, which is packed, and bytes, which are not."""
    return db.put("a", {"_attachments": {"t.txt": inline(TEXT, "text/plain"), "bin": inline(BYTES, "image/png")}})


@everywhere
def test_documents_name_their_attachments(db: Database, rev: str) -> None:
    found = db.get("a")["_attachments"]
    assert found["bin"] == {
        "content_type": "image/png",
        "revpos": 1,
        "digest": digest(BYTES),
        "length": 256,
        "stub": True,
    }
    assert (found["t.txt"]["length"], found["t.txt"]["stub"]) == (120, True)
    assert db.ask("GET", "a", "bin").content == BYTES
    assert db.ask("GET", "a", "t.txt").content == TEXT


@everywhere
def test_their_content_comes_along(db: Database, rev: str) -> None:
    whole = accepted(db.ask("GET", "a", attachments=True, headers=JSON))["_attachments"]
    assert b64decode(whole["t.txt"]["data"]) == TEXT
    assert b64decode(whole["bin"]["data"]) == BYTES
    assert "length" not in whole["bin"]


def test_texts_are_packed(db: Database, rev: str) -> None:
    described = db.get("a", att_encoding_info=True)["_attachments"]
    assert described["t.txt"]["encoding"] == "gzip"
    assert described["t.txt"]["encoded_length"] < 120
    assert "encoding" not in described["bin"]
    plain = db.ask("GET", "a", "t.txt")
    assert plain.headers["Content-Encoding"] == "gzip"
    assert plain.headers["ETag"].strip('"') == described["t.txt"]["digest"].removeprefix("md5-")
    assert described["t.txt"]["digest"] != digest(TEXT), "the digest is that of the packed bytes"


def test_parts_of_what_is_not_packed(db: Database, rev: str) -> None:
    part = db.ask("GET", "a", "bin", headers={"Range": "bytes=1-3"})
    assert (part.status_code, part.content, part.headers["Content-Range"]) == (206, BYTES[1:4], "bytes 1-3/256")
    head = db.ask("HEAD", "a", "bin")
    assert (head.headers["Content-Length"], head.headers["Content-Type"]) == ("256", "image/png")


def test_a_stub_keeps_what_is_there(db: Database, rev: str) -> None:
    db.put("a", {"_rev": rev, "v": 2, "_attachments": {"bin": {"stub": True}}})
    found = db.get("a")
    assert found["_attachments"].keys() == {"bin"}
    assert found["_attachments"]["bin"]["revpos"] == 1
    assert db.ask("GET", "a", "bin").content == BYTES
    assert db.ask("GET", "a", "t.txt").status_code == 404


def test_attachments_that_it_refuses(db: Database, rev: str) -> None:
    def put(attachments: object) -> tuple[int, str, str]:
        return refused(db.ask("PUT", "a", json={"_rev": rev, "_attachments": attachments}))

    assert put({"new": {"stub": True}}) == (412, "missing_stub", "Invalid attachment stub in a for new")
    reserved = "Attachment name '_x' starts with prohibited character '_'"
    assert put({"_x": inline(b"", "text/plain")}) == (400, "bad_request", reserved)
    assert put({"x": {"data": "!!"}}) == (400, "bad_request", "Invalid attachment data for x")
    assert put({"x": {}}) == (400, "bad_request", "Invalid attachment data for x")
    assert put([]) == (400, "doc_validation", "Bad special document member: _attachments")


@everywhere
def test_beside_a_document(db: Database) -> None:
    png = {"Content-Type": "image/png"}
    first = accepted(db.ask("PUT", "a", "x.png", data=b"xyz", headers=png))["rev"]
    assert db.get("a")["_attachments"]["x.png"]["revpos"] == 1
    assert db.ask("PUT", "a", "y.png", data=b"", headers=png).status_code == 409
    second = accepted(db.ask("PUT", "a", "y.png", data=b"y", headers=png, rev=first))["rev"]
    assert db.get("a")["_attachments"].keys() == {"x.png", "y.png"}
    answer = db.ask("GET", "a", "x.png")
    assert (answer.content, answer.headers["Content-Type"]) == (b"xyz", "image/png")
    accepted(db.ask("DELETE", "a", "x.png", rev=second))
    assert db.get("a")["_attachments"].keys() == {"y.png"}


def test_names_with_slashes(db: Database) -> None:
    accepted(db.ask("PUT", "a", "sub/pü", data=b"x", headers={"Content-Type": "image/png"}))
    assert db.ask("GET", "a", "sub/pü").content == b"x"
    assert db.ask("GET", "a", "sub", "pü").content == b"x"
    missing = (404, "not_found", "Document is missing attachment")
    assert refused(db.ask("GET", "a", "never")) == missing
    assert refused(db.ask("GET", "never", "x")) == (404, "not_found", "missing")


def test_many_at_once(db: Database, rev: str) -> None:
    asked = {"docs": [{"id": "a"}]}
    ((stubs,),) = (each["docs"] for each in db.post("_bulk_get", json=asked)["results"])
    assert stubs["ok"]["_attachments"]["bin"]["stub"] is True
    ((whole,),) = (each["docs"] for each in db.post("_bulk_get", json=asked, attachments=True)["results"])
    assert b64decode(whole["ok"]["_attachments"]["bin"]["data"]) == BYTES


def parts(answer: requests.Response) -> list[Message]:
    message = email.message_from_bytes(
        b"Content-Type: " + answer.headers["Content-Type"].encode() + b"\r\n\r\n" + answer.content
    )
    found = message.get_payload()
    assert isinstance(found, list)
    return [part for part in found if isinstance(part, Message)]


def content(part: Message) -> bytes:
    found = part.get_payload(decode=True)
    assert isinstance(found, bytes)
    return found


def test_in_several_parts(db: Database, rev: str) -> None:
    answer = db.ask("GET", "a", attachments=True, revs=True, headers={"Accept": "multipart/related"})
    assert answer.headers["Content-Type"].startswith("multipart/related; boundary=")
    doc, *files = parts(answer)
    described = json.loads(content(doc))["_attachments"]
    assert all(each["follows"] for each in described.values())
    named = {part.get_filename(): part for part in files}
    assert named.keys() == set(described) == {"t.txt", "bin"}
    assert named["t.txt"]["Content-Encoding"] == "gzip"
    assert len(named["t.txt"].as_bytes()) > 0
    assert int(named["bin"]["Content-Length"]) == 256
    assert answer.content.count(BYTES) == 1


def test_every_leaf_in_parts(db: Database, rev: str) -> None:
    answer = db.ask("GET", "a", open_revs="all", headers={"Accept": "multipart/mixed"})
    assert answer.headers["Content-Type"].startswith("multipart/mixed; boundary=")
    (leaf,) = parts(answer)
    assert leaf.get_content_type() == "multipart/related"


def test_written_in_parts_as_a_replication_does(db: Database, rev: str) -> None:
    packed = gzip.compress(TEXT)
    described = {
        "bin": {"content_type": "image/png", "revpos": 1, "digest": digest(BYTES), "length": 256, "follows": True},
        "t": {"content_type": "text/plain", "revpos": 2, "length": 120, "encoding": "gzip"}
        | {"encoded_length": len(packed), "digest": digest(packed), "follows": True},
    }
    doc = {"_id": "b", "_rev": "2-" + "b" * 32, "_attachments": described}
    doc["_revisions"] = {"start": 2, "ids": ["b" * 32, "a" * 32]}
    head = b"--edge\r\nContent-Type: application/json\r\n\r\n" + json.dumps(doc).encode()
    body = b"\r\n--edge\r\n\r\n".join([head, BYTES, packed]) + b"\r\n--edge--"
    headers = {"Content-Type": 'multipart/related; boundary="edge"'}
    answer = db.ask("PUT", "b", data=body, headers=headers, new_edits=False)
    assert answer.status_code == 201, answer.text
    assert db.ask("GET", "b", "bin").content == BYTES
    assert db.ask("GET", "b", "t").content == TEXT
    found = db.get("b")["_attachments"]
    assert found["t"]["digest"] == digest(packed)
    assert {name: each["revpos"] for name, each in found.items()} == {"bin": 1, "t": 2}
