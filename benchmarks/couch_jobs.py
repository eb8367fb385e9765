# SPDX-License-Identifier: Apache-2.0
"""One job of :mod:`benchmarks.couch`, in a process of its own: ``python -m benchmarks.couch_jobs JSON``. Prints one JSON line.

Imports are not counted.
"""

from __future__ import annotations

import asyncio
import json
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.couchdb import blocking
from airflow_provider_replicator.couchdb.connection import CouchConnection, read_couch_connection
from benchmarks.jobs import Meter

if TYPE_CHECKING:
    from collections.abc import Callable

Job = dict[str, Any]
#: Changes of one page, of ours and of the limit.
PAGE = 2000


def connection_of(job: Job) -> CouchConnection:
    return read_couch_connection(
        "bench", conn_type="couchdb", host=job["url"], port=None, schema=None, login=job["username"],
        password=job["password"], extra={},
    )  # fmt: skip


def verify(job: Job) -> Meter:
    """The engine behind CloudantVerifyReplicationOperator."""
    from airflow_provider_replicator.couchdb.verify.run import verify as engine

    with connection_of(job).blocking() as client, Meter() as meter:
        report = blocking.run(engine(client, job["source"], client, job["target"], level=job["level"], page_size=PAGE))
    assert report.ok, report.message
    assert report.documents == job["documents"], report
    return meter


def verify_limit(job: Job) -> Meter:
    """The same requests by a bare loop, which looks at nothing."""
    import requests

    session = requests.Session()
    session.auth = (job["username"], job["password"])
    asked: dict[str, Any] = {"style": "all_docs", "limit": PAGE, "seq_interval": PAGE}
    since = "0"
    with Meter() as meter:
        while True:
            page = session.get(f"{job['url']}/{job['source']}/_changes", params={**asked, "since": since}).json()
            leaves = {row["id"]: [change["rev"] for change in row["changes"]] for row in page["results"]}
            assert session.post(f"{job['url']}/{job['target']}/_revs_diff", json=leaves).json() == {}
            since = page["last_seq"]
            if not page["pending"]:
                return meter


def to_delta(job: Job) -> Meter:
    """The engine behind CloudantToDeltaOperator."""
    from airflow_provider_replicator.lake.documents.options import DocumentsOptions
    from airflow_provider_replicator.lake.documents.replicate import replicate_documents
    from benchmarks.lake_jobs import lake_of

    async def run() -> Meter:
        async with connection_of(job).client() as source:
            with Meter() as meter:
                report = await replicate_documents(
                    source=source, lake=lake_of(job), options=DocumentsOptions(database=job["source"])
                )
        assert report.written == job["expected"], report.as_dict()
        return meter

    return asyncio.run(run())


JOBS: dict[str, Callable[[Job], Meter]] = {job.__name__: job for job in (verify, verify_limit, to_delta)}


def main() -> None:
    job = json.loads(sys.argv[1])
    heavy = ("aiohttp", "boto3", "deltalake", "polars", "pyarrow") if job["job"] == "to_delta" else ()
    for name in (*heavy, "orjson", "requests"):
        import_module(name)
    meter = JOBS[job["job"]](job)
    sys.stdout.write("\n" + meter.line() + "\n")


if __name__ == "__main__":
    main()
