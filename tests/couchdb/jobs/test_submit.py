# SPDX-License-Identifier: Apache-2.0
"""Submitting twice, after changes, over what others have made, and into a replicator database of one's own."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_replicator.couchdb import databases
from airflow_provider_replicator.couchdb.auth.credentials import BasicAuth
from airflow_provider_replicator.couchdb.blocking import run
from airflow_provider_replicator.couchdb.jobs.choices import Policies, WaitLimits
from airflow_provider_replicator.couchdb.jobs.finish import finish
from airflow_provider_replicator.couchdb.jobs.job import Job
from airflow_provider_replicator.couchdb.jobs.outcome import Outcome
from airflow_provider_replicator.couchdb.jobs.submit import submit
from airflow_provider_replicator.couchdb.jobs.wait import wait
from airflow_provider_replicator.exceptions import ConfigurationError, ReplicationFailedError
from tests.couchdb.jobs.pair import LIMITS, NOWHERE, Pair

if TYPE_CHECKING:
    from airflow_provider_replicator.couchdb.connection import CouchConnection

KEEP = Policies(keep_document=True)


def test_a_retry_adopts_the_live_job(pair: Pair) -> None:
    owner = pair.owner()
    first = pair.submit(owner, continuous=True)
    pair.until(first, "running")
    second = pair.submit(owner, continuous=True)
    third = pair.submit(replace(owner, run_id="the next run"), continuous=True)
    assert (first.adopted, second.adopted, third.adopted) == (False, True, True)
    assert first.doc_id == second.doc_id == third.doc_id
    assert second.job_id is not None
    assert second.submitted == first.submitted
    assert len(pair.jobs()) == 1


def test_mapped_tasks_and_runs_have_jobs_of_their_own(pair: Pair) -> None:
    owner = pair.owner()
    jobs = [pair.submit(replace(owner, map_index=index), selector={"part": index}) for index in range(3)]
    jobs.append(pair.submit(replace(owner, run_id="other")))
    assert len({job.doc_id for job in jobs}) == 4


def test_a_completed_job_is_reused(pair: Pair) -> None:
    """A worker that died between the job's end and its report: the retry reports the same."""
    pair.fill(7)
    owner = pair.owner()
    job = pair.submit(owner)
    pair.until(job, "completed")
    report = pair.replicate(owner)
    assert (report["adopted"], report["docs_written"]) == (True, 7)
    assert report["requests"]["wait"] == 1


@pytest.mark.usefixtures("runs_apart")
def test_a_completed_job_is_run_again_if_asked_for(pair: Pair) -> None:
    pair.fill(7)
    owner = pair.owner()
    pair.replicate(owner, KEEP)
    assert len(pair.jobs()) == 1
    pair.put("new")
    assert pair.replicate(owner, KEEP)["docs_written"] == 7  # reused
    assert len(pair.ids()) == 7
    report = pair.replicate(owner, Policies(if_completed="rerun"))
    assert (report["adopted"], report["docs_written"]) == (False, 1)
    assert len(pair.ids()) == 8


def test_other_options_replace_the_job(pair: Pair) -> None:
    pair.put("a", kind="x")
    pair.put("b", kind="y")
    owner = pair.owner()
    pair.until(pair.submit(owner, continuous=True, target_proxy=NOWHERE), "crashing")
    first = pair.submit(owner, target_proxy=NOWHERE)
    assert first.doc_id not in (doc for doc in pair.jobs() if doc != first.doc_id)
    report = pair.replicate(owner, selector={"kind": "x"})
    assert (report["doc_id"], report["adopted"]) == (first.doc_id, False)
    assert pair.ids() == ["a"]


def test_other_options_may_be_an_error(pair: Pair) -> None:
    owner = pair.owner()
    job = pair.submit(owner, continuous=True)
    with pytest.raises(ReplicationFailedError, match="on_mismatch"):
        pair.submit(owner, Policies(on_mismatch="fail"), continuous=True, worker_processes=2)
    assert pair.until(job, "running").state == "running"


def test_a_crashing_job_is_started_again(pair: Pair) -> None:
    """Else it would wait in the server for its next try, minutes and hours."""
    run(databases.drop(pair.client, pair.target))
    owner = pair.owner()
    job = pair.submit(owner)
    pair.until(job, "crashing")
    run(databases.create(pair.client, pair.target))
    again = pair.submit(owner)
    assert (again.doc_id, again.adopted) == (job.doc_id, False)
    assert pair.state(again).error_count == 0
    assert pair.until(again, "completed", "crashing").state == "completed"


