# SPDX-License-Identifier: Apache-2.0
"""Operators that replicate databases of Cloudant and CouchDB, verify, stop and clear away replications, under their public names."""

from __future__ import annotations

from airflow_provider_replicator.operators.cloudant_bidirectional import CloudantBidirectionalReplicateOperator
from airflow_provider_replicator.operators.cloudant_jobs import (
    CloudantCleanupReplicationsOperator,
    CloudantStopReplicationOperator,
)
from airflow_provider_replicator.operators.cloudant_replicate import CloudantReplicateOperator
from airflow_provider_replicator.operators.cloudant_verify import CloudantVerifyReplicationOperator
from airflow_provider_replicator.operators.cloudant_window import CloudantReplicateWindowOperator
from airflow_provider_replicator.operators.delta_lake_documents import CloudantToDeltaOperator

__all__ = [
    "CloudantBidirectionalReplicateOperator",
    "CloudantCleanupReplicationsOperator",
    "CloudantReplicateOperator",
    "CloudantReplicateWindowOperator",
    "CloudantStopReplicationOperator",
    "CloudantToDeltaOperator",
    "CloudantVerifyReplicationOperator",
]
