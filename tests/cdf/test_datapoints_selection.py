# SPDX-License-Identifier: Apache-2.0
"""Which series a run covers, and how many of their points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_replicator.cdf.options import Selection
from airflow_provider_replicator.exceptions import ConfigurationError
from tests.cdf.streams import Side, copy_points, new_pair, sandbox, series_on_both

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox
    from tests.cdf.streams import Pair


@pytest.fixture(scope="module")
def box() -> Iterator[RunningSandbox]:
    with sandbox() as running:
        yield running


@pytest.fixture
def pair(box: RunningSandbox) -> Pair:
    return new_pair(box)


def test_series_that_the_replication_of_time_series_leaves_out_are_counted(pair: Pair) -> None:
    async def work(source: Side, target: Side) -> None:
        pair.control.add_nodes(pair.source, "timeseries", [{"instanceId": {"space": "s", "externalId": "only here"}}])
        await source.make_series("secret", securityCategories=[1])
        await source.insert("secret", {1: 1.0})
        report = await copy_points(source, target)
        assert report.skipped == {"instance_id": 1, "security_categories": 1}

    pair.run(work)


def test_a_limit_takes_the_oldest_points_of_each_series(pair: Pair) -> None:
    async def work(source: Side, target: Side) -> None:
        await series_on_both(source, target, "a", "b")
        await source.insert("a", {at: float(at) for at in range(10)})
        await source.insert("b", {5: 5.0})
        report = await copy_points(source, target, limit=3)
        assert await target.points("a") == {0: 0.0, 1: 1.0, 2: 2.0}
        assert await target.points("b") == {5: 5.0}
        assert report.read == 4
        await copy_points(source, target, limit=3)
        assert list(await target.points("a")) == [0, 1, 2, 3, 4, 5]
        await target.insert("a", {1: 9.0})
        await copy_points(source, target, limit=3, resume=False)
        assert await target.points("a") == {at: float(at) for at in range(6)}

    pair.run(work)


def test_shards_split_the_series_and_together_are_all(pair: Pair) -> None:
    async def work(source: Side, target: Side) -> None:
        keys = [f"series {number}" for number in range(40)]
        await series_on_both(source, target, *keys)
        for key in keys:
            await source.insert(key, {1: 1.0})
        written = [(await copy_points(source, target, shard=(index, 3))).written for index in range(3)]
        assert sum(written) == 40
        assert min(written) > 5
        assert all([await target.points(key) == {1: 1.0} for key in keys])

    pair.run(work)


@pytest.mark.parametrize(
    ("selection", "copied"),
    [
        (Selection(external_ids=("a1", "b1", "nowhere")), {"a1", "b1"}),
        (Selection(external_id_prefix="a"), {"a1", "a2"}),
        (Selection(exclude_pattern="1$"), {"a2", "b2"}),
        (Selection(external_ids=("a1", "b1"), external_id_prefix="a"), {"a1"}),
    ],
)
def test_a_selection_is_followed(pair: Pair, selection: Selection, copied: set[str]) -> None:
    async def work(source: Side, target: Side) -> None:
        keys = ("a1", "a2", "b1", "b2")
        await series_on_both(source, target, *keys)
        for key in keys:
            await source.insert(key, {1: 1.0})
        await copy_points(source, target, selection=selection)
        assert {key for key in keys if await target.points(key)} == copied

    pair.run(work)


@pytest.mark.parametrize(
    ("options", "copied", "skipped"),
    [
        ({"selection": Selection(data_set_external_ids=("plant",))}, {"in plant"}, {}),
        ({"selection": Selection(asset_subtree_external_ids=("root",))}, {"on pump"}, {}),
        ({"skip_nonasset": True}, {"on pump"}, {"nonasset": 2}),
        ({"skip_unlinkable": True}, {"in plant", "plain"}, {"unlinkable": 1}),
    ],
)
def test_a_selection_by_data_set_or_asset_is_followed(
    pair: Pair, options: dict[str, Any], copied: set[str], skipped: dict[str, int]
) -> None:
    async def work(source: Side, target: Side) -> None:
        (data_set,) = (await source.client.post_json("/datasets", {"items": [{"externalId": "plant"}]}))["items"]
        tree = [{"externalId": "root", "name": "r"}, {"externalId": "pump", "name": "p", "parentExternalId": "root"}]
        pump = (await source.client.post_json("/assets", {"items": tree}))["items"][1]
        await source.make_series("in plant", dataSetId=data_set["id"])
        await source.make_series("on pump", assetId=pump["id"])
        await source.make_series("plain")
        # The replication of time series with skip_unlinkable leaves out what is on an asset that the target lacks.
        keys = ["in plant", "plain"] if "skip_unlinkable" in options else ["in plant", "plain", "on pump"]
        await target.make_series(*keys)
        for key in ("in plant", "on pump", "plain"):
            await source.insert(key, {1: 1.0})
        report = await copy_points(source, target, **options)
        assert {key for key in keys if await target.points(key)} == copied
        assert report.skipped == skipped

    pair.run(work)


def test_a_selection_of_nothing_that_exists_is_an_error(pair: Pair) -> None:
    async def work(source: Side, target: Side) -> None:
        with pytest.raises(ConfigurationError, match="none of the 1 selected time series"):
            await copy_points(source, target, selection=Selection(external_ids=("nowhere",)))

    pair.run(work)
