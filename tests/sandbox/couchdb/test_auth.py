# SPDX-License-Identifier: Apache-2.0
"""Who may ask for what: passwords, cookies, tokens, lock-outs, members and admins."""

from __future__ import annotations

import itertools
import string
from collections.abc import Iterator

import pytest

from airflow_provider_replicator.sandbox.couchdb.running import RunningCouch
from tests.sandbox.couchdb.caller import Answer, Caller, basic

WRONG = (401, "unauthorized", "Name or password is incorrect.")
LOCKED = (403, "forbidden", "Account is temporarily locked due to multiple authentication failures")
NO_ADMIN = (401, "unauthorized", "You are not a server admin.")
_numbers = itertools.count()


@pytest.fixture
def jan(call: Caller) -> tuple[str, str]:
    """A user with a role, and the password."""
    name = f"jan{next(_numbers)}"
    make_user(call, name, "apple", roles=["people"])
    return name, "apple"


@pytest.fixture
def clock(couchdb: RunningCouch) -> Iterator[RunningCouch]:
    couchdb.control.freeze()
    yield couchdb
    couchdb.control.resume()


def make_user(call: Caller, name: str, password: str, /, **more: object) -> Answer:
    user = {"name": name, "type": "user", "roles": [], "password": password, **more}
    return call("PUT", f"/_users/org.couchdb.user:{name}", user)


def login(call: Caller, name: str, password: str) -> Answer:
    return call("POST", "/_session", {"name": name, "password": password}, authorization=None)


def who(call: Caller, **headers: str | None) -> str | None:
    name: str | None = call("GET", "/_session", authorization=headers.pop("authorization", None), **headers).json[
        "userCtx"
    ]["name"]
    return name


def cookie_of(answer: Answer) -> str:
    return answer.headers["set-cookie"].partition(";")[0]


def test_nobody_may_little(call: Caller) -> None:
    def ask(method: str, path: str) -> Answer:
        return call(method, path, authorization=None)

    for path in ("/", "/_up", "/_uuids", "/_session"):
        assert ask("GET", path).status == 200
    for method, path in (
        ("GET", "/_all_dbs"),
        ("GET", "/_dbs_info"),
        ("GET", "/_node/_local/_config"),
        ("GET", "/_scheduler/docs"),
        ("PUT", "/new"),
        ("GET", "/_users/_all_docs"),
    ):
        assert ask(method, path).error == NO_ADMIN
    assert ask("GET", "/_users").error == (401, "unauthorized", "You are not authorized to access this db.")
    assert ask("GET", "/none").error == (404, "not_found", "Database does not exist.")
    assert ask("GET", "/_session").json["userCtx"] == {"name": None, "roles": []}
    assert ask("GET", "/_session?basic=true").error == (401, "unauthorized", "Please login.")


def test_passwords_with_every_printable_character(call: Caller) -> None:
    password = string.printable[:94] + " ä€"
    assert make_user(call, "printable", password).status == 201
    assert who(call, authorization=basic("printable", password)) == "printable"
    assert cookie_of(login(call, "printable", password)).startswith("AuthSession=")
    assert call("GET", "/_session", authorization=basic("printable", password + "x")).error == WRONG
    assert call("GET", "/_session", authorization=basic("nobody", "x")).error == WRONG
    assert call("GET", "/_session", authorization="Basic !!").error == (
        400,
        "bad_request",
        "Authorization header has invalid base64 value",
    )


