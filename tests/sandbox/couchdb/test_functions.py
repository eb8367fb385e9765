# SPDX-License-Identifier: Apache-2.0
"""Functions of design documents: the part of JavaScript that runs without an engine, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_replicator.sandbox.couchdb.errors import CouchError
from airflow_provider_replicator.sandbox.couchdb.functions import compile_function, passes
from tests.sandbox.couchdb.caller import Caller, basic, revision

DOC: dict[str, Any] = {
    "_id": "a",
    "n": 3,
    "s": "text",
    "list": [1, "x"],
    "o": {"p": None},
    "yes": True,
    "_deleted": True,
}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("doc.n === 3 && doc.s !== 'other'", True),
        ("doc.n == '3'", True),
        ("doc.none == null", True),
        ("doc.none === null", False),
        ("doc.o.p === null", True),
        ("typeof doc.none === 'undefined' && typeof doc.n === \"number\"", True),
        ("doc.n > 2 ? 'more' : 'less'", "more"),
        ("1 + 2 * 3 - 4 / 2", 5),
        ("'a' + 1 + true + null + undefined", "a1truenullundefined"),
        ("-7 % 3", -1),
        ("doc.list.indexOf('x')", 1),
        ("doc.list.includes(2)", False),
        ("doc.list.length === 2 && doc['list'][0] === 1", True),
        ("doc.list[9]", "undefined"),
        ("doc.list.some(function (one) { return one === 'x'; })", True),
        ("doc.list.every(one => one === 'x')", False),
        ("doc.s.startsWith('te') && doc.s.toUpperCase() === 'TEXT'", True),
        ("doc.s.substring(1, 3) + doc.s.substr(1, 1)", "exe"),
        ("/^T.x/i.test(doc.s)", True),
        ("doc.s.match(/ex/) ? 1 : 0", 1),
        ("'n' in doc && !('m' in doc)", True),
        ("doc.hasOwnProperty('n')", True),
        ("isArray(doc.list) && !Array.isArray(doc.o)", True),
        ("Object.keys(doc.o)[0]", "p"),
        ("doc.none || doc.s", "text"),
        ("doc.none ?? 'default'", "default"),
        ("!doc.yes || (doc.n < 3 || doc.n >= 3)", True),
        ("JSON.stringify({a: [1, 'b'], n: doc.n})", '{"a":[1,"b"],"n":3}'),
        ("parseInt('12px') + parseInt(doc.none || 8, 10) + parseFloat('.5')", 20.5),
        ("isNaN(parseInt('x')) && !NaN && Number('4') === 4 && String(4.0) === '4'", True),
        ("Math.max(1, Math.floor(doc.n / 2), Math.round(2.5)) + Math.abs(-1) + Math.min(4, 5) - Math.ceil(0.1)", 7),
        ("JSON.parse('{\"a\": [1]}').a[0]", 1),
        ("'it\\'s \\u00fc'", "it's ü"),
    ],
)
def test_expressions(expression: str, value: Any) -> None:
    found = compile_function(f"function (doc) {{ return {expression}; }}")(DOC)
    assert (found if value != "undefined" else "undefined") == value
    assert compile_function(f"doc => {expression}")(DOC) == found


def test_statements() -> None:
    source = """
        // who may write what
        function named(doc, req) {
            var kind = doc.kind, limit = 2;  /* both
                                                at once */
            if (!kind) return 'none'
            else if (kind === 'a') {
                const most = limit + 1;
                return most;
            }
            if (kind === 'b') throw({forbidden: 'b is ' + req.word});
            log(kind);
        }
    """
    function = compile_function(source)
    assert function({}) == "none"
    assert function({"kind": "a"}) == 3
    assert not passes(function, {"kind": "c"})
    with pytest.raises(CouchError, match="forbidden: b is bad"):
        function({"kind": "b"}, {"word": "bad"})


@pytest.mark.parametrize(
    "source",
    [
        "function (doc) { for (;;) {} }",
        "function (doc) { doc.n = 3; }",
        "function (doc) { return ",
        "function (doc) { return new Date(); }",
        "function (doc) { return `x`; }",
        "42",
        "",
    ],
)
def test_what_is_not_understood_is_a_compilation_error(source: str) -> None:
    with pytest.raises(CouchError) as caught:
        compile_function(source)
    assert (caught.value.status, caught.value.error) == (500, "compilation_error")
    assert "no JavaScript engine" in caught.value.reason


def test_what_javascript_would_throw() -> None:
    for source, error in (("doc.none.more", "TypeError"), ("nobody", "ReferenceError"), ("doc.n()", "TypeError")):
        with pytest.raises(CouchError) as caught:
            compile_function(f"doc => {source}")(DOC)
        assert (caught.value.status, caught.value.error) == (500, error)


@pytest.fixture
def guarded(db: Caller) -> Caller:
    """A target that refuses documents."""
    source = """function (newDoc, oldDoc, userCtx, secObj) {
        if (newDoc._deleted) return;
        if (newDoc.kind === 'secret') throw({forbidden: 'no secrets, ' + userCtx.name});
        if (newDoc.login) throw({unauthorized: 'who are you?'});
        if (oldDoc && oldDoc.kind !== newDoc.kind) throw({forbidden: 'the kind stays ' + oldDoc.kind});
    }"""
    db.put("_design/guard", validate_doc_update=source)
    return db


def test_a_validation_refuses_documents(guarded: Caller) -> None:
    assert guarded("PUT", "/a", {"kind": "secret"}).error == (403, "forbidden", "no secrets, admin")
    assert guarded("PUT", "/a", {"login": 1}).error == (401, "unauthorized", "who are you?")
    rev = guarded.put("a", kind="x")
    assert guarded("PUT", "/a", {"_rev": rev, "kind": "y"}).error == (403, "forbidden", "the kind stays x")
    assert guarded("DELETE", f"/a?rev={rev}").status == 200
    assert guarded("PUT", "/_local/l", {"kind": "secret"}).status == 201


def test_a_replicator_is_told_of_each_refusal(guarded: Caller) -> None:
    answer = guarded.graft(revision("a", "1-a", kind="secret"), revision("b", "1-b"), revision("c", "1-c", login=1))
    assert answer.status == 201
    assert answer.json == [
        {"id": "a", "rev": "1-a", "error": "forbidden", "reason": "no secrets, admin"},
        {"id": "c", "rev": "1-c", "error": "unauthorized", "reason": "who are you?"},
    ]
    assert guarded("GET", "/b").status == 200


def test_a_validation_ends_with_its_design_document(guarded: Caller) -> None:
    rev = guarded("GET", "/_design/guard").json["_rev"]
    guarded("DELETE", f"/_design/guard?rev={rev}")
    assert guarded("PUT", "/a", {"kind": "secret"}).status == 201


def test_design_documents_are_for_admins(db: Caller, call: Caller) -> None:
    user = {"name": "designer", "type": "user", "roles": ["people"], "password": "pw"}
    call("PUT", "/_users/org.couchdb.user:designer", user)
    db("PUT", "/_security", {"members": {"roles": ["people"]}})
    designer = basic("designer", "pw")
    refused = (403, "forbidden", "You are not a db or server admin.")
    assert db("PUT", "/_design/x", {}, authorization=designer).error == refused
    bulk = db("POST", "/_bulk_docs", {"docs": [{"_id": "_design/x"}, {"_id": "plain"}]}, authorization=designer).json
    assert [one.get("error") for one in bulk] == ["forbidden", None]
    db("PUT", "/_security", {"members": {"roles": ["people"]}, "admins": {"names": ["designer"]}})
    assert db("PUT", "/_design/x", {}, authorization=designer).status == 201
