# SPDX-License-Identifier: Apache-2.0
"""Runs of feeds at the same time (flaw 19: they took each other's cursors, and set them back)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_replicator.exceptions import LakeConflictError
from airflow_provider_replicator.lake.datapoints.feed import follow_subscription
from airflow_provider_replicator.lake.datapoints.options import FeedOptions
from tests.lake.datapoints.tables import Exports
from tests.lake.datapoints.test_feed import FEED, at_source

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.core.report import Report


def test_two_runs_at_once(exports: Exports) -> None:
    """Row 19: nothing stopped two of them, and they took each other's cursors."""
    exports.fill({"a": {1: 1.0}})
    exports.subscribe("a")
    exports.follow()
    exports.fill({"a": dict.fromkeys(range(50), 2.0)})

    async def both() -> list[object]:
        options = FeedOptions(subscription="sub")
        return await asyncio.gather(*(exports.following(options) for _ in range(2)), return_exceptions=True)

    outcomes = asyncio.run(both())
    lost = [one for one in outcomes if isinstance(one, BaseException)]
    assert len(lost) <= 1
    assert all(isinstance(one, LakeConflictError) and "another run follows" in str(one) for one in lost)
    assert exports.rows(FEED) == at_source(exports, "a")


def follow_while(exports: Exports, subscription: str, meanwhile: Callable[[CdfClient], Awaitable[None]]) -> Report:
    """One run, in which ``meanwhile`` happens after the first changes were read and before they are written."""

    async def run() -> Report:
        async with exports.pair.clients() as (source, _), exports.pair.clients() as (other, _):
            post, waiting = source.post_json, [meanwhile]

            async def held(path: str, payload: Any) -> Any:
                answer = await post(path, payload)
                if path.endswith("/data/list") and waiting:
                    await waiting.pop()(other)
                return answer

            source.post_json = held  # type: ignore[method-assign]
            options = FeedOptions(subscription=subscription)
            return await follow_subscription(source=source, lake=exports.lake, options=options)

    return asyncio.run(run())


def test_the_slower_of_two_runs_does_not_set_the_faster_one_back(exports: Exports) -> None:
    """It has read less, and would store its older cursors: what the faster one had written would come again."""
    exports.fill({"a": {1: 1.0}})
    exports.subscribe("a")
    exports.pair.control.advance(3_600_000)  # what a first run reads again is not in the way
    exports.follow()
    exports.fill({"a": {2: 2.0}})

    async def faster(source: CdfClient) -> None:
        more = {"externalId": "a", "datapoints": [{"timestamp": 3, "value": 3.0}]}
        await source.post_json("/timeseries/data", {"items": [more]})
        assert (await exports.following(FeedOptions(subscription="sub"))).written == 2

    with pytest.raises(LakeConflictError, match="another run follows"):
        follow_while(exports, "sub", faster)
    assert exports.rows(FEED) == {("a", 1): 1.0, ("a", 2): 2.0, ("a", 3): 3.0}
    assert exports.follow().read == 0


def test_a_feed_that_began_earlier_does_not_set_another_one_back(exports: Exports) -> None:
    """Each uploaded the cursors of all as they had been when it started, and what another one had written came again."""
    exports.fill({"a": {1: 1.0}, "b": {1: 1.0}})
    exports.subscribe("a", name="one")
    exports.subscribe("b", name="two")
    exports.pair.control.advance(3_600_000)  # what a first run reads again is not in the way
    for name in ("one", "two"):
        exports.follow(name)
    exports.fill({"a": {2: 2.0}, "b": {2: 2.0}})

    async def two(_: CdfClient) -> None:
        assert (await exports.following(FeedOptions(subscription="two"))).written == 1

    assert follow_while(exports, "one", two).written == 1
    assert exports.rows(FEED) == at_source(exports, "a", "b")
    assert [exports.follow(name).read for name in ("one", "two")] == [0, 0]
