# SPDX-License-Identifier: Apache-2.0
"""The verbs of python-cloudant's Replicator on the hook, against a sandbox whose replicator really runs jobs."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from airflow_provider_replicator.couchdb import databases
from airflow_provider_replicator.couchdb.blocking import run
from airflow_provider_replicator.exceptions import (
    ConfigurationError,
    CouchNotFoundError,
    ReplicationFailedError,
    ReplicationStalledError,
)
from airflow_provider_replicator.hooks.cloudant import CloudantHook
from airflow_provider_replicator.sandbox.couchdb.running import RunningCouch

PASSWORD = "a-pass/w+rd%that-nobody-may-see"


@pytest.fixture(scope="module")
def couch() -> Iterator[RunningCouch]:
    with RunningCouch(password=PASSWORD, args=("--time-scale", "0.02")) as running:
        yield running


@pytest.fixture
def hook(couch: RunningCouch, monkeypatch: pytest.MonkeyPatch) -> CloudantHook:
    fields = {"conn_type": "couchdb", "host": couch.url, "login": couch.username, "password": PASSWORD}
    for name in ("my_couch", "other"):
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(fields))
    return CloudantHook("my_couch")


@pytest.fixture
def source(hook: CloudantHook) -> str:
    """A database with a few documents."""
    name = f"source/{uuid4().hex}+x"
    with hook.get_client() as client:
        run(databases.create(client, name))
        run(databases.bulk_docs(client, name, [{"_id": f"d{n}", "n": n} for n in range(20)]))
    return name


def written(hook: CloudantHook, database: str, doc_id: str) -> dict[str, Any]:
    with hook.get_client() as client:
        return run(databases.get_document(client, database, doc_id)) or {}


def test_a_script_of_python_cloudant(hook: CloudantHook, source: str) -> None:
    """Create, follow, look, list, stop: with old option names, and never a credential in sight."""
    target = f"{source}-t"
    made = hook.create_replication(source, target, create_target=True, batch_size=7, selector={"n": {"$lt": 5}})
    assert written(hook, "_replicator", made["_id"])["worker_batch_size"] == 7
    looks = list(hook.follow_replication(made["_id"], poll_interval=1))
    assert looks[-1]["state"] == "completed"
    assert looks[-1]["counters"]["docs_written"] == 5
    assert {look["_id"] for look in looks} == {made["_id"]}
    assert hook.replication_state(made["_id"]) == "completed"
    (listed,) = hook.list_replications(prefix=made["_id"])
    assert (listed["_id"], listed["state"]) == (made["_id"], "completed")
    assert not hook.list_replications(prefix=made["_id"], states=["failed"])
    assert PASSWORD not in json.dumps([made, looks, listed])
    assert written(hook, target, "d4")["n"] == 4
    assert not written(hook, target, "d5")
    assert hook.stop_replication(made["_id"])
    assert not hook.stop_replication(made["_id"])


def test_between_connections(hook: CloudantHook, source: str) -> None:
    made = hook.create_replication(
        source, f"{source}-t", source_conn_id="other", target_conn_id="my_couch", create_target=True
    )
    assert list(hook.follow_replication(made["_id"]))[-1]["state"] == "completed"


def test_the_same_id_again(hook: CloudantHook, source: str) -> None:
    repl_id, target = f"nightly/{uuid4().hex}", f"{source}-t"
    first = hook.create_replication(source, target, repl_id, create_target=True)
    assert first["_id"] == repl_id
    list(hook.follow_replication(repl_id))
    with hook.get_client() as client:
        run(databases.put_document(client, source, "new", {}))
    assert hook.create_replication(source, target, repl_id, create_target=True)["_id"] == repl_id
    list(hook.follow_replication(repl_id))
    assert written(hook, target, "new")
    with pytest.raises(ReplicationFailedError, match="other options"):
        hook.create_replication(source, target, repl_id, create_target=True, doc_ids=["d1"])


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"batch_timeout": 5}, "batch_timeout: no server has ever known it; checkpoint_interval"),
        ({"user_ctx": {}}, "user_ctx"),
        ({"continous": True}, "is continuous meant"),
        ({"http_connections": 0}, "http_connections is 0"),
        ({"since_seq": 12}, "since_seq"),
        ({"batch_size": 1, "worker_batch_size": 2}, "are the same option"),
    ],
)
def test_options_that_mean_nothing_are_refused(
    hook: CloudantHook, couch: RunningCouch, options: dict[str, Any], complaint: str
) -> None:
    couch.control.reset_counters()
    with pytest.raises(ConfigurationError, match=complaint):
        hook.create_replication("a", "b", **options)
    assert not [what for what in couch.control.counters()["requests"] if "_sandbox" not in what]


def test_database_objects_are_named(hook: CloudantHook) -> None:
    class Database:
        database_name = "a"

    database: Any = Database()
    with pytest.raises(ConfigurationError, match="target_db is a database object: write its name"):
        hook.create_replication("a", database)


def test_a_replication_that_cannot_work_ends(hook: CloudantHook) -> None:
    """python-cloudant made hundreds of requests a second, for ever."""
    made = hook.create_replication(f"none{uuid4().hex}", "target", create_target=True)
    with pytest.raises(ReplicationFailedError, match="db_not_found"):
        list(hook.follow_replication(made["_id"], poll_interval=1))
    hook.stop_replication(made["_id"])


def test_a_continuous_one_goes_on_until_somebody_ends_it(hook: CloudantHook, source: str) -> None:
    made = hook.create_replication(source, f"{source}-t", create_target=True, continuous=True)
    with pytest.raises(ReplicationStalledError, match="timeout"):
        list(hook.follow_replication(made["_id"], timeout=1))
    stop = threading.Event()
    following = hook.follow_replication(made["_id"], stop=stop)
    assert next(following)["state"] != "completed"
    stop.set()
    with pytest.raises(asyncio.CancelledError):
        next(following)
    assert hook.stop_replication(made["_id"])


def test_a_document_that_vanishes_or_never_was(hook: CloudantHook, source: str) -> None:
    with pytest.raises(CouchNotFoundError, match="there is no replication 'never'"):
        hook.replication_state("never")
    made = hook.create_replication(source, f"{source}-t", create_target=True, continuous=True)
    following = hook.follow_replication(made["_id"], poll_interval=0.5)
    assert next(following)["_id"] == made["_id"]
    hook.stop_replication(made["_id"])
    with pytest.raises(CouchNotFoundError, match="there is no replication"):
        list(following)


def test_following_is_polite(hook: CloudantHook, couch: RunningCouch, source: str) -> None:
    made = hook.create_replication(source, f"{source}-t", create_target=True, continuous=True)
    couch.control.reset_counters()
    began = time.monotonic()
    with pytest.raises(ReplicationStalledError):
        list(hook.follow_replication(made["_id"], timeout=3))
    seconds = time.monotonic() - began
    requests = couch.control.counters()["requests"]
    looks = sum(count for what, count in requests.items() if "_scheduler/docs" in what)
    assert 3 <= looks <= 2 * seconds + 15  # about two a second at first
    hook.stop_replication(made["_id"])


def test_what_others_have_made_is_left_alone(hook: CloudantHook) -> None:
    doc_id = uuid4().hex
    body = {"source": "http://127.0.0.1:1/a", "target": "http://127.0.0.1:1/b"}
    with hook.get_client() as client:
        run(databases.put_document(client, "_replicator", doc_id, body))
    with pytest.raises(ReplicationFailedError, match="not made by Airflow"):
        hook.stop_replication(doc_id)
    assert hook.stop_replication(doc_id, foreign=True)


def test_a_server_that_is_away_for_a_moment(hook: CloudantHook, couch: RunningCouch, source: str) -> None:
    made = hook.create_replication(source, f"{source}-t", create_target=True)
    couch.control.fault(kind="status", path="*_scheduler*", status=503, times=2)
    assert list(hook.follow_replication(made["_id"]))[-1]["state"] == "completed"
    assert [rule["happened"] for rule in couch.control.faults()] == [2]
    couch.control.clear_faults()