def test_passwords_are_kept_as_hashes(call: Caller, jan: tuple[str, str]) -> None:
    document = call("GET", f"/_users/org.couchdb.user:{jan[0]}").json
    assert "password" not in document
    assert (document["password_scheme"], document["pbkdf2_prf"]) == ("pbkdf2", "sha256")
    assert call("GET", "/_node/_local/_config/admins/admin").json.startswith("-pbkdf2:sha256-")
    call("PUT", f"/_users/org.couchdb.user:{jan[0]}", {**document, "password": "pear"})
    assert login(call, *jan).error == WRONG
    assert login(call, jan[0], "pear").json == {"ok": True, "name": jan[0], "roles": ["people"]}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"type": "x"}, "doc.type must be user"),
        ({"name": None}, "doc.name is required"),
        ({"roles": None}, "doc.roles must exist"),
        ({"roles": "x"}, "doc.roles must be an array"),
        ({"roles": [3]}, "doc.roles can only contain strings"),
        ({"roles": ["_admin"]}, "No system roles (starting with underscore) in users db."),
        ({"name": "other"}, "Doc ID must be of the form org.couchdb.user:name"),
    ],
)
def test_what_is_no_user(call: Caller, change: dict[str, object], reason: str) -> None:
    assert make_user(call, "eve", "x", **change).error == (403, "forbidden", reason)


def test_a_cookie_ends_on_the_servers_clock(call: Caller, clock: RunningCouch, jan: tuple[str, str]) -> None:
    first = login(call, *jan)
    assert first.headers["set-cookie"].endswith("; Version=1; Path=/; HttpOnly; Max-Age=600")
    cookie = cookie_of(first)
    assert who(call, cookie=cookie) == jan[0]
    clock.control.advance(50_000)
    early = call("GET", "/_session", authorization=None, cookie=cookie)
    assert "set-cookie" not in early.headers
    clock.control.advance(100_000)
    renewed = call("GET", "/_up", authorization=None, cookie=cookie)
    assert cookie_of(renewed) != cookie
    clock.control.advance(451_000)
    # Whoever comes with an old cookie is nobody: not refused by itself.
    assert who(call, cookie=cookie) is None
    assert who(call, cookie=cookie_of(renewed)) == jan[0]
    assert call("GET", "/_all_dbs", authorization=None, cookie=cookie).error == NO_ADMIN


def test_the_life_of_a_cookie_is_a_setting(call: Caller, clock: RunningCouch, jan: tuple[str, str]) -> None:
    call("PUT", "/_node/_local/_config/chttpd_auth/timeout", b'"5"')
    try:
        cookie = cookie_of(login(call, *jan))
        clock.control.advance(6_000)
        assert who(call, cookie=cookie) is None
    finally:
        call("DELETE", "/_node/_local/_config/chttpd_auth/timeout")


def test_cookies_that_are_none(call: Caller) -> None:
    assert call("GET", "/_up", authorization=None, cookie="AuthSession=abc").error == (
        400,
        "bad_request",
        "Malformed AuthSession cookie. Please clear your cookies.",
    )
    assert who(call, cookie="AuthSession=YWRtaW46NUY6YWJj") is None  # the right form, signed by nobody
    assert login(call, "nobody", "x").headers["set-cookie"].startswith("AuthSession=;")
    assert call("DELETE", "/_session").headers["set-cookie"].startswith("AuthSession=;")
    for body, kind, status in ((b"x", "text/plain", 415), (b"x=1", "application/x-www-form-urlencoded", 400)):
        assert call("POST", "/_session", body, content_type=kind, authorization=None).status == status


def test_five_wrong_passwords_lock_the_account(call: Caller, clock: RunningCouch, jan: tuple[str, str]) -> None:
    name, password = jan
    for n in range(5):
        asked = login(call, name, "no") if n % 2 else call("GET", "/_up", authorization=basic(name, "no"))
        assert asked.error == WRONG
    for _ in range(2):
        assert call("GET", "/_up", authorization=basic(name, password)).error == LOCKED
        assert login(call, name, password).error == LOCKED
    assert who(call, authorization=basic("admin", "sandbox")) == "admin"
    clock.control.advance(300_000)
    assert who(call, authorization=basic(name, password)) == name
    for _ in range(5):
        login(call, name, "no")
    assert login(call, name, password).error == LOCKED
    clock.control.unlock()
    assert login(call, name, password).status == 200


