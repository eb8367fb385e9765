# SPDX-License-Identifier: Apache-2.0
"""What arrives at the target: every revision, as it was, and nothing that was not asked for."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote

import pytest

from airflow_provider_replicator.sandbox.couchdb.replicator.remote import encoded
from tests.sandbox.couchdb.replicator.asking import Couch, until
from tests.sandbox.couchdb.replicator.conftest import Pair

IDS = ["plain", "a%b", "plus+x", "ünï/cödé", "sp ace", "_design/app"]


def revision(doc_id: str, rev: str, *older: str, **body: Any) -> dict[str, Any]:
    number, _, name = rev.partition("-")
    history = {"start": int(number), "ids": [name, *older]}
    return {"_id": doc_id, "_rev": rev, "_revisions": history, **body}


@pytest.fixture
def rich(couch: Couch, pair: Pair) -> Pair:
    """A source with conflicts, tombstones, attachments, a design document and ids that need encoding."""
    docs = [
        revision("conflict", "2-bb", "aa", v="b"),
        revision("conflict", "2-cc", "aa", v="c"),
        revision("conflict", "3-dd", "ee", "aa", v="d"),
        revision("gone", "2-ff", "aa", _deleted=True),
        revision("half gone", "2-ab", "aa", v=1),
        revision("half gone", "2-cd", "aa", _deleted=True),
        *(revision(one, "1-aa", language="javascript") for one in IDS),
    ]
    couch.ask("POST", f"/{pair.source}/_bulk_docs", {"docs": docs, "new_edits": False})
    data = {"f.txt": ("text/plain", b"text " * 200), "g/ü.bin": ("application/octet-stream", bytes(range(256)))}
    attachments = {
        name: {"content_type": kind, "data": base64.b64encode(content).decode()}
        for name, (kind, content) in data.items()
    }
    couch.ask("PUT", f"/{pair.source}/attached", {"_attachments": attachments})
    couch.fill(pair.source, 30)
    return pair


def whole(couch: Couch, database: str, doc_id: str) -> Any:
    path = f"/{database}/{encoded(doc_id)}?open_revs=all&revs=true&attachments=true"
    answer = couch.ask("GET", path, headers={"Accept": "application/json"}).json()
    return sorted((one["ok"] for one in answer), key=lambda document: str(document["_rev"]))


@pytest.mark.parametrize("bulk", [True, False])
def test_every_revision_arrives_as_it_was(couch: Couch, rich: Pair, bulk: bool) -> None:
    info = couch.runs("job", rich.job | {"use_bulk_get": bulk})
    assert couch.leaves(rich.target) == couch.leaves(rich.source)
    for doc_id in ("conflict", "gone", "half gone", "attached", *IDS):
        assert whole(couch, rich.target, doc_id) == whole(couch, rich.source, doc_id)
    leaves = sum(len(revs) for _, revs in couch.leaves(rich.source).values())
    assert info["docs_written"] == info["docs_read"] == info["missing_revisions_found"] == leaves
    # Design documents are not asked for in bulk, and what has attachments is not had that way.
    expected = (leaves - 2, leaves - 1) if bulk else (0, 0)
    assert (info["bulk_get_docs"], info["bulk_get_attempts"]) == expected


def test_only_winners(couch: Couch, rich: Pair) -> None:
    couch.runs("job", rich.job | {"winning_revs_only": True})
    winners = {doc_id: (deleted, revs[:1]) for doc_id, (deleted, revs) in couch.leaves(rich.source).items()}
    assert couch.leaves(rich.target) == winners


def test_ids_have_to_be_encoded(couch: Couch, rich: Pair) -> None:
    couch.runs("raw", rich.job | {"doc_ids": IDS})
    assert set(couch.ids(rich.target)) == set(IDS) - {"plus+x"}
    couch.runs("encoded", rich.job | {"doc_ids": [quote(one, safe="") for one in IDS]})
    assert set(couch.ids(rich.target)) == set(IDS)


def test_an_id_with_a_percent_sign_that_looks_encoded_is_lost(couch: Couch, pair: Pair) -> None:
    couch.ask("PUT", f"/{pair.source}/a%2525", {})
    assert couch.runs("raw", pair.job | {"doc_ids": ["a%25"]})["docs_written"] == 0
    assert couch.runs("encoded", pair.job | {"doc_ids": ["a%2525"]})["docs_written"] == 1


def test_no_ids_at_all(couch: Couch, rich: Pair) -> None:
    assert couch.runs("job", rich.job | {"doc_ids": []})["revisions_checked"] == 0


def test_a_selector(couch: Couch, rich: Pair) -> None:
    couch.runs("job", rich.job | {"selector": {"n": {"$lt": 7}}})
    assert couch.ids(rich.target) == [f"d{number:04}" for number in range(7)]


def test_the_filter_for_design_documents(couch: Couch, rich: Pair) -> None:
    couch.runs("job", rich.job | {"filter": "_design"})
    assert couch.ids(rich.target) == ["_design/app"]


def test_a_database_is_made_where_it_is_wanted(couch: Couch, rich: Pair) -> None:
    target = couch.end("made%2Fby%2Bjob")
    couch.runs("job", rich.job | {"target": target, "create_target": True, "create_target_params": {"q": 1}})
    assert couch.leaves("made%2Fby%2Bjob") == couch.leaves(rich.source)
    couch.runs("again", rich.job | {"target": target, "create_target": True})
    couch.ask("DELETE", "/made%2Fby%2Bjob")


def test_a_continuous_job_follows(couch: Couch, rich: Pair) -> None:
    couch.submit("job", rich.job | {"continuous": True})
    until(lambda: couch.leaves(rich.target) == couch.leaves(rich.source))
    couch.fill(rich.source, 3, 30)
    rev = couch.call("GET", f"/{rich.source}/d0000")["_rev"]
    couch.ask("DELETE", f"/{rich.source}/d0000?rev={rev}")
    until(lambda: couch.leaves(rich.target) == couch.leaves(rich.source))
    (task,) = [task for task in couch.call("GET", "/_active_tasks") if task["doc_id"] == "job"]
    assert (task["type"], task["continuous"], task["source"]) == ("replication", True, f"{couch.url}/{rich.source}/")


def test_both_ways_conflicts_are_kept(couch: Couch, pair: Pair) -> None:
    for database, value in ((pair.source, 1), (pair.target, 2)):
        couch.ask("PUT", f"/{database}/same", {"v": value})
    back = {"source": pair.job["target"], "target": pair.job["source"]}
    for doc_id, job in (("there", pair.job), ("back", back)):
        couch.submit(doc_id, job | {"continuous": True})
    until(lambda: couch.leaves(pair.source) == couch.leaves(pair.target))
    assert len(couch.leaves(pair.source)["same"][1]) == 2


def test_a_batch_that_is_too_large_is_split(couch: Couch, pair: Pair) -> None:
    couch.fill(pair.source, 20)
    couch.control.fault(path=f"/{pair.target}/_bulk_docs", kind="status", status=413, times=3)
    info = couch.runs("job", pair.job | {"worker_processes": 1})
    assert (info["docs_written"], info["doc_write_failures"]) == (20, 0)


def test_purged_documents_come_back_only_without_checkpoints(couch: Couch, pair: Pair) -> None:
    couch.fill(pair.source, 2)
    couch.runs("first", pair.job)
    purged = {"d0000": couch.leaves(pair.target)["d0000"][1]}
    assert couch.ask("POST", f"/{pair.target}/_purge", purged).status_code == 201
    couch.runs("second", pair.job)
    assert couch.count(pair.target) == 1
    couch.runs("repair", pair.job | {"since_seq": "0", "use_checkpoints": False})
    assert couch.count(pair.target) == 2
