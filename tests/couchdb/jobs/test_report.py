# SPDX-License-Identifier: Apache-2.0
"""The report: small, JSON, and honest about what is not known."""

from __future__ import annotations

import json

from airflow_provider_replicator.couchdb.jobs.history import Counts
from airflow_provider_replicator.couchdb.jobs.job import Job
from airflow_provider_replicator.couchdb.jobs.outcome import Outcome
from airflow_provider_replicator.couchdb.jobs.report import fitted, report, warnings
from airflow_provider_replicator.couchdb.jobs.states import Counters, JobState

JOB = Job(
    doc_id="airflow-x",
    replicator_db="_replicator",
    source_db="a",
    target_db="b",
    source_url="http://h/a",
    target_url="http://h/b",
    submitted="2026-11-21T18:49:10Z",
    job_id="1f",
    requests=3,
)
DONE = JobState(state="completed", checkpointed_source_seq="9-x", last_updated="2026-11-21T18:50:10Z")
OUTCOME = Outcome(kind="completed", job=JOB, state=DONE, reason="completed", polls=4, requests=4, states=("completed",))
TOTAL = Counters(docs_written=100, docs_read=101, doc_write_failures=3)


def test_counts_of_the_run_and_of_all_runs() -> None:
    values = report(OUTCOME, DONE, Counts(total=TOTAL, before=Counters(docs_written=97, docs_read=98)), seconds=1.23456)
    assert (values["docs_written"], values["docs_written_total"], values["doc_write_failures"]) == (3, 100, 3)
    assert values["requests"] == {"submit": 3, "wait": 4, "finish": 0}
    assert (values["started"], values["ended"], values["seconds"]) == (JOB.submitted, DONE.last_updated, 1.235)


def test_what_is_not_known_is_not_there() -> None:
    values = report(OUTCOME, DONE, Counts(total=TOTAL, before=None), seconds=1)
    assert "docs_written" not in values
    assert values["docs_written_total"] == 100
    assert "docs_written_total" not in report(OUTCOME, DONE, None, seconds=1)


def test_warnings() -> None:
    assert warnings(Counts(total=Counters(docs_written=3), before=Counters(docs_written=1))) == []
    assert warnings(Counts(total=Counters(), before=None)) == []
    (unknown,) = warnings(Counts(total=TOTAL, before=None))
    assert "totals" in unknown
    earlier, now = Counters(doc_write_failures=3), Counters(doc_write_failures=5)
    assert ["2 revisions" in warnings(Counts(total=now, before=earlier))[0]] == [True]
    (old,) = warnings(Counts(total=earlier, before=earlier))
    assert "earlier runs" in old


def test_the_report_fits_whatever_is_in_it() -> None:
    long = "ü" * 3000
    state = JobState(
        state="crashing", error=long, error_class="unknown", checkpointed_source_seq="17-" + "A" * 9000, error_count=3
    )
    job = Job(
        doc_id=long, replicator_db=long, source_db=long, target_db=long, source_url=long, target_url=long, job_id=long
    )
    outcome = Outcome(kind="stalled", job=job, state=state, reason=long)
    values = report(outcome, state, Counts(total=TOTAL, before=TOTAL), seconds=3)
    values["warnings"] = [long, long]
    values["refused_ids"] = [long] * 20
    text = json.dumps(fitted(values), ensure_ascii=False).encode()
    assert len(text) < 4096
    assert values["checkpoint_seq"] == "17-…"
    assert (values["docs_written"], values["docs_written_total"]) == (0, 100)


def test_sequences_that_fit_are_whole() -> None:
    sequence = "17-" + "A" * 1000
    assert fitted({"checkpoint_seq": sequence})["checkpoint_seq"] == sequence
    assert fitted({})["checkpoint_seq"] is None