def test_bearer_tokens(call: Caller, clock: RunningCouch) -> None:
    clock.control.add_token("secret-token", "machine", roles=["_admin"], seconds=60)
    assert who(call, authorization="Bearer secret-token") == "machine"
    assert call("GET", "/_all_dbs", authorization="Bearer secret-token").status == 200
    clock.control.advance(60_000)
    assert call("GET", "/_all_dbs", authorization="Bearer secret-token").error == NO_ADMIN


def test_tokens_for_an_api_key(call: Caller, clock: RunningCouch) -> None:
    clock.control.add_api_key("key", "service", seconds=3600)
    form = b"grant_type=urn%3Aibm%3Aparams%3Aoauth%3Agrant-type%3Aapikey&apikey="

    def ask(body: bytes) -> Answer:
        kind = "application/x-www-form-urlencoded"
        return call("POST", "/identity/token", body, content_type=kind, authorization=None)

    issued = ask(form + b"key").json
    assert (issued["token_type"], issued["expires_in"]) == ("Bearer", 3600)
    assert issued["expiration"] == clock.control.now_ms() // 1000 + 3600
    assert who(call, authorization=f"Bearer {issued['access_token']}") == "service"
    clock.control.advance(3_600_000)
    assert who(call, authorization=f"Bearer {issued['access_token']}") is None
    assert ask(form + b"other").status == 400


def test_members_and_admins_of_a_database(db: Caller, call: Caller, jan: tuple[str, str]) -> None:
    user = basic(*jan)
    assert db("GET", "", authorization=user).error == (403, "forbidden", "You are not allowed to access this db.")
    assert db("GET", "/_security").json == {"members": {"roles": ["_admin"]}, "admins": {"roles": ["_admin"]}}
    assert db("PUT", "/_security", {"members": {"roles": ["people"]}}).json == {"ok": True}
    assert db("PUT", "/doc", {}, authorization=user).status == 201
    assert db("GET", "", authorization=None).error[0] == 401
    for method, path in (("POST", "/_compact"), ("POST", "/_view_cleanup")):
        assert db(method, path, {}, authorization=user).error == (
            401,
            "unauthorized",
            "You are not a server or db admin.",
        )
    assert db("POST", "/_purge", {}, authorization=user).error == NO_ADMIN
    assert db("DELETE", "", authorization=user).error == NO_ADMIN
    # What each shard refuses, the whole only knows to be no majority.
    assert db("PUT", "/_security", {}, authorization=user).error == (500, "error", "no_majority")
    assert db("PUT", "/_security", {"admins": 3}).error == (500, "error", "no_majority")
    db("PUT", "/_security", {"members": {"roles": ["people"]}, "admins": {"names": [jan[0]]}})
    assert db("POST", "/_compact", {}, authorization=user).status == 202
    db("PUT", "/_security", {})
    assert db("GET", "", authorization=None).status == 200


def test_users_see_themselves(call: Caller, jan: tuple[str, str]) -> None:
    call("PUT", "/_users/_security", {"members": {"roles": ["people"]}})
    try:
        mine, other = f"/_users/org.couchdb.user:{jan[0]}", "/_users/org.couchdb.user:other"
        make_user(call, "other", "x")
        user = basic(*jan)
        document = call("GET", mine, authorization=user).json
        assert document["roles"] == ["people"]
        assert call("GET", other, authorization=user).error == (404, "not_found", "missing")
        assert call("PUT", mine, {**document, "hobby": "chess"}, authorization=user).status == 201
        more = {**call("GET", mine).json, "roles": ["people", "rich"]}
        assert call("PUT", mine, more, authorization=user).error == (403, "forbidden", "Only _admin may edit roles")
    finally:
        call("PUT", "/_users/_security", {"members": {"roles": ["_admin"]}, "admins": {"roles": ["_admin"]}})


def test_everybody_has_to_say_who_he_is(call: Caller) -> None:
    setting = "/_node/_local/_config/chttpd/require_valid_user"
    call("PUT", setting, b'"true"')
    try:
        assert call("GET", "/", authorization=None).error == (401, "unauthorized", "Authentication required.")
        assert call("GET", "/").status == 200
    finally:
        call("DELETE", setting)
