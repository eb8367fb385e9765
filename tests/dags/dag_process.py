# SPDX-License-Identifier: Apache-2.0
"""A process that runs DAGs on request with ``dag.test()``: no scheduler, no server, a metadata database of its own.

It is a process because Airflow reads its settings once, installs signal handlers, and warns: none of that belongs into pytest. It
is kept between runs because the first run costs seconds and every other one a fraction. Requests are lines of JSON on the
standard input, answers lines of JSON on the standard output; logs go to the standard error.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun
    from airflow.sdk import DAG


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    from airflow.utils.db import initdb

    initdb()
    answers.write('{"ready": true}\n')
    for line in sys.stdin:
        answers.write(json.dumps(run(**json.loads(line)), default=str) + "\n")


def run(dag_id: str, conf: dict[str, Any] | None = None, logical_date: str | None = None) -> dict[str, Any]:
    """One run of a DAG. Without a logical date it has no data interval, like a run triggered without one."""
    date = None if logical_date is None else datetime.fromisoformat(logical_date)
    ended = dag(dag_id).test(logical_date=date, run_conf=conf)
    return {"state": str(ended.state), "run_id": ended.run_id, **outcome(ended)}


def dag(dag_id: str) -> DAG:
    from airflow.utils.cli import get_bagged_dag

    found: DAG = get_bagged_dag(bundle_names=None, dag_id=dag_id)
    return found


def outcome(ended: DagRun) -> dict[str, Any]:
    """States, XComs, rendered fields and asset events of a run, by task and map index."""
    from airflow.models.asset import AssetEvent
    from airflow.models.renderedtifields import RenderedTaskInstanceFields
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    def rows(model: Any, **where: Any) -> Any:
        return session.scalars(select(model).filter_by(**where)).all()

    with create_session() as session:
        keys = {"dag_id": ended.dag_id, "run_id": ended.run_id}
        states = {name_of(row): str(row.state) for row in rows(TaskInstance, **keys)}
        labels = {name_of(row): row.rendered_map_index for row in rows(TaskInstance, **keys)}
        xcoms = {f"{name_of(row)}:{row.key}": row.value for row in rows(XComModel, **keys)}
        rendered = {name_of(row): row.rendered_fields for row in rows(RenderedTaskInstanceFields, **keys)}
        found = rows(AssetEvent, source_dag_id=ended.dag_id, source_run_id=ended.run_id)
        events = [{"uri": event.asset.uri, "task": event.source_task_id, "extra": event.extra} for event in found]
    return {"states": states, "labels": labels, "xcoms": xcoms, "rendered": rendered, "events": events}


def name_of(row: Any) -> str:
    """``task``, or ``task[index]`` for a mapped one."""
    return str(row.task_id) if row.map_index < 0 else f"{row.task_id}[{row.map_index}]"


if __name__ == "__main__":
    main()
    os._exit(0)  # the threads of Airflow's in-process API server take their time, and have nothing left to do
