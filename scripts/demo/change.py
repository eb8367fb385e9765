# SPDX-License-Identifier: Apache-2.0
"""The edits at the source between the second run and the third, and what exactly the third has to carry over.

They are the demo's own: everything else in the source comes from the data set.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from cognite.client.data_classes import AssetUpdate, EventWrite

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cognite.client import CogniteClient

EDITED_ASSET = "WMT:23-KA-9101"
#: With everything below it: only the asset itself changes.
MOVED_ASSET = "WMT:48-PT-96960"
NEW_PARENT = "WMT:23-1ST STAGE COMPRESSION-PH"
NEW_EVENT = "demo:inspection-1"
CORRECTED_SERIES, DELETED_SERIES = "pi_160702", "pi_163657"
#: Half-open, UTC. Both days have a point every hour.
CORRECTED = datetime(2023, 8, 24, tzinfo=UTC), datetime(2023, 8, 25, tzinfo=UTC)
DELETED = datetime(2023, 8, 26, tzinfo=UTC), datetime(2023, 8, 26, 6, tzinfo=UTC)
#: One bar: the sensor was found to be off by that much.
CORRECTION = 1.0


@dataclass(frozen=True, slots=True)
class Change:
    """What was done, counted, and the window that contains all of it: the points by their time, the objects by their change."""

    #: Resource type -> external ids of what has to be written in the target, and nothing else.
    objects: Mapping[str, set[str]]
    points_corrected: int
    points_deleted: int
    window_start: datetime
    window_end: datetime


def apply(client: CogniteClient) -> Change:
    """Edit the source. Returns when all of it has been answered."""
    _edit_assets(client)
    _add_event(client)
    corrected = _correct_points(client)
    deleted = _delete_points(client)
    # A minute of air: the window's end is exclusive, and the last change was made in this very millisecond.
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=1)
    objects = {"assets": {EDITED_ASSET, MOVED_ASSET}, "events": {NEW_EVENT}}
    return Change(objects, corrected, deleted, CORRECTED[0], end)


def _edit_assets(client: CogniteClient) -> None:
    edited = AssetUpdate(external_id=EDITED_ASSET)
    edited.description.set("VRD - 1ST STAGE COMPRESSOR (overhauled)")
    edited.metadata.add({"overhauled": "2023-08-24"})
    client.assets.update(edited)
    moved = AssetUpdate(external_id=MOVED_ASSET)
    moved.parent_external_id.set(NEW_PARENT)
    client.assets.update(moved)


def _add_event(client: CogniteClient) -> None:
    assets = client.assets.retrieve_multiple(external_ids=[EDITED_ASSET, MOVED_ASSET])
    start = int(CORRECTED[0].timestamp() * 1000)
    client.events.create(
        EventWrite(
            external_id=NEW_EVENT,
            type="inspection",
            description="Discharge pressure sensor found to be off by one bar; its day was corrected",
            start_time=start,
            end_time=start + 3_600_000,
            asset_ids=[asset.id for asset in assets],
        )
    )


def _correct_points(client: CogniteClient) -> int:
    found: Any = client.time_series.data.retrieve_arrays(
        external_id=CORRECTED_SERIES, start=CORRECTED[0], end=CORRECTED[1]
    )
    timestamps = found.timestamp.astype("datetime64[ms]").astype("int64").tolist()
    points = list(zip(timestamps, (found.value + CORRECTION).tolist(), strict=True))
    client.time_series.data.insert(points, external_id=CORRECTED_SERIES)
    return len(points)


def _delete_points(client: CogniteClient) -> int:
    start, end = DELETED
    found: Any = client.time_series.data.retrieve_arrays(external_id=DELETED_SERIES, start=start, end=end)
    client.time_series.data.delete_range(start, end, external_id=DELETED_SERIES)
    return len(found.timestamp)
