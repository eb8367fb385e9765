# SPDX-License-Identifier: Apache-2.0
"""Work orders become documents that are hard to copy, and whatever a copy lacks or has changed is noticed with plain requests."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
import requests

from airflow_provider_replicator.sandbox.couchdb.running import RunningCouch
from scripts.demo import couch, couch_compare, couch_documents, data_set, summary
from scripts.demo.couch_documents import DATABASE, PROTOCOL
from scripts.demo.couch_server import CouchServer
from tests.demo import small_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Pair = tuple[CouchServer, CouchServer]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> data_set.DataSet:
    return data_set.read(small_wheel.make(tmp_path_factory.mktemp("wheel") / "small.whl"))


@pytest.fixture(scope="module")
def servers() -> Iterator[Pair]:
    password = couch.password()
    with (
        RunningCouch(password=password) as one,
        RunningCouch(password=password) as other,
        CouchServer(one.url, one.username, password) as source,
        CouchServer(other.url, other.username, password) as target,
    ):
        yield source, target


@pytest.fixture
def pair(servers: Pair, data: data_set.DataSet) -> Iterator[Pair]:
    """The source is loaded, the target empty."""
    couch_documents.load(servers[0], data)
    yield servers
    for server in servers:
        if server.has(DATABASE):
            server.ask("DELETE", DATABASE)
        server.configure("couchdb", "max_document_size", couch.LARGE)


def copy(source: CouchServer, target: CouchServer) -> list[str]:
    """What a replication does, one document after the other; returns the ids of those that the target refused."""
    target.create(DATABASE)
    refused = []
    for name, revisions in couch_compare.read(source, DATABASE).leaves.items():
        for revision in revisions:
            found = source.ask("GET", DATABASE, name, rev=revision, revs="true", attachments="true")
            body = {"docs": [found], "new_edits": False}
            if not target.answer("POST", DATABASE, "_bulk_docs", json=body).ok:
                refused.append(name)
    return refused


def test_what_is_loaded_is_counted(pair: Pair, data: data_set.DataSet) -> None:
    loaded = couch_documents.load(pair[0], data)
    assert loaded == couch_documents.Loaded(documents=5, conflicts=1, attachments=1, tombstones=1)
    held = couch_compare.read(pair[0], DATABASE)
    assert (held.documents, held.conflicts) == (5, 1)
    assert set(held.deleted) == {"order/W-3"}
    assert set(held.leaves) == {
        *("order/W-1", "order/W-2", "order/W-3"),
        *("equipment/A:2", "equipment/A:3"),
        "summary/progress/100%",
    }
    assert held.revisions == len(held.bodies) == 7


def test_an_order_has_its_values_its_equipment_and_its_protocol(pair: Pair) -> None:
    found = pair[0].ask("GET", DATABASE, "order/W-1")
    assert (found["startTime"], found["isCancelled"], found["equipment"]) == (1000, False, ["A:2", "A:3"])
    assert "title" not in found, "null is nothing"
    assert pair[0].answer("GET", DATABASE, "order/W-1", PROTOCOL).text == "None\n\nSmøreoljeprøve\n"


def test_an_order_that_was_edited_in_two_places_is_in_conflict(pair: Pair) -> None:
    found = pair[0].ask("GET", DATABASE, "order/W-2", conflicts="true")
    other = pair[0].ask("GET", DATABASE, "order/W-2", rev=found["_conflicts"][0])
    assert {found["editedBy"], other["editedBy"]} == {"onshore", "offshore"}


def test_a_load_that_was_broken_off_begins_again_and_a_finished_one_is_kept(pair: Pair, data: data_set.DataSet) -> None:
    source = pair[0]
    before = couch_compare.read(source, DATABASE)
    couch_documents.write(source, DATABASE, [{"_id": "of somebody else"}])
    couch_documents.load(source, data)
    assert source.has(DATABASE, "of somebody else")
    marker = source.ask("GET", DATABASE, couch_documents.MARKER)
    source.ask("DELETE", DATABASE, couch_documents.MARKER, rev=marker["_rev"])
    couch_documents.load(source, data)
    assert couch_compare.read(source, DATABASE) == before


def test_a_refused_document_is_named(pair: Pair) -> None:
    with pytest.raises(ValueError, match="order/W-1: conflict"):
        couch_documents.write(pair[0], DATABASE, [{"_id": "order/W-1"}])


def test_a_server_that_refuses_a_password_is_an_error(pair: Pair) -> None:
    with CouchServer(pair[0].url, "admin", "wrong") as server, pytest.raises(requests.HTTPError):
        server.ask("GET", DATABASE)


def test_everything_is_missing_in_a_target_that_is_not_there(pair: Pair) -> None:
    target = couch_compare.read(pair[1], DATABASE)
    assert (target.documents, target.revisions) == (0, 0)


def test_a_copy_is_equal(pair: Pair) -> None:
    assert copy(*pair) == []
    compared = couch_compare.compare(*pair, DATABASE)
    assert couch.differences(compared) == []
    assert compared.as_dict() == {
        "docs_source": 5,
        "docs_target": 5,
        "revisions": 7,
        "conflicts": 1,
        "tombstones": 1,
        "missing_revisions": 0,
        "missing_documents": [],
        "different_bodies": 0,
    }


def forged(pair: Pair, name: str, **changed: Any) -> None:
    """The same revision with another content, as no server would make it."""
    source, target = pair
    original = source.ask("GET", DATABASE, name, revs="true", attachments="true")
    target.create(DATABASE)
    target.ask("POST", DATABASE, "_bulk_docs", json={"docs": [{**original, **changed}], "new_edits": False})


def test_missing_documents_conflicts_and_tombstones_are_named(pair: Pair) -> None:
    forged(pair, "order/W-2")  # as it is, but without its conflict
    compared = couch_compare.compare(*pair, DATABASE)
    assert compared.missing_revisions == 6
    assert {"order/W-1", "order/W-2", "order/W-3"} < set(compared.missing)
    words = couch.differences(compared)
    assert words[0].startswith("the target lacks 6 revisions")
    assert "the source has 1 tombstones, the target 0" in words


def test_another_content_of_the_same_revision_is_noticed(pair: Pair) -> None:
    forged(pair, "equipment/A:2", description="another")
    attached = {"content_type": "text/plain; charset=utf-8", "data": base64.b64encode(b"another").decode()}
    forged(pair, "order/W-1", _attachments={PROTOCOL: attached})
    copy(*pair)
    compared = couch_compare.compare(*pair, DATABASE)
    assert [key.split(" ")[0] for key in compared.different] == ["equipment/A:2", "order/W-1"]
    assert couch.differences(compared)[0].startswith("2 revisions have another content")


def test_what_is_too_much_in_the_target_is_noticed(pair: Pair) -> None:
    copy(*pair)
    couch_documents.write(pair[1], DATABASE, [{"_id": "of somebody else"}])
    compared = couch_compare.compare(*pair, DATABASE)
    assert couch.differences(compared) == [
        "the source has 5 documents, the target 6",
        "the source has 7 revisions, the target 8",
    ]


class CopyingAirflow:
    """In the place of an Airflow: its runs copy what the target takes, and say what is said to them."""

    def __init__(self, pair: Pair, *, log: str, repairs: bool = True) -> None:
        self.pair, self.log, self.repairs = pair, log, repairs
        self.report: dict[str, Any] = {}
        self.confs: list[dict[str, Any]] = []

    def test_dag(self, dag_id: str, conf: dict[str, Any], *, log: str) -> str:
        self.confs.append(conf)
        if self.repairs or not conf.get("repair"):
            copy(*self.pair)
        verified = {"ok": True, "revisions": couch_compare.read(self.pair[0], DATABASE).revisions}
        self.report = {"verification": verified, "repair": {"docs_written": 1}}
        return "run"

    def test_failing_dag(self, dag_id: str, conf: dict[str, Any], *, log: str) -> str:
        copy(*self.pair)
        return self.log

    def read(self, dag_id: str, run_id: str) -> dict[str, Any]:
        return {couch.TASK: self.report}


def play(pair: Pair, data: data_set.DataSet, airflow: Any) -> couch.Outcome:
    return couch.CouchDemo(*pair, airflow, airflow).run(data)


def test_a_demo_in_which_everything_holds(pair: Pair, data: data_set.DataSet) -> None:
    airflow = CopyingAirflow(pair, log=f"the target refused {couch.TOO_LARGE}")
    outcome = play(pair, data, airflow)
    assert outcome.failures == []
    document = outcome.as_dict()
    assert document["refused_detected"] is True
    assert (document["docs_source"], document["docs_target"], document["missing_revisions"]) == (6, 6, 0)
    assert [(run["name"], run["missing_documents"]) for run in document["runs"]] == [
        ("initial", []),
        ("refused", [couch.TOO_LARGE]),
        ("repaired", []),
    ]
    assert [conf["repair"] for conf in airflow.confs] == [False, True]


def test_a_refusal_that_nobody_names_fails_the_demo(pair: Pair, data: data_set.DataSet) -> None:
    outcome = play(pair, data, CopyingAirflow(pair, log="it went wrong"))
    assert outcome.as_dict()["refused_detected"] is False
    assert outcome.failures == [f"refused: the log of the task does not name {couch.TOO_LARGE!r}"]


def test_a_repair_that_does_not_bring_the_document_fails_the_demo(pair: Pair, data: data_set.DataSet) -> None:
    outcome = play(pair, data, CopyingAirflow(pair, log=couch.TOO_LARGE, repairs=False))
    assert outcome.failures[0].startswith("cloudant, repaired: the target lacks 1 revisions")


def test_the_table_says_what_is_missing() -> None:
    run = {
        "name": "refused",
        "state": "failed",
        "docs_source": 1588,
        "docs_target": 1587,
        "conflicts": 25,
        "tombstones": 328,
        "missing_revisions": 1,
        "missing_documents": ["a document"],
    }
    line = summary.cloudant_table([run]).splitlines()[-1]
    assert line.split("  ")[0] == "refused"
    assert "1,588" in line
    assert line.endswith("a document")


def test_new_passwords_need_care_in_urls(tmp_path: Path) -> None:
    first, second = couch.password(), couch.password()
    assert first != second
    assert {"/", "+", "%", "@", ":"} <= set(first)
