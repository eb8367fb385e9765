# SPDX-License-Identifier: Apache-2.0
"""CDF into Delta tables on a real S3 server (SeaweedFS), against the limit: ``python -m benchmarks.lake`` or ``make bench``.

The limit of each job is what the libraries take for the same rows when they are ready as Arrow. The sandbox shares the machine, so its
CPU seconds are counted and given beside; ``own`` is the wall time without them, where it is what the job waited for.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from typing import TYPE_CHECKING, Any

import orjson

from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox
from airflow_provider_replicator.sandbox.s3.running import RunningS3
from benchmarks.lake_jobs import NODES, SPACE, VIEW
from benchmarks.lines import Bench, Line, Target, judged, keep
from benchmarks.workloads import Seeder, seed_points

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CHANGED = 200
#: For each repetition of the others: a snapshot is short, and so at the mercy of what else the machine does.
SNAPSHOTS = 3
FOLDER, S3, COPIED = ", all in a folder", ", all in S3", ", and a copy of the object"
SINK = ": limit, scan_delta.sink_parquet"
#: Names of 20 properties, of the types that occur.
PROPERTIES: dict[str, str] = {
    **{f"measure{number}": "float64" for number in range(8)},
    **{f"count{number}": "int64" for number in range(4)},
    **{f"text{number}": "text" for number in range(4)},
    "active": "boolean",
    "seen": "timestamp",
    "built": "date",
    "small": "float32",
}


def instances(bench: Bench, seeder: Seeder, count: int) -> None:
    """First loads, changes, merges and snapshots of one view."""
    model(seeder)
    for start in range(0, count, 1000):
        seeder.post("/models/instances", orjson.dumps({"items": list(nodes(range(start, start + 1000)))}))
    label = f"{count:_} nodes x {len(PROPERTIES)}".replace("_", " ")
    for number in range(bench.repetitions):
        bench.run(f"{label}: first load", count, "instances", root=f"load{number}")
    bench.repeated(f"{label}: limit, write_deltalake", count, "instances_limit", root="load0")
    snapshots(bench, label, count)
    changes(bench, seeder, label, count, merged=True)
    bench.run(f"{label}: grown tenfold (not timed)", 9 * count, "grow", root="load0", times=10)
    changes(bench, seeder, f"{10 * count:_} nodes x {len(PROPERTIES)}".replace("_", " "), count, merged=False)
    bench.run(f"{10 * count:_} nodes: snapshot".replace("_", " ") + S3, 10 * count, "snapshot", root="load0")


def snapshots(bench: Bench, label: str, count: int) -> None:
    """Of the table in S3, and of the same one in a folder; in turns with their limits, for one machine is not always as fast."""
    with tempfile.TemporaryDirectory() as folder:
        bench.run(f"{label}: taken into a folder (not timed)", count, "take", root="load0", into=f"file://{folder}")
        for _ in range(SNAPSHOTS * bench.repetitions):
            for where, root in ((FOLDER, f"file://{folder}"), (S3, "load0")):
                bench.run(f"{label}: snapshot{where}", count, "snapshot", root=root)
                bench.run(f"{label}{SINK}{where}", count, "snapshot_limit", root=root, copied=False)
            bench.run(f"{label}{SINK}{S3}{COPIED}", count, "snapshot_limit", root="load0", copied=True)


def changes(bench: Bench, seeder: Seeder, label: str, count: int, *, merged: bool) -> None:
    """200 nodes at random keys change; a run without a merge, then (for the smaller table) one with it."""
    chosen = random.Random(7)
    for _ in range(bench.repetitions):
        touch(seeder, chosen.sample(range(count), CHANGED))
        bench.run(f"{label}: {CHANGED} changes", CHANGED, "instances", root="load0")
    if not merged:
        return
    for _ in range(bench.repetitions):
        numbers = chosen.sample(range(count), CHANGED)
        touch(seeder, numbers)
        bench.run(f"{label}: {CHANGED} changes, merged", CHANGED, "instances", root="load0", merge=True)
        bench.run(f"{label}: limit, bare merge", CHANGED, "merge_limit", root="load0", changed=numbers)


def touch(seeder: Seeder, numbers: Sequence[int]) -> None:
    items = list(nodes(numbers, version=time.time()))
    seeder.post("/models/instances", orjson.dumps({"items": items}))


def model(seeder: Seeder) -> None:
    container = {"type": "container", "space": SPACE, "externalId": VIEW}
    named = {"space": SPACE, "externalId": VIEW}
    properties = {name: {"type": {"type": kind, "list": False}} for name, kind in PROPERTIES.items()}
    mapped = {name: {"container": container, "containerPropertyIdentifier": name} for name in PROPERTIES}
    definitions: dict[str, dict[str, Any]] = {
        "/models/spaces": {"space": SPACE},
        "/models/containers": {**named, "usedFor": "node", "properties": properties},
        "/models/views": {**named, "version": "v1", "properties": mapped},
    }
    for path, definition in definitions.items():
        seeder.post(path, orjson.dumps({"items": [definition]}))


def nodes(numbers: Sequence[int], version: float = 0.0) -> Iterator[dict[str, Any]]:
    view = {"type": "view", "space": SPACE, "externalId": VIEW, "version": "v1"}
    values = random.Random(numbers[0])
    for number in numbers:
        properties: dict[str, Any] = {
            **{f"measure{n}": values.random() * 1000 for n in range(8)},
            **{f"count{n}": number * (n + 1) for n in range(4)},
            **{f"text{n}": f"text {n} of {number % 1000}" for n in range(4)},
            "active": number % 2 == 0,
            "seen": f"2026-01-{number % 28 + 1:02d}T00:00:{number % 60:02d}.000+00:00",
            "built": f"20{number % 20 + 10}-06-01",
            "small": number / 4,
        }
        properties["measure0"] += version
        yield {
            "instanceType": "node",
            "space": SPACE,
            "externalId": f"node-{number}",
            "sources": [{"source": view, "properties": properties}],
        }


def datapoints(bench: Bench, seeder: Seeder, points: int) -> None:
    seed_points(seeder, 1, points, 1000)
    first = int(time.time() * 1000) - points * 1000 - 60_000
    label = f"{points // 1_000_000} million points"
    for number in range(bench.repetitions):
        bench.run(f"{label}: first load", points, "datapoints", root=f"points{number}")
    bench.repeated(
        f"{label}: limit, write_deltalake", points, "datapoints_limit", root="limit", points=points, first=first
    )


#: (what, the figure, its bound, at most or at least)
def targets(lines: dict[str, Line], count: int, points: int) -> list[Target]:
    label = f"{count:_} nodes x {len(PROPERTIES)}".replace("_", " ")
    large = f"{10 * count:_} nodes".replace("_", " ")
    series = f"{points // 1_000_000} million points"

    def wall(name: str, figure: str = "wall") -> float:
        return lines[name].median(figure)

    return [
        (
            "first load of nodes, its own time per the limit's",
            wall(f"{label}: first load", "own") / wall(f"{label}: limit, write_deltalake"),
            "≤",
            3.0,
        ),
        (
            "datapoints, their own time per the limit's",
            wall(f"{series}: first load", "own") / wall(f"{series}: limit, write_deltalake"),
            "≤",
            2.0,
        ),
        ("datapoints: million points/s, sandbox included", points / 1e6 / wall(f"{series}: first load"), "≥", 4.0),
        ("datapoints: peak RSS in MB", wall(f"{series}: first load", "rss_mb"), "≤", 600.0),
        (f"{CHANGED} changes in the smaller table: seconds", wall(f"{label}: {CHANGED} changes"), "≤", 1.0),
        (
            f"{CHANGED} changes in the larger table: seconds",
            wall(f"{large} x {len(PROPERTIES)}: {CHANGED} changes"),
            "≤",
            1.0,
        ),
        (
            "a run that merges, per a bare merge",
            wall(f"{label}: {CHANGED} changes, merged") / wall(f"{label}: limit, bare merge"),
            "≤",
            1.5,
        ),
        ("snapshot: peak RSS in MB", wall(f"{label}: snapshot{S3}", "rss_mb"), "≤", 450.0),
        *(
            (
                f"snapshot{where}, per scan_delta.sink_parquet{copied}",
                wall(f"{label}: snapshot{where}") / wall(f"{label}{SINK}{where}{copied}"),
                "≤",
                1.5,
            )
            for where, copied in ((FOLDER, ""), (S3, COPIED), (S3, ""))
        ),
        (
            "snapshot of ten times as many rows: its RSS per that of one",
            wall(f"{large}: snapshot{S3}", "rss_mb") / wall(f"{label}: snapshot{S3}", "rss_mb"),
            "≤",
            1.5,
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--nodes", type=int, default=1_000_000)
    parser.add_argument("--points", type=int, default=100_000_000)
    arguments = parser.parse_args()
    print(f"tables below s3://…/{NODES.split('/', maxsplit=1)[0]}, on SeaweedFS")
    lines: dict[str, Line] = {}
    for run, size in ((datapoints, arguments.points), (instances, arguments.nodes)):
        with RunningSandbox(projects=("source",)) as sandbox, RunningS3() as s3:
            given = {
                "base_url": sandbox.base_url,
                "port": sandbox.port,
                "token": sandbox.token,
                "s3": s3.url,
                "access_key": s3.access_key,
                "secret_key": s3.secret_key,
                "bucket": s3.bucket,
            }
            bench = Bench("benchmarks.lake_jobs", [sandbox.pid], given, arguments.repetitions)
            run(bench, Seeder("127.0.0.1", sandbox.port, sandbox.token, "source"), size)
            lines |= bench.lines
    keep("lake", lines.values(), judged(targets(lines, arguments.nodes, arguments.points)))


if __name__ == "__main__":
    main()
