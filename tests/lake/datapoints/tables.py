# SPDX-License-Identifier: Apache-2.0
"""A project, a lake, and what a reader that is not ours finds in its tables."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import polars as pl
from deltalake import DeltaTable

from airflow_provider_replicator.core.window import Window, moment_ms
from airflow_provider_replicator.lake.datapoints.feed import follow_subscription
from airflow_provider_replicator.lake.datapoints.options import FeedOptions, PointsOptions
from airflow_provider_replicator.lake.datapoints.window import export_datapoints
from tests.cdf.streams import Side

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from airflow_provider_replicator.core.report import Report
    from airflow_provider_replicator.lake.location import Lake
    from tests.cdf.streams import Pair, Point

DAY = 86_400_000
#: Series, timestamp -> value, or (value, status code).
Rows = dict[tuple[str, int], Any]


def ms(text: str) -> int:
    moment = moment_ms("test", text)
    assert moment is not None
    return moment


def window(start: str, end: str) -> Window:
    return Window(ms(start), ms(end))


@dataclass
class Exports:
    """The project is the pair's source."""

    pair: Pair
    lake: Lake

    def fill(self, series: Mapping[str, Mapping[int, Point]], *, strings: bool = False) -> None:
        """Make the series that are new, and insert the points."""

        async def work(source: Side, _: Side) -> None:
            known = {
                one.get("externalId")
                for one in (await source.client.post_json("/timeseries/list", {"limit": 1000}))["items"]
            }
            new = [key for key in series if key not in known]
            if new:
                await source.make_series(*new, isString=strings)
            for key, points in series.items():
                await source.insert(key, points, strings=strings)

        self.pair.run(work)

    def at_source(self, work: Callable[[Side], Awaitable[Any]]) -> Any:
        return self.pair.run(lambda source, _: work(source))

    def export(self, start: str | None = None, end: str | None = None, **options: Any) -> Report:
        """One run; in mode full without a window."""
        if start is not None and end is not None:
            options |= {"mode": "window", "window": window(start, end)}
        return asyncio.run(self.exporting(PointsOptions(**options)))

    async def exporting(self, options: PointsOptions) -> Report:
        async with self.pair.clients() as (source, _):
            return await export_datapoints(source=source, lake=self.lake, options=options)

    def follow(self, subscription: str = "sub", **options: Any) -> Report:
        """One run of the feed."""
        return asyncio.run(self.following(FeedOptions(subscription=subscription, **options)))

    async def following(self, options: FeedOptions) -> Report:
        async with self.pair.clients() as (source, _):
            return await follow_subscription(source=source, lake=self.lake, options=options)

    def subscribe(self, *series: str, name: str = "sub", partitions: int = 2, **what: Any) -> None:
        item = {"externalId": name, "partitionCount": partitions, **({"timeSeriesIds": series} if series else what)}
        self.post("/timeseries/subscriptions", item)

    def post(self, path: str, *items: dict[str, Any]) -> Any:
        return self.at_source(lambda source: source.client.post_json(path, {"items": list(items)}))

    def delete(self, key: str, begin: int, end: int) -> None:
        self.at_source(lambda source: source.delete(key, begin, end))

    def other(self) -> Exports:
        """The same project, another lake."""
        return replace(self, lake=replace(self.lake, root=f"{self.lake.root}-other"))

    def frame(self, name: str = "datapoints") -> pl.DataFrame:
        """The table as Polars reads it."""
        return pl.read_delta(self.lake.uri(f"datapoints/{name}"), storage_options=self.lake.options())

    def rows(self, name: str = "datapoints") -> Rows:
        """The table as a mapping. Fails if a point is there twice, or in a folder that is not its own."""
        found: Rows = {}
        for row in self.frame(name).iter_rows(named=True):
            stamp = row["timestamp"]
            key = (row["externalId"], round(stamp.timestamp() * 1000))
            assert key not in found, f"twice: {key}"
            if "_day" in row:
                assert row["_day"] == stamp.date()
            else:
                assert row["_month"] == stamp.date().replace(day=1)
            value = row["value"] if row["stringValue"] is None else row["stringValue"]
            code = row["statusCode"]
            found[key] = value if code is None else (value, code)
        return found

    def handle(self, name: str = "datapoints") -> DeltaTable:
        return DeltaTable(self.lake.uri(f"datapoints/{name}"), storage_options=self.lake.options())


def expected(series: Mapping[str, Mapping[int, Point]], start: int = -(1 << 62), end: int = 1 << 62) -> Rows:
    return {(key, at): value for key, points in series.items() for at, value in points.items() if start <= at < end}
