# SPDX-License-Identifier: Apache-2.0
"""What importing modules costs in a DAG processor: ``python measure_imports.py ROUNDS FOLDER MODULE…``, a line of JSON a round.

Like the DAG processor: Airflow is loaded and has seen a DAG, then every parse happens in a fork of its own.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any

import airflow.sdk.exceptions
from airflow.sdk import (
    DAG,
    AssetAlias,
    BaseHook,
    BaseOperator,
    CronDataIntervalTimetable,
    ExceptionRetryPolicy,
    Param,
    RetryRule,
    TaskGroup,
    task,
)

if TYPE_CHECKING:
    from collections.abc import Callable

#: Loaded in every DAG processor, and imported by this package as well.
PRELOADED = (airflow.sdk.exceptions, BaseHook, ExceptionRetryPolicy, RetryRule)


def plain_dag() -> None:
    """As many tasks and params as the largest DAG of this repository, and nothing of this package: the yardstick."""
    text: dict[str, Any] = {"type": ["null", "string"], "description": "-"}
    params = {name: Param(None, enum=[None, "a"], **text) for name in "abcd"}
    params |= {name: Param(None, format="date-time", **text) for name in "ef"}
    some: dict[str, Any] = {"type": "array", "items": {"type": "string", "enum": ["a"]}, "minItems": 1}
    params |= {name: Param(["a"], **some) for name in "ghi"}
    with (
        DAG("plain", schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"), params=params),
        TaskGroup("group"),
    ):
        task(lambda x: x).expand(x=[1])
        for number in range(8):
            BaseOperator(task_id=f"task_{number}", trigger_rule="none_failed", outlets=[AssetAlias("alias")])


def milliseconds(call: Callable[[], None]) -> float:
    """Of CPU: what else the machine does costs time, but no time of ours."""
    begin = time.process_time()
    call()
    return (time.process_time() - begin) * 1000


def main(rounds: int, folder: str, *modules: str) -> None:
    def imports() -> None:
        for name in modules:
            importlib.import_module(name)

    plain_dag()
    sys.path.insert(0, folder)
    gc.freeze()  # a collection would copy every page of the parent
    before = set(sys.modules)
    for _ in range(rounds):
        if os.fork():
            os.wait()
            continue
        plain, ours = milliseconds(plain_dag), milliseconds(imports)
        print(json.dumps({"added": sorted(set(sys.modules) - before), "plain": plain, "ours": ours}), flush=True)  # noqa: T201
        os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
