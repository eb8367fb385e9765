# SPDX-License-Identifier: Apache-2.0
"""``make bench``: us, cognite-replicator 1.3.2, the official SDK's loop and a bare relay, on the same sandbox in one run.

Every job is a process of its own against a fresh target project; medians over the repetitions. The table goes to the screen,
all single figures to ``build/bench.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox
from benchmarks.peer_env import peer_python
from benchmarks.targets import judge
from benchmarks.workloads import WORKLOADS, Seeder, Workload, bulk_points

ROOT = Path(__file__).parent.parent
BUILD = ROOT / "build"
JOB_SECONDS = 900


@dataclass
class Row:
    """One line of the table: the median of its repetitions."""

    workload: str
    run: str
    contender: str
    latency_ms: int
    objects: int
    minimum: int
    samples: list[dict[str, float]] = field(default_factory=list)

    def median(self, figure: str) -> float:
        return statistics.median(sample[figure] for sample in self.samples)

    def as_dict(self) -> dict[str, Any]:
        figures = {name: self.median(name) for name in ("wall", "cpu", "rss_mb", "requests")}
        return {
            "workload": self.workload,
            "run": self.run,
            "contender": self.contender,
            "latency_ms": self.latency_ms,
            "objects": self.objects,
            "minimum_requests": self.minimum,
            **{name: round(value, 4) for name, value in figures.items()},
            "samples": self.samples,
        }


class Bench:
    """One sandbox, seeded once per workload; each job gets a target project nobody has used."""

    def __init__(self, repetitions: int, latencies: tuple[int, ...], only: str) -> None:
        self.repetitions, self.latencies, self.only = repetitions, latencies, only
        self.rows: list[Row] = []

    def workload(self, workload: Workload, contenders: tuple[str, ...]) -> None:
        if self.only not in workload.name:
            return
        jobs = [(c, ms, i) for ms in self.latencies for i in range(self.repetitions) for c in contenders]
        projects = ["source", *(f"target{n}" for n in range(len(jobs)))]
        with RunningSandbox(projects=projects) as sandbox:
            source = Seeder("127.0.0.1", sandbox.port, sandbox.token, "source")
            workload.seed(source)
            for n, (contender, latency, _) in enumerate(jobs):
                if workload.prepare:
                    target = Seeder("127.0.0.1", sandbox.port, sandbox.token, f"target{n}")
                    workload.prepare(source, target)
                    target.close()
                sandbox.control.settings(latency_ms=latency)
                runs = ("first", "repeat") if workload.repeat else ("first",)
                for run in runs:
                    self.measure(sandbox, workload, run, contender, latency, f"target{n}")
                sandbox.control.settings(latency_ms=0)
            source.close()

    def measure(
        self, sandbox: RunningSandbox, workload: Workload, run: str, contender: str, latency: int, target: str
    ) -> None:
        job = {
            "base_url": sandbox.base_url,
            "token": sandbox.token,
            "source": "source",
            "target": target,
            "resource": workload.resource,
            "contender": contender,
            **self.point_range(sandbox, workload),
        }
        sandbox.control.reset_counters()
        sample = run_job(job)
        sample["requests"] = sandbox.control.counters()["total"]
        row = self.row(workload, run, contender, latency)
        row.samples.append(sample)
        show(row, sample)

    def row(self, workload: Workload, run: str, contender: str, latency: int) -> Row:
        for row in self.rows:
            if (row.workload, row.run, row.contender, row.latency_ms) == (workload.name, run, contender, latency):
                return row
        self.rows.append(Row(workload.name, run, contender, latency, workload.objects, workload.minimum))
        return self.rows[-1]

    @staticmethod
    def point_range(sandbox: RunningSandbox, workload: Workload) -> dict[str, int]:
        """First timestamp and end of the long series, for the relay, which plans nothing."""
        if "million" not in workload.name:
            return {}
        seeder = Seeder("127.0.0.1", sandbox.port, sandbox.token, "source")
        query = b'{"items":[{"externalId":"series-0","start":0}],"limit":1}'
        first = json.loads(seeder.post("/timeseries/data/list", query))["items"][0]["datapoints"][0]["timestamp"]
        seeder.close()
        return {"first": first, "last": first + workload.objects * 1000}


def run_job(job: dict[str, Any]) -> dict[str, float]:
    """Run one job as a process and return what it measured. A job that fails ends the benchmark with its output."""
    if job["contender"] == "peer":
        command = [str(peer_python()), str(Path(__file__).with_name("job_peer.py")), json.dumps(job)]
    else:
        command = [sys.executable, "-m", "benchmarks.jobs", json.dumps(job)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=JOB_SECONDS, check=False)
    if done.returncode:
        raise SystemExit(
            f"{job['contender']} failed on {job['resource']}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        )
    sample: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return sample


def show(row: Row, sample: dict[str, float]) -> None:
    rate = row.objects / sample["wall"]
    print(
        f"{row.workload:<30} {row.run:<7} {row.latency_ms:>3} ms  {row.contender:<6}"
        f"{sample['wall']:>9.2f} s {sample['cpu']:>8.2f} s CPU {sample['rss_mb']:>6.0f} MB"
        f"{sample['requests']:>7.0f} requests (minimum {row.minimum}) {rate:>12,.0f}/s",
        flush=True,
    )


def machine() -> dict[str, Any]:
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    return {"cpu": model, "cores": os.cpu_count(), "python": platform.python_version(), "system": platform.system()}


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--latency-ms", type=int, nargs="*", default=[0, 20])
    parser.add_argument("--points", type=int, default=100_000_000, help="points of the long series")
    parser.add_argument("--only", default="", help="only workloads whose name contains this")
    args = parser.parse_args()
    BUILD.mkdir(exist_ok=True)
    bench = Bench(args.repetitions, tuple(args.latency_ms), args.only)
    for workload in WORKLOADS:
        contenders = ("ours", "peer", "sdk") if workload.repeat else ("ours", "peer")
        bench.workload(workload, contenders)
    bench.latencies = (0,)
    bench.workload(bulk_points(args.points), ("ours", "relay"))
    rows = [row.as_dict() for row in bench.rows]
    verdicts = judge(rows)
    report = {"machine": machine(), "command": "make bench", "rows": rows, "targets": verdicts}
    (BUILD / "bench.json").write_text(json.dumps(report, indent=1) + "\n")
    print("\nmedians in build/bench.json; what was to be reached:")
    for verdict in verdicts:
        print(f"  {'reached' if verdict['ok'] else 'MISSED ':<8} {verdict['text']}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
