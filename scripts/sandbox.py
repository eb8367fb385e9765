# SPDX-License-Identifier: Apache-2.0
"""The service ``sandbox`` of docker-compose.yaml: a sandbox CDF whose source project holds the compressor data set.

Configured by the environment: ``SANDBOX_PORT`` and ``SANDBOX_TOKEN``. ``--healthy`` asks a running one instead, and ends with 0
if it answers.
"""

from __future__ import annotations

import os
import signal
import sys
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox
from scripts.demo import data_set, loading, model_instances, wheel
from scripts.demo.clients import client

REPOSITORY = Path(__file__).resolve().parent.parent
#: The windows of the daily DAG end at this hour, UTC.
WINDOW_HOUR = 2


def noon_of_the_last_window(now: datetime) -> datetime:
    """The middle of the last window of the daily DAG that is over."""
    ends = now.replace(hour=WINDOW_HOUR, minute=0, second=0, microsecond=0)
    return (ends if ends <= now else ends - timedelta(days=1)) - timedelta(hours=12)


def fill(sandbox: RunningSandbox) -> loading.Loaded:
    """Load the data set into the source, and once more as a data model, as if that had happened yesterday.

    A DAG that is switched on starts with a run for the last window. So that this first run finds what it expects in a target that is
    empty, everything in the source was changed within that window.
    """
    data = data_set.read(wheel.fetch(wheel.cache_directory(REPOSITORY)))
    sandbox.control.freeze(int(noon_of_the_last_window(datetime.now(UTC)).timestamp() * 1000))
    source = client(sandbox.base_url, "source", sandbox.token)
    loaded = loading.load(source, data)
    model_instances.load(source, data)
    sandbox.control.resume()
    return loaded


def serve(port: str, token: str) -> None:
    """Load, then stay until SIGTERM or SIGINT; a sandbox that ends by itself is an error."""
    with RunningSandbox(projects=("source", "target"), token=token, args=("--port", port)) as sandbox:
        loaded = fill(sandbox)
        print(f"{sandbox.base_url}: source holds {loaded.counts}; {len(loaded.refused)} rows refused", flush=True)
        os.wait()
    sys.exit("the sandbox ended by itself")


def healthy(port: str) -> int:
    """Exit code: 0 if the sandbox answers."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/_sandbox/health", timeout=5) as answer:
        return 0 if answer.status == 200 else 1


if __name__ == "__main__":
    if "--healthy" in sys.argv[1:]:
        sys.exit(healthy(os.environ["SANDBOX_PORT"]))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    serve(os.environ["SANDBOX_PORT"], os.environ["SANDBOX_TOKEN"])
