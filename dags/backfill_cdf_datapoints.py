# SPDX-License-Identifier: Apache-2.0
"""
### Backfill CDF datapoints, day by day

Each run makes one day of datapoints in the target equal to the source: corrected points overwrite, points that the source no
longer has are deleted. Days may be copied in any order, several at a time, and more than once.

```
airflow backfill create --dag-id backfill_cdf_datapoints --from-date 2026-10-01 --to-date 2026-10-31 \\
    --max-active-runs 4 --dag-run-conf '{"shards": 8}'
```

copies the 31 days from 1 October up to and including 31 October (both dates are included, and name the begin of a day in UTC).
The UI does the same: *Trigger* → *Backfill*. Runs of a paused DAG stay queued.

The series of a day are spread over `shards` mapped tasks by the hash of their key, so that more workers copy faster. What
travels between tasks is the number of a shard, never a list of series. The series themselves must exist in the target: they
come with the DAG `replicate_cdf_project`.

Needs the connections `cdf_source` and `cdf_target`. For the pool see `replicate_cdf_project`.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG, CronDataIntervalTimetable, Param, task

from airflow_provider_replicator.operators.cdf import CdfReplicateDatapointsOperator
from airflow_provider_replicator.retry_policy import REPLICATION_RETRY_POLICY

POOL = "cdf_datapoints" if os.environ.get("CDF_POOLS", "off").lower() in ("on", "1", "true") else "default_pool"

# [START backfill_cdf_datapoints]
with DAG(
    dag_id="backfill_cdf_datapoints",
    doc_md=__doc__,
    # The interval of a run is the day that begins at its logical date. With "@daily" it would be empty.
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=4,
    default_args={
        "owner": "data-platform",
        "retries": 4,
        "retry_delay": timedelta(minutes=1),
        "retry_exponential_backoff": 2.0,
        "max_retry_delay": timedelta(minutes=30),
        "retry_policy": REPLICATION_RETRY_POLICY,
    },
    params={
        "source_conn_id": Param("cdf_source", type="string", description="Connection of the project to read."),
        "target_conn_id": Param("cdf_target", type="string", description="Connection of the project to write."),
        "shards": Param(4, type="integer", minimum=1, maximum=256, description="Tasks that share the series of a day."),
        "external_id_prefix": Param(
            None, type=["null", "string"], description="Only series whose external id begins so."
        ),
        "dry_run": Param(False, type="boolean", description="Compare and report, write nothing."),
    },
    tags=["cdf", "replication", "backfill"],
) as dag:

    @task(execution_timeout=timedelta(minutes=5))
    def shards(params: dict[str, Any] | None = None) -> list[dict[str, int]]:
        """The descriptors of the shards: all that goes through XCom."""
        count = params["shards"] if params else 1
        return [{"index": index, "count": count} for index in range(count)]

    CdfReplicateDatapointsOperator.partial(
        task_id="datapoints",
        source_conn_id="{{ params.source_conn_id }}",
        target_conn_id="{{ params.target_conn_id }}",
        # An error, rather than "go on from the last point", for a run that has no day.
        mode="window",
        external_id_prefix="{{ params.external_id_prefix }}",
        dry_run="{{ params.dry_run }}",
        mirror=True,
        pool=POOL,
        execution_timeout=timedelta(hours=6),
        map_index_template="shard {{ task.shard.index + 1 }} of {{ task.shard.count }}",
        max_active_tis_per_dagrun=16,
    ).expand(shard=shards())
# [END backfill_cdf_datapoints]
