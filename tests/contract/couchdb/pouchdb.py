# SPDX-License-Identifier: Apache-2.0
"""pouchdb-server: somebody else's server, with the states of the old replicator in the documents."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING

import requests

from scripts.pouchdb import program

if TYPE_CHECKING:
    from types import TracebackType


#: Ends with whoever started it, even if that is killed: its input is then at its end.
_WRAPPED = "process.stdin.resume().on('end', () => process.exit()); require(process.argv[1])"


class RunningPouch:
    """Started for the length of a ``with`` block, which gives its URL. In memory, on loopback, nobody has to sign in."""

    def __enter__(self) -> str:
        script = program()
        port = _free_port()
        self._folder = tempfile.TemporaryDirectory(
            prefix="pouchdb-"
        )  # it writes its settings and a log where it is started
        command = ["node", "--eval", _WRAPPED, str(script), "--in-memory", "--host", "127.0.0.1", "--port", str(port)]
        self._process = subprocess.Popen(
            [*command, "--no-stdout-logs"],
            cwd=self._folder.name,
            # Without the flag it ends at the first replication that fails.
            env={**os.environ, "NODE_OPTIONS": "--unhandled-rejections=warn"},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        url = f"http://127.0.0.1:{port}"
        try:
            self._wait(url)
        except BaseException:
            self._stop()
            raise
        return url

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        self._process.kill()  # it has nothing to lose
        self._process.communicate()
        self._folder.cleanup()

    def _wait(self, url: str) -> None:
        deadline = time.monotonic() + 120
        while not _answers(url):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("pouchdb-server did not start")
            time.sleep(0.1)


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=10).ok
    except (requests.ConnectionError, requests.Timeout):
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
