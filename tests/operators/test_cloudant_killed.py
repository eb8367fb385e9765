# SPDX-License-Identifier: Apache-2.0
"""Workers are killed, tasks are stopped and time runs out: what becomes of the job on the server, and of the next try."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk.exceptions import AirflowTaskTimeout
from airflow.sdk.execution_time.timeout import timeout

from airflow_provider_replicator.exceptions import ReplicationStalledError, TransientError
from airflow_provider_replicator.operators.cloudant import CloudantReplicateOperator
from tests.dags.running_dags import ROOT
from tests.operators.couch_tasks import Task
from tests.operators.couch_worker import FileStore
from tests.operators.couch_world import PASSWORD, PATIENT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.contract.couchdb.client import Database
    from tests.operators.couch_world import World

STOPPED = {
    "error": "TransientError",
    "message": "the task was told to stop; a retry goes on with the same replication",
}


def arguments(world: World, source: Database, target: Database, **more: Any) -> dict[str, Any]:
    return world.ends(source, target, options=PATIENT, **more)


@contextmanager
def worker(store: Path, given: dict[str, Any], *more: str) -> Iterator[subprocess.Popen[str]]:
    """The first try, in a process of its own."""
    command = [sys.executable, "-m", "tests.operators.couch_worker", str(store), json.dumps(given), *more]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT) as process:
        try:
            yield process
        finally:
            process.kill()


def output(process: subprocess.Popen[str]) -> str:
    return process.communicate(timeout=60)[0]


def test_a_worker_that_is_killed_leaves_its_job_to_the_next_try(world: World, tmp_path: Path) -> None:
    source, target = world.pair(30)
    world.slow(source, seconds=4)
    given = arguments(world, source, target, verify="revisions")
    with worker(tmp_path / "store", given) as process:
        job = world.once(source, "running")
        process.send_signal(signal.SIGKILL)
        text = output(process)
    assert "docs_written" not in text
    assert world.job(source) is not None

    second = Task(CloudantReplicateOperator(task_id="copy", **given), store=FileStore(tmp_path / "store"), try_number=2)
    report = second.run()
    assert (report["doc_id"], report["adopted"], report["docs_written"]) == (job["_id"], True, 30)
    assert target.ids() == source.ids()
    assert json.loads((tmp_path / "store").read_text()) == {}
    assert PASSWORD not in text


def test_a_task_that_is_stopped_stops_its_job_at_once(world: World, tmp_path: Path) -> None:
    source, target = world.pair(5)
    world.slow(source)
    with worker(tmp_path / "store", arguments(world, source, target)) as process:
        job = world.once(source, "running")
        begin = time.monotonic()
        process.send_signal(signal.SIGTERM)
        text = output(process)
    assert time.monotonic() - begin < 4  # Airflow waits for five seconds before it kills
    assert world.job(source) is None, text
    assert f"stopped replication {job['_id']}" in text
    assert json.loads(text.splitlines()[-1]) == STOPPED


@pytest.mark.parametrize("number", range(1, 5))
def test_a_task_that_is_stopped_in_the_middle_of_an_import_stops_its_job(
    world: World, tmp_path: Path, number: int
) -> None:
    """A module that was half imported could not be imported by the handler, which failed, and the job went on."""
    source, target = world.pair(5)
    world.slow(source)
    with worker(tmp_path / "store", arguments(world, source, target), str(number)) as process:
        text = output(process)
    assert world.job(source) is None, text
    assert json.loads(text.splitlines()[-1]) == STOPPED


def test_a_task_may_be_stopped_without_its_job(world: World) -> None:
    source, target = world.pair(5)
    world.slow(source)
    operator = CloudantReplicateOperator(task_id="copy", **arguments(world, source, target, cancel_on_kill="false"))
    with pytest.raises(AirflowTaskTimeout), timeout(2):  # type: ignore[no-untyped-call]
        Task(operator).run()
    operator.on_kill()
    assert world.job(source) is not None


def test_the_execution_timeout_stops_the_job(world: World) -> None:
    source, target = world.pair(5)
    world.slow(source)
    operator = CloudantReplicateOperator(task_id="copy", **arguments(world, source, target))
    with pytest.raises(AirflowTaskTimeout), timeout(2):  # type: ignore[no-untyped-call]
        Task(operator).run()
    assert world.job(source) is not None
    operator.on_kill()  # as Airflow does then
    assert world.job(source) is None


def test_a_task_that_was_stopped_before_it_began_makes_no_job(world: World) -> None:
    source, target = world.pair(1)
    operator = CloudantReplicateOperator(task_id="copy", **arguments(world, source, target))
    operator.on_kill()
    with pytest.raises(TransientError, match="told to stop"):
        Task(operator).run()
    assert world.job(source) is None


@pytest.mark.parametrize("error", ["Trigger timeout", "Trigger failure"])
def test_a_triggerer_that_never_answers_does_not_matter_while_there_is_time(world: World, error: str) -> None:
    source, target = world.pair(3)
    world.lasting(source)
    task = Task(CloudantReplicateOperator(task_id="copy", **arguments(world, source, target, deferrable=True)))
    task.defer()
    report = task.lost(error)
    assert report["docs_written"] == 3


def test_a_triggerer_that_never_answers_in_time_fails_the_task_and_the_job_is_stopped(world: World) -> None:
    source, target = world.pair(3)
    world.slow(source)
    task = Task(
        CloudantReplicateOperator(task_id="copy", **arguments(world, source, target, deferrable=True, timeout=1))
    )
    task.defer()
    time.sleep(1.1)
    with pytest.raises(ReplicationStalledError, match="timeout"):
        task.lost("Trigger timeout")
    assert world.job(source) is None


def test_a_triggerer_that_fails_again_and_again_is_an_error_that_passes(world: World) -> None:
    source, target = world.pair(3)
    world.slow(source)
    task = Task(CloudantReplicateOperator(task_id="copy", **arguments(world, source, target, deferrable=True)))
    memo = task.defer().memo  # type: ignore[attr-defined]
    event = {"error": {"kind": "ImportError", "message": "no aiohttp"}, "memo": {**memo, "lost": 2}}
    with pytest.raises(TransientError, match=r"ImportError: no aiohttp.*3 times in a row"):
        task.resume(event)
