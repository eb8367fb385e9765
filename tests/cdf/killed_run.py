# SPDX-License-Identifier: Apache-2.0
"""A process that replicates a stream until somebody kills it: ``python -m tests.cdf.killed_run KIND URL TOKEN SOURCE TARGET STATE``.

Its checkpoint is a file, replaced in one step, as durable as the store of Airflow. The report goes to standard output.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from airflow_provider_replicator.cdf import stream_progress
from airflow_provider_replicator.cdf.datapoints.replicate import replicate_datapoints
from airflow_provider_replicator.cdf.http.aiohttp_transport import AiohttpTransport
from airflow_provider_replicator.cdf.http.client import CdfClient
from airflow_provider_replicator.cdf.http.credentials import StaticToken
from airflow_provider_replicator.cdf.options import DatapointOptions, RawOptions
from airflow_provider_replicator.cdf.raw.replicate import replicate_raw
from airflow_provider_replicator.core.checkpoint import Checkpoint


class FileStore:
    """A checkpoint store in one file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, key: str) -> Any:
        return self._read().get(key)

    def set(self, key: str, value: Any) -> None:
        self._write({**self._read(), key: value})

    def delete(self, key: str) -> None:
        self._write({name: value for name, value in self._read().items() if name != key})

    def _read(self) -> dict[str, Any]:
        values: dict[str, Any] = json.loads(self._path.read_text()) if self._path.exists() else {}
        return values

    def _write(self, values: dict[str, Any]) -> None:
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(values))
        new.replace(self._path)


async def main(kind: str, url: str, token: str, source_name: str, target_name: str, state: str) -> None:
    stream_progress._EVERY_MS = 0  # a test does not last five seconds
    checkpoint = Checkpoint(FileStore(Path(state)), "one run")

    def client(project: str) -> CdfClient:
        return CdfClient(AiohttpTransport(url, project, StaticToken(token)), project=project)

    async with client(source_name) as source, client(target_name) as target:
        if kind == "raw":
            report = await replicate_raw(source=source, target=target, options=RawOptions(), checkpoint=checkpoint)
        else:
            report = await replicate_datapoints(
                source=source, target=target, options=DatapointOptions(), checkpoint=checkpoint
            )
    sys.stdout.write(json.dumps(report.as_dict()))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
