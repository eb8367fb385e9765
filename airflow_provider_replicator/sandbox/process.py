# SPDX-License-Identifier: Apache-2.0
"""A server of the sandbox for the length of a ``with`` block, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType


class RunningServer:
    """Starts on a free loopback port; stops at the end of the block, or with the process that started it, even if that is killed.

    A subclass says in ``arguments`` what is started, and in ``_listening`` what its address means.
    """

    #: Seconds between the request to stop and the use of force.
    patience = 10.0

    def __init__(self, arguments: Sequence[str]) -> None:
        self._arguments = tuple(arguments)
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "airflow_provider_replicator.sandbox", *self._arguments, "--stop-with-stdin"]
        # A session of its own: Ctrl-C in a terminal is for whoever started it, who then stops it.
        self._process = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.startswith("listening on "):
            self.stop()
            raise RuntimeError(f"the sandbox did not start: {line!r}")
        self._listening(line.split()[-1])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _listening(self, url: str) -> None:
        raise NotImplementedError

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError("the sandbox is not running")
        return self._process.pid

    def stop(self) -> None:
        """Stop the process and wait for its end. Calling it twice is harmless."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(timeout=self.patience)
        except subprocess.TimeoutExpired:
            process.kill()  # what it has started ends with it
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
