# SPDX-License-Identifier: Apache-2.0
"""The data set goes into a sandbox over HTTP, and comes out as it was; what the API refuses is on the list."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox
from scripts.demo import compare, data_set, loading
from scripts.demo.clients import client
from tests.demo import small_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cognite.client import CogniteClient


@pytest.fixture(scope="module")
def source(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[CogniteClient, data_set.DataSet, loading.Loaded]]:
    data = data_set.read(small_wheel.make(tmp_path_factory.mktemp("wheel") / "small.whl"))
    with RunningSandbox(token="t") as sandbox:
        connected = client(sandbox.base_url, "source", "t")
        yield connected, data, loading.load(connected, data)


Source = tuple["CogniteClient", data_set.DataSet, loading.Loaded]


def test_everything_is_loaded_and_counted(source: Source) -> None:
    assert source[2].counts == {
        "data_sets": 6,
        "labels": 2,
        "assets": 3,
        "events": 3,
        "time_series": 2,
        "datapoints": 4,
        "raw": 11,
    }


def test_a_row_that_the_api_refuses_is_named_with_the_reason_and_left_out(source: Source) -> None:
    connected, _, loaded = source
    assert [(item.key, item.kind) for item in loaded.refused] == [("W-2", "workorder")]
    assert "endTime" in loaded.refused[0].reason
    assert connected.events.retrieve(external_id="W-2") is None


def test_the_tree_stands_although_the_file_has_leaves_first(source: Source) -> None:
    project = compare.read(source[0])
    assert {key: item.get("parentId") for key, item in project.objects["assets"].items()} == {
        "A:1": None,
        "A:2": "A:1",
        "A:3": "A:2",
    }


def test_events_and_series_know_their_assets_and_data_sets(source: Source) -> None:
    project = compare.read(source[0])
    assert project.objects["events"]["W-1"]["assetIds"] == ["A:2", "A:3"]
    assert project.objects["events"]["W-1-1"]["assetIds"] == ["A:2"]
    assert project.objects["events"]["W-1"]["dataSetId"] == "ds_transformations_compressor"
    assert project.objects["time_series"]["pi_1"]["assetId"] == "A:3"
    assert "assetId" not in project.objects["time_series"]["pi_2"]


def test_points_and_rows_come_out_as_they_went_in(source: Source) -> None:
    connected, data, _ = source
    project = compare.read(connected)
    for key, series in data.points.items():
        assert project.points[key].timestamps.tolist() == series.timestamps.tolist()
        assert project.points[key].values.tolist() == series.values.tolist()
    expected = {
        (table.database, table.name, key): row for table in data.tables.values() for key, row in table.rows.items()
    }
    assert project.rows == expected
