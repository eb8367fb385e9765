# SPDX-License-Identifier: Apache-2.0
"""DAGs for tests: one database, verified and cleaned up after by tasks of their own; and the end of a continuous replication."""

from __future__ import annotations

from airflow.sdk import DAG, Param

from airflow_provider_replicator.operators.cloudant import (
    CloudantCleanupReplicationsOperator,
    CloudantReplicateOperator,
    CloudantStopReplicationOperator,
    CloudantVerifyReplicationOperator,
)

ENDS = {"source_conn_id": "cloudant_source", "target_conn_id": "cloudant_target", "source_db": "{{ params.database }}"}

with DAG("cloudant_one", schedule=None, params={"database": Param("", type="string")}, default_args=ENDS):
    copy = CloudantReplicateOperator(task_id="copy", create_target=True, keep_document=True)
    verify = CloudantVerifyReplicationOperator(task_id="verify", level="bodies", deferrable=True)
    clean = CloudantCleanupReplicationsOperator(task_id="clean", cloudant_conn_id="cloudant_source", older_than=0)
    copy >> verify >> clean

with DAG("cloudant_stop", schedule=None, params={"doc_id": Param("", type="string")}):
    CloudantStopReplicationOperator(task_id="stop", cloudant_conn_id="cloudant_source", doc_id="{{ params.doc_id }}")
