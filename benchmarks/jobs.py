# SPDX-License-Identifier: Apache-2.0
"""One job by us, by the official SDK's own loop, or by a bare relay. Run as a process of its own: ``python -m benchmarks.jobs JSON``.

Prints one JSON line: wall seconds, CPU seconds, peak RSS in MB. Imports and client construction are not counted, for any contender.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Job = dict[str, Any]


def peak_mb() -> float:
    """Most memory that this process has had. getrusage would say the parent's, where that was larger before it forked."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


class Meter:
    """Wall, CPU and memory of what happens between enter and exit."""

    def __enter__(self) -> Meter:
        self._cpu = self._cpu_seconds()
        self._start = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall = time.perf_counter() - self._start
        self.cpu = self._cpu_seconds() - self._cpu
        self.rss_mb = peak_mb()

    @staticmethod
    def _cpu_seconds() -> float:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return usage.ru_utime + usage.ru_stime

    def line(self) -> str:
        return json.dumps({"wall": self.wall, "cpu": self.cpu, "rss_mb": self.rss_mb})


async def ours(job: Job) -> Meter:
    """The engine behind the operators, as a task runs it."""
    from benchmarks.connect import connect

    for heavy in ("aiohttp", "numpy", "orjson", "cognite.client"):
        import_module(heavy)  # the engine imports them in the call that needs them; the others have paid for it by now
    replicate = _engine(job["resource"])
    async with connect(job, job["source"]) as source, connect(job, job["target"]) as target:
        with Meter() as meter:
            await replicate(source=source, target=target)
    return meter


def _engine(resource: str) -> Callable[..., Awaitable[object]]:
    from functools import partial

    from airflow_provider_replicator.cdf.options import DatapointOptions, Options, RawOptions

    if resource == "datapoints":
        from airflow_provider_replicator.cdf.datapoints.replicate import replicate_datapoints

        return partial(replicate_datapoints, options=DatapointOptions())
    if resource == "raw":
        from airflow_provider_replicator.cdf.raw.replicate import replicate_raw

        return partial(replicate_raw, options=RawOptions())
    from airflow_provider_replicator.cdf.objects.replicate import replicate_objects

    return partial(replicate_objects, resource, options=Options())


async def sdk(job: Job) -> Meter:
    """What a script with the official SDK does: read a page, compare by external id with what is there, create the rest."""
    from cognite.client import AsyncCogniteClient, ClientConfig, global_config
    from cognite.client.credentials import Token

    global_config.disable_pypi_version_check = True
    source, target = (
        AsyncCogniteClient(ClientConfig("benchmark", p, Token(job["token"]), base_url=job["base_url"]))
        for p in (job["source"], job["target"])
    )
    api = {"assets": "assets", "events": "events", "time_series": "time_series"}[job["resource"]]
    with Meter() as meter:
        async for page in getattr(source, api)(chunk_size=1000, limit=None):
            keys = [item.external_id for item in page]
            there = await getattr(target, api).retrieve_multiple(external_ids=keys, ignore_unknown_ids=True)
            known = {item.external_id for item in there}
            fresh = [item.as_write() for item in page if item.external_id not in known]
            for item in fresh:
                if job["resource"] == "events":
                    item.asset_ids = None
                elif job["resource"] == "time_series":
                    item.asset_id = None
                else:
                    item.parent_id = None
            if fresh:
                await getattr(target, api).create(fresh)
    return meter


async def relay(job: Job) -> Meter:
    """The limit for datapoints: a list page in, an insert out, eight in flight, nothing looked at but the time range."""
    import aiohttp
    import orjson

    base = f"{job['base_url']}/api/v1/projects/"
    auth = {"authorization": f"Bearer {job['token']}", "accept-encoding": "identity"}
    first, last = job["first"], job["last"]
    gate = asyncio.Semaphore(8)

    async def move(session: aiohttp.ClientSession, start: int, end: int) -> None:
        async with gate:
            query = orjson.dumps({"items": [{"externalId": "series-0", "start": start, "end": end}], "limit": 100_000})
            headers = {**auth, "content-type": "application/json", "accept": "application/protobuf"}
            async with session.post(f"{base}{job['source']}/timeseries/data/list", data=query, headers=headers) as page:
                points = await page.read()
                page.raise_for_status()
            headers = {**auth, "content-type": "application/protobuf", "accept": "application/json"}
            body = insertion(points)
            async with session.post(f"{base}{job['target']}/timeseries/data", data=body, headers=headers) as answer:
                await answer.read()
                answer.raise_for_status()

    span = 100_000 * 1000
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=16)) as session:
        with Meter() as meter:
            await asyncio.gather(*(move(session, at, min(at + span, last)) for at in range(first, last, span)))
    return meter


def insertion(page: bytes) -> bytes:
    """The list page's only item as an insertion request: the points' bytes, found by their tag, in a new frame."""
    from benchmarks.workloads import _varint

    at = page.index(b"\x1a", page.index(b"series-0"))
    size, shift, i = 0, 0, at + 1
    while True:
        size |= (page[i] & 0x7F) << shift
        shift += 7
        i += 1
        if not page[i - 1] & 0x80:
            break
    item = b"\x12\x08series-0" + page[at : i + size]
    return b"\x0a" + _varint(len(item)) + item


CONTENDERS: dict[str, Callable[[Job], Awaitable[Meter]]] = {"ours": ours, "sdk": sdk, "relay": relay}


def main() -> None:
    job = json.loads(sys.argv[1])
    meter = asyncio.run(_run(CONTENDERS[job["contender"]], job))
    sys.stdout.write("\n" + meter.line() + "\n")


async def _run(contender: Callable[[Job], Awaitable[Meter]], job: Job) -> Meter:
    return await contender(job)


if __name__ == "__main__":
    main()
