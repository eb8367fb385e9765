# SPDX-License-Identifier: Apache-2.0
"""What is refused in a replication document, in the words of CouchDB 3.5.0, and what the id of a job depends on."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_replicator.sandbox.couchdb.replicator.endpoint import (
    read_endpoint,
    shown_url,
    without_credentials,
)
from airflow_provider_replicator.sandbox.couchdb.replicator.legacy import check_legacy
from airflow_provider_replicator.sandbox.couchdb.replicator.replication import checkpoint_id, read_replication
from airflow_provider_replicator.sandbox.couchdb.replicator.texts import RejectedDocumentError

GOOD = {"source": "http://host/a", "target": "http://host/b"}

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"source": "a"}, "local_endpoints_not_supported"),
    ({"source": None}, "{error,function_clause}"),
    ({"source": {"url": "a"}}, "endpoint has an invalid url"),
    ({"target": {"url": "ftp://host/b"}}, "endpoint has an invalid url"),
    ({"source": {"url": "http://host/a", "headers": 5}}, "{error,{badmatch,5}}"),
    ({"continuous": "yes"}, '{throw,{bad_request,<<"parameter `continuous` must be a boolean">>}}'),
    ({"continuous": None}, '{throw,{bad_request,<<"parameter `continuous` must be a boolean">>}}'),
    ({"doc_ids": "a"}, '{throw,{bad_request,<<"parameter `doc_ids` must be an array">>}}'),
    ({"selector": None}, '{throw,{bad_request,<<"parameter `selector` must be a JSON object">>}}'),
    (
        {"selector": {"a": {"$foo": 1}}},
        '{throw,{mango_error,mango_selector,{invalid_operator,<<"$foo">>}}}',
    ),
    ({"selector": {"$and": 5}}, "{throw,{mango_error,mango_selector,{bad_arg,'$and',5}}}"),
    ({"query_params": []}, '{throw,{bad_request,<<"parameter `query_params` must be an object">>}}'),
    ({"worker_processes": "a few"}, "{error,badarg}"),
    ({"worker_processes": None}, "{error,function_clause}"),
    ({"filter": "noslash"}, "Invalid filter. Must match `ddocname/filtername`."),
    ({"filter": "_view"}, "{error,badarg}"),
    (
        {"doc_ids": [], "selector": {}},
        '{throw,{bad_request,"`doc_ids`,`filter`,`selector` are mutually exclusive"}}',
    ),
    (
        {"proxy": "http://p", "source_proxy": "http://q"},
        '{throw,{bad_request,"`proxy` is mutually exclusive with `source_proxy`"}}',
    ),
    ({"proxy": "ftp://p"}, "proxy has an invalid url"),
    ({"proxy": 5}, "Invalid proxy url"),
    ({"user_ctx": 5}, "{error,{case_clause,5}}"),
]


@pytest.mark.parametrize(("change", "reason"), REFUSED)
def test_what_is_refused(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(RejectedDocumentError) as caught:
        read_replication(GOOD | change)
    assert caught.value.reason == reason


def test_a_side_must_be_there() -> None:
    with pytest.raises(RejectedDocumentError, match="Missing replicator database"):
        read_replication({"source": "http://host/a"})


@pytest.mark.parametrize(
    "more",
    [{"batch_size": 5}, {"worker_processes": "3"}, {"doc_ids": None}, {"use_checkpoints": "x"}, {"since_seq": None}],
)
def test_what_is_not(more: dict[str, Any]) -> None:
    assert read_replication(GOOD | more).source.url == "http://host/a/"


def test_ids_are_percent_decoded_and_a_plus_is_a_space() -> None:
    ids = ["plain", "a%b", "a%2525", "plus+x", "plus%2Bx", "%C3%BCml", "plain"]
    read = read_replication(GOOD | {"doc_ids": ids}).options.doc_ids
    assert read == ("a%25", "a%b", "plain", "plus x", "plus+x", "üml")


@pytest.mark.parametrize(
    "end",
    [
        {"url": "http://host/db", "auth": {"basic": {"username": "me", "password": "se:cret"}}},
        "http://me:se:cret@host/db",
        {"url": "http://host/db", "headers": {"Authorization": "Basic bWU6c2U6Y3JldA=="}},
        {
            "url": "http://other:x@host/db",
            "auth": {"basic": {"username": "me", "password": "se:cret"}},
            "headers": {"authorization": "Basic b3RoZXI6eA=="},
        },
    ],
)
def test_credentials_may_come_in_three_ways(end: Any) -> None:
    read = read_endpoint(end)
    assert (read.url, read.username, read.password, read.headers) == ("http://host/db/", "me", "se:cret", ())
    assert "cret" not in repr(read)
    assert shown_url(end) == "http://host/db/"


def test_what_may_hold_a_password_and_cannot_be_read_is_not_shown() -> None:
    assert [shown_url({"url": "me:secret@host"}), shown_url(5), shown_url("name")] == [None, None, "name"]
    assert without_credentials("https://me:secret@host/db") == "https://host/db"
    hidden = without_credentials({"url": "http://host/db", "headers": {"a": "b"}, "auth": {}, "more": 1})
    assert hidden == {"url": "http://host/db", "more": 1}


def job_id(change: dict[str, Any] | None = None, *, server: str = "u", since_counts: bool = False) -> str:
    replication = read_replication(GOOD | (change or {}))
    return checkpoint_id(replication, server=server, since_counts=since_counts) + replication.suffix


@pytest.mark.parametrize(
    "change",
    [
        {"source": "https://host/a"},
        {"source": "http://host:5984/a/"},
        {"worker_processes": 1, "checkpoint_interval": 5, "use_checkpoints": False},
        {"since_seq": "5-x"},
        {"winning_revs_only": False},
        {"mine": {"run": 1}},
    ],
)
def test_what_makes_no_other_job(change: dict[str, Any]) -> None:
    assert job_id(change) == job_id()


@pytest.mark.parametrize(
    "change",
    [
        {"source": "http://127.0.0.1/a"},
        {"source": "http://host:81/a"},
        {"source": "http://me:x@host/a"},
        {"source": {"url": "http://host/a", "headers": {"Authorization": "Bearer x"}}},
        {"selector": {"a": 1}},
        {"doc_ids": ["a"]},
        {"winning_revs_only": True},
        {"continuous": True},
        {"create_target": True},
    ],
)
def test_what_makes_another_job(change: dict[str, Any]) -> None:
    assert job_id(change) != job_id()


def test_suffixes_share_the_checkpoints() -> None:
    assert job_id({"continuous": True, "create_target": True}) == f"{job_id()}+continuous+create_target"


def test_a_new_password_is_no_new_job_but_another_server_is() -> None:
    first, second = ({"source": f"http://me:{word}@host/a"} for word in ("old", "new"))
    assert job_id(first) == job_id(second)
    assert job_id(server="other") != job_id()


def test_the_order_of_a_selector_does_not_count() -> None:
    assert job_id({"selector": {"a": 1, "b": {"c": 1, "d": 2}}}) == job_id(
        {"selector": {"b": {"d": 2, "c": 1}, "a": 1}}
    )


def test_since_seq_makes_another_job_from_3_5_2_on() -> None:
    assert job_id({"since_seq": "5-x"}, since_counts=True) != job_id(since_counts=True)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"source": 5, "target": "b"}, "The `source' property must exist and be either a string or an object."),
        ({"source": "a"}, "The `target' property must exist and be either a string or an object."),
        (
            {"source": {}, "target": "b"},
            "The url property must exist in the `source' field and must be a non-empty string.",
        ),
        ({"source": {"url": "a", "auth": 5}, "target": "b"}, "`source.auth' must be a non-null object."),
        ({"source": "a", "target": "b", "continuous": 5}, "The `continuous' field must be a boolean."),
    ],
)
def test_what_couchdb_1_refuses(body: dict[str, Any], reason: str) -> None:
    with pytest.raises(RejectedDocumentError) as caught:
        check_legacy(body)
    assert caught.value.reason == reason
