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


class RunningPouch:
    """Started for the length of a ``with`` block, which gives its URL. In memory, on loopback, nobody has to sign in."""

    def __enter__(self) -> str:
        script = program()
        port = _free_port()
        self._folder = tempfile.TemporaryDirectory(
            prefix="pouchdb-"
        )  # it writes its settings and a log where it is started
        # Without the flag it ends at the first replication that fails.
        environment = {**os.environ, "NODE_OPTIONS": "--unhandled-rejections=warn"}
        command = ["node", str(script), "--in-memory", "--host", "127.0.0.1", "--port", str(port), "--no-stdout-logs"]
        self._process = subprocess.Popen(
            command, cwd=self._folder.name, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        url = f"http://127.0.0.1:{port}"
        try:
            self._wait(url)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return url

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()  # it has nothing to lose
        self._process.wait()
        self._folder.cleanup()

    def _wait(self, url: str) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                requests.get(url, timeout=10).raise_for_status()
            except requests.ConnectionError:
                pass
            else:
                return
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("pouchdb-server did not start")
            time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
