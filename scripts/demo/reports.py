# SPDX-License-Identifier: Apache-2.0
"""What the tasks of a run returned, and how they ended.

Airflow's command line cannot show XComs, and importing its models takes three seconds: so one helper process is started
early, imports them while the demo is loading data, and answers one line per run. Run as ``python -m scripts.demo.reports``.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self


class ReportReader:
    """Context manager around the helper process. ``environment`` says which Airflow's database it reads."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        command = [sys.executable, "-m", "scripts.demo.reports"]
        self._process = subprocess.Popen(
            command,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=30)

    def read(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """Return ``{task_id: value it returned}`` of one finished run."""
        question, answer = self._process.stdin, self._process.stdout
        if question is None or answer is None:
            raise RuntimeError("the helper process has no pipes")
        question.write(json.dumps([dag_id, run_id]) + "\n")
        question.flush()
        line = answer.readline()
        if not line:
            raise RuntimeError(f"the helper that reads task reports ended with {self._process.wait()}")
        found: dict[str, Any] = json.loads(line)
        return found


def answer_questions() -> None:
    """One JSON line ``[dag_id, run_id]`` in, one JSON line out, until the input ends."""
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    for line in sys.stdin:
        dag_id, run_id = json.loads(line)
        chosen = select(XComModel.task_id, XComModel.value).where(
            XComModel.dag_id == dag_id, XComModel.run_id == run_id, XComModel.key == "return_value"
        )
        with create_session() as session:
            returned = {
                task: json.loads(value) if isinstance(value, str) else value for task, value in session.execute(chosen)
            }
        sys.stdout.write(json.dumps(returned) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    answer_questions()
