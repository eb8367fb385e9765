# SPDX-License-Identifier: Apache-2.0
"""
### Replicate a CDF project into another one

Data sets, labels, assets, events, time series with their datapoints, and raw, in the order in which they refer to each other;
then source and target are compared, object by object.

**Before the first run**: two connections of type `cdf`, named `cdf_source` and `cdf_target` (or choose others when triggering).

**What a run copies**

| run | objects and rows | datapoints |
| --- | --- | --- |
| mode `full` | all, compared with the target; only differences are written | all, compared and made equal |
| scheduled, backfilled, or triggered as the dialog stands | what changed in the data interval | those in it, made equal |
| with `window_start` and `window_end` | what changed in that window | those in it, made equal |
| without a date (`airflow dags trigger`) | like `full` | on from the target's last point |

The first load is a run with mode `full`; after it the daily schedule keeps the target up to date. What was missed is
backfilled: `airflow backfill create --dag-id replicate_cdf_project --from-date 2026-11-01 --to-date 2026-11-07`

Running anything twice is harmless. Resource types that were not chosen show as skipped. Deletes happen only if asked for, in mode
`full`, and only up to a tenth of what the target has. A task that is killed goes on where it was; a cleared task starts over.

**Pools** keep all DAGs together within what CDF allows per API. `airflow pools import pools.json` creates them;
set `CDF_POOLS=on` in the environment of all Airflow components to use them. Until then tasks run in `default_pool`.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, CronDataIntervalTimetable, Param, TaskGroup
from airflow.sdk.exceptions import AirflowSkipException

from airflow_provider_replicator.operators.cdf import (
    CdfReplicateAssetsOperator,
    CdfReplicateDatapointsOperator,
    CdfReplicateDataSetsOperator,
    CdfReplicateEventsOperator,
    CdfReplicateLabelsOperator,
    CdfReplicateRawOperator,
    CdfReplicateTimeSeriesOperator,
    CdfVerifyReplicationOperator,
)
from airflow_provider_replicator.retry_policy import REPLICATION_RETRY_POLICY

if TYPE_CHECKING:
    from airflow.sdk import Context

RESOURCE_TYPES = ["data_sets", "labels", "assets", "events", "time_series", "datapoints", "raw"]


def pool(api: str) -> str:
    """One pool per API of CDF. A pool that does not exist would keep its tasks waiting for ever, hence the switch."""
    return f"cdf_{api}" if os.environ.get("CDF_POOLS", "off").lower() in ("on", "1", "true") else "default_pool"


def skip_unless_chosen(context: Context) -> None:
    """Runs before each replicating task: skip it if the run's params do not name it."""
    resource_type = context["task"].task_id
    if resource_type not in context["params"]["resources"]:
        raise AirflowSkipException(f"{resource_type} is not among the resources of this run")


def skip_dry_runs(context: Context) -> None:
    """Runs before the verification: a run that wrote nothing has nothing to verify."""
    if context["params"]["dry_run"]:
        raise AirflowSkipException("a dry run writes nothing that could be verified")


# [START replicate_cdf_project_params]
params = {
    "source_conn_id": Param("cdf_source", type="string", description="Connection of the project to read."),
    "target_conn_id": Param("cdf_target", type="string", description="Connection of the project to write."),
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
    "resources": Param(
        RESOURCE_TYPES,
        type="array",
        items={"type": "string", "enum": RESOURCE_TYPES},
        examples=RESOURCE_TYPES,
        minItems=1,
        description="What to replicate and verify.",
    ),
    "dry_run": Param(False, type="boolean", description="Compare and report, write nothing."),
    "delete_missing": Param(
        False, type="boolean", description="Mode `full`: delete replicated objects that are gone at the source."
    ),
    "verify_level": Param("content", type="string", enum=["counts", "keys", "content", "full"]),
}
# [END replicate_cdf_project_params]

# [START replicate_cdf_project]
default_args: dict[str, Any] = {
    "owner": "data-platform",
    "source_conn_id": "{{ params.source_conn_id }}",
    "target_conn_id": "{{ params.target_conn_id }}",
    "mode": "{{ params.mode }}",
    "retries": 4,
    "retry_delay": timedelta(minutes=1),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=30),
    "retry_policy": REPLICATION_RETRY_POLICY,
    "execution_timeout": timedelta(hours=12),
    # What is upstream may have been skipped, but must not have failed.
    "trigger_rule": "none_failed",
}
replicating: dict[str, Any] = {
    "pre_execute": skip_unless_chosen,
    "dry_run": "{{ params.dry_run }}",
    "delete_missing": "{{ params.delete_missing }}",
}

with DAG(
    dag_id="replicate_cdf_project",
    doc_md=__doc__,
    schedule=CronDataIntervalTimetable("0 2 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    # Two runs into one target are harmless, but each would slow down the other.
    max_active_runs=1,
    default_args=default_args,
    params=params,
    tags=["cdf", "replication"],
) as dag:
    with TaskGroup("structure", tooltip="What everything else refers to", prefix_group_id=False):
        data_sets = CdfReplicateDataSetsOperator(task_id="data_sets", pool=pool("data_sets"), **replicating)
        labels = CdfReplicateLabelsOperator(task_id="labels", pool=pool("labels"), **replicating)
        assets = CdfReplicateAssetsOperator(task_id="assets", pool=pool("assets"), **replicating)
        data_sets >> labels >> assets

    with TaskGroup("measurements", tooltip="Time series, then their datapoints", prefix_group_id=False):
        time_series = CdfReplicateTimeSeriesOperator(task_id="time_series", pool=pool("time_series"), **replicating)
        datapoints = CdfReplicateDatapointsOperator(task_id="datapoints", pool=pool("datapoints"), **replicating)
        time_series >> datapoints

    events = CdfReplicateEventsOperator(task_id="events", pool=pool("events"), **replicating)
    raw = CdfReplicateRawOperator(task_id="raw", pool=pool("raw"), **replicating)

    verify = CdfVerifyReplicationOperator(
        task_id="verify",
        resource_types="{{ params.resources }}",
        level="{{ params.verify_level }}",
        # What the source changes while this run copies is for the next one.
        as_of="{{ dag_run.start_date }}",
        pre_execute=skip_dry_runs,
        pool=pool("verify"),
    )

    assets >> [events, time_series, raw]
    [events, datapoints, raw] >> verify
# [END replicate_cdf_project]
