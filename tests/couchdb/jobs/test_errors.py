# SPDX-License-Identifier: Apache-2.0
"""Texts as servers have written them, and what is made of them."""

from __future__ import annotations

import pytest

from airflow_provider_replicator.couchdb.jobs.errors import Duplicate, advice, classify, duplicate_of, end_of, redacted

URL = "http://127.0.0.1:15984"
RECORDED = [
    # CouchDB 3.5.0
    ("unauthorized: unauthorized to access or create database http://127.0.0.1:15984/jobs_a/", "fatal"),
    ("forbidden: http://127.0.0.1:15984/jobs_a/", "fatal"),
    ('{replication_auth_error,\n    {session_request_unauthorized,"http://h/_session",\n        "nobody2"}}', "fatal"),
    ('{replication_auth_error,{session_request_forbidden,"http://h/_session","nobody"}}', "fatal"),
    ('{replication_auth_error,{session_requires_valid_user,"http://h/_session","nobody"}}', "fatal"),
    ('{http_error_code,401,<<"GET http://h/db/">>}', "fatal"),
    ('{http_error_code,403,<<"GET http://h/db/">>}', "fatal"),
    ("local_endpoints_not_supported", "fatal"),
    ("endpoint has an invalid url", "fatal"),
    ("db_not_found: could not open http://127.0.0.1:15984/jobs_none/", "grace"),
    ("{changes_req_failed,400,#Fun<couch_replicator_httpc.0.11803075>}", "grace"),
    ('Couldn\'t open document `_design/no` from source database `http://h/a/`: {error,<<"not_found">>}', "grace"),
    ('{checkpoint_commit_failure,<<"Error updating the source checkpoint document: forbidden">>}', "grace"),
    ('{replication_auth_error,{session_request_failed,"http://h/_session","admin",req_timedout}}', "transient"),
    (
        '{replication_auth_error,\n    {session_request_failed,"http://127.0.0.1:1/_session","admin",\n'
        "        {conn_failed,{error,econnrefused}}}}",
        "transient",
    ),
    (
        '{replication_auth_error, {session_request_failed,"http://h/_session","admin", sel_conn_closed}}',
        "transient",
    ),
    ("nxdomain: could not resolve http://nx.invalid/jobs_a/", "transient"),
    ('{http_request_failed,"GET","http://h/a/",{error,timeout}}', "transient"),
    ('{http_error_code,503,<<"GET http://h/db/">>}', "transient"),
    ("max_backoff", "transient"),
    ('{error,{revs_diff_failed,404,{[{<<"error">>,<<"not_found">>}]}}}', "transient"),
    ('{bulk_docs_failed,500,<<"internal_server_error">>}', "transient"),
    ("{changes_req_failed,500,{error,x}}", "transient"),
    ("instance_start_time on target database has changed since last checkpoint.", "transient"),
    (
        "Replication `b477` specified by document `one` already started, triggered by document `two` from db `_replicator`",
        "duplicate",
    ),
    ("Replication `b477` specified by document `one` already running as a transient replication", "transient"),
    ("something that nobody has seen yet", "unknown"),
    ("", "unknown"),
    (None, "unknown"),
]


@pytest.mark.parametrize(("text", "kind"), RECORDED)
def test_texts_are_sorted_by_what_can_be_done(text: str | None, kind: str) -> None:
    assert classify(text) == kind


@pytest.mark.parametrize(("text", "kind"), RECORDED)
def test_what_fails_a_task_says_what_to_do(text: str | None, kind: str) -> None:
    assert bool(advice(text)) or kind not in ("fatal", "grace")


@pytest.mark.parametrize("doc_id", ["plain", "with ` and `from db` in it", "ünï/cödé +%", "two\nlines"])
@pytest.mark.parametrize("database", ["_replicator", "team/a/_replicator"])
def test_the_other_document_is_named(doc_id: str, database: str) -> None:
    text = (
        f"Replication `b477d920+continuous` specified by document `mine` already started, triggered by document `{doc_id}` "
        f"from db `{database}`"
    )
    assert duplicate_of(text) == Duplicate(doc_id=doc_id, database=database, job_id="b477d920+continuous")


@pytest.mark.parametrize(
    ("text", "source", "target", "end"),
    [
        ("could not open http://h/a/", "http://h/a", "http://h/b", "source"),
        ("could not open http://h/b/", "http://h/a", "http://h/b", "target"),
        ("could not open http://h/ab/", "http://h/a", "http://h/ab", "target"),
        ("could not open http://h/a%2Fb/", "http://h/a%2Fb", "http://h/a", "source"),
        ("could not open http://h/a/", "http://h/a", "http://h/a", None),
        ("could not open http://g/a/", "http://h/a", "http://g/a", "target"),
        ('{session_request_failed,"http://g/_session","x"}', "http://h/a", "http://g/a", "target"),
        ('{session_request_failed,"http://h/_session","x"}', "http://h/a", "http://h/b", None),
        ("http://h/a to http://h/b", "http://h/a", "http://h/b", None),
        ("max_backoff", "http://h/a", "http://g/a", None),
        ("max_backoff", "", "", None),
        (None, "http://h/a", "http://g/a", None),
    ],
)
def test_which_end_a_text_is_about(text: str | None, source: str, target: str, end: str | None) -> None:
    assert end_of(text, source, target) == end


def test_no_other_document() -> None:
    assert duplicate_of("db_not_found: could not open http://h/x/") is None
    assert duplicate_of(None) is None


@pytest.mark.parametrize(
    "text",
    [
        "could not open http://admin:s3cr3t@host/db/",
        'could not open "https://admin:s3cr3t%40x@host:6984/db/" twice http://b:s3cr3t@h/',
        "sent Authorization: Basic czNjcjN0czNjcjN0",
        "sent authorization: bearer s3cr3t.s3cr3t.s3cr3t",
        '{headers,[{"Cookie","AuthSession=s3cr3ts3cr3t"}]}',
        '{"api_key": "s3cr3t-s3cr3t"}',
        '{<<"password">>,<<"s3cr3t">>}',
    ],
)
def test_credentials_are_taken_out(text: str) -> None:
    shown = redacted(text)
    assert "s3cr3t" not in shown
    assert "czNjcjN0" not in shown
    assert "***" in shown


def test_texts_are_one_short_line() -> None:
    assert redacted("a\n    b") == "a b"
    assert len(redacted("x" * 5000)) == 600
    assert redacted(f"db_not_found: could not open {URL}/a/") == f"db_not_found: could not open {URL}/a/"
