# SPDX-License-Identifier: Apache-2.0
"""Runs in the peer's interpreter, which has the standard library and cognite-replicator with its SDK 7 and nothing of ours.

One JSON line in per call, one JSON line out with what became of it, until the input ends. First argument: base URL; second: token.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
import threading
import warnings
from typing import Any


class Collected(logging.Handler):
    """Errors that the peer logs instead of raising them."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def client(project: str) -> Any:
    from cognite.client import ClientConfig, CogniteClient
    from cognite.client.credentials import Token

    return CogniteClient(ClientConfig("peer", project, Token(sys.argv[2]), base_url=sys.argv[1], timeout=60))


def call(job: dict[str, Any], logged: Collected) -> dict[str, Any]:
    """Call ``job["function"]`` with a client for each of ``job["projects"]``; say what it raised, here and in threads."""
    module = importlib.import_module(f"cognite.replicator.{job['module']}")
    in_threads: list[str] = []
    threading.excepthook = lambda hook: in_threads.append(f"{hook.exc_type.__name__}: {hook.exc_value}")
    logged.messages = []
    raised = None
    try:
        getattr(module, job["function"])(*map(client, job["projects"]), **job["options"])
    except Exception as error:  # noqa: BLE001 - all that the peer raises is told to the test
        raised = {"type": type(error).__name__, "code": getattr(error, "code", None), "message": str(error)}
    return {"raised": raised, "in_threads": in_threads, "logged": logged.messages}


def main() -> None:
    from cognite.client import global_config

    global_config.disable_pypi_version_check = True
    warnings.simplefilter("ignore")
    logged = Collected()
    logging.getLogger().addHandler(logged)
    # The peer prints: its standard output is not that of the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        answers.write(json.dumps(call(json.loads(line), logged)) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
