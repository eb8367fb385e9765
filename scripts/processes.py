# SPDX-License-Identifier: Apache-2.0
"""Processes that are started together and ended together, even if the one that started them was killed meanwhile.

A ledger, a small JSON file, says which they are: ``[[pid, start time], …]``, the starter first. A pid alone would not do: the
system gives it to somebody else after a crash.
"""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

#: Seconds that processes may take to stop before they are forced.
STOPPED_WITHIN = 20.0


class UpError(Exception):
    """Something did not start, or ended by itself; the message says what to do."""


def end_left_overs(ledger: Path) -> None:
    """End what an earlier start left behind that was killed before it could. Raise :class:`UpError` if that start still runs."""
    if not ledger.exists():
        return
    (starter, started), *parts = json.loads(ledger.read_text())
    if alive(starter, started):
        raise UpError(f"it runs already (process {starter}): stop that one with Ctrl-C first")
    end([pid for pid, began in parts if alive(pid, began)])
    ledger.unlink()


def remember(ledger: Path, pids: Iterable[int]) -> None:
    """Write down which processes are ours, this one first."""
    processes = [psutil.Process(pid) for pid in (os.getpid(), *pids)]
    ledger.parent.mkdir(parents=True, exist_ok=True)
    ledger.write_text(json.dumps([[process.pid, process.create_time()] for process in processes]))


def alive(pid: int, started: float) -> bool:
    """Whether this very process, and not another one that got its id later, is there."""
    try:
        return psutil.Process(pid).create_time() == started
    except psutil.NoSuchProcess:
        return False


def end(pids: Iterable[int]) -> None:
    """Ask these processes to stop, all at once; force them and their children if they have not after a while."""
    families: list[psutil.Process] = []
    for pid in pids:
        try:
            leader = psutil.Process(pid)
            families += [leader, *leader.children(recursive=True)]
            leader.terminate()
        except psutil.NoSuchProcess:
            continue  # it ended by itself
    _, stubborn = psutil.wait_procs(families, timeout=STOPPED_WITHIN)
    for process in stubborn:
        process.kill()
    psutil.wait_procs(stubborn, timeout=STOPPED_WITHIN)


class Components:
    """Commands that run side by side, each with a log file in ``logs``. ``start`` all, ``watch`` them, ``stop`` all."""

    def __init__(self, commands: Mapping[str, Sequence[str]], *, environment: Mapping[str, str], logs: Path) -> None:
        self._commands = commands
        self._environment = dict(environment)
        self._logs = logs
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> list[int]:
        """Start all of them and return their process ids."""
        self._logs.mkdir(parents=True, exist_ok=True)
        for name, command in self._commands.items():
            with self._log(name).open("w") as log:
                # A session of its own: Ctrl-C reaches only the starter, which then stops them.
                self._running[name] = subprocess.Popen(
                    command, env=self._environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
                )
        return [process.pid for process in self._running.values()]

    def watch(self) -> None:
        """Raise :class:`UpError` if one of them has ended."""
        for name, process in self._running.items():
            if process.poll() is not None:
                raise UpError(f"{name} ended with {process.returncode}, see {self._log(name)}")

    def stop(self) -> None:
        """End all of them. Calling it twice is harmless."""
        end(process.pid for process in self._running.values() if process.poll() is None)
        for process in self._running.values():
            process.wait()

    def _log(self, name: str) -> Path:
        return self._logs / f"{name}.log"