def test_a_new_password_starts_a_live_job_again(pair: Pair, couch: CouchConnection) -> None:
    assert isinstance(couch.auth, BasicAuth)
    owner = pair.owner()
    wrong = replace(couch, auth=BasicAuth(couch.auth.username, "pässw/+%:@ \"'&?#"))
    chosen = pair.options(target_proxy=NOWHERE)

    def submitted(source: CouchConnection) -> Job:
        return run(submit(pair.client, source, couch, chosen, owner=owner, policies=Policies()))

    job, same, mended = submitted(wrong), submitted(wrong), submitted(couch)
    assert job.fingerprint == same.fingerprint == mended.fingerprint
    assert mended.adopted is False
    stored = run(databases.get_document(pair.client, couch.replicator_db, job.doc_id))
    assert stored is not None
    assert stored["source"]["auth"]["basic"]["password"] == couch.auth.password


def test_documents_of_others_are_never_touched(pair: Pair) -> None:
    owner = pair.owner()
    doc_id = f"somebody's-{pair.dag_id}"
    pair.foreign(doc_id, continuous=True, note="mine")
    before = run(databases.get_document(pair.client, pair.connection.replicator_db, doc_id))
    for task in ("copy", "another"):
        with pytest.raises(ReplicationFailedError, match="not made by Airflow"):
            run(
                submit(
                    pair.client,
                    pair.connection,
                    pair.connection,
                    pair.options(),
                    owner=replace(owner, task_id=task),
                    policies=Policies(),
                    doc_id=doc_id,
                )
            )
    assert run(databases.get_document(pair.client, pair.connection.replicator_db, doc_id)) == before


def test_documents_of_other_tasks_are_not_touched(pair: Pair) -> None:
    def submitted(task: str) -> Job:
        return run(
            submit(
                pair.client,
                pair.connection,
                pair.connection,
                pair.options(continuous=True),
                owner=pair.owner(task_id=task),
                policies=Policies(),
                doc_id=f"chosen {pair.dag_id} ü/+%",
            )
        )

    job = submitted("one")
    with pytest.raises(ReplicationFailedError, match="belongs to task one"):
        submitted("two")
    assert pair.until(job, "running").state == "running"
    assert submitted("one").adopted


@pytest.mark.parametrize("doc_id", ["", "_local/x", "_x"])
def test_ids_that_servers_refuse_are_refused(pair: Pair, doc_id: str) -> None:
    with pytest.raises(ConfigurationError, match="doc_id"):
        run(
            submit(
                pair.client,
                pair.connection,
                pair.connection,
                pair.options(),
                owner=pair.owner(),
                policies=Policies(),
                doc_id=doc_id,
            )
        )


def test_a_replicator_database_of_its_own(pair: Pair, couch: CouchConnection) -> None:
    """It is made if there is none. The first document there may wait half a minute to be picked up (fact 6)."""
    own = replace(couch, replicator_db=f"{pair.dag_id}/_replicator")
    pair.fill(3)
    with own.blocking() as mediator:
        try:
            owner, policies = pair.owner(), Policies()
            job = run(submit(mediator, couch, couch, pair.options(), owner=owner, policies=policies))
            outcome = run(wait(mediator, job, LIMITS))
            report = run(finish(mediator, pair.client, pair.client, job, outcome, policies))
        finally:
            run(databases.drop(mediator, own.replicator_db))
    assert (report["replicator_db"], report["docs_written"]) == (own.replicator_db, 3)
    assert len(pair.ids()) == 3


def test_in_an_event_loop(pair: Pair, couch: CouchConnection) -> None:
    """As triggers do it: the job, the limits and the outcome travel as JSON in between."""
    pair.fill(4)

    async def in_the_triggerer(kwargs: Any) -> Any:
        async with couch.client() as mediator:
            limits = WaitLimits.from_dict(kwargs["limits"])
            outcome = await wait(mediator, Job.from_dict(kwargs["job"]), limits, started_at=kwargs["started_at"])
            return outcome.to_dict()

    job = pair.submit()
    kwargs = {"job": job.to_dict(), "limits": LIMITS.as_dict(), "started_at": job.submitted_at}
    event = asyncio.run(in_the_triggerer(json.loads(json.dumps(kwargs))))
    outcome = Outcome.from_dict(json.loads(json.dumps(event)))
    assert outcome.ok
    report = run(finish(pair.client, pair.client, pair.client, job, outcome, Policies()))
    assert report["docs_written"] == 4
