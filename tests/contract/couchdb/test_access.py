# SPDX-License-Identifier: Apache-2.0
"""Who may do what: users, sessions, members and admins of a database, what validation functions refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.couchdb.client import Couch, Database, accepted, branch, refused, rev, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.contract.couchdb.server import Server

NOT_A_MEMBER = (403, "forbidden", "You are not allowed to access this db.")
NOBODY = (401, "unauthorized", "You are not authorized to access this db.")
NO_ADMIN = (401, "unauthorized", "You are not a server admin.")
NO_DB_ADMIN = (403, "forbidden", "You are not a db or server admin.")
WRONG = (401, "unauthorized", "Name or password is incorrect.")
LOCKED = (403, "forbidden", "Account is temporarily locked due to multiple authentication failures")


@pytest.fixture
def couch(server: Server, user: tuple[str, str]) -> Iterator[Couch]:
    """The server with the rights of ``user``."""
    with server.couch(*user) as signed:
        yield signed


@pytest.fixture
def anonymous(server: Server) -> Iterator[Couch]:
    with server.couch() as nobody:
        yield nobody


def member(db: Database, **who: Any) -> None:
    db.ask("PUT", "_security", json={"admins": {"names": [], "roles": ["_admin"]}, "members": who}).raise_for_status()


def test_a_new_database_is_for_admins(db: Database, couch: Couch, anonymous: Couch) -> None:
    assert db.get("_security") == {"members": {"roles": ["_admin"]}, "admins": {"roles": ["_admin"]}}
    assert refused(couch.ask("GET", db.name)) == NOT_A_MEMBER
    assert refused(couch.ask("GET", db.name, "_changes")) == NOT_A_MEMBER
    assert refused(anonymous.ask("GET", db.name)) == NOBODY


def test_what_only_admins_of_the_server_may(couch: Couch, anonymous: Couch, db: Database) -> None:
    for path in (["_scheduler", "docs"], ["_scheduler", "jobs"], ["_active_tasks"], ["_all_dbs"]):
        assert refused(couch.ask("GET", *path)) == NO_ADMIN
        assert refused(anonymous.ask("GET", *path)) == NO_ADMIN
    assert refused(couch.ask("PUT", db.name + "-more")) == NO_ADMIN
    assert refused(couch.ask("PUT", "_replicator", db.name, json={})) == NOT_A_MEMBER
    assert refused(anonymous.ask("PUT", "_replicator", db.name, json={})) == NOBODY


def test_a_member_by_name(db: Database, couch: Couch, user: tuple[str, str]) -> None:
    member(db, names=[user[0]], roles=[])
    mine = Database(couch, db.name)
    assert mine.get()["doc_count"] == 0
    mine.put("x")
    mine.put("_local/x")
    assert refused(mine.ask("PUT", "_design", "x", json={})) == NO_DB_ADMIN
    assert refused(mine.ask("DELETE")) == NO_ADMIN
    assert not mine.ask("PUT", "_security", json={}).ok
    assert mine.get("_security")["members"]["names"] == [user[0]]


def test_a_member_by_role(db: Database, couch: Couch) -> None:
    member(db, names=[], roles=["reader"])
    assert couch.get(db.name)["doc_count"] == 0
    member(db, names=[], roles=["writer"])
    assert refused(couch.ask("GET", db.name)) == NOT_A_MEMBER


def test_a_database_without_members_is_for_everybody(db: Database, anonymous: Couch) -> None:
    member(db, names=[], roles=[])
    assert anonymous.get(db.name)["doc_count"] == 0


def test_design_documents_of_others_are_refused_one_by_one(db: Database, couch: Couch, user: tuple[str, str]) -> None:
    member(db, names=[user[0]], roles=[])
    mine = Database(couch, db.name)
    said = {"error": "forbidden", "reason": NO_DB_ADMIN[2]}
    design, x = mine.post("_bulk_docs", json={"docs": [{"_id": "_design/q"}, {"_id": "x"}]})
    assert design == {"id": "_design/q", **said}
    assert x["ok"] is True
    assert mine.graft(branch("_design/q", "a"), branch("y", "a")) == [{"id": "_design/q", "rev": rev(1, "a"), **said}]
    assert db.ids() == {"x", "y"}


VALIDATE = "function (doc) { if (doc.bad) { throw ({forbidden: 'no ' + doc.bad}); } }"


def test_what_a_validation_function_refuses(db: Database) -> None:
    db.put("_design/v", {"validate_doc_update": VALIDATE})
    assert refused(db.ask("PUT", "x", json={"bad": "manners"})) == (403, "forbidden", "no manners")
    bad, fine = db.post("_bulk_docs", json={"docs": [{"_id": "x", "bad": "luck"}, {"_id": "y"}]})
    assert bad == {"id": "x", "error": "forbidden", "reason": "no luck"}
    assert fine["ok"] is True
    found = db.graft(branch("x", "a", bad="luck"), branch("z", "a"))
    assert found == [{"id": "x", "rev": rev(1, "a"), "error": "forbidden", "reason": "no luck"}]
    assert db.ids() == {"_design/v", "y", "z"}


def test_a_session(server: Server, anonymous: Couch, user: tuple[str, str]) -> None:
    name, password = user
    assert anonymous.get("_session")["userCtx"] == {"name": None, "roles": []}
    answer = anonymous.ask("POST", "_session", json={"name": name, "password": password})
    assert accepted(answer) == {"ok": True, "name": name, "roles": ["reader"]}
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("AuthSession=")
    assert {"Path=/", "HttpOnly"} <= {part.strip() for part in cookie.split(";")}
    # The cookie is sent from now on.
    session = anonymous.get("_session")
    assert session["userCtx"]["name"] == name
    assert session["info"]["authenticated"] == "cookie"
    assert "AuthSession=;" in anonymous.ask("DELETE", "_session").headers["Set-Cookie"]
    assert anonymous.get("_session")["userCtx"]["name"] is None


@pytest.fixture
def short_sessions(admin: Couch) -> Iterator[None]:
    """Cookies last two seconds, for as long as a test takes."""
    setting = ("_node", "_local", "_config", "chttpd_auth", "timeout")
    before = admin.ask("GET", *setting)
    admin.put(*setting, json="2")
    yield
    admin.put(*setting, json=before.json() if before.ok else "600")
    if not before.ok:
        admin.delete(*setting)


def test_cookies_are_renewed_and_expire(
    short_sessions: None, server: Server, anonymous: Couch, user: tuple[str, str], db: Database
) -> None:
    member(db, names=[user[0]], roles=[])
    first = anonymous.ask("POST", "_session", json={"name": user[0], "password": user[1]})
    assert "Max-Age=2" in first.headers["Set-Cookie"].split("; ")

    def renewed() -> str | None:
        answer = anonymous.ask("GET", db.name)
        assert answer.ok
        return answer.headers.get("Set-Cookie")

    assert "AuthSession=" in until(renewed, within=2)
    old = {"Cookie": first.headers["Set-Cookie"].partition(";")[0]}
    with server.couch() as somebody:
        until(lambda: not somebody.ask("GET", db.name, headers=old).ok, within=10)
        assert refused(somebody.ask("GET", db.name, headers=old)) == NOBODY


def test_a_session_by_a_form(anonymous: Couch, user: tuple[str, str]) -> None:
    from urllib.parse import urlencode

    form = urlencode({"name": user[0], "password": user[1]}).encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert accepted(anonymous.ask("POST", "_session", data=form, headers=headers))["name"] == user[0]


def test_basic_credentials(server: Server, couch: Couch, user: tuple[str, str]) -> None:
    session = couch.get("_session")
    assert session["userCtx"] == {"name": user[0], "roles": ["reader"]}
    assert session["info"]["authenticated"] == "default"
    with server.admin() as admin:
        assert "_admin" in admin.get("_session")["userCtx"]["roles"]


def test_credentials_that_cannot_be_read(anonymous: Couch) -> None:
    session = refused(anonymous.ask("POST", "_session", json={}))
    assert session == (400, "bad_request", "request body must contain a username")
    cookie = refused(anonymous.ask("GET", "_session", headers={"Cookie": "AuthSession=bad"}))
    assert cookie == (400, "bad_request", "Malformed AuthSession cookie. Please clear your cookies.")


def test_five_wrong_passwords_lock_an_account(server: Server, user: tuple[str, str]) -> None:
    name, password = user
    with server.couch(name, "wrong") as wrong, server.couch(name, password) as right, server.couch() as cookies:
        accepted(cookies.ask("POST", "_session", json={"name": name, "password": password}))
        assert [refused(wrong.ask("GET")) for _ in range(6)] == [WRONG] * 5 + [LOCKED]
        assert refused(right.ask("GET", "_session")) == LOCKED, "the right one does not help any more"
        assert refused(right.ask("POST", "_session", json={"name": name, "password": password})) == LOCKED
        assert cookies.get("_session")["userCtx"]["name"] == name, "who is signed in stays so"


def test_an_unknown_name_is_no_other_mistake(anonymous: Couch) -> None:
    body = {"name": "contract-nobody-" + "x" * 8, "password": "x"}
    assert refused(anonymous.ask("POST", "_session", json=body)) == WRONG


def test_documents_of_users(admin: Couch, user: tuple[str, str]) -> None:
    stored = admin.get("_users", f"org.couchdb.user:{user[0]}")
    assert "password" not in stored
    assert stored["password_scheme"].startswith("pbkdf2")
    assert refused(admin.ask("PUT", "_users", f"org.couchdb.user:{user[0]}-2", json={"name": "x"}))[:2] == (
        403,
        "forbidden",
    )
