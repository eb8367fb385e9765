# SPDX-License-Identifier: Apache-2.0
"""One job by cognite-replicator 1.3.2, in its own virtual environment (it needs SDK 7 and protobuf 4).

Prints one JSON line: wall seconds, CPU seconds, peak RSS. Imports and client construction are not counted, for any contender.
"""

from __future__ import annotations

import json
import logging
import resource
import sys
import time
import warnings
from pathlib import Path
from typing import Any


def client(job: dict[str, Any], project: str) -> Any:
    from cognite.client import ClientConfig, CogniteClient
    from cognite.client.credentials import Token

    config = ClientConfig("benchmark", project, Token(job["token"]), base_url=job["base_url"], timeout=120)
    return CogniteClient(config)


def run(job: dict[str, Any]) -> None:
    from cognite.replicator import assets, datapoints, events, raw, time_series

    source, target = client(job, job["source"]), client(job, job["target"])
    # Verified settings of the tool: several threads do not raise its concurrency, the SDK's pool of five does the work.
    steps = {
        "assets": lambda: assets.replicate(source, target),
        "events": lambda: events.replicate(source, target, batch_size=10_000, num_threads=5),
        "time_series": lambda: time_series.replicate(source, target, batch_size=10_000, num_threads=5),
        "datapoints": lambda: datapoints.replicate(source, target),
        "raw": lambda: raw.replicate(source, target, 10_000),
    }
    before = resource.getrusage(resource.RUSAGE_SELF)
    start = time.perf_counter()
    steps[job["resource"]]()
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    # getrusage would say the parent's, where that was larger before it forked.
    peak_kb = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
    sys.stdout.write("\n" + json.dumps({"wall": wall, "cpu": cpu, "rss_mb": peak_kb / 1024}) + "\n")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    from cognite.client import global_config

    global_config.disable_pypi_version_check = True
    run(json.loads(sys.argv[1]))
