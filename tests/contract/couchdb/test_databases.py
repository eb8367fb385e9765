# SPDX-License-Identifier: Apache-2.0
"""The server, its databases, and what it says to requests that make no sense."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.contract.couchdb.client import Couch, Database, refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.contract.couchdb.server import Server

everywhere = pytest.mark.servers("sandbox", "pouchdb", "real")
NO_DATABASE = (404, "not_found", "Database does not exist.")


def test_the_root_says_who_answers(server: Server) -> None:
    with server.couch() as anonymous:
        root = anonymous.get()
    assert root["couchdb"] == "Welcome"
    assert "scheduler" in root["features"]
    assert len(root["uuid"]) == 32
    assert root["vendor"]["name"]
    assert server.version() >= (3, 0, 0)


@everywhere
def test_a_database_is_made_once(admin: Couch, new_name: Callable[[], str]) -> None:
    name = new_name()
    assert admin.ask("GET", name).status_code == 404
    made = admin.ask("PUT", name)
    assert (made.status_code, made.json()) == (201, {"ok": True})
    assert refused(admin.ask("PUT", name))[:2] == (412, "file_exists")
    assert name in admin.get("_all_dbs")
    assert admin.get(name)["db_name"] == name
    assert admin.delete(name) == {"ok": True}
    assert admin.ask("GET", name).status_code == 404


@everywhere
def test_names_with_signs(admin: Couch, new_name: Callable[[str], str]) -> None:
    for suffix in ("/with/slashes", "+plus", "$(both)_-"):
        name = new_name(suffix)
        admin.put(name)
        admin.put(name, "a/b+c %ü", json={"n": 1})
        assert admin.get(name)["doc_count"] == 1
        assert admin.get(name, "a/b+c %ü")["n"] == 1


@pytest.mark.parametrize("name", ["Upper", "_private", "1st", "a b", "a.b"])
def test_names_that_it_refuses(admin: Couch, name: str) -> None:
    status, error, reason = refused(admin.ask("PUT", name))
    assert (status, error) == (400, "illegal_database_name")
    assert reason.startswith(f"Name: '{name}'. Only lowercase characters (a-z), digits (0-9), and any of")


def test_what_is_said_of_a_database_that_exists(admin: Couch, db: Database) -> None:
    reason = "The database could not be created, the file already exists."
    assert refused(admin.ask("PUT", db.name)) == (412, "file_exists", reason)


def test_what_is_missing_is_said_everywhere_alike(admin: Couch, new_name: Callable[[], str]) -> None:
    name = new_name()
    for method, *path in (("GET",), ("GET", "x"), ("GET", "_changes"), ("GET", "_security"), ("DELETE",)):
        assert refused(admin.ask(method, name, *path)) == NO_DATABASE
    assert refused(admin.ask("PUT", name, "x", json={})) == NO_DATABASE
    assert refused(admin.ask("POST", name, "_revs_diff", json={})) == NO_DATABASE
    assert refused(admin.ask("POST", name, "_bulk_docs", json={"docs": []})) == NO_DATABASE
    assert admin.ask("HEAD", name).status_code == 404


def test_what_a_database_says_of_itself(db: Database) -> None:
    empty = db.get()
    assert (empty["doc_count"], empty["doc_del_count"]) == (0, 0)
    assert empty["update_seq"].startswith("0-")
    assert empty["purge_seq"].startswith("0")
    assert int(empty["instance_start_time"]) > 0
    assert {"sizes", "props", "disk_format_version", "compact_running", "cluster"} <= empty.keys()
    assert empty["sizes"].keys() == {"file", "external", "active"}

    db.fill(3)
    db.remove("d0001", db.get("d0001")["_rev"])
    filled = db.get()
    assert (filled["doc_count"], filled["doc_del_count"]) == (2, 1)
    assert filled["update_seq"].startswith("4-")
    assert filled["instance_start_time"] == empty["instance_start_time"]


def test_it_is_up(server: Server) -> None:
    with server.couch() as anonymous:
        assert anonymous.get("_up")["status"] == "ok"


def test_uuids(admin: Couch) -> None:
    found = admin.get("_uuids", count=3)["uuids"]
    assert len(set(found)) == 3
    assert {len(each) for each in found} == {32}


def test_a_method_that_does_not_exist(db: Database) -> None:
    assert refused(db.ask("PATCH"))[:2] == (405, "method_not_allowed")


def test_bodies_that_are_no_json(db: Database) -> None:
    json_type = {"Content-Type": "application/json"}
    broken = refused(db.ask("PUT", "x", data=b"{bad", headers=json_type))
    assert broken == (400, "bad_request", "invalid UTF-8 JSON")
    assert refused(db.ask("PUT", "x", data=b"", headers=json_type)) == (400, "bad_request", "invalid UTF-8 JSON")
    for other in (b"[]", b'"text"', b"1"):
        answer = refused(db.ask("PUT", "x", data=other, headers=json_type))
        assert answer == (400, "bad_request", "Document must be a JSON object")
    wrong_type = refused(db.ask("POST", data=b"{}", headers={"Content-Type": "text/plain"}))
    assert wrong_type == (415, "bad_content_type", "Content-Type must be application/json")


def test_a_database_made_again_is_another_one(admin: Couch, db: Database) -> None:
    db.fill(2)
    seen = db.changes()["last_seq"]
    admin.delete(db.name)
    admin.put(db.name)
    assert db.ids() == set()
    assert db.get()["update_seq"].startswith("0-")
    db.fill(1)
    # The old sequence says nothing about the new database: all of it is given.
    assert [row["id"] for row in db.changes(since=seen)["results"]] == ["d0000"]
