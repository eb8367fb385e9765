# SPDX-License-Identifier: Apache-2.0
"""What is refused before anything is sent, and what is sent."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_replicator.couchdb.jobs.choices import Owner, Policies, WaitLimits
from airflow_provider_replicator.couchdb.jobs.fields import FIELDS, from_old_names
from airflow_provider_replicator.couchdb.jobs.options import ReplicationOptions
from airflow_provider_replicator.exceptions import ConfigurationError
from tests.couchdb.jobs.recorded import FIFTY

COUNTS = (
    "checkpoint_interval",
    "worker_processes",
    "worker_batch_size",
    "http_connections",
    "connection_timeout",
    "retries_per_request",
)


def made(**options: Any) -> ReplicationOptions:
    return ReplicationOptions.of("orders", "copy", options)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("worker_batchsize", "worker_batch_size"),
        ("create_traget", "create_target"),
        ("Selector", "selector"),
        ("docids", "doc_ids"),
        ("winning_rev_only", "winning_revs_only"),
        ("http_connection", "http_connections"),
        ("batch_size", "worker_batch_size"),
        ("batch_timeout", "checkpoint_interval"),
        ("user_ctx", "connections"),
        ("cancel", "stop"),
        ("owner", "server"),
        ("source", "source_db"),
        ("_id", "doc_id"),
        ("xyzzy", "there are: continuous, create_target"),
    ],
)
def test_unknown_names_are_refused_with_the_one_that_was_meant(name: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=name) as refused:
        made(**{name: 1})
    assert says in str(refused.value)


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("value", [0, -1, "0", True, 1.5, "a few", None.__class__, []])
def test_values_that_wedge_a_server_are_refused(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} is"):
        made(**{name: value})


@pytest.mark.parametrize("name", COUNTS)
def test_whole_numbers_may_come_out_of_templates(name: str) -> None:
    assert made(**{name: " 3 "}).sent() == {name: 3}
    assert made(**{name: 1}).sent() == {name: 1}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"doc_ids": ["a"], "selector": {}}, "exclude each other"),
        ({"doc_ids": ["a"], "filter": "d/f"}, "exclude each other"),
        ({"selector": {"a": 1}, "filter": "d/f"}, "exclude each other"),
        ({"proxy": "http://p:1", "source_proxy": "http://p:1"}, "both ends"),
        ({"proxy": "http://p:1", "target_proxy": "http://p:1"}, "both ends"),
        ({"proxy": "ftp://p"}, "socks5://"),
        ({"source_proxy": "socks5://name:secret@p:1"}, "credentials"),
        ({"filter": "no_slash"}, "people/by_city"),
        ({"filter": "/name"}, "people/by_city"),
        ({"filter": "_selector"}, "give selector"),
        ({"filter": "_view"}, "view"),
        ({"filter": "_view", "query_params": {"view": "ddoc"}}, "view"),
        ({"query_params": {"a": "b"}}, "give filter"),
        ({"filter": "d/f", "query_params": {"a": 1}}, "text"),
        ({"filter": "d/f", "query_params": "a=b"}, "object"),
        ({"create_target_params": {"q": 1}}, "create_target"),
        ({"create_target": True, "create_target_params": [1]}, "object"),
        ({"doc_ids": "a"}, "list"),
        ({"doc_ids": [1]}, "holds 1"),
        ({"doc_ids": [""]}, "holds ''"),
        ({"selector": "{}"}, "object"),
        ({"continuous": "perhaps"}, "true or false"),
        ({"use_checkpoints": 3}, "true or false"),
        ({"since_seq": 17}, "number 17"),
        ({"since_seq": True}, "since_seq is True"),
        ({"since_seq": "17"}, "since_seq is '17'"),
        ({"since_seq": "now"}, "since_seq is 'now'"),
        ({"since_seq": "garbage"}, "last_seq"),
        ({"since_seq": ["17", "g1AA"]}, "last_seq"),
        ({"since_seq": FIFTY, "use_checkpoints": True}, "skip"),
    ],
)
def test_what_servers_would_ignore_or_choke_on_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        made(**options)
    assert says in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("name", ["source_db", "target_db"])
@pytest.mark.parametrize("value", ["", None, 1])
def test_databases_are_named(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=name):
        ReplicationOptions(**{"source_db": "a", "target_db": "b", name: value})


@pytest.mark.parametrize("since", [FIFTY, "0", 0])
def test_since_seq_goes_without_checkpoints(since: Any) -> None:
    options = made(since_seq=since)
    assert options.sent() == {"since_seq": str(since), "use_checkpoints": False}
    assert not options.checkpoints
    assert made().checkpoints


def test_what_is_off_or_not_given_is_not_sent() -> None:
    options = made(continuous=False, create_target="false", winning_revs_only=None, use_bulk_get=False, doc_ids=None)
    assert options.sent() == {"use_bulk_get": False}
    assert made(continuous="true", doc_ids=("b", "a+%")).sent() == {"continuous": True, "doc_ids": ["b", "a+%"]}
    assert made(doc_ids=[]).sent() == {"doc_ids": []}  # copies nothing, as it says


def test_an_option_is_given_once() -> None:
    with pytest.raises(ConfigurationError, match="twice"):
        ReplicationOptions(source_db="a", target_db="b", worker_processes=2, extra={"worker_processes": 3})
    both = ReplicationOptions(source_db="a", target_db="b", worker_processes=2, extra={"worker_processes": 2})
    assert both.sent() == {"worker_processes": 2}


def test_every_field_has_an_attribute() -> None:
    assert set(FIELDS) <= set(ReplicationOptions.__dataclass_fields__)


def test_old_names_are_translated_where_they_mean_something() -> None:
    assert from_old_names({"batch_size": 10, "continuous": True}) == {"worker_batch_size": 10, "continuous": True}
    for name in ("batch_timeout", "user_ctx", "cancel"):
        with pytest.raises(ConfigurationError, match=name):
            from_old_names({name: 1})
    with pytest.raises(ConfigurationError, match="same option"):
        from_old_names({"batch_size": 10, "worker_batch_size": 11})


@pytest.mark.parametrize(
    "wrong",
    [
        {"poll_interval": 0},
        {"poll_interval": None},
        {"timeout": -1},
        {"max_crashes": 0},
        {"max_crashes": 1.5},
        {"grace_crashes": None},
        {"drained_checks": 0},
        {"pending_timeout": "60"},
        {"crash_timeout": float("inf")},
        {"error_tolerance": True},
    ],
)
def test_limits_are_bounds(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        WaitLimits(**wrong)


def test_limits_travel() -> None:
    limits = WaitLimits(timeout=5, crash_timeout=None, max_crashes=7)
    assert WaitLimits.from_dict(limits.as_dict()) == limits


@pytest.mark.parametrize("name", ["if_completed", "on_mismatch", "on_duplicate", "on_write_failures"])
def test_policies_are_words(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} is 'maybe': write "):
        Policies(**{name: "maybe"})  # type: ignore[arg-type]


def test_an_owner_is_json() -> None:
    owner = Owner(dag_id="d", task_id="t", run_id="r", map_index=3)
    assert owner.as_dict() == {"dag_id": "d", "task_id": "t", "run_id": "r", "map_index": 3}
