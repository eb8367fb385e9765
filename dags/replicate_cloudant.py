# SPDX-License-Identifier: Apache-2.0
"""
### Replicate Cloudant or CouchDB databases

Three DAGs. In all of them the servers copy; Airflow submits the jobs, waits in the triggerer, and knows whether every revision
arrived.

| DAG | what a run does |
| --- | --- |
| `replicate_cloudant` | one job per database, up to what the source holds now; then every revision is looked for in the target |
| `follow_cloudant` | makes sure that one continuous job runs, and that its target is near enough to its source |
| `backfill_cloudant` | what has changed since the begin of a day, whatever the checkpoints of the servers say |

**Before the first run**: two connections of type `couchdb`, named `cloudant_source` and `cloudant_target` (or choose others when
triggering). Jobs run at the source, which has to reach the target (or, with `mediator_conn_id`, at a server that reaches both).

`replicate_cloudant` goes on at its checkpoint: running it twice is harmless, and the second run copies what is new. A task that is
killed finds its job again. Stop a task, and its job is stopped as well; the next one goes on there.

`follow_cloudant` leaves its job running. `CloudantStopReplicationOperator` stops it; deleting the document does, too.

`backfill_cloudant` copies at least what was changed in the days that were asked for, in any order, and more than once:
`airflow backfill create --dag-id backfill_cloudant --from-date 2026-11-01 --to-date 2026-11-07`

**Pools**: see `pools.json`; `CLOUDANT_POOLS=on` in the environment of all Airflow components uses them.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, CronDataIntervalTimetable, Param, task
from airflow.sdk.exceptions import AirflowSkipException

from airflow_provider_replicator.operators.cloudant import (
    CloudantReplicateOperator,
    CloudantReplicateWindowOperator,
)
from airflow_provider_replicator.retry_policy import REPLICATION_RETRY_POLICY
from airflow_provider_replicator.sensors.cloudant import CloudantReplicationLagSensor

if TYPE_CHECKING:
    from airflow.sdk import Context

# A pool that does not exist would keep its tasks waiting for ever, hence the switch.
POOL = "cloudant_jobs" if os.environ.get("CLOUDANT_POOLS", "off").lower() in ("on", "1", "true") else "default_pool"
START = datetime(2026, 1, 1, tzinfo=UTC)

default_args: dict[str, Any] = {
    "owner": "data-platform",
    "source_conn_id": "{{ params.source_conn_id }}",
    "target_conn_id": "{{ params.target_conn_id }}",
    "deferrable": True,
    "pool": POOL,
    "retries": 4,
    "retry_delay": timedelta(minutes=1),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=30),
    "retry_policy": REPLICATION_RETRY_POLICY,
}


def servers() -> dict[str, Param]:
    """The params of each DAG here. New ones each time: Airflow keeps the value of a run in the Param itself."""
    return {
        "source_conn_id": Param("cloudant_source", type="string", description="Connection of the server to read."),
        "target_conn_id": Param("cloudant_target", type="string", description="Connection of the server to write."),
    }


def some_databases() -> Param:
    return Param(
        [], type="array", items={"type": "string"}, description="Names of databases. Empty: all of the source."
    )


@task(execution_timeout=timedelta(minutes=5), retries=2)
def databases(params: dict[str, Any] | None = None) -> list[str]:
    """The databases of this run: those that were chosen, or all that the source has."""
    from airflow_provider_replicator.couchdb.blocking import run
    from airflow_provider_replicator.hooks.cloudant import CloudantHook

    given = params or {}
    if given.get("databases"):
        return list(given["databases"])
    with CloudantHook(given["source_conn_id"]).get_client() as client:
        return [name for name in run(client.get("_all_dbs")) if not name.startswith("_")]


def skip_unless_chosen(context: Context) -> None:
    """Runs before the tasks of `follow_cloudant`."""
    if not context["params"]["database"]:
        raise AirflowSkipException("no database is given that could be followed")


# [START replicate_cloudant]
with DAG(
    dag_id="replicate_cloudant",
    doc_md=__doc__,
    schedule=CronDataIntervalTimetable("0 3 * * *", timezone="UTC"),
    start_date=START,
    catchup=False,
    # A server runs one job per pair of databases.
    max_active_runs=1,
    default_args=default_args,
    params={
        **servers(),
        "mediator_conn_id": Param(
            None, type=["null", "string"], description="Connection of the server that runs the jobs. Empty: the source."
        ),
        "databases": some_databases(),
        "selector": Param(
            None, type=["null", "object"], description="Only documents that this Mango selector matches. Empty: all."
        ),
        "create_target": Param(True, type="boolean", description="Make databases that the target does not have."),
        "verify": Param(
            "revisions",
            type=["null", "string"],
            enum=[None, "counts", "revisions", "bodies"],
            description="How to verify.",
        ),
        "repair": Param(False, type="boolean", description="Compare everything again where something is missing."),
    },
    tags=["cloudant", "couchdb", "replication"],
):
    CloudantReplicateOperator.partial(
        task_id="replicate",
        mediator_conn_id="{{ params.mediator_conn_id }}",
        selector="{{ params.selector }}",
        create_target="{{ params.create_target }}",
        verify="{{ params.verify }}",
        repair="{{ params.repair }}",
        execution_timeout=timedelta(hours=12),
        map_index_template="{{ task.source_db }}",
    ).expand(source_db=databases())
# [END replicate_cloudant]

# [START follow_cloudant]
with DAG(
    dag_id="follow_cloudant",
    doc_md=__doc__,
    schedule=CronDataIntervalTimetable("*/15 * * * *", timezone="UTC"),
    start_date=START,
    catchup=False,
    max_active_runs=1,
    default_args=default_args,
    params={
        **servers(),
        "database": Param(None, type=["null", "string"], description="Name of the database. Empty: none is followed."),
        "max_pending": Param(100, type="integer", minimum=0, description="Changes that may wait to be copied."),
    },
    tags=["cloudant", "couchdb", "replication"],
):
    follow = CloudantReplicateOperator(
        task_id="follow",
        pre_execute=skip_unless_chosen,
        source_db="{{ params.database }}",
        create_target=True,
        continuous=True,
        timeout=timedelta(minutes=10),
    )
    near = CloudantReplicationLagSensor(
        task_id="near",
        source_conn_id="{{ params.source_conn_id }}",
        cloudant_conn_id="{{ params.source_conn_id }}",  # where the job runs
        doc_id="{{ ti.xcom_pull(task_ids='follow')['doc_id'] }}",
        source_db="{{ params.database }}",
        max_pending="{{ params.max_pending }}",
        checks=2,
        poke_interval=5,
        timeout=timedelta(minutes=10),
    )
    follow >> near
# [END follow_cloudant]

# [START backfill_cloudant]
with DAG(
    dag_id="backfill_cloudant",
    doc_md=__doc__,
    # The interval of a run is the day that begins at its logical date. With "@daily" it would be empty.
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    start_date=START,
    catchup=False,
    max_active_runs=2,
    default_args=default_args,
    params={**servers(), "databases": some_databases()},
    tags=["cloudant", "couchdb", "replication", "backfill"],
):
    CloudantReplicateWindowOperator.partial(
        task_id="replicate",
        # An error, rather than "everything", for a run that has no day.
        mode="window",
        create_target=True,
        verify="revisions",
        execution_timeout=timedelta(hours=12),
        map_index_template="{{ task.source_db }}",
    ).expand(source_db=databases())
# [END backfill_cloudant]
