# SPDX-License-Identifier: Apache-2.0
"""One run in a process of its own: ``python -m tests.lake.datapoints.process JSON``. Prints the report, and the memory it took."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.cdf.http.aiohttp_transport import AiohttpTransport
from airflow_provider_replicator.cdf.http.client import CdfClient
from airflow_provider_replicator.cdf.http.credentials import StaticToken
from airflow_provider_replicator.core.window import Window
from airflow_provider_replicator.lake.datapoints.feed import follow_subscription
from airflow_provider_replicator.lake.datapoints.options import FeedOptions, PointsOptions
from airflow_provider_replicator.lake.datapoints.window import export_datapoints
from airflow_provider_replicator.lake.location import Keys, Lake, S3Access
from benchmarks.jobs import peak_mb

if TYPE_CHECKING:
    from tests.lake.datapoints.tables import Exports


def command(exports: Exports, **options: Any) -> list[str]:
    pair, lake = exports.pair, exports.lake
    access = None
    if lake.access is not None:
        keys = lake.access.keys()
        access = [lake.access.region, lake.access.endpoint_url, keys.access_key, keys.secret_key]
    about: dict[str, Any] = {"url": pair.running.base_url, "token": pair.running.token, "project": pair.source}
    about |= {"root": lake.root, "access": access, "options": options}
    return [sys.executable, "-m", "tests.lake.datapoints.process", json.dumps(about)]


def run(exports: Exports, **options: Any) -> dict[str, Any]:
    """To its end, whose exit code has to be 0."""
    done = subprocess.run(command(exports, **options), check=True, stdout=subprocess.PIPE, text=True, timeout=120)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


async def main(about: dict[str, Any]) -> None:
    access = None
    if about["access"]:
        region, endpoint, key, secret = about["access"]
        access = S3Access(region=region, keys=lambda: Keys(key, secret), endpoint_url=endpoint)
    lake = Lake(about["root"], access)
    options = about["options"]
    if window := options.get("window"):
        options |= {"window": Window(*window), "mode": "window"}
    if "shard" in options:
        options["shard"] = tuple(options["shard"])
    transport = AiohttpTransport(about["url"], about["project"], StaticToken(about["token"]))
    async with CdfClient(transport, project=about["project"]) as source:
        if "subscription" in options:
            report = await follow_subscription(source=source, lake=lake, options=FeedOptions(**options))
        else:
            report = await export_datapoints(source=source, lake=lake, options=PointsOptions(**options))
    sys.stdout.write(json.dumps(report.as_dict() | {"peak_mb": int(peak_mb())}))


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
