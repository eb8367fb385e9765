# SPDX-License-Identifier: Apache-2.0
"""A DAG for tests: a replication that takes its time, waited for by the triggerer."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import DAG, Param

from airflow_provider_replicator.operators.cloudant import CloudantReplicateOperator

with DAG(
    "cloudant_jobs",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    params={"database": Param("", type="string")},
):
    CloudantReplicateOperator(
        task_id="copy",
        source_conn_id="couch",
        source_db="{{ params.database }}",
        target_conn_id="couch_copy",
        target_db="{{ params.database }}-copy",
        create_target=True,
        # The server's time runs fast: without this it would not wait for a slow source.
        options={"connection_timeout": 10_000_000},
        verify="revisions",
        poll_interval=1,
        deferrable=True,
    )
