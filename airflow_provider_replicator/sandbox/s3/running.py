# SPDX-License-Identifier: Apache-2.0
"""A sandbox S3 for the length of a ``with`` block, in processes of its own."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType


class RunningS3:
    """Starts on a free loopback port; stops at the end of the block, or with the process that started it, even if that is killed.

    In the block, ``url`` is the endpoint and ``bucket`` the first of the buckets, both made for this block only.
    """

    region = "us-east-1"

    def __init__(
        self,
        *,
        buckets: Sequence[str] = ("lake",),
        access_key: str = "sandbox",
        secret_key: str = "sandbox-secret",  # noqa: S107 - a published default, for loopback only
        args: Sequence[str] = (),
    ) -> None:
        self.bucket = buckets[0]
        self.access_key = access_key
        self.secret_key = secret_key
        self.url = ""
        self._buckets = tuple(buckets)
        self._args = tuple(args)
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> RunningS3:
        command = [sys.executable, "-m", "airflow_provider_replicator.sandbox", "s3", "--stop-with-stdin"]
        for bucket in self._buckets:
            command += ["--bucket", bucket]
        command += ["--access-key", self.access_key, "--secret-key", self.secret_key, *self._args]
        # A session of its own: Ctrl-C in a terminal is for whoever started it, who then stops it.
        self._process = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.startswith("listening on "):
            self.stop()
            raise RuntimeError(f"the sandbox S3 did not start: {line!r}")
        self.url = line.split()[-1]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError("the sandbox S3 is not running")
        return self._process.pid

    def stop(self) -> None:
        """Stop the processes and wait for their end. Calling it twice is harmless."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()  # its child ends with it
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
