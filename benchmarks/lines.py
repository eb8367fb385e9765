# SPDX-License-Identifier: Apache-2.0
"""Jobs that share the machine with the server they read: samples, lines of the screen, what was to be reached, the file."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

BUILD = Path(__file__).parent.parent / "build"
JOB_SECONDS = 900
#: What is said, the figure, "≤" or "≥", its bound.
Target = tuple[str, float, str, float]


@dataclass
class Line:
    """One job: its samples, and what is said of it."""

    name: str
    rows: int
    samples: list[dict[str, float]] = field(default_factory=list)

    def median(self, figure: str) -> float:
        return statistics.median(sample[figure] for sample in self.samples)

    def as_dict(self) -> dict[str, Any]:
        figures = {name: round(self.median(name), 3) for name in ("wall", "own", "cpu", "sandbox_cpu", "rss_mb")}
        return {"name": self.name, "rows": self.rows, **figures, "samples": self.samples}


class Bench:
    """``module`` has the jobs, ``pids`` are the sandbox's, ``given`` is what every job is told."""

    def __init__(self, module: str, pids: Iterable[int], given: Mapping[str, Any], repetitions: int) -> None:
        self._module, self._pids, self._given = module, tuple(pids), dict(given)
        self.repetitions = repetitions
        self.lines: dict[str, Line] = {}

    def run(self, name: str, rows: int, job: str, **more: Any) -> Line:
        """One sample of a job."""
        given = {"job": job, **self._given, **more}
        before = self._cpu()
        command = [sys.executable, "-m", self._module, json.dumps(given)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=JOB_SECONDS, check=False)
        if done.returncode:
            raise RuntimeError(f"{name}: {done.stderr[-2000:]}")
        sample: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        sample["sandbox_cpu"] = self._cpu() - before
        # What is left when the sandbox would answer at once; never less than the job's own work on one core.
        sample["own"] = max(sample["wall"] - sample["sandbox_cpu"], 0.0)
        line = self.lines.setdefault(name, Line(name, rows))
        line.samples.append(sample)
        print(
            f"{name:58} {sample['wall']:7.2f} s  own {sample['own']:6.2f} s  {sample['cpu']:6.2f} s CPU "
            f"{sample['rss_mb']:6.0f} MB {rows / sample['wall']:12,.0f}/s",
            flush=True,
        )
        return line

    def repeated(self, name: str, rows: int, job: str, **more: Any) -> None:
        for _ in range(self.repetitions):
            self.run(name, rows, job, **more)

    def _cpu(self) -> float:
        """Of the sandbox, in seconds."""
        times = [psutil.Process(pid).cpu_times() for pid in self._pids]
        return sum(one.user + one.system for one in times)


def judged(targets: Iterable[Target]) -> list[dict[str, Any]]:
    """What was to be reached, and whether it was."""
    return [
        {"text": f"{text}: {value:.2f} ({sign} {bound:g})", "ok": value <= bound if sign == "≤" else value >= bound}
        for text, value, sign, bound in targets
    ]


def keep(section: str, lines: Iterable[Line], targets: list[dict[str, Any]]) -> None:
    """Into ``build/bench.json``, beside what is there, and the verdicts to the screen."""
    path = BUILD / "bench.json"
    document = json.loads(path.read_text()) if path.exists() else {}
    document[section] = {"rows": [line.as_dict() for line in lines], "targets": targets}
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    for target in targets:
        print(f"  {'reached' if target['ok'] else 'MISSED '}  {target['text']}")
