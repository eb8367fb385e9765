# SPDX-License-Identifier: Apache-2.0
"""cognite-replicator 1.3.2 as a process that does what tests tell it."""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.peer_env import peer_python

if TYPE_CHECKING:
    from types import TracebackType

    from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox
    from tests.acceptance.projects import Pair


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a call: ``raised`` has type, code and message; ``requests`` counts those of both projects, retries included."""

    raised: dict[str, Any] | None
    in_threads: list[str]
    logged: list[str]
    requests: int
    by_endpoint: dict[str, int]

    @property
    def quiet(self) -> bool:
        """Nothing was raised, in no thread, and no error was logged."""
        return self.raised is None and not self.in_threads and not self.logged


class Peer:
    """One interpreter for many calls, because it takes seconds to import what the peer needs."""

    def __init__(self, sandbox: RunningSandbox) -> None:
        self._sandbox = sandbox

    def __enter__(self) -> Peer:
        script = str(Path(__file__).with_name("inside.py"))
        command = [str(peer_python()), script, self._sandbox.base_url, self._sandbox.token]
        self._errors = tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=20)
        finally:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()
            self._errors.close()

    def call(self, pair: Pair, module: str, function: str = "replicate", **options: Any) -> Outcome:
        """``cognite.replicator.<module>.<function>(source, target, **options)``, and how many requests it made."""
        projects = [pair.source.name, pair.target.name]
        return self.call_with(projects, module, function, **options)

    def call_with(self, projects: list[str], module: str, function: str, **options: Any) -> Outcome:
        job = {"module": module, "function": function, "projects": projects, "options": options}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._sandbox.control.reset_counters()
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            self._errors.seek(0)
            raise RuntimeError(f"the peer's interpreter ended:\n{self._errors.read()[-4000:]}")
        counters = self._sandbox.control.counters()
        return Outcome(**json.loads(answer), requests=counters["total"], by_endpoint=counters["requests"])

    def done(self, pair: Pair, module: str, **options: Any) -> int:
        """A call that has to succeed; the number of its requests."""
        outcome = self.call(pair, module, **options)
        assert outcome.quiet, outcome
        return outcome.requests
