# SPDX-License-Identifier: Apache-2.0
"""
### Keep a CDF project in Delta Lake tables, and publish snapshots of them

Data models, events, datapoints and raw rows go into Delta tables on S3; then a snapshot of flat Parquet files, all of one moment, is
published for Tableau and other BI tools, and the tables are looked after.

**Before the first run**: a connection `cdf_source` of type `cdf`, and `delta_lake_default` of type `delta_lake_s3` (or choose others
when triggering).

**What a run does**

| task | run with a data interval or a window | run with mode `full` |
| --- | --- | --- |
| instances | what has changed since the last run, deletes as well; the first run loads everything | the same |
| events, raw | what changed in the window, merged by key | everything; rows that are gone are removed |
| datapoints | the window's points are replaced, in one commit | all points are replaced |
| snapshot | one file per table, of one moment, under one manifest | the same |
| upkeep | small files become large ones, what nobody needs is deleted | the same |

The first load is a run with mode `full`; after it the hourly schedule keeps the tables current. Windows may be run again, in any
order: `airflow backfill create --dag-id export_cdf_to_delta --from-date 2026-11-01 --to-date 2026-11-07`

A task that is killed goes on after its last commit; no row is there twice. Each table is an Airflow asset that other DAGs can be
scheduled on: `s3://bucket/prefix/resources/events`, or the aliases `delta:instances`, `delta:datapoints`, `delta:resources`,
`delta:raw` and `delta:publish`.

**Pools**: see `pools.json`; `CDF_POOLS=on` in the environment of all Airflow components uses them.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, CronDataIntervalTimetable, Param, TaskGroup
from airflow.sdk.exceptions import AirflowSkipException

from airflow_provider_replicator.operators.delta_lake import (
    CdfToDeltaDatapointsOperator,
    CdfToDeltaInstancesOperator,
    CdfToDeltaRawOperator,
    CdfToDeltaResourceOperator,
    DeltaOptimizeTableOperator,
    DeltaPublishSnapshotOperator,
)
from airflow_provider_replicator.retry_policy import REPLICATION_RETRY_POLICY

if TYPE_CHECKING:
    from airflow.sdk import Context

EXPORTS = ["instances", "events", "datapoints", "raw"]


def pool(api: str) -> str:
    """One pool per API of CDF. A pool that does not exist would keep its tasks waiting for ever, hence the switch."""
    return f"cdf_{api}" if os.environ.get("CDF_POOLS", "off").lower() in ("on", "1", "true") else "default_pool"


def skip_unless_chosen(context: Context) -> None:
    """Runs before each exporting task: skip it if the run's params do not name it."""
    name = context["task"].task_id
    if name not in context["params"]["exports"]:
        raise AirflowSkipException(f"{name} is not among the exports of this run")
    if name == "instances" and not context["params"]["space"]:
        raise AirflowSkipException("no space is given, so there are no data models to export")


# [START export_cdf_to_delta_params]
params = {
    "cdf_conn_id": Param("cdf_source", type="string", description="Connection of the project to read."),
    "delta_conn_id": Param("delta_lake_default", type="string", description="Connection of the lake to write."),
    "mode": Param(
        None,
        type=["null", "string"],
        enum=[None, "full", "window"],
        description="`full`: everything. `window`: only the window. Empty: the window if the run has one, else everything.",
    ),
    "window_start": Param(
        None, type=["null", "string"], format="date-time", description="Begin of the window. Empty: the data interval."
    ),
    "window_end": Param(None, type=["null", "string"], format="date-time", description="End of the window, exclusive."),
    "exports": Param(
        EXPORTS,
        type="array",
        items={"type": "string", "enum": EXPORTS},
        examples=EXPORTS,
        minItems=1,
        description="What to export.",
    ),
    "space": Param(
        None, type=["null", "string"], description="Space of the data model (or of the views). Empty: no instances."
    ),
    "data_model": Param(
        None, type=["null", "string"], description="External id of a data model. Empty: all views of the space."
    ),
    "edge_spaces": Param(
        None,
        type=["null", "array"],
        items={"type": "string"},
        description="Spaces whose edges also go to a table each, whatever their type. Empty: `space`.",
    ),
    "snapshot": Param("cdf", type="string", description="Name of the published snapshot."),
    "tables": Param(
        ["instances/*/*/*/*", "instances/_edges/*", "resources/*", "datapoints/*", "raw/*/*"],
        type="array",
        items={"type": "string"},
        description="Tables to publish and to look after.",
    ),
    "formats": Param(
        ["parquet"],
        type="array",
        items={"type": "string", "enum": ["parquet", "hyper"]},
        examples=["parquet", "hyper"],
        minItems=1,
        description="Formats of the snapshot; `hyper` needs the extra `[tableau]`.",
    ),
}
# [END export_cdf_to_delta_params]

# [START export_cdf_to_delta]
default_args: dict[str, Any] = {
    "owner": "data-platform",
    "delta_conn_id": "{{ params.delta_conn_id }}",
    "retries": 4,
    "retry_delay": timedelta(minutes=1),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=30),
    "retry_policy": REPLICATION_RETRY_POLICY,
    "execution_timeout": timedelta(hours=12),
    # What is upstream may have been skipped, but must not have failed.
    "trigger_rule": "none_failed",
}
exporting: dict[str, Any] = {"cdf_conn_id": "{{ params.cdf_conn_id }}", "pre_execute": skip_unless_chosen}
windowed: dict[str, Any] = {**exporting, "mode": "{{ params.mode }}"}

with DAG(
    dag_id="export_cdf_to_delta",
    doc_md=__doc__,
    schedule=CronDataIntervalTimetable("0 * * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    # The change feed of a data model has one reader, and a snapshot is of one moment.
    max_active_runs=1,
    default_args=default_args,
    params=params,
    tags=["cdf", "delta-lake"],
) as dag:
    with TaskGroup("tables", tooltip="From CDF into Delta tables", prefix_group_id=False) as tables:
        CdfToDeltaInstancesOperator(
            task_id="instances",
            space="{{ params.space }}",
            data_model="{{ params.data_model }}",
            edge_spaces="{{ params.edge_spaces }}",
            pool=pool("instances"),
            **exporting,
        )
        CdfToDeltaResourceOperator(task_id="events", resource="events", pool=pool("events"), **windowed)
        CdfToDeltaDatapointsOperator(task_id="datapoints", pool=pool("datapoints"), **windowed)
        CdfToDeltaRawOperator(task_id="raw", pool=pool("raw"), **windowed)

    snapshot = DeltaPublishSnapshotOperator(
        task_id="snapshot",
        snapshot="{{ params.snapshot }}",
        tables="{{ params.tables }}",
        formats="{{ params.formats }}",
        missing_ok=True,
    )
    upkeep = DeltaOptimizeTableOperator(task_id="upkeep", tables="{{ params.tables }}", missing_ok=True)

    tables >> snapshot >> upkeep
# [END export_cdf_to_delta]
