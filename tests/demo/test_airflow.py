# SPDX-License-Identifier: Apache-2.0
"""When a command of Airflow counts as failed: a run that has to fail must do so at once, and for good."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from scripts.demo.airflow import Airflow, AirflowError

if TYPE_CHECKING:
    from pathlib import Path

FINISHED = "DagRun Finished: dag_id=d, logical_date=x, run_id=manual__1, run_start_date=x, state={}, more"
FAILED = "Task instance state updated new_state=failed rows_affected=1"
#: Goes on for ever, as ``dags test`` does for a task that is to be repeated later.
UNDECIDED = "Task instance state updated new_state=up_for_retry rows_affected=1"


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Airflow:
    return Airflow(tmp_path / "home", tmp_path / "dags", tmp_path / "logs")


def airflow_prints(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *lines: str, code: str = "0") -> None:
    """Put a program in the place of Airflow's command line."""
    printing = "".join(f"print({line!r}, flush=True);" for line in lines)
    program = tmp_path / "program"
    program.write_text(f"#!{sys.executable}\nimport signal, sys; {printing} sys.exit({code})\n")
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))


def test_a_run_that_has_to_fail_and_does(commands: Airflow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    airflow_prints(monkeypatch, tmp_path, "the reason", FAILED, FINISHED.format("failed"), code="1")
    assert "the reason" in commands.test_failing_dag("d", {}, log="run")
    with pytest.raises(AirflowError, match="a task ended as failed"):
        commands.test_dag("d", {}, log="run")


def test_a_run_that_has_to_fail_and_succeeds(
    commands: Airflow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    airflow_prints(monkeypatch, tmp_path, FINISHED.format("success"))
    assert commands.test_dag("d", {}, log="run") == "manual__1"
    with pytest.raises(AirflowError, match="the run of d ended as 'success'"):
        commands.test_failing_dag("d", {}, log="run")


def test_a_task_that_wants_to_be_repeated_has_not_failed(
    commands: Airflow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    airflow_prints(monkeypatch, tmp_path, UNDECIDED, code="signal.pause()")
    for run in (commands.test_dag, commands.test_failing_dag):
        with pytest.raises(AirflowError, match="a task ended as up_for_retry"):
            run("d", {}, log="run")


def test_a_run_without_an_end_is_no_run_that_failed(
    commands: Airflow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    airflow_prints(monkeypatch, tmp_path, "no such DAG", code="1")
    with pytest.raises(AirflowError, match="ended as 'unknown'"):
        commands.test_failing_dag("d", {}, log="run")
