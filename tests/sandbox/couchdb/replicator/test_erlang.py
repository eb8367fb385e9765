# SPDX-License-Identifier: Apache-2.0
"""Error texts are Erlang terms: the expected ones were printed by Erlang/OTP 25."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_replicator.sandbox.couchdb.replicator.erlang import Atom, Chars, Opaque, pretty, text
from airflow_provider_replicator.sandbox.couchdb.replicator.run import start_reason
from airflow_provider_replicator.sandbox.couchdb.replicator.texts import crash_text

A = Atom

PRINTED: list[tuple[Any, str]] = [
    ((A("error"), A("badarg")), "{error,badarg}"),
    ((A("a"), [1, 2, 3], {}, [], ()), "{a,[1,2,3],{[]},[],{}}"),
    ("ünï", '<<"ünï">>'),
    ("Ä", "<<195,132>>"),
    ((A("error"), None, True), "{error,null,true}"),
    (
        (A("throw"), (A("bad_request"), "parameter `create_target_params` must be a JSON object")),
        '{throw,{bad_request,<<"parameter `create_target_params` must be a JSON object">>}}',
    ),
    (
        (
            A("http_request_failed"),
            Chars("GET"),
            Chars("http://127.0.0.1:15984/some_database/"),
            (A("error"), (A("error"), (A("conn_failed"), (A("error"), A("econnrefused"))))),
        ),
        '{http_request_failed,"GET","http://127.0.0.1:15984/some_database/",\n'
        "                     {error,{error,{conn_failed,{error,econnrefused}}}}}",
    ),
    (
        (
            A("replication_auth_error"),
            (
                A("session_request_failed"),
                Chars("http://127.0.0.1:9/_session"),
                Chars("admin"),
                (A("conn_failed"), (A("error"), A("econnrefused"))),
            ),
        ),
        '{replication_auth_error,\n    {session_request_failed,"http://127.0.0.1:9/_session","admin",\n'
        "        {conn_failed,{error,econnrefused}}}}",
    ),
    (
        (A("revs_diff_failed"), 404, {"error": "not_found", "reason": "Database does not exist."}),
        '{revs_diff_failed,404,\n                  {[{<<"error">>,<<"not_found">>},\n'
        '                    {<<"reason">>,<<"Database does not exist.">>}]}}',
    ),
    (
        (A("changes_req_failed"), 400, Opaque("#Fun<couch_replicator_httpc.0.11803075>")),
        "{changes_req_failed,400,#Fun<couch_replicator_httpc.0.11803075>}",
    ),
]


@pytest.mark.parametrize(("term", "printed"), PRINTED)
def test_terms_are_printed_as_erlang_prints_them(term: Any, printed: str) -> None:
    assert pretty(term) == printed


def test_a_binary_or_an_atom_by_itself_is_bare() -> None:
    assert [text("as it is"), text(A("max_backoff"))] == ["as it is", "max_backoff"]


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        ((A("error"), (A("db_not_found"), "could not open http://h/d/")), "db_not_found: could not open http://h/d/"),
        ((A("error"), (A("http_error_code"), 503, "GET http://h/d/")), '{http_error_code,503,<<"GET http://h/d/">>}'),
        ((A("checkpoint_commit_failure"), "Failure on target commit"), "Failure on target commit"),
        ((A("changes_req_failed"), 503), "{changes_req_failed,503}"),
        (A("max_backoff"), "max_backoff"),
    ],
)
def test_reasons_of_crashes_are_shown_without_what_every_crash_has(reason: Any, shown: str) -> None:
    assert crash_text(reason) == shown


def request_failed(cause: Any) -> Any:
    return (A("http_request_failed"), Chars("GET"), Chars("http://h/d/"), (A("error"), cause))


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        ((A("unauthorized"), "http://h/d/"), "unauthorized: unauthorized to access or create database http://h/d/"),
        ((A("forbidden"), "http://h/d/"), "forbidden: http://h/d/"),
        (
            request_failed((A("error"), (A("conn_failed"), (A("error"), A("nxdomain"))))),
            "nxdomain: could not resolve http://h/d/",
        ),
        (request_failed((A("code"), 503)), '{http_error_code,503,<<"GET http://h/d/">>}'),
        (
            request_failed((A("error"), A("req_timedout"))),
            '{http_request_failed,"GET","http://h/d/",{error,{error,req_timedout}}}',
        ),
    ],
)
def test_reasons_why_a_job_cannot_begin(reason: Any, shown: str) -> None:
    assert crash_text((A("error"), start_reason(reason))) == shown
