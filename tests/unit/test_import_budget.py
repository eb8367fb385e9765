# SPDX-License-Identifier: Apache-2.0
"""A DAG file is parsed again every 30 seconds, so importing this package must cost next to nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]

#: What takes 50-900 ms to import, and belongs into the call that needs it.
HEAVY = {
    "aiohttp",
    "boto3",
    "botocore",
    "cognite",
    "deltalake",
    "google.protobuf",
    "msal",
    "numpy",
    "orjson",
    "pandas",
    "polars",
    "pyarrow",
    "requests",
    "tableauhyperapi",
    "uvicorn",
}
#: Milliseconds of CPU on top of airflow.sdk, in a process that has not seen this package yet, on a machine on which Airflow itself
#: takes ``YARDSTICK_MS`` for a DAG of the same size. A slower or busier machine gets as much more.
BUDGET_MS = 20.0
YARDSTICK_MS = 8.0
ROUNDS = 9
#: What a shared core loses to its neighbours comes and goes, what an import costs stays: the best of this many measurements counts.
TRIES = 3


def public_modules() -> list[str]:
    """Every module of the package outside the sandbox."""
    package = ROOT / "airflow_provider_replicator"
    files = [file.relative_to(ROOT) for file in package.rglob("*.py") if "sandbox" not in file.parts]
    return sorted(".".join(file.with_suffix("").parts).removesuffix(".__init__") for file in files)


def measure(modules: list[str], rounds: int = ROUNDS) -> tuple[float, set[str]]:
    """The CPU time of an import as a share of the budget (the median of all rounds), and all modules that it loaded."""
    # Compiled once, as in any installation: what is measured is importing.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, str(ROOT / "tests/unit/measure_imports.py"), str(rounds), str(ROOT / "dags"), *modules]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    results: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(results) == rounds, done.stderr
    share = median(result["ours"] / (BUDGET_MS * max(1.0, result["plain"] / YARDSTICK_MS)) for result in results)
    return share, set(results[0]["added"])


def heavy(modules: set[str]) -> set[str]:
    return {name for name in modules if any(name == root or name.startswith(root + ".") for root in HEAVY)}


def test_no_module_of_the_package_imports_a_heavy_library() -> None:
    _, added = measure(public_modules(), rounds=1)
    assert "airflow_provider_replicator.operators.cdf" in added
    assert not heavy(added)


@pytest.mark.parametrize("file", sorted(path.stem for path in (ROOT / "dags").glob("*.py")))
def test_a_dag_file_parses_within_its_budget(file: str) -> None:
    shares: list[float] = []
    while len(shares) < TRIES and (not shares or shares[-1] >= 1):
        share, added = measure([file])
        assert not heavy(added)
        shares.append(share)
    assert min(shares) < 1, shares
