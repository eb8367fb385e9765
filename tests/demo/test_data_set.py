# SPDX-License-Identifier: Apache-2.0
"""The tables come out of the zip as they are; a generated wheel has the same shape as the real one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scripts.demo import data_set, mapping
from tests.demo import small_wheel

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def data(tmp_path: Path) -> data_set.DataSet:
    return data_set.read(small_wheel.make(tmp_path / "small.whl"))


def test_names_are_filled_in_neutrally(data: data_set.DataSet) -> None:
    assert [item["externalId"] for item in data.data_sets][:2] == ["ds_asset_compressor", "ds_files_compressor"]
    assert data.tables["assets"].database == "asset_compressor_workmate"
    assert "{{" not in repr(data.data_sets) + repr(data.tables)


def test_only_the_tables_of_the_data_set_are_read(data: data_set.DataSet) -> None:
    assert set(data.tables) == set(small_wheel.TABLES)


def test_rows_have_their_key_and_keep_their_text(data: data_set.DataSet) -> None:
    orders = data.tables["workorders"].rows
    assert list(orders) == ["W-1", "W-2", "W-3"]
    assert orders["W-1"] == {
        "externalId": "W-1",
        "startTime": "1000",
        "endTime": "2000",
        "description": "Smøreoljeprøve",
        "title": "null",
        "isCancelled": "false",
        "percentageProgress": "100",
    }


def test_a_table_without_a_key_column_is_keyed_by_its_first(data: data_set.DataSet) -> None:
    assert data.tables["timeseries2assets"].rows == {"pi_1": {"timeseries": "pi_1", "asset": "A:3"}}


def test_an_empty_cell_is_no_point(data: data_set.DataSet) -> None:
    hour = 3_600_000
    start = 1_356_998_400_000
    assert data.points["pi_1"].timestamps.tolist() == [start, start + hour]
    assert data.points["pi_1"].values.tolist() == [0.5, -1.25e-05]
    assert data.points["pi_2"].timestamps.tolist() == [start + hour, start + 2 * hour]


def test_an_asset_carries_every_column(data: data_set.DataSet) -> None:
    leaf = mapping.asset(data.tables["assets"].rows["A:3"], data_set_id=7).dump()
    assert leaf == {
        "name": "3",
        "externalId": "A:3",
        "parentExternalId": "A:2",
        "description": "Trykkmåler, leaf before its parent",
        "source": "workmate",
        "dataSetId": 7,
        "labels": [{"externalId": "asset_category_1116"}],
        "metadata": {"categoryId": "1116", "isActive": "true"},
    }


def test_null_is_no_parent_no_label_and_no_end_time(data: data_set.DataSet) -> None:
    root = mapping.asset(data.tables["assets"].rows["A:1"], data_set_id=7).dump()
    assert "parentExternalId" not in root
    assert "labels" not in root
    open_order = mapping.event(data.tables["workorders"].rows["W-3"], "workorder", asset_ids=[], data_set_id=7).dump()
    assert "endTime" not in open_order


def test_a_row_that_ends_before_it_starts_is_mapped_as_it_is(data: data_set.DataSet) -> None:
    event = mapping.event(data.tables["workorders"].rows["W-2"], "workorder", asset_ids=[1], data_set_id=7).dump()
    assert (event["startTime"], event["endTime"]) == (5000, 4000)


def test_one_label_per_category(data: data_set.DataSet) -> None:
    labels = mapping.labels(data.rows("assets"), data_set_id=7)
    assert [label.external_id for label in labels] == ["asset_category_1116", "asset_category_1152"]
