# SPDX-License-Identifier: Apache-2.0
"""The tables of the compressor data set as Python values, exactly as the wheel holds them: nothing is cleaned here."""

from __future__ import annotations

import csv
import io
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

Row = dict[str, str]

#: Where the module lies inside the wheel.
ROOT = "cognite_toolkit/_builtin_modules/examples/cdf_oid_example_data/"
#: The wheel is a template: names hold {{variables}}. The sources have the wheel's own default values, the place a neutral one.
VARIABLES = {
    "default_location": "compressor",
    "source_asset": "workmate",
    "source_workorder": "workmate",
    "source_files": "fileshare",
    "source_timeseries": "pi",
}


@dataclass(frozen=True, slots=True)
class Series:
    """Points of one time series: int64 ms since 1970 (UTC), ascending, and float64 values."""

    timestamps: NDArray[np.int64]
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Table:
    """One raw table. ``rows`` maps the key to its columns, all of them strings."""

    database: str
    name: str
    rows: Mapping[str, Row]


@dataclass(frozen=True, slots=True)
class DataSet:
    """Everything the demo loads; ``documents`` of the wheel (PDF files) are not part of it yet."""

    data_sets: list[dict[str, Any]]
    time_series: list[dict[str, Any]]
    points: dict[str, Series]
    tables: dict[str, Table]

    def rows(self, table: str) -> list[Row]:
        """The rows of one table by the table's name, in the order of the file."""
        return list(self.tables[table].rows.values())


def read(wheel: Path, root: str = ROOT) -> DataSet:
    """Read the data set out of the zip file; takes about two seconds for the real one (597 532 points)."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.startswith(root)]
        tables = [_table(archive, name) for name in sorted(names) if name.endswith(".Table.csv")]
        return DataSet(
            data_sets=_yaml(archive, root + "data_sets/data_sets.DataSet.yaml"),
            time_series=_yaml(archive, root + "timeseries/timeseries.yaml"),
            points=_points(archive.read(root + "timeseries/datapoints.csv").decode()),
            tables={table.name: table for table in tables},
        )


def _text(archive: zipfile.ZipFile, name: str) -> str:
    text = archive.read(name).decode()
    for variable, value in VARIABLES.items():
        text = text.replace("{{" + variable + "}}", value)
    return text


def _yaml(archive: zipfile.ZipFile, name: str) -> Any:
    return yaml.safe_load(_text(archive, name))


def _table(archive: zipfile.ZipFile, name: str) -> Table:
    where = _yaml(archive, name.removesuffix(".csv") + ".yaml")
    reader = csv.DictReader(io.StringIO(archive.read(name).decode()))
    return Table(where["dbName"], where["tableName"], {_key(row): row for row in reader})


def _key(row: Row) -> str:
    # Tables without a key column are keyed by their first one, which is unique in each of them.
    return row.pop("key") if "key" in row else next(iter(row.values()))


def _points(text: str) -> dict[str, Series]:
    """One column a series, one row an hour; an empty cell is a gap, not a point."""
    first, *others = zip(*csv.reader(io.StringIO(text)), strict=True)
    timestamps = np.array(first[1:], dtype="datetime64[ms]").astype(np.int64)
    return {column[0]: _series(timestamps, np.array(column[1:])) for column in others}


def _series(timestamps: NDArray[np.int64], cells: NDArray[np.str_]) -> Series:
    filled = cells != ""
    return Series(timestamps[filled], cells[filled].astype(np.float64))
