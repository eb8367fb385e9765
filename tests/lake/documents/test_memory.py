# SPDX-License-Identifier: Apache-2.0
"""Memory does not grow with the database. Measured in a process of its own."""

from __future__ import annotations

import pickle
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.couchdb import databases
from airflow_provider_replicator.couchdb.blocking import run

if TYPE_CHECKING:
    from tests.lake.documents.world import World

#: Of a document, in characters.
SIZE = 1000


def fill(world: World, first: int, last: int) -> None:
    with world.connection.blocking() as client:
        for start in range(first, last, 5000):
            numbers = range(start, min(start + 5000, last))
            some = [{"_id": f"d{number:06}", "text": f"{number:010}" * (SIZE // 10)} for number in numbers]
            run(databases.bulk_docs(client, world.database, some))


def peak_mb(world: World, **options: Any) -> tuple[int, float]:
    """(rows written, memory) of a run."""
    script = """
        import asyncio, pickle, re, sys
        from airflow_provider_replicator.couchdb.connection import CouchConnection
        from airflow_provider_replicator.lake.documents.replicate import replicate_documents
        url, auth, lake, options = pickle.loads(sys.stdin.buffer.read())
        async def main():
            async with CouchConnection(name="couch", base_url=url, auth=auth).client() as client:
                return await replicate_documents(source=client, lake=lake, options=options)
        report = asyncio.run(main())
        status = open("/proc/self/status").read()  # getrusage would count the parent's peak as well
        print(report.written, int(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1]) / 1024)
    """
    chosen = world.options(commit_bytes=4 << 20, **options)
    job = pickle.dumps((world.connection.base_url, world.connection.auth, world.lake, chosen))
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], input=job, capture_output=True, check=True)
    written, memory = done.stdout.split()
    return int(written), float(memory)


def test_a_load_takes_the_memory_of_its_commits(world: World) -> None:
    """Both are several commits long, and first loads: of tables of their own."""
    fill(world, 0, 15_000)
    written, small = peak_mb(world, table="small")
    assert written == 15_000
    fill(world, 15_000, 60_000)
    written, large = peak_mb(world, table="large")
    assert written == 60_000
    assert large < 400
    assert large < small + 80


def test_reading_everything_anew_takes_no_more_than_that(world: World) -> None:
    fill(world, 0, 4_000)
    assert peak_mb(world)[0] == 4_000
    world.make_again()
    fill(world, 0, 30_000)
    written, memory = peak_mb(world)
    assert written == 30_000
    assert memory < 400
