# SPDX-License-Identifier: Apache-2.0
"""
### A Cloudant or CouchDB database in a Delta table on S3

The documents of a database go into a table, one row each, then the table is published as a flat file for Tableau and any other reader
of Parquet.

**Before the first run**: a connection of type `couchdb`, named `cloudant_source`, and one of type `delta_lake_s3`, named
`delta_lake_default` (or choose others when triggering). Reading rights in the database are enough. For the schedule, write the name
of the database into this file.

| task | what it does |
| --- | --- |
| documents | what was changed and deleted since the last run, exactly once; the first run loads everything |
| snapshot | the table as a Parquet file, and optionally as a Tableau extract, under a manifest |
| upkeep | small files become large ones, what nobody needs is deleted |

The table has the columns `_id`, `_rev`, `_deleted` and `document`, the whole document as JSON text. Others are declared, and cast
strictly: `{"title": "text", "started": {"type": "timestamp", "path": "times.start"}}`.

A task that is killed goes on after its last commit; no row is there twice. The table is an Airflow asset that other DAGs can be
scheduled on: `s3://bucket/prefix/documents/orders`, or the alias `delta:documents`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, CronDataIntervalTimetable, Param
from airflow.sdk.exceptions import AirflowSkipException

from airflow_provider_replicator.operators.delta_lake import (
    CloudantToDeltaOperator,
    DeltaOptimizeTableOperator,
    DeltaPublishSnapshotOperator,
)
from airflow_provider_replicator.retry_policy import REPLICATION_RETRY_POLICY

if TYPE_CHECKING:
    from airflow.sdk import Context


def skip_unless_chosen(context: Context) -> None:
    """Runs before the documents are read: without a database there is nothing to do."""
    if not context["params"]["database"]:
        raise AirflowSkipException("no database is chosen: name one when triggering, or as the default of the param")


# [START export_cloudant_to_delta_params]
params = {
    "cloudant_conn_id": Param("cloudant_source", type="string", description="Connection of the server to read."),
    "delta_conn_id": Param("delta_lake_default", type="string", description="Connection of the lake to write."),
    "database": Param(None, type=["null", "string"], description="Name of the database. Empty: nothing is done."),
    "table_name": Param(
        None, type=["null", "string"], description="What the table is called. Empty: as the database is."
    ),
    "columns": Param(
        None,
        type=["null", "object"],
        description='Columns beside the whole document: {"title": "text"}. Empty: none.',
    ),
    "deletes": Param(
        "remove",
        type="string",
        enum=["remove", "mark"],
        description="`remove`: rows of deleted documents go. `mark`: they stay, with `_deleted` true.",
    ),
    "snapshot": Param(
        "cloudant", type="string", description="Name of the published snapshot: another one for each table."
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
# [END export_cloudant_to_delta_params]

# [START export_cloudant_to_delta]
# The table of this run, by the report of the task that made it.
TABLE = "{{ ti.xcom_pull(task_ids='documents')['tables'][0]['table'] }}"
default_args: dict[str, Any] = {
    "owner": "data-platform",
    "delta_conn_id": "{{ params.delta_conn_id }}",
    "retries": 4,
    "retry_delay": timedelta(minutes=1),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=30),
    "retry_policy": REPLICATION_RETRY_POLICY,
    "execution_timeout": timedelta(hours=12),
}

with DAG(
    dag_id="export_cloudant_to_delta",
    doc_md=__doc__,
    schedule=CronDataIntervalTimetable("30 * * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    # The feed of a table has one reader.
    max_active_runs=1,
    default_args=default_args,
    params=params,
    tags=["cloudant", "couchdb", "delta-lake"],
) as dag:
    documents = CloudantToDeltaOperator(
        task_id="documents",
        cloudant_conn_id="{{ params.cloudant_conn_id }}",
        database="{{ params.database }}",
        table_name="{{ params.table_name }}",
        columns="{{ params.columns }}",
        deletes="{{ params.deletes }}",
        pre_execute=skip_unless_chosen,
    )
    snapshot = DeltaPublishSnapshotOperator(
        task_id="snapshot", snapshot="{{ params.snapshot }}", tables=[TABLE], formats="{{ params.formats }}"
    )
    upkeep = DeltaOptimizeTableOperator(task_id="upkeep", tables=[TABLE])

    documents >> snapshot >> upkeep
# [END export_cloudant_to_delta]
