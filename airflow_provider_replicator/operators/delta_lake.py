# SPDX-License-Identifier: Apache-2.0
"""Operators that keep CDF and Cloudant in Delta tables, publish snapshots of these and look after them, under their public names."""

from __future__ import annotations

from airflow_provider_replicator.operators.delta_lake_datapoints import CdfToDeltaDatapointsOperator
from airflow_provider_replicator.operators.delta_lake_documents import CloudantToDeltaOperator
from airflow_provider_replicator.operators.delta_lake_instances import CdfToDeltaInstancesOperator
from airflow_provider_replicator.operators.delta_lake_resources import (
    CdfToDeltaRawOperator,
    CdfToDeltaResourceOperator,
)
from airflow_provider_replicator.operators.delta_lake_snapshots import DeltaPublishSnapshotOperator
from airflow_provider_replicator.operators.delta_lake_upkeep import DeltaOptimizeTableOperator

__all__ = [
    "CdfToDeltaDatapointsOperator",
    "CdfToDeltaInstancesOperator",
    "CdfToDeltaRawOperator",
    "CdfToDeltaResourceOperator",
    "CloudantToDeltaOperator",
    "DeltaOptimizeTableOperator",
    "DeltaPublishSnapshotOperator",
]
