# SPDX-License-Identifier: Apache-2.0
"""What one-shot jobs copy, count and remember."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from tests.contract.couchdb.client import Couch, Database, Doc, branch, rev

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.contract.couchdb.jobs import Jobs
    from tests.contract.couchdb.server import Server

COUNTERS = (
    "revisions_checked",
    "missing_revisions_found",
    "docs_read",
    "docs_written",
    "doc_write_failures",
)
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def counters(info: Doc) -> list[int]:
    return [info[name] for name in COUNTERS]


def leaves(db: Database) -> set[tuple[str, str]]:
    rows = db.changes(style="all_docs")["results"]
    return {(row["id"], change["rev"]) for row in rows for change in row["changes"]}


def test_a_job_from_its_beginning_to_its_end(jobs: Jobs, server: Server, db: Database, target: Database) -> None:
    db.fill(30)
    job = jobs.start(db, target)
    seen = job.until("completed")
    assert leaves(target) == leaves(db)
    assert seen.keys() == {
        "database",
        "doc_id",
        "id",
        "source",
        "target",
        "state",
        "error_count",
        "info",
        "start_time",
        "last_updated",
    }
    assert (seen["database"], seen["doc_id"], seen["id"]) == ("_replicator", job.id, None)
    assert (seen["source"], seen["target"]) == (server.at(db.name) + "/", server.at(target.name) + "/")
    assert seen["error_count"] == 0
    assert MOMENT.fullmatch(seen["start_time"])
    assert MOMENT.fullmatch(seen["last_updated"])

    info = seen["info"]
    assert counters(info) == [30, 30, 30, 30, 0]
    assert info.keys() == {
        *COUNTERS,
        "changes_pending",
        "bulk_get_docs",
        "bulk_get_attempts",
        "checkpointed_source_seq",
    }
    assert info["changes_pending"] is None
    assert info["checkpointed_source_seq"].startswith("30-")


def test_what_the_document_is_told_in_the_end(jobs: Jobs, db: Database, target: Database) -> None:
    db.fill(3)
    job = jobs.start(db, target, airflow={"dag_id": "x"})
    job.done()
    doc = job.doc()
    assert doc["_rev"].startswith("2-")
    assert doc["_replication_state"] == "completed"
    assert MOMENT.fullmatch(doc["_replication_state_time"])
    assert counters(doc["_replication_stats"]) == [3, 3, 3, 3, 0]
    assert MOMENT.fullmatch(doc["_replication_stats"]["start_time"])
    assert doc["airflow"] == {"dag_id": "x"}


def test_conflicts_and_tombstones_go_with_it(jobs: Jobs, db: Database, target: Database) -> None:
    db.graft(branch("k", "a", "c", side="a"), branch("k", "b", "c", side="b"), branch("gone", "d", _deleted=True, x=1))
    jobs.run(db, target)
    assert leaves(target) == {("k", rev(2, "a")), ("k", rev(2, "b")), ("gone", rev(1, "d"))}
    assert target.get("k", conflicts=True)["_conflicts"] == [rev(2, "a")]
    assert target.get("gone", rev=rev(1, "d"))["x"] == 1
    assert target.get("k", revs=True) == db.get("k", revs=True)


def test_only_winners(jobs: Jobs, db: Database, target: Database) -> None:
    db.graft(branch("k", "a", "c"), branch("k", "b", "c"))
    jobs.run(db, target, winning_revs_only=True)
    assert leaves(target) == {("k", rev(2, "b"))}


def test_attachments_go_with_it(jobs: Jobs, db: Database, target: Database) -> None:
    data = bytes(range(256)) * 300
    attachments = {
        "bin": {"content_type": "image/png", "data": base64.b64encode(data).decode()},
        "sub/ü.txt": {"content_type": "text/plain", "data": base64.b64encode(b"x" * 5000).decode()},
    }
    db.put("a", {"_attachments": attachments})
    db.put("b/c+d", {"_attachments": attachments})
    jobs.run(db, target)
    for doc_id in ("a", "b/c+d"):
        assert target.get(doc_id) == db.get(doc_id)
        assert target.ask("GET", doc_id, "bin").content == data
        assert target.ask("GET", doc_id, "sub/ü.txt").content == b"x" * 5000


def test_counters_go_on_where_the_last_run_ended(jobs: Jobs, db: Database, target: Database) -> None:
    db.fill(20)
    assert counters(jobs.run(db, target)) == [20, 20, 20, 20, 0]
    assert counters(jobs.run(db, target)) == [20, 20, 20, 20, 0], "nothing was copied, but the old counters come back"
    db.fill(1, start=20)
    assert counters(jobs.run(db, target)) == [21, 21, 21, 21, 0]


def test_a_checkpoint_remembers_every_run(jobs: Jobs, db: Database, target: Database) -> None:
    db.fill(5)
    jobs.run(db, target)
    db.fill(2, start=5)
    jobs.run(db, target)
    ((name, kept),) = target.local().items()
    assert re.fullmatch("[0-9a-f]{32}", name)
    assert db.local()[name]["session_id"] == kept["session_id"]
    assert kept["source_last_seq"].startswith("7-")
    second, first = kept["history"]
    assert (first["start_last_seq"], second["start_last_seq"]) == (0, first["end_last_seq"])
    assert kept["session_id"] == second["session_id"] != first["session_id"]
    assert second["recorded_seq"] == second["end_last_seq"] == kept["source_last_seq"]
    assert [first["docs_written"], second["docs_written"]] == [5, 7]
    assert [second[each] for each in ("missing_checked", "missing_found", "docs_read", "doc_write_failures")] == [
        7,
        7,
        7,
        0,
    ]
    assert second["start_time"].endswith(" GMT")
    assert re.match(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d? ", second["end_time"])


def test_without_checkpoints_everything_is_asked_again(jobs: Jobs, db: Database, target: Database) -> None:
    db.fill(6)
    info = jobs.run(db, target, use_checkpoints=False)
    assert info["checkpointed_source_seq"] == "0"
    assert target.local() == db.local() == {}
    assert counters(jobs.run(db, target, use_checkpoints=False)) == [6, 0, 0, 0, 0]


def test_a_target_that_was_made_again(jobs: Jobs, admin: Couch, db: Database, target: Database) -> None:
    db.fill(6)
    jobs.run(db, target)
    admin.delete(target.name)
    admin.put(target.name)
    assert counters(jobs.run(db, target)) == [6, 6, 6, 6, 0]
    assert leaves(target) == leaves(db)


def test_a_source_that_was_made_again(jobs: Jobs, admin: Couch, db: Database, target: Database) -> None:
    db.fill(6)
    jobs.run(db, target)
    admin.delete(db.name)
    admin.put(db.name)
    db.put("new")
    jobs.run(db, target)
    assert target.ids() == {"new", *(f"d{n:04}" for n in range(6))}


def test_write_failures_do_not_fail_the_job(jobs: Jobs, db: Database, target: Database) -> None:
    db.fill(10)
    target.put("_design/v", {"validate_doc_update": "function (doc) { if (doc.n > 7) { throw ({forbidden: 'no'}); } }"})
    assert counters(jobs.run(db, target)) == [10, 10, 10, 8, 2]
    assert target.get()["doc_count"] == 9
    db.fill(1, start=10)
    assert counters(jobs.run(db, target)) == [11, 11, 11, 8, 3], "what was refused is not tried again"


def test_a_target_is_made(jobs: Jobs, db: Database, admin: Couch, new_name: Callable[[str], str]) -> None:
    db.fill(3)
    name = new_name("/made+here")
    job = jobs.start(db, name, create_target=True, create_target_params={"q": 1})
    job.done()
    made = Database(admin, name)
    assert leaves(made) == leaves(db)
    assert made.get()["cluster"]["q"] == 1
    assert jobs.run(db, name, create_target=True)["docs_written"] == 3, "one that is there is fine"


def test_a_selector(jobs: Jobs, db: Database, target: Database) -> None:
    db.fill(10)
    info = jobs.run(db, target, selector={"n": {"$gte": 7}})
    assert target.ids() == {"d0007", "d0008", "d0009"}
    assert counters(info) == [3, 3, 3, 3, 0]
    assert info["checkpointed_source_seq"].startswith("10-")


def test_a_filter_function(jobs: Jobs, db: Database, target: Database) -> None:
    db.fill(10)
    db.put("_design/f", {"filters": {"from": "function (doc, req) { return doc.n >= parseInt(req.query.least); }"}})
    jobs.run(db, target, filter="f/from", query_params={"least": "7"})
    assert target.ids() == {"d0007", "d0008", "d0009"}


def test_no_documents(jobs: Jobs, db: Database, target: Database) -> None:
    db.fill(3)
    assert counters(jobs.run(db, target, doc_ids=[])) == [0, 0, 0, 0, 0]
    assert target.ids() == set()


def test_ids_are_decoded_by_the_server(jobs: Jobs, db: Database, new_db: Callable[[], Database]) -> None:
    ids = ["a%25b", "plus+x", "ünï/cödé", "a b", "p%q", "not asked for"]
    for doc_id in ids:
        db.put(doc_id)
    plain, escaped = new_db(), new_db()
    jobs.run(db, plain, doc_ids=ids[:5])
    assert plain.ids() == {"ünï/cödé", "a b", "p%q"}
    jobs.run(db, escaped, doc_ids=[quote(doc_id, safe="") for doc_id in ids[:5]])
    assert escaped.ids() == set(ids[:5])


def test_passwords_with_signs(
    jobs: Jobs, server: Server, user: tuple[str, str], db: Database, target: Database
) -> None:
    db.fill(2)
    db.ask("PUT", "_security", json={"admins": {}, "members": {"names": [user[0]], "roles": []}}).raise_for_status()
    basic = {"username": user[0], "password": user[1]}
    jobs.run(db, target, source={"url": server.at(db.name), "auth": {"basic": basic}})
    assert target.ids() == {"d0000", "d0001"}


def test_databases_with_signs(jobs: Jobs, admin: Couch, new_name: Callable[[str], str]) -> None:
    source, copy = Database(admin, new_name("/a+b")), Database(admin, new_name("/c/(d)"))
    admin.put(source.name)
    admin.put(copy.name)
    source.fill(2)
    jobs.run(source, copy)
    assert copy.ids() == {"d0000", "d0001"}


def test_an_empty_source(jobs: Jobs, db: Database, target: Database) -> None:
    info = jobs.run(db, target)
    assert counters(info) == [0, 0, 0, 0, 0]
