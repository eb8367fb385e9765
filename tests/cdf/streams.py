# SPDX-License-Identifier: Apache-2.0
"""Two projects of a running sandbox, filled and read back with the vendor's own messages."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

from cognite.client._proto.data_point_insertion_request_pb2 import DataPointInsertionRequest
from cognite.client._proto.data_point_list_response_pb2 import DataPointListResponse

from airflow_provider_replicator.cdf.datapoints.replicate import replicate_datapoints
from airflow_provider_replicator.cdf.http.aiohttp_transport import AiohttpTransport
from airflow_provider_replicator.cdf.http.client import CdfClient
from airflow_provider_replicator.cdf.http.credentials import StaticToken
from airflow_provider_replicator.cdf.http.settings import ClientSettings
from airflow_provider_replicator.cdf.options import DatapointOptions
from airflow_provider_replicator.core.retry import RetryPolicy
from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from airflow_provider_replicator.core.report import Report
    from airflow_provider_replicator.sandbox.cdf.running import SandboxControl

#: A point as tests write it: a value, or (value, status code). A value of None is a point without one.
Point = Any
#: A series: its external id, its id, or its node as {"space", "externalId"}.
Name = str | int | dict[str, str]
T = TypeVar("T")

FIRST, END = -2_208_988_800_000, 4_102_444_800_000
BAD, UNCERTAIN = 0x80000000, 0x40000000
PAIRS = 200
#: Retries that do not make a test wait.
QUICK = ClientSettings(retry=RetryPolicy(attempts=6, first_wait=0.01, longest_wait=0.05))

_numbers = count()


def sandbox(*args: str) -> RunningSandbox:
    """A sandbox with many pairs of projects, so that every test has its own."""
    projects = [f"{side}-{number}" for number in range(PAIRS) for side in ("source", "target")]
    return RunningSandbox(projects=projects, args=args)


def new_pair(running: RunningSandbox) -> Pair:
    number = next(_numbers) % PAIRS
    return Pair(running, f"source-{number}", f"target-{number}")


@dataclass
class Side:
    """One project, with what tests do to it."""

    client: CdfClient

    async def make_series(self, *keys: str, **fields: Any) -> list[int]:
        answer = await self.client.post_json("/timeseries", {"items": [{"externalId": key, **fields} for key in keys]})
        return [item["id"] for item in answer["items"]]

    async def insert(self, key: Name, points: Mapping[int, Point], *, strings: bool = False) -> None:
        """In requests of 100 000 points."""
        stamps = list(points)
        for start in range(0, len(stamps), 100_000):
            request = DataPointInsertionRequest()
            item = request.items.add(**_named(key))
            message: Any = item.stringDatapoints if strings else item.numericDatapoints
            for stamp in stamps[start : start + 100_000]:
                _add(message, stamp, points[stamp])
            await self.client.post_protobuf("/timeseries/data", request.SerializeToString())

    async def delete(self, key: Name, begin: int, end: int) -> None:
        item = {**_named(key), "inclusiveBegin": begin, "exclusiveEnd": end}
        await self.client.post_json("/timeseries/data/delete", {"items": [item]})

    async def points(self, key: Name, start: int = FIRST, end: int = END) -> dict[int, Point]:
        """Everything there is of a series."""
        found: dict[int, Point] = {}
        cursor = None
        while True:
            query = {
                **_named(key),
                "start": start,
                "end": end,
                "limit": 100_000,
                "includeStatus": True,
                "ignoreBadDataPoints": False,
                "treatUncertainAsBad": False,
            }
            body = {"items": [{**query, "cursor": cursor} if cursor else query]}
            answer = await self.client.post_for_bytes("/timeseries/data/list", body, accept="application/protobuf")
            item = DataPointListResponse.FromString(answer).items[0]
            message: Any = item.stringDatapoints if item.isString else item.numericDatapoints
            found |= {point.timestamp: _point(point) for point in message.datapoints}
            cursor = item.nextCursor
            if not cursor:
                return found


def _named(name: Name) -> dict[str, Any]:
    if isinstance(name, str):
        return {"externalId": name}
    return {"id": name} if isinstance(name, int) else {"instanceId": name}


def _add(message: Any, stamp: int, value: Point) -> None:
    code = 0
    if isinstance(value, tuple):
        value, code = value
    point = message.datapoints.add(timestamp=stamp)
    if value is None:
        point.nullValue = True
    else:
        point.value = value
    if code:
        point.status.code = code


def _point(point: Any) -> Point:
    value = None if point.nullValue else point.value
    return (value, point.status.code) if point.status.code else value


@dataclass
class Pair:
    """A source and a target project in one sandbox."""

    running: RunningSandbox
    source: str
    target: str

    @property
    def control(self) -> SandboxControl:
        return self.running.control

    def requests(self) -> dict[str, int]:
        """How often each endpoint of this pair was asked, as ``"source POST /path"``."""
        found: dict[str, int] = {}
        for name, number in self.control.counters()["requests"].items():
            project, _, rest = name.partition(" ")
            for side, ours in (("source", self.source), ("target", self.target)):
                if project == ours:
                    found[f"{side} {rest}"] = number
        return found

    @asynccontextmanager
    async def clients(self, settings: ClientSettings = QUICK) -> AsyncIterator[tuple[CdfClient, CdfClient]]:
        def client(project: str) -> CdfClient:
            token = StaticToken(self.running.token)
            transport = AiohttpTransport(self.running.base_url, project, token, settings=settings)
            return CdfClient(transport, project=project, settings=settings)

        async with client(self.source) as source, client(self.target) as target:
            yield source, target

    def run(self, work: Callable[[Side, Side], Awaitable[T]], settings: ClientSettings = QUICK) -> T:
        """``work(source, target)`` in a fresh event loop with fresh clients."""

        async def with_clients() -> T:
            async with self.clients(settings) as (source, target):
                return await work(Side(source), Side(target))

        return asyncio.run(with_clients())


async def copy_points(source: Side, target: Side, **options: Any) -> Report:
    """One replication of datapoints."""
    checkpoint = options.pop("checkpoint", None)
    return await replicate_datapoints(
        source=source.client, target=target.client, options=DatapointOptions(**options), checkpoint=checkpoint
    )


async def series_on_both(source: Side, target: Side, *keys: str, **fields: Any) -> None:
    """The same new series in both projects."""
    await source.make_series(*keys, **fields)
    await target.make_series(*keys, **fields)
