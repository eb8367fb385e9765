# SPDX-License-Identifier: Apache-2.0
"""The data set into the source project, through the official SDK. Objects the API refuses are listed, never repaired.

The demo starts from an empty project. Loading is not restartable and need not be: the sandbox is new in every run.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cognite.client.data_classes import RowWrite
from cognite.client.exceptions import CogniteAPIError

from scripts.demo import mapping

if TYPE_CHECKING:
    from cognite.client import CogniteClient
    from cognite.client.data_classes import EventWrite

    from scripts.demo.data_set import DataSet, Row, Series

#: What the API takes in one request.
BATCH = 1_000
POINTS = 100_000
#: (kind, table of rows, table of links to assets)
EVENT_TABLES = (("workorder", "workorders", "workorder2assets"), ("workitem", "workitems", "workitem2assets"))


@dataclass(frozen=True, slots=True)
class Refusal:
    """One row that the API did not take, with the API's own words."""

    key: str
    kind: str
    reason: str


@dataclass(slots=True)
class Loaded:
    """How much of everything is now in the source, and what was refused."""

    counts: dict[str, int] = field(default_factory=dict)
    refused: list[Refusal] = field(default_factory=list)


def load(client: CogniteClient, data: DataSet) -> Loaded:
    """Load everything in the order of the references: data sets, labels, assets, then what points to assets."""
    loaded = Loaded()
    data_sets = _data_sets(client, data, loaded)
    assets = _assets(client, data, data_sets, loaded)
    _events(client, data, data_sets, assets, loaded)
    _time_series(client, data, data_sets, assets, loaded)
    _datapoints(client, data, loaded)
    _raw(client, data, loaded)
    return loaded


def _data_sets(client: CogniteClient, data: DataSet, loaded: Loaded) -> dict[str, int]:
    created = client.data_sets.create([mapping.data_set(item) for item in data.data_sets])
    loaded.counts["data_sets"] = len(created)
    # "ds_asset_compressor" is found as "asset"
    return {str(item.external_id).split("_")[1]: item.id for item in created}


def _assets(client: CogniteClient, data: DataSet, data_sets: dict[str, int], loaded: Loaded) -> dict[str, int]:
    """Return external id -> id, which is how events and series name their assets."""
    rows = data.rows("assets")
    labels = client.labels.create(mapping.labels(rows, data_set_id=data_sets["asset"]))
    created = client.assets.create_hierarchy([mapping.asset(row, data_set_id=data_sets["asset"]) for row in rows])
    loaded.counts |= {"labels": len(labels), "assets": len(created)}
    return {str(item.external_id): item.id for item in created}


def _events(
    client: CogniteClient, data: DataSet, data_sets: dict[str, int], assets: dict[str, int], loaded: Loaded
) -> None:
    events: list[EventWrite] = []
    for kind, table, links in EVENT_TABLES:
        linked = _links(data.rows(links), assets)
        events += [
            mapping.event(row, kind, asset_ids=linked[row["externalId"]], data_set_id=data_sets["transformations"])
            for row in data.rows(table)
        ]
    loaded.counts["events"] = _create_events(client, events, loaded.refused)


def _links(rows: list[Row], assets: dict[str, int]) -> dict[str, list[int]]:
    linked: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        linked[row["sourceExternalId"]].append(assets[row["targetExternalId"]])
    return linked


def _create_events(client: CogniteClient, events: list[EventWrite], refused: list[Refusal]) -> int:
    """A request is taken or refused as a whole, so doubtful rows go alone: the API says of each what is wrong with it."""
    alone = [event for event in events if _ends_before_it_starts(event)]
    together = [event for event in events if not _ends_before_it_starts(event)]
    created = 0
    for start in range(0, len(together), BATCH):
        created += len(client.events.create(together[start : start + BATCH]))
    for event in alone:
        try:
            client.events.create(event)
            created += 1
        except CogniteAPIError as error:
            if error.code != 400:
                raise
            refused.append(Refusal(str(event.external_id), str(event.type), error.message))
    return created


def _ends_before_it_starts(event: EventWrite) -> bool:
    return event.start_time is not None and event.end_time is not None and event.end_time < event.start_time


def _time_series(
    client: CogniteClient, data: DataSet, data_sets: dict[str, int], assets: dict[str, int], loaded: Loaded
) -> None:
    asset_of = {row["timeseries"]: assets[row["asset"]] for row in data.rows("timeseries2assets")}
    created = client.time_series.create(
        [
            mapping.time_series(item, asset_id=asset_of.get(item["externalId"]), data_set_id=data_sets["timeseries"])
            for item in data.time_series
        ]
    )
    loaded.counts["time_series"] = len(created)


def _datapoints(client: CogniteClient, data: DataSet, loaded: Loaded) -> None:
    for external_id, series in data.points.items():
        insert_points(client, external_id, series)
    loaded.counts["datapoints"] = sum(len(series.timestamps) for series in data.points.values())


def insert_points(client: CogniteClient, external_id: str, series: Series) -> None:
    points: list[Any] = list(zip(series.timestamps.tolist(), series.values.tolist(), strict=True))
    for start in range(0, len(points), POINTS):
        client.time_series.data.insert(points[start : start + POINTS], external_id=external_id)


def _raw(client: CogniteClient, data: DataSet, loaded: Loaded) -> None:
    for table in data.tables.values():
        rows = [RowWrite(key, dict(columns)) for key, columns in table.rows.items()]
        client.raw.rows.insert(table.database, table.name, rows, ensure_parent=True)
    loaded.counts["raw"] = sum(len(table.rows) for table in data.tables.values())
