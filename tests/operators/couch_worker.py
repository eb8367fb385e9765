# SPDX-License-Identifier: Apache-2.0
"""A worker: one try of a replicating task in a process of its own, which a test may kill.

``python -m tests.operators.couch_worker STORE ARGUMENTS``: a file for the task's state, and the operator's arguments as JSON. Signals
reach the operator as Airflow hands them over. The last line of the output is the report, or the error. With a number as third
argument it is told to stop in the middle of that import, counted from the moment at which there may be a job.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.operators.cloudant import CloudantReplicateOperator
from tests.operators.couch_tasks import Task

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType


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


class StopAtImport(MetaPathFinder):
    """Sends SIGTERM when a module of the package begins to be executed: it is in ``sys.modules`` then, and empty."""

    def __init__(self, operator: CloudantReplicateOperator, number: int) -> None:
        self._operator, self._left = operator, number

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        found = PathFinder.find_spec(name, path, target)
        if found is None or not name.startswith("airflow_provider_replicator.") or self._operator._stopping is None:
            return None
        loader = found.loader
        assert isinstance(loader, SourceFileLoader)
        execute = loader.exec_module

        def stopped(module: ModuleType) -> None:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGTERM)
            execute(module)

        loader.exec_module = stopped  # type: ignore[method-assign]
        return found


def main(store: str, arguments: str, stop_at_import: str = "0") -> None:
    operator = CloudantReplicateOperator(task_id="copy", **json.loads(arguments))
    signal.signal(signal.SIGTERM, lambda *_: operator.on_kill())
    sys.meta_path.insert(0, StopAtImport(operator, int(stop_at_import)))
    task = Task(operator, store=FileStore(Path(store)))
    try:
        result: Any = task.run()
    except Exception as error:  # noqa: BLE001 - the test looks at it
        result = {"error": type(error).__name__, "message": str(error)}
    print(json.dumps(result))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
