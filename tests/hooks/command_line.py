# SPDX-License-Identifier: Apache-2.0
"""What Airflow's own command line shows of a connection type. Run as ``python -m tests.hooks.command_line TYPE CONNECTION``.

One process for all commands: each start of Airflow takes seconds.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def shown(conn_type: str, fields: dict[str, Any], home: Path) -> dict[str, Any]:
    """``hooks``, ``widgets``, ``behaviours`` of the type, what testing the connection says (``test``), and all ``output``."""
    environment = os.environ | {"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__TEST_CONNECTION": "Enabled"}
    command = [sys.executable, "-m", "tests.hooks.command_line", conn_type, json.dumps(fields)]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    results = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    assert results, done.stderr
    found: dict[str, Any] = json.loads(results[0].removeprefix("RESULT "))
    return found | {"output": done.stdout + done.stderr}


def main(conn_type: str, fields: str) -> None:
    from airflow.utils.db import initdb

    initdb()
    _airflow("connections", "add", "my_connection", "--conn-json", fields)
    result = {
        "hooks": [hook for hook in _listed("hooks") if hook["connection_type"] == conn_type],
        "widgets": [row for row in _listed("widgets") if f"extra__{conn_type}__" in str(row)],
        "behaviours": [row for row in _listed("behaviours") if repr(conn_type) in str(row)],
        "test": _airflow("connections", "test", "my_connection"),
    }
    sys.stdout.write(f"RESULT {json.dumps(result)}\n")


def _listed(what: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(_airflow("providers", what, "-o", "json"))
    return rows


def _airflow(*arguments: str) -> str:
    from airflow.__main__ import main as airflow

    sys.argv = ["airflow", *arguments]
    code: object = None
    with contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            airflow()  # type: ignore[no-untyped-call]
        except SystemExit as end:
            code = end.code
    assert not code, (arguments, code, out.getvalue())
    return out.getvalue()


if __name__ == "__main__":
    main(*sys.argv[1:])
