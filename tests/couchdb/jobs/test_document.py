# SPDX-License-Identifier: Apache-2.0
"""The document of a job: its id, its fingerprint, its marker, and that nothing secret is anywhere else."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_replicator.couchdb.auth.credentials import Auth, BasicAuth, BearerAuth, IamAuth, NoAuth
from airflow_provider_replicator.couchdb.connection import CouchConnection
from airflow_provider_replicator.couchdb.jobs.choices import Owner, Policies
from airflow_provider_replicator.couchdb.jobs.document import Draft, document_id, draft, escaped, marker_of
from airflow_provider_replicator.couchdb.jobs.options import ReplicationOptions
from airflow_provider_replicator.couchdb.jobs.states import JobState
from airflow_provider_replicator.couchdb.jobs.stop import check_ours
from airflow_provider_replicator.couchdb.jobs.submit import Step, decide
from airflow_provider_replicator.couchdb.server import ServerInfo
from airflow_provider_replicator.exceptions import ReplicationFailedError

PASSWORD = "pässw/+%:@ \"'&?#"
OWNER = Owner(dag_id="my dag", task_id="copy/orders", run_id="manual__1")
COUCH = ServerInfo.of({"version": "3.5.0", "features": ["scheduler"], "vendor": {"name": "Apache"}})
OLD = ServerInfo.of({"version": "3.1.2", "features": ["scheduler"]})
POUCH = ServerInfo.of({"version": "4.2.0", "vendor": {"name": "PouchDB authors"}})


def connection(name: str = "source", auth: Auth | None = None, url: str = "http://couch:5984") -> CouchConnection:
    return CouchConnection(name=name, base_url=url, auth=auth or BasicAuth("admin", PASSWORD))


def written(
    source: CouchConnection | None = None, owner: Owner = OWNER, server: ServerInfo = COUCH, **options: Any
) -> Draft:
    chosen = ReplicationOptions.of("a/b+c", "copy", options)
    return draft(
        source or connection(), connection("target"), chosen, owner=owner, server=server, submitted="2026-11-21"
    )


def test_ids_follow_from_owner_and_endpoints() -> None:
    ids = [
        written().doc_id,
        written(owner=replace(OWNER, run_id="manual__2")).doc_id,
        written(owner=replace(OWNER, map_index=0)).doc_id,
        written(owner=replace(OWNER, map_index=1)).doc_id,
        written(owner=replace(OWNER, task_id="copy_orders")).doc_id,
        written(connection("elsewhere")).doc_id,
    ]
    assert len(set(ids)) == len(ids)
    assert written().doc_id == ids[0]
    assert written(worker_processes=2).doc_id == ids[0]  # other options are a mismatch, not another job
    assert ids[0].startswith("airflow-my_dag-copy_orders-")
    assert len(written(owner=replace(OWNER, dag_id="ü" * 900)).doc_id) < 120


def test_every_run_has_the_same_continuous_job() -> None:
    first, second = (written(owner=replace(OWNER, run_id=run), continuous=True).doc_id for run in ("a", "b"))
    assert first == second != written(owner=replace(OWNER, run_id="a")).doc_id


def test_there_and_back_are_two_documents() -> None:
    there, back = ReplicationOptions.of("a", "b"), ReplicationOptions.of("b", "a")
    assert document_id("x", "y", there, OWNER) != document_id("y", "x", back, OWNER)
    assert document_id("x", "x", there, OWNER) != document_id("x", "x", back, OWNER)


def test_the_document() -> None:
    body = dict(written(doc_ids=["a%25b", "plus+x", "ünï/cödé"], continuous=True).body)
    marker = body.pop("airflow")
    basic = {"basic": {"username": "admin", "password": PASSWORD}}
    assert body == {
        "source": {"url": "http://couch:5984/a%2Fb%2Bc", "auth": basic},
        "target": {"url": "http://couch:5984/copy", "auth": basic},
        "continuous": True,
        "doc_ids": ["a%2525b", "plus%2Bx", "ünï/cödé"],
    }
    assert {name: marker[name] for name in OWNER.as_dict()} == OWNER.as_dict()
    assert marker["submitted"] == "2026-11-21"
    assert PASSWORD not in json.dumps(marker)


def test_old_servers_want_a_header() -> None:
    for server in (OLD, POUCH):
        assert set(written(server=server).body["source"]) == {"url", "headers"}


def test_pouchdb_takes_ids_as_they_are() -> None:
    assert written(server=POUCH, doc_ids=["a%+b"]).body["doc_ids"] == ["a%+b"]


@pytest.mark.parametrize(("doc_id", "sent"), [("a", "a"), ("a%25b", "a%2525b"), ("plus+x", "plus%2Bx"), ("ü/ö", "ü/ö")])
def test_ids_are_escaped_as_servers_decode_them(doc_id: str, sent: str) -> None:
    assert escaped(doc_id) == sent


def test_the_fingerprint_knows_no_secrets() -> None:
    same = written().marker.fingerprint
    assert written(connection(auth=BasicAuth("admin", "another"))).marker.fingerprint == same
    assert written(owner=replace(OWNER, run_id="other")).marker.fingerprint == same
    others = [
        written(connection(auth=BasicAuth("somebody", PASSWORD))),
        written(connection(auth=NoAuth())),
        written(connection(auth=IamAuth("key"))),
        written(connection(auth=BearerAuth("token"))),
        written(connection(url="http://other:5984")),
        written(worker_processes=2),
        written(selector={"a": 1}),
        written(doc_ids=["a"]),
        written(continuous=True),
    ]
    assert len({one.marker.fingerprint for one in others} | {same}) == len(others) + 1


@pytest.mark.parametrize("auth", [BasicAuth("admin", PASSWORD), IamAuth(PASSWORD), BearerAuth(PASSWORD)])
def test_a_draft_shows_no_secrets(auth: Auth) -> None:
    shown = repr(written(connection(auth=auth)))
    assert PASSWORD not in shown
    assert "auth" not in shown
    assert "Basic" not in shown


def test_markers_are_read_back() -> None:
    one = written()
    assert marker_of(one.body) == one.marker
    assert one.marker.belongs_to(replace(OWNER, run_id="other", map_index=7))
    assert not one.marker.belongs_to(replace(OWNER, task_id="other"))
    assert str(one.marker) == "task copy/orders of DAG my dag, run manual__1"
    assert one.is_in(one.body)
    assert not one.is_in(written().body)  # the same content, written by another try


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"airflow": None},
        {"airflow": "yes"},
        {"airflow": {"dag_id": "d", "task_id": "t", "run_id": "r", "map_index": -1, "fingerprint": "f"}},
        {"airflow": {"by": "airflow-provider-replicator"}},
        {"airflow": {"by": "somebody", **OWNER.as_dict(), "fingerprint": "f"}},
        {"airflow": {"by": "airflow-provider-replicator", **OWNER.as_dict(), "fingerprint": "f", "map_index": "x"}},
    ],
)
def test_what_is_not_ours_is_left_alone(document: dict[str, Any]) -> None:
    assert marker_of(document) is None
    with pytest.raises(ReplicationFailedError, match="not made by Airflow"):
        check_ours(document, "x")
    assert check_ours(document, "x", foreign=True) is None


def test_documents_of_another_task_are_left_alone() -> None:
    with pytest.raises(ReplicationFailedError, match=r"belongs to task copy/orders of DAG my dag"):
        check_ours(written().body, "x", owner=replace(OWNER, dag_id="other"))
    assert check_ours(written().body, "x", owner=replace(OWNER, run_id="later")) is not None


RERUN, FAIL = Policies(if_completed="rerun"), Policies(on_mismatch="fail")


@pytest.mark.parametrize(
    ("state", "policies", "step_if_same", "step_if_other"),
    [
        ("unseen", Policies(), "adopt", "restart"),
        ("initializing", Policies(), "adopt", "restart"),
        ("pending", Policies(), "adopt", "restart"),
        ("running", Policies(), "adopt", "restart"),
        ("running", RERUN, "adopt", "restart"),
        ("crashing", Policies(), "restart", "restart"),
        ("error", Policies(), "restart", "restart"),
        ("completed", Policies(), "adopt", "overwrite"),
        ("completed", RERUN, "overwrite", "overwrite"),
        ("failed", Policies(), "overwrite", "overwrite"),
        ("gone", Policies(), "overwrite", "overwrite"),
        ("running", FAIL, "adopt", None),
        ("completed", FAIL, "adopt", None),
        ("crashing", FAIL, "restart", None),
    ],
)
def test_what_happens_to_a_document_that_is_there(
    state: Any, policies: Policies, step_if_same: Step, step_if_other: Step | None
) -> None:
    there = JobState(state=state)
    assert decide(written().body, written(), there, policies) == step_if_same
    if step_if_other is None:
        with pytest.raises(ReplicationFailedError, match="on_mismatch"):
            decide(written().body, written(worker_processes=2), there, policies)
    else:
        assert decide(written().body, written(worker_processes=2), there, policies) == step_if_other


def test_a_live_job_with_an_old_password_is_started_again() -> None:
    rotated = written(connection(auth=BasicAuth("admin", "another")))
    assert decide(written().body, rotated, JobState(state="running"), FAIL) == "restart"
    assert decide(written().body, rotated, JobState(state="completed"), FAIL) == "adopt"
