# SPDX-License-Identifier: Apache-2.0
"""Runs that are killed before or after one of their effects. ``python -m tests.lake.snapshots.killed_run``; answers line by line.

``{"root": lake, "tables": […], "kill": [number, "before" | "after"] | null, "lease": seconds}`` publishes in a child process and says
how that ended. This process never uses deltalake or Polars itself, so its children may be forked: they need not import anything.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import boto3
import deltalake
import polars
import pyarrow

from airflow_provider_replicator.lake.location import Keys, Lake, S3Access
from airflow_provider_replicator.lake.objects import LocalObjects, S3Objects
from airflow_provider_replicator.lake.snapshots.options import SnapshotOptions
from airflow_provider_replicator.lake.snapshots.publish import publish

IMPORTED = (boto3, deltalake, polars, pyarrow)
EFFECTS = ("put", "put_if_absent", "put_if_same", "upload", "copy", "delete")


def kill_at(number: int, when: str) -> None:
    """SIGKILL, like a node that goes away, at the effect of that number."""
    seen = 0
    within = threading.local()  # one effect may be made of others

    def wrapped(original: Any) -> Any:
        def effect(self: Any, *given: Any, **more: Any) -> Any:
            nonlocal seen
            if getattr(within, "effect", False):
                return original(self, *given, **more)
            seen += 1
            mine = seen == number
            if mine and when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            within.effect = True
            done = original(self, *given, **more)
            within.effect = False
            if mine:
                os.kill(os.getpid(), signal.SIGKILL)
            return done

        return effect

    for cls in (LocalObjects, S3Objects):
        for name in EFFECTS:
            setattr(cls, name, wrapped(getattr(cls, name)))


def lake_of(asked: dict[str, Any]) -> Lake:
    if asked["root"].startswith("file:"):
        return Lake(asked["root"])
    keys = Keys(asked["access_key"], asked["secret_key"])
    return Lake(asked["root"], S3Access(region=asked["region"], keys=lambda: keys, endpoint_url=asked["endpoint_url"]))


def child(asked: dict[str, Any]) -> None:
    if asked["kill"]:
        kill_at(*asked["kill"])
    options = SnapshotOptions(lease_seconds=asked["lease"], keep_versions=1)
    asyncio.run(publish(lake=lake_of(asked), name="all", tables=asked["tables"], options=options))


def outcome(asked: dict[str, Any]) -> str:
    pid = os.fork()
    if not pid:
        code = 1
        try:
            child(asked)
            code = 0
        except BaseException as error:  # noqa: BLE001 - told to the test
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
        finally:
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return "killed" if os.WTERMSIG(status) == signal.SIGKILL else f"signal {os.WTERMSIG(status)}"
    return "done" if os.WEXITSTATUS(status) == 0 else "failed"


def long_ago(root: str) -> None:
    """What is there was written ten minutes ago: nobody need wait until a dead run is taken for dead."""
    then = time.time() - 600
    for file in Path(root.removeprefix("file://"), "publish").rglob("*"):
        os.utime(file, (then, then))


def main() -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        sys.stdout.write(outcome(asked) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
