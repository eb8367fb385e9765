# SPDX-License-Identifier: Apache-2.0
"""The first part of the demo: one CDF project into another by a DAG, three times, and compared with the official SDK."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scripts.demo import change, compare, expect, loading
from scripts.demo.clients import client
from scripts.demo.expect import Run
from scripts.demo.steps import say, step

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox
    from scripts.demo.airflow import Airflow
    from scripts.demo.data_set import DataSet
    from scripts.demo.loading import Loaded
    from scripts.demo.reports import ReportReader

DAG = "replicate_cdf_project"
#: Refused rows that are printed; all of them are in ``refused.json`` beside the logs.
SHOWN = 3


@dataclass(slots=True)
class CdfDemo:
    """The running parts, what has happened so far, and what was wrong with it."""

    sandbox: RunningSandbox
    airflow: Airflow
    reader: ReportReader
    runs: list[Run] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    target: compare.Project | None = None

    def run(self, data: DataSet) -> None:
        """The three runs. Expectations that fail are collected; a run that fails ends the demo."""
        loaded = self.load(data)
        everything = {"mode": "full", "verify_level": "full"}
        run = self.replicate("initial", everything)
        self.compare(run)
        self.failures += expect.initial(run, loaded.counts)

        run = self.replicate("repeat", everything)
        requests = self.sandbox.control.counters()["requests"]
        self.compare(run)
        self.failures += expect.repeat(run, loaded.counts, requests)

        with step("change at the source: an asset edited, one moved, a new event, points corrected, points deleted"):
            changed = change.apply(self.client("source"))
        window = {"window_start": changed.window_start.isoformat(), "window_end": changed.window_end.isoformat()}
        run = self.replicate("change", {**window, "verify_level": "full"})
        self.compare(run)
        self.failures += expect.change(run, loaded.counts, changed)

    def load(self, data: DataSet) -> Loaded:
        with step("source loaded with the official client"):
            loaded = loading.load(self.client("source"), data)
        say("  " + ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in loaded.counts.items()))
        path = self.airflow.logs / "refused.json"
        _write_refused(path, loaded)
        for (kind, reason), count in Counter((item.kind, item.reason) for item in loaded.refused).items():
            names = [item.key for item in loaded.refused if item.kind == kind]
            say(f"  left out: {count} rows of kind {kind}, refused: {reason} ({', '.join(names[:SHOWN])}, …)")
        say(f"  all of them are listed in {os.path.relpath(path)}")
        return loaded

    def replicate(self, name: str, conf: Mapping[str, Any]) -> Run:
        """One run of the DAG by Airflow, and its reports."""
        self.sandbox.control.reset_counters()
        with step(f"{name}: airflow dags test {DAG}"):
            run_id = self.airflow.test_dag(DAG, conf, log=f"dag-{name}")
        returned = self.reader.read(DAG, run_id)
        run = Run(name, verified=returned.pop("verify", {}), resources=returned)
        self.runs.append(run)
        return run

    def compare(self, run: Run) -> None:
        """The comparison that Airflow has no part in."""
        with step(f"{run.name}: source and target compared with the official client"):
            source, target = (compare.read(self.client(name)) for name in ("source", "target"))
            run.compared = compare.compare(source, target)
            run.touched = compare.touched(self.target, target) if self.target else {}
            self.target = target

    def client(self, project: str) -> Any:
        return client(self.sandbox.base_url, project, self.sandbox.token)


def _write_refused(path: Path, loaded: Loaded) -> None:
    refused = [{"kind": item.kind, "externalId": item.key, "reason": item.reason} for item in loaded.refused]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(refused, indent=2, ensure_ascii=False) + "\n")
