# SPDX-License-Identifier: Apache-2.0
"""A DAG for tests: some events, with arguments that come from the run as text, and an outlet of its own."""

from __future__ import annotations

from airflow.sdk import DAG, Asset, Param

from airflow_provider_replicator.operators.cdf import CdfReplicateEventsOperator
from airflow_provider_replicator.retry_policy import REPLICATION_RETRY_POLICY


def nothing() -> Param:
    """A new one each time: Airflow keeps the value of a run in the Param itself."""
    return Param(None, type=["null", "string", "array"])


with DAG(
    dag_id="some_events",
    schedule=None,
    params={"target_conn_id": "target", "external_ids": nothing(), "dead_letter_path": nothing(), "max_failed": 0},
) as dag:
    CdfReplicateEventsOperator(
        task_id="events",
        source_conn_id="cdf_source",
        target_conn_id="{{ params.target_conn_id }}",
        external_ids="{{ params.external_ids }}",
        dead_letter_path="{{ params.dead_letter_path }}",
        max_failed="{{ params.max_failed }}",
        retries=3,
        retry_policy=REPLICATION_RETRY_POLICY,
        outlets=[Asset("x-events-of-the-user")],
    )
