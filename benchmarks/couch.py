# SPDX-License-Identifier: Apache-2.0
"""Verification of CouchDB replications, and a database into a Delta table: ``python -m benchmarks.couch`` or ``make bench``.

The server is the sandbox's, which shares the machine: its CPU seconds are counted, and ``own`` is the wall time without them.
"""

from __future__ import annotations

import argparse
from typing import Any

import requests

from airflow_provider_replicator.sandbox.couchdb.running import RunningCouch
from airflow_provider_replicator.sandbox.s3.running import RunningS3
from benchmarks.lines import Bench, Line, Target, judged, keep

SOURCE, TARGET = "orders", "copies"
CHANGED = 200
_BATCH = 2000


def fill(couch: RunningCouch, count: int) -> None:
    """The same documents in both databases, under the same revisions."""
    session = requests.Session()
    session.auth = (couch.username, couch.password)
    for first in range(0, count, _BATCH):
        documents = [document(number) for number in range(first, min(first + _BATCH, count))]
        written = post(session, couch, SOURCE, {"docs": documents})
        copies = [{**one, "_rev": answer["rev"]} for one, answer in zip(documents, written, strict=True)]
        assert post(session, couch, TARGET, {"docs": copies, "new_edits": False}) == []


def change(couch: RunningCouch, count: int, times: int) -> None:
    """A few documents, once more."""
    session = requests.Session()
    session.auth = (couch.username, couch.password)
    keys = [f"order-{number * (count // CHANGED):08d}" for number in range(CHANGED)]
    found = session.post(f"{couch.url}/{SOURCE}/_all_docs", json={"keys": keys}).json()["rows"]
    post(session, couch, SOURCE, {"docs": [{"_id": r["id"], "_rev": r["value"]["rev"], "times": times} for r in found]})


def post(session: requests.Session, couch: RunningCouch, database: str, body: dict[str, Any]) -> Any:
    answer = session.post(f"{couch.url}/{database}/_bulk_docs", json=body)
    answer.raise_for_status()
    return answer.json()


def document(number: int) -> dict[str, Any]:
    return {
        "_id": f"order-{number:08d}",
        "title": f"Order {number}",
        "asset": f"asset-{number % 1000}",
        "hours": number % 24 + 0.5,
        "tags": ["planned", f"week-{number % 52}"],
        "text": "Check the valve and note what was found. " * 5,
    }


def measure(bench: Bench, couch: RunningCouch, count: int) -> None:
    label = f"{count:_} documents".replace("_", " ")
    common = {"source": SOURCE, "target": TARGET, "documents": count}
    bench.repeated(f"{label}: verify revisions", count, "verify", level="revisions", **common)
    bench.repeated(f"{label}: limit, bare loop", count, "verify_limit", **common)
    bench.repeated(f"{label}: verify bodies of 100", count, "verify", level="bodies", **common)
    for number in range(bench.repetitions):
        bench.run(f"{label}: into a Delta table", count, "to_delta", root=f"couch{number}", expected=count, **common)
    for number in range(bench.repetitions):
        change(couch, count, number)
        name = f"{label}: {CHANGED} changes into the Delta table"
        bench.run(name, CHANGED, "to_delta", root="couch0", expected=CHANGED, **common)


def targets(lines: dict[str, Line], count: int) -> list[Target]:
    label = f"{count:_} documents".replace("_", " ")
    ours, limit = lines[f"{label}: verify revisions"], lines[f"{label}: limit, bare loop"]
    changes = lines[f"{label}: {CHANGED} changes into the Delta table"]
    return [
        (f"verification of {label}: seconds", ours.median("wall"), "≤", 3.0),
        ("verification: peak RSS in MB", ours.median("rss_mb"), "≤", 200.0),
        ("verification, per the same requests by a bare loop", ours.median("wall") / limit.median("wall"), "≤", 1.5),
        (f"{CHANGED} changes into the Delta table: seconds", changes.median("wall"), "≤", 1.0),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--documents", type=int, default=60_000)
    arguments = parser.parse_args()
    with RunningCouch(databases=(SOURCE, TARGET)) as couch, RunningS3() as s3:
        fill(couch, arguments.documents)
        given = {
            "url": couch.url,
            "username": couch.username,
            "password": couch.password,
            "s3": s3.url,
            "access_key": s3.access_key,
            "secret_key": s3.secret_key,
            "bucket": s3.bucket,
        }
        bench = Bench("benchmarks.couch_jobs", [couch.pid], given, arguments.repetitions)
        measure(bench, couch, arguments.documents)
    keep("couchdb", bench.lines.values(), judged(targets(bench.lines, arguments.documents)))


if __name__ == "__main__":
    main()
