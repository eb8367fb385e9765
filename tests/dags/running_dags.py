# SPDX-License-Identifier: Apache-2.0
"""Run DAGs from tests, in a process of their own that is shared by all tests of a module."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class DagRunResult:
    """How a run ended. Names are ``task`` or ``task[index]``."""

    state: str
    run_id: str
    states: dict[str, str]
    labels: dict[str, str | None] = field(repr=False)
    xcoms: dict[str, Any] = field(repr=False)
    rendered: dict[str, dict[str, Any]] = field(repr=False)
    events: list[dict[str, Any]] = field(repr=False)

    def report(self, name: str) -> dict[str, Any]:
        """The report of a task, whether it succeeded or failed."""
        report: dict[str, Any] = json.loads(value) if isinstance(value := self.xcoms[f"{name}:report"], str) else value
        return report


class RunningDags:
    """``with RunningDags(home=…, dags=…, environment=…) as running: running.run("dag_id", conf={…})``."""

    def __init__(self, *, home: Path, dags: Path, environment: Mapping[str, str]) -> None:
        self.home = home
        self.log = home / "process.log"
        self._environment = {
            **os.environ,
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
            **environment,
        }

    def __enter__(self) -> Self:
        self.home.mkdir(parents=True, exist_ok=True)
        self._log = self.log.open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.dags.dag_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=self._environment,
            cwd=ROOT,
        )
        self._answer()
        return self

    def run(
        self, dag_id: str, *, conf: Mapping[str, Any] | None = None, logical_date: str | None = None
    ) -> DagRunResult:
        """One run of a DAG to its end. Without ``logical_date`` it has no data interval."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"dag_id": dag_id, "conf": conf, "logical_date": logical_date}) + "\n")
        self._process.stdin.flush()
        return DagRunResult(**self._answer())

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the process ended:\n{self.log.read_text()[-4000:]}"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()
        self._log.close()
