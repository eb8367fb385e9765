# SPDX-License-Identifier: Apache-2.0
"""What servers say of a job: CouchDB 3.5 as recorded, CouchDB 1 and PouchDB, old Cloudant."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_replicator.couchdb.auth.credentials import BasicAuth
from airflow_provider_replicator.couchdb.connection import CouchConnection
from airflow_provider_replicator.couchdb.jobs.job import Job
from airflow_provider_replicator.couchdb.jobs.outcome import Outcome
from airflow_provider_replicator.couchdb.jobs.reading import (
    counters,
    from_document,
    from_scheduler,
    iso_seconds,
    parse_moment,
    sequence,
)
from airflow_provider_replicator.couchdb.jobs.states import Counters, JobState

INFO = {
    "revisions_checked": 50,
    "missing_revisions_found": 49,
    "docs_read": 48,
    "docs_written": 47,
    "changes_pending": None,
    "doc_write_failures": 1,
    "bulk_get_docs": 48,
    "bulk_get_attempts": 48,
    "checkpointed_source_seq": "50-g1AA",
}
FIFTY = Counters(revisions_checked=50, missing_revisions_found=49, docs_read=48, docs_written=47, doc_write_failures=1)
TIME = "2026-11-21T18:25:28Z"


def entry(state: Any, info: Any = None, **more: Any) -> dict[str, Any]:
    return {"database": "_replicator", "doc_id": "x", "id": None, "state": state, "info": info, **more}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (entry(None, start_time=None, last_updated=None, error_count=0), JobState(state="unseen")),
        (
            entry("initializing", error_count=0, last_updated=TIME, start_time=TIME),
            JobState(state="initializing", start_time=TIME, last_updated=TIME),
        ),
        (entry("running", id="7396+continuous"), JobState(state="running", job_id="7396+continuous")),
        (
            entry("running", INFO | {"source_seq": "9-a", "through_seq": "8-b", "changes_pending": 7}, error_count=2),
            JobState(
                state="running",
                counters=FIFTY,
                changes_pending=7,
                source_seq="9-a",
                through_seq="8-b",
                checkpointed_source_seq="50-g1AA",
                error_count=2,
            ),
        ),
        (
            entry("completed", INFO, start_time=TIME, last_updated=TIME),
            JobState(
                state="completed",
                counters=FIFTY,
                checkpointed_source_seq="50-g1AA",
                start_time=TIME,
                last_updated=TIME,
            ),
        ),
        (
            entry("crashing", {"error": "db_not_found: could not open http://h/x/"}, error_count=3),
            JobState(
                state="crashing",
                error="db_not_found: could not open http://h/x/",
                error_class="grace",
                error_count=3,
            ),
        ),
        # Cloudant's older texts: info is a text, times have dashes
        (
            entry("error", "unauthorized: http://user:pass@h/x", last_updated="2016-11-10T06-51-19Z"),
            JobState(
                state="error",
                error="unauthorized: http://***@h/x",
                error_class="fatal",
                last_updated="2016-11-10T06:51:19Z",
            ),
        ),
        (entry("pending", "nothing to see"), JobState(state="pending")),
        (entry("pending", []), JobState(state="pending")),
        (entry("some day"), JobState(state="unseen")),
        ({}, JobState(state="unseen")),
    ],
)
def test_the_scheduler(answer: dict[str, Any], expected: JobState) -> None:
    assert from_scheduler(answer) == expected


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({}, JobState(state="unseen")),
        ({"_replication_state": "triggered", "_replication_id": "1f"}, JobState(state="running", job_id="1f")),
        (
            {
                "_replication_state": "completed",
                "_replication_state_time": 1795285530,
                "_replication_stats": {"missing_checked": 3, "missing_found": 2, "docs_written": 2},
            },
            JobState(
                state="completed",
                counters=Counters(revisions_checked=3, missing_revisions_found=2, docs_written=2),
                last_updated="2026-11-21T18:25:30Z",
            ),
        ),
        (
            {"_replication_state": "error", "_replication_state_reason": "unauthorized: no", "_replication_stats": {}},
            JobState(state="error", error="unauthorized: no", error_class="fatal"),
        ),
    ],
)
def test_documents_of_v1_servers(document: dict[str, Any], expected: JobState) -> None:
    secrets = {"source": {"url": "http://h/a", "headers": {"Authorization": "Basic c2VjcmV0"}}, "_rev": "1-a"}
    state = from_document(document | secrets)
    assert state == expected
    assert "c2VjcmV0" not in repr(state)


def test_secrets_of_the_connection_are_taken_out_of_texts() -> None:
    connection = CouchConnection(name="c", base_url="http://h", auth=BasicAuth("admin", "pl+ain/ü"))
    state = from_scheduler(entry("crashing", {"error": "no way with pl+ain/ü or pl%2Bain%2F%C3%BC"}), connection)
    assert state.error == "no way with *** or ***"


def test_a_duplicate_is_kept_whole() -> None:
    long = "x" * 900
    text = f"Replication `j` specified by document `a` already started, triggered by document `{long}` from db `_replicator`"
    state = from_scheduler(entry("failed", {"error": text}, error_count=1))
    assert state.duplicate is not None
    assert state.duplicate.doc_id == long
    assert len(state.error or "") == 600


@pytest.mark.parametrize(
    ("written", "iso"),
    [
        ("2026-11-21T18:25:28Z", "2026-11-21T18:25:28Z"),
        ("2016-11-10T06-51-19Z", "2016-11-10T06:51:19Z"),
        ("2026-11-21T19:25:28.75+01:00", "2026-11-21T18:25:28Z"),
        ("Sat, 21 Nov 2026 18:25:28 GMT", "2026-11-21T18:25:28Z"),
        (1795285528, "2026-11-21T18:25:28Z"),
        ("", None),
        (None, None),
        ("yesterday", None),
        (True, None),
        ([], None),
    ],
)
def test_moments(written: Any, iso: str | None) -> None:
    assert iso_seconds(written) == iso
    moment = parse_moment(written)
    assert (moment is None) == (iso is None)


@pytest.mark.parametrize(("value", "text"), [("5-a", "5-a"), (None, None), (17, "17"), ([17, "g1"], '[17, "g1"]')])
def test_sequences_of_old_servers(value: Any, text: str | None) -> None:
    assert sequence(value) == text


def test_nothing_counted_is_none() -> None:
    assert counters({}) is None
    assert counters({"docs_read": None, "docs_written": "many"}) is None
    assert counters({"docs_read": 0}) == Counters()


def test_states_and_outcomes_travel() -> None:
    state = from_scheduler(entry("running", INFO, id="1f", error_count=1))
    assert JobState.from_dict(state.to_dict()) == state
    text = "Replication `j` specified by document `a` already started, triggered by document `b` from db `_replicator`"
    failed = from_scheduler(entry("failed", {"error": text}))
    job = Job(doc_id="a", replicator_db="_replicator", source_db="s", target_db="t", submitted=TIME)
    outcome = Outcome(kind="duplicate", job=job, state=failed, reason="r", states=("unseen", "failed"), polls=2)
    travelled = Outcome.from_dict(outcome.to_dict() | {"of_a_later_version": 1})
    assert travelled == outcome
    assert travelled.duplicate == failed.duplicate
    assert Job.from_dict(job.to_dict() | {"of_a_later_version": 1}) == job


def test_a_job_learns_its_id_and_an_earlier_start() -> None:
    job = Job(doc_id="a", replicator_db="_replicator", source_db="s", target_db="t", submitted="2026-11-21T18:25:30Z")
    seen = job.seen(JobState(state="running", job_id="1f+continuous", start_time=TIME))
    assert (seen.job_id, seen.checkpoint_id, seen.submitted) == ("1f+continuous", "1f", TIME)
    ended = seen.seen(JobState(state="completed", start_time="2026-11-21T18:25:31Z"))
    assert (ended.job_id, ended.submitted) == ("1f+continuous", TIME)
