# SPDX-License-Identifier: Apache-2.0
"""The real command line of Airflow, in a home of its own: a user's Airflow on the same machine is not touched."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


#: Seconds that one command may take. The longest, one run of the DAG, takes about 15.
LIMIT = 240.0
#: Lines of a log that are shown with an error.
SHOWN = 25
UNHAPPY = re.compile(r"new_state=(failed|up_for_retry)")
#: What must not happen in a run that has to fail: a task that wants to be repeated has not failed.
UNDECIDED = re.compile(r"new_state=(up_for_retry)")


class AirflowError(Exception):
    """A command of Airflow failed; the message names its log file and shows the end of it."""


@dataclass(frozen=True, slots=True)
class Airflow:
    """``home`` holds the database and the task logs, ``logs`` what the commands print (one file per command)."""

    home: Path
    dags: Path
    logs: Path
    extra: Mapping[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        """The caller's environment without its Airflow settings, plus ours. Nothing secret is written to a file."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        return {
            **inherited,
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(self.home / "logs"),
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(64),
            "PYTHONWARNINGS": "ignore",
            **self.extra,
        }

    def run(self, *arguments: str, log: str, may_fail: bool = False) -> str:
        """Run one command to its end and return what it printed.

        Raises :class:`AirflowError` if it or a task of it fails (unless it ``may_fail``), if a task wants to be retried (``dags test``
        would wait for that for ever), or if it takes longer than four minutes.
        """
        for folder in (self.logs, self.home):
            folder.mkdir(parents=True, exist_ok=True)
        path = self.logs / f"{log}.log"
        command = [sys.executable, "-m", "airflow", *arguments]
        with path.open("w") as stream:
            process = subprocess.Popen(command, env=self.environment(), stdout=stream, stderr=subprocess.STDOUT)
            try:
                wrong = _watched(process, path, may_fail=may_fail)
            finally:
                process.kill()
                process.wait()
        if wrong:
            raise AirflowError(f"airflow {' '.join(arguments[:2])}: {wrong}, see {path}:\n{_end_of(path)}")
        return path.read_text(errors="replace")

    def test_dag(self, dag_id: str, conf: Mapping[str, Any], *, log: str) -> str:
        """One run of a DAG, all its tasks in one process; returns the run's id once the run has succeeded."""
        text = self.run("dags", "test", dag_id, "--conf", json.dumps(conf), log=log)
        return self._ended(dag_id, text, "success", log)

    def test_failing_dag(self, dag_id: str, conf: Mapping[str, Any], *, log: str) -> str:
        """One run of a DAG that has to fail, and at once: no task may want to be repeated. Returns what was printed."""
        text = self.run("dags", "test", dag_id, "--conf", json.dumps(conf), log=log, may_fail=True)
        self._ended(dag_id, text, "failed", log)
        return text

    def _ended(self, dag_id: str, text: str, wanted: str, log: str) -> str:
        """The run's id."""
        state = re.search(rf"DagRun Finished: dag_id={dag_id},.*? run_id=([^,]+),.*? state=(\w+)", text)
        if state is None or state[2] != wanted:
            end = state[2] if state else "unknown"
            raise AirflowError(f"the run of {dag_id} ended as {end!r}, see {self.logs / f'{log}.log'}")
        return state[1]


def _watched(process: subprocess.Popen[bytes], path: Path, *, may_fail: bool) -> str:
    """Wait for the end of a command while reading its log; what went wrong, or nothing."""
    deadline = time.monotonic() + LIMIT
    text = ""
    with path.open(errors="replace") as log:
        while time.monotonic() < deadline:
            ended = process.poll() is not None
            text += log.read()
            if unhappy := (UNDECIDED if may_fail else UNHAPPY).search(text):
                return f"a task ended as {unhappy[1]}"
            if ended:
                return f"ended with {process.returncode}" if process.returncode and not may_fail else ""
            # Nothing tells us when the log grows, and a run takes many seconds.
            time.sleep(0.1)
    return f"took longer than {LIMIT:.0f} s"


def _end_of(path: Path) -> str:
    """The lines before the first unhappy one, or else the last lines: where the reason is."""
    text = path.read_text(errors="replace")
    unhappy = UNHAPPY.search(text)
    lines = (text[: unhappy.start()] if unhappy else text).splitlines()
    return "\n".join(f"    {line}" for line in lines[-SHOWN:])
