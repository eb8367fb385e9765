# SPDX-License-Identifier: Apache-2.0
"""A wheel of the same shape as the real one, generated: a dozen assets, a few work orders, two series. No network."""

from __future__ import annotations

import csv
import io
import zipfile
from typing import TYPE_CHECKING

from scripts.demo.data_set import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

DATA_SETS = "\n".join(
    f"- externalId: ds_{name}_{{{{default_location}}}}\n  name: {name}:{{{{default_location}}}}\n  description: For {name}."
    for name in ("asset", "files", "timeseries", "3d", "relationships", "transformations")
)
SERIES = """
- externalId: 'pi_1'
  name: 'PT-1'
  dataSetExternalId: ds_timeseries_{{default_location}}
  isString: false
  isStep: false
  unit: bar
  metadata: {tag: 'PT-1', engunits: ''}
  description: Pressure
- externalId: 'pi_2'
  name: 'TT-1'
  dataSetExternalId: ds_timeseries_{{default_location}}
  isString: false
  isStep: false
  metadata: {tag: 'TT-1', engunits: ''}
  description: Temperature
"""
ASSETS = [
    ["key", "externalId", "parentExternalId", "tag", "description", "sourceDb", "categoryId", "isActive"],
    ["A:3", "A:3", "A:2", "3", "Trykkmåler, leaf before its parent", "workmate", "1116", "true"],
    ["A:1", "A:1", "null", "1", "Root", "workmate", "null", "true"],
    ["A:2", "A:2", "A:1", "2", "Compressor", "workmate", "1152", "false"],
]
WORK_ORDERS = [
    ["key", "externalId", "startTime", "endTime", "description", "title", "isCancelled", "percentageProgress"],
    ["W-1", "W-1", "1000", "2000", "Smøreoljeprøve", "null", "false", "100"],
    ["W-2", "W-2", "5000", "4000", "Ends before it starts", "", "false", "100"],
    ["W-3", "W-3", "5000", "null", "Has not ended", "", "true", "null"],
]
WORK_ITEMS = [
    ["key", "externalId", "startTime", "endTime", "itemInfo", "description"],
    ["W-1-1", "W-1-1", "1000", "1000", "Compressor", "null"],
]
LINKS = ["key", "externalId", "sourceExternalId", "targetExternalId"]
POINTS = [
    ["timeshift_timestamp", "pi_1", "pi_2"],
    ["2013-01-01 00:00:00", "0.5", ""],
    ["2013-01-01 01:00:00", "-1.25e-05", "7"],
    ["2013-01-01 02:00:00", "", "8.5"],
]
TABLES: dict[str, tuple[str, list[list[str]]]] = {
    "assets": ("asset_{{default_location}}_{{source_asset}}", ASSETS),
    "workorders": ("workorder_{{default_location}}_{{source_workorder}}", WORK_ORDERS),
    "workitems": ("workorder_{{default_location}}_{{source_workorder}}", WORK_ITEMS),
    "workorder2assets": (
        "workorder_{{default_location}}_{{source_workorder}}",
        [LINKS, ["W-1-A:3", "W-1-A:3", "W-1", "A:3"], ["W-1-A:2", "W-1-A:2", "W-1", "A:2"]],
    ),
    "workitem2assets": (
        "workorder_{{default_location}}_{{source_workorder}}",
        [LINKS, ["W-1-1-A:2", "W-1-1-A:2", "W-1-1", "A:2"]],
    ),
    "timeseries2assets": (
        "timeseries_{{default_location}}_{{source_files}}",
        [["timeseries", "asset"], ["pi_1", "A:3"]],
    ),
}


def make(path: Path) -> Path:
    """Write the wheel to ``path`` and return it."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(ROOT + "data_sets/data_sets.DataSet.yaml", DATA_SETS)
        archive.writestr(ROOT + "timeseries/timeseries.yaml", SERIES)
        archive.writestr(ROOT + "timeseries/datapoints.csv", _csv(POINTS))
        archive.writestr("elsewhere/raw/other.Table.csv", "not,ours\n1,2\n")
        for name, (database, rows) in TABLES.items():
            archive.writestr(f"{ROOT}raw/{name}.Table.csv", _csv(rows))
            archive.writestr(f"{ROOT}raw/{name}.Table.yaml", f"dbName: {database}\ntableName: {name}\n")
    return path


def _csv(rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()
