# SPDX-License-Identifier: Apache-2.0
"""Sixty thousand documents. Measured in a process of its own, which has nothing else to remember."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.couchdb import databases
from airflow_provider_replicator.couchdb.blocking import run

if TYPE_CHECKING:
    from tests.couchdb.verify.pair import Pair

DOCUMENTS = 60_000


def measured(pair: Pair, target: str) -> dict[str, Any]:
    script = """
        import json, pickle, re, sys, time
        from airflow_provider_replicator.couchdb.blocking import run
        from airflow_provider_replicator.couchdb.connection import CouchConnection
        from airflow_provider_replicator.couchdb.verify.run import verify
        url, auth, source, target = pickle.loads(sys.stdin.buffer.read())
        with CouchConnection(name="couch", base_url=url, auth=auth).blocking() as client:
            report = run(verify(client, source, client, target))
        status = open("/proc/self/status").read()  # getrusage would count the parent's peak as well
        memory = int(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1]) / 1024
        print(json.dumps({"report": report.as_dict(), "memory": memory, "cpu": time.process_time()}))
    """
    job = pickle.dumps((pair.connection.base_url, pair.connection.auth, pair.source, target))
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], input=job, capture_output=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_sixty_thousand_documents(pair: Pair) -> None:
    with pair.connection.blocking() as client:
        for start in range(0, DOCUMENTS, 10_000):
            some = [{"_id": f"document-{number:09}"} for number in range(start, start + 10_000)]
            run(databases.bulk_docs(client, pair.source, some))
    # Where all is there, and where nothing is: then every document is named to somebody.
    complete, empty = measured(pair, pair.source), measured(pair, pair.target)
    assert complete["report"]["ok"]
    assert complete["report"]["documents"] == DOCUMENTS
    assert sum(complete["report"]["requests"].values()) <= 65
    assert empty["report"]["missing_documents"] == DOCUMENTS
    for one in (complete, empty):
        assert one["memory"] < 200
        assert one["cpu"] < 3
