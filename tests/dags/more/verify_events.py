# SPDX-License-Identifier: Apache-2.0
"""DAGs for tests: a verification alone, and a copy that takes longer than it may."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from airflow_provider_replicator.operators.cdf import CdfReplicateEventsOperator, CdfVerifyReplicationOperator
from airflow_provider_replicator.retry_policy import REPLICATION_RETRY_POLICY

PROJECTS = {"source_conn_id": "cdf_source", "target_conn_id": "target"}

with DAG(dag_id="verify_events", schedule=None):
    CdfVerifyReplicationOperator(
        task_id="verify",
        resource_types="events, labels",
        max_differences="2",
        retries=3,
        retry_policy=REPLICATION_RETRY_POLICY,
        **PROJECTS,
    )

with DAG(dag_id="too_slow", schedule=None):
    CdfReplicateEventsOperator(task_id="events", execution_timeout=timedelta(seconds=2), **PROJECTS)
