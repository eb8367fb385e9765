# SPDX-License-Identifier: Apache-2.0
"""Lists of jobs, cleaning up, and how far a continuous job is behind."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_replicator.couchdb import databases
from airflow_provider_replicator.couchdb.blocking import run
from airflow_provider_replicator.couchdb.jobs.choices import Policies
from airflow_provider_replicator.couchdb.jobs.cleanup import Cleaned, cleanup
from airflow_provider_replicator.couchdb.jobs.lag import beat, heartbeat_age, lag
from airflow_provider_replicator.couchdb.jobs.listing import Listed, list_jobs
from airflow_provider_replicator.couchdb.jobs.states import JobState
from airflow_provider_replicator.couchdb.jobs.stop import stop
from airflow_provider_replicator.exceptions import ConfigurationError
from tests.couchdb.jobs.pair import NOWHERE

if TYPE_CHECKING:
    from tests.couchdb.jobs.pair import Pair

KEEP = Policies(keep_document=True)


def listed(pair: Pair, **chosen: Any) -> list[Listed]:
    async def collect() -> list[Listed]:
        return [job async for job in list_jobs(pair.client, **chosen)]

    return run(collect())


def cleaned(pair: Pair, **chosen: Any) -> Cleaned:
    return run(cleanup(pair.client, dag_id=pair.dag_id, **chosen))


def test_jobs_are_listed_by_state_and_prefix(pair: Pair) -> None:
    done = pair.replicate(policies=KEEP)["doc_id"]
    running = pair.submit(continuous=True)
    pair.until(running, "running")
    crashing = pair.submit(target_proxy=NOWHERE, selector={})
    pair.until(crashing, "crashing")
    prefix = f"airflow-{pair.dag_id}"
    found = {job.doc_id: job for job in listed(pair, prefix=prefix, page=1)}
    assert found.keys() == {done, running.doc_id, crashing.doc_id}
    assert found[done].state.state == "completed"
    assert found[done].source == pair.url(pair.source) + "/"
    for states, expected in (
        (["completed"], {done}),
        (["running"], {running.doc_id}),
        (["completed", "running"], {done, running.doc_id}),
        (["failed"], set()),
    ):
        assert {job.doc_id for job in listed(pair, prefix=prefix, states=states, page=2)} == expected
    assert listed(pair, prefix=prefix + "x") == []
    with pytest.raises(ConfigurationError, match="tired"):
        listed(pair, states=["tired"])


def test_lists_hold_no_credentials(pair: Pair) -> None:
    pair.until(pair.submit(continuous=True), "running")
    password = pair.connection.auth.secrets()[0]
    shown = repr(listed(pair))
    assert pair.dag_id in shown
    assert password not in shown


def test_old_jobs_that_have_ended_are_cleaned_up(pair: Pair) -> None:
    done = pair.replicate(policies=KEEP)["doc_id"]
    live = pair.submit(continuous=True)
    foreign = f"somebody-{pair.dag_id}"
    pair.foreign(foreign, selector={})
    pair.until(live, "running")
    soon = time.time() + 100
    assert cleaned(pair, older_than=3600).deleted == 0
    tried = cleaned(pair, older_than=50, now=soon, dry_run=True)
    assert (tried.deleted, tried.ids, tried.dry_run) == (1, (done,), True)
    assert done in pair.jobs()
    result = cleaned(pair, older_than=50, now=soon)
    assert (result.deleted, result.ids) == (1, (done,))
    assert done not in pair.jobs()
    assert {live.doc_id, foreign} <= set(pair.jobs())
    assert result.as_dict()["ids"] == [done]


def test_only_what_has_ended_is_cleaned_up(pair: Pair) -> None:
    for states in (["running"], ["completed", "crashing"], []):
        with pytest.raises(ConfigurationError, match="ended"):
            cleaned(pair, older_than=0, states=states)


def test_the_lag_is_what_the_source_says(pair: Pair) -> None:
    pair.fill(5)
    job = pair.submit(continuous=True)
    behind = pair.once(lambda: run(lag(pair.client, pair.client, job)), lambda seen: seen.pending == 0)
    assert behind.ok
    assert behind.as_dict() == {"state": "running", "pending": 0}
    run(stop(pair.client, job.replicator_db, job.doc_id))
    gone = run(lag(pair.client, pair.client, job))
    assert not gone.ok
    assert gone.pending is None


@pytest.mark.parametrize(
    ("state", "ok"), [("running", True), ("pending", True), ("crashing", False), ("error", False), ("failed", False)]
)
def test_what_crashes_is_not_fine(state: Any, ok: bool) -> None:
    from airflow_provider_replicator.couchdb.jobs.lag import Lag

    assert Lag(state=JobState(state=state), pending=0).ok is ok


def test_heartbeats_measure_seconds(pair: Pair) -> None:
    assert run(heartbeat_age(pair.client, pair.target, "h", 100.0)) is None
    run(beat(pair.client, pair.source, "h", 100.0))
    run(beat(pair.client, pair.source, "h", 160.0))
    run(beat(pair.client, pair.source, "h", 130.0))  # a late one
    pair.replicate()
    assert run(heartbeat_age(pair.client, pair.target, "h", 175.0)) == 15.0
    assert run(heartbeat_age(pair.client, pair.target, "h", 150.0)) == 0.0
    rows = run(databases.all_docs(pair.client, pair.target))
    assert [row["id"] for row in rows] == ["replication-heartbeat:h"]
