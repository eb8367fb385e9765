# SPDX-License-Identifier: Apache-2.0
"""A worker: one try of a replicating task in a process of its own, which a test may kill.

``python -m tests.operators.couch_worker STORE ARGUMENTS``: a file for the task's state, and the operator's arguments as JSON. Signals
reach the operator as Airflow hands them over. The last line of the output is the report, or the error.
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

from airflow_provider_replicator.operators.cloudant import CloudantReplicateOperator
from tests.operators.couch_tasks import Task


class FileStore:
    """Airflow's task state store, for a test that looks at it from outside."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, key: str) -> Any:
        return self._read().get(key)

    def set(self, key: str, value: Any) -> None:
        self._path.write_text(json.dumps(self._read() | {key: value}))

    def delete(self, key: str) -> None:
        self._path.write_text(json.dumps({name: value for name, value in self._read().items() if name != key}))

    def _read(self) -> dict[str, Any]:
        return json.loads(self._path.read_text()) if self._path.exists() else {}


def main(store: str, arguments: str) -> None:
    operator = CloudantReplicateOperator(task_id="copy", **json.loads(arguments))
    signal.signal(signal.SIGTERM, lambda *_: operator.on_kill())
    task = Task(operator, store=FileStore(Path(store)))
    try:
        result: Any = task.run()
    except Exception as error:  # noqa: BLE001 - the test looks at it
        result = {"error": type(error).__name__, "message": str(error)}
    print(json.dumps(result))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
