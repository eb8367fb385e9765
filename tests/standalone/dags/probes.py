# SPDX-License-Identifier: Apache-2.0
"""DAGs for tests: what a run of each kind sees, a run that follows another one's asset, and copies that get killed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG, Asset, CronDataIntervalTimetable

from airflow_provider_replicator.operators.cdf import (
    CdfReplicateAssetsOperator,
    CdfReplicateDatapointsOperator,
    CdfReplicateLabelsOperator,
)
from airflow_provider_replicator.retry_policy import REPLICATION_RETRY_POLICY

START = datetime(2026, 1, 1, tzinfo=UTC)
EVERY_DAY = CronDataIntervalTimetable("0 0 * * *", timezone="UTC")
NO_WINDOW: dict[str, Any] = {"window_start": None, "window_end": None}

# Which window does a run have? Its report says.
with DAG("window_probe", schedule=EVERY_DAY, start_date=START, catchup=False, params=NO_WINDOW):
    CdfReplicateLabelsOperator(task_id="labels", source_conn_id="cdf_source", target_conn_id="probe")

with DAG("follower", schedule=[Asset("cdf://probe/labels")], start_date=START):
    CdfReplicateLabelsOperator(task_id="labels", source_conn_id="cdf_source", target_conn_id="followed")

with DAG("stopped", schedule=None, start_date=START):
    CdfReplicateAssetsOperator(task_id="assets", source_conn_id="big", target_conn_id="stopped", retries=2)

with DAG(
    "killed",
    schedule=None,
    start_date=START,
    default_args={
        "source_conn_id": "big",
        "target_conn_id": "killed",
        "retries": 2,
        "retry_delay": timedelta(seconds=1),
        "retry_policy": REPLICATION_RETRY_POLICY,
        "trigger_rule": "all_done",
    },
):
    assets = CdfReplicateAssetsOperator(task_id="assets")
    datapoints = CdfReplicateDatapointsOperator(task_id="datapoints")
    assets >> datapoints
