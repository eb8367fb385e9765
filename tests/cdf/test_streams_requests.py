# SPDX-License-Identifier: Apache-2.0
"""What a run costs: requests by endpoint, against the least that the API's limits allow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from airflow_provider_replicator.cdf.options import RawOptions
from airflow_provider_replicator.cdf.protobuf.columns import Points, encode
from airflow_provider_replicator.cdf.protobuf.wire import external_id_field, insertion_request
from airflow_provider_replicator.cdf.raw.replicate import replicate_raw
from airflow_provider_replicator.core.window import Window
from tests.cdf.streams import Side, copy_points, new_pair, sandbox, series_on_both

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox
    from tests.cdf.streams import Pair

START = 1_600_000_000_000
LIST, INSERT = "POST /timeseries/data/list", "POST /timeseries/data"


@pytest.fixture(scope="module")
def box() -> Iterator[RunningSandbox]:
    with sandbox() as running:
        yield running


@pytest.fixture
def pair(box: RunningSandbox) -> Pair:
    return new_pair(box)


def _payload(start: int, count: int) -> bytes:
    stamps = START + np.arange(start, start + count, dtype=np.int64) * 1000
    return encode(Points(stamps, stamps * 0.5, np.zeros(count, np.int64), np.zeros(count, bool)), "numeric")


async def fill(source: Side, target: Side, series: int, points: int) -> None:
    """New series with so many points each in the source, without any in the target."""
    keys = [f"s{number:05}" for number in range(series)]
    for start in range(0, series, 1000):
        await series_on_both(source, target, *keys[start : start + 1000])
    per_request = max(1, 100_000 // points)
    for begin in range(0, points, 100_000):
        payload = _payload(begin, min(points - begin, 100_000))
        for start in range(0, series, per_request):
            items: Any = [(external_id_field(key), "numeric", [payload]) for key in keys[start : start + per_request]]
            await source.client.post_protobuf("/timeseries/data", insertion_request(items))


async def asked(pair: Pair, source: Side, target: Side, **options: Any) -> dict[str, int]:
    """The requests of one replication."""
    pair.control.reset_counters()
    report = await copy_points(source, target, **options)
    found = pair.requests()
    assert sum(found.values()) == sum(report.requests.values())
    return found


def test_ten_series_of_a_hundred_thousand_points(pair: Pair) -> None:
    async def work(source: Side, target: Side) -> None:
        await fill(source, target, 10, 100_000)
        first = await asked(pair, source, target)
        assert first == {
            "source POST /timeseries/list": 1,
            "target POST /timeseries/data/latest": 1,
            f"source {LIST}": 1 + 10,  # the counts, and the points
            f"target {INSERT}": 10,
        }
        assert sum((await asked(pair, source, target)).values()) == 5, "nothing new"
        assert await target.points("s00009") == await source.points("s00009")

    pair.run(work)


def test_ten_thousand_small_series(pair: Pair) -> None:
    async def work(source: Side, target: Side) -> None:
        await fill(source, target, 10_000, 10)
        first = await asked(pair, source, target)
        assert first == {
            "source POST /timeseries/list": 10,
            "target POST /timeseries/data/latest": 100,
            f"source {LIST}": 100,
            f"target {INSERT}": 1,
        }
        window = Window(START, START + 5000)
        again = await asked(pair, source, target, window=window, mode="window")
        assert (again[f"source {LIST}"], again[f"target {LIST}"]) == (100, 100)
        assert f"target {INSERT}" not in again

    pair.run(work)


@pytest.mark.parametrize(("series", "points"), [(1, 3_000_000), (4, 500_000), (30, 40_000), (300, 1_500)])
def test_others_cost_at_most_a_fifth_more_than_their_pages(pair: Pair, series: int, points: int) -> None:
    async def work(source: Side, target: Side) -> None:
        await fill(source, target, series, points)
        first = await asked(pair, source, target)
        pages = -(-series * points // 100_000)
        names = -(-series // 100)
        assert first[f"target {INSERT}"] <= 1.2 * pages
        assert first[f"source {LIST}"] <= 1.2 * pages + 2 * names
        last = f"s{series - 1:05}"
        assert await target.points(last) == await source.points(last)

    pair.run(work)


def test_strings_share_requests_and_long_ones_keep_pages_small(pair: Pair) -> None:
    async def work(source: Side, target: Side) -> None:
        short = [f"short{number:03}" for number in range(150)]
        await series_on_both(source, target, *short, "long", isString=True)
        for key in short:
            await source.insert(key, {START + at: f"{at}" for at in range(20)}, strings=True)
        long = {START + at: "x" * 1000 + str(at) for at in range(12_000)}
        for begin in range(0, 12_000, 4000):
            chosen = {stamp: long[stamp] for stamp in list(long)[begin : begin + 4000]}
            await source.insert("long", chosen, strings=True)
        first = await asked(pair, source, target)
        assert await target.points("long") == long
        assert await target.points("short149") == await source.points("short149")
        # 12 MB in pages of 4 MB at most, the small ones on the way there, and the hundreds of short series
        assert first[f"source {LIST}"] <= 9
        assert first[f"target {INSERT}"] <= 8

    pair.run(work)


def test_a_hundred_thousand_rows(pair: Pair) -> None:
    rows = "/raw/dbs/{dbName}/tables/{tableName}/rows"

    async def work(source: Side, target: Side) -> None:
        for start in range(0, 100_000, 10_000):
            items = [{"key": f"r{at:06}", "columns": {"n": at}} for at in range(start, start + 10_000)]
            await source.client.post_json("/raw/dbs/db/tables/t/rows?ensureParent=true", {"items": items})
        pair.control.reset_counters()
        first = await replicate_raw(source=source.client, target=target.client, options=RawOptions())
        found = pair.requests()
        assert first.written == 100_000
        assert found[f"target POST {rows}"] == 10
        assert found[f"source GET {rows}"] <= 11
        assert sum(found.values()) <= 27

        pair.control.reset_counters()
        again = await replicate_raw(source=source.client, target=target.client, options=RawOptions())
        assert (again.written, again.unchanged) == (0, 100_000)
        assert f"target POST {rows}" not in pair.requests()

    pair.run(work)


def test_within_the_published_limits_nobody_is_told_to_slow_down(pair: Pair) -> None:
    async def work(source: Side, target: Side) -> None:
        await fill(source, target, 200, 2_000)
        pair.control.reset_counters()
        pair.control.settings(rate_limits=True)
        try:
            await copy_points(source, target)
            statuses = pair.control.counters()["statuses"]
        finally:
            pair.control.settings(rate_limits=False)
        assert {status.split()[-1] for status in statuses} == {"200"}

    pair.run(work)
