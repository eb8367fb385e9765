# SPDX-License-Identifier: Apache-2.0
"""Source against target, object by object, with the official SDK: a second opinion that shares no code with the engine.

What has to be equal: every field that a user can write, with references compared by the external id they lead to, because the
ids themselves differ between projects. What has to be there in addition: the provenance keys in the target's metadata.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cognite.client import CogniteClient
    from numpy.typing import NDArray

Document = dict[str, Any]
#: Made by the server, different in every project.
SERVER_FIELDS = frozenset({"id", "rootId", "createdTime", "lastUpdatedTime"})
PROVENANCE = "_replicated"
OBJECTS = ("data_sets", "labels", "assets", "events", "time_series")
RESOURCES = (*OBJECTS, "datapoints", "raw")
#: Differences that are named; all of them are counted.
NAMED = 5


@dataclass(slots=True)
class Points:
    """One series: int64 ms, ascending, and float64 values."""

    timestamps: NDArray[np.int64]
    values: NDArray[np.float64]


@dataclass(slots=True)
class Project:
    """Everything in one project. Objects by external id, as users see them; points by series; rows by table and key."""

    name: str
    objects: dict[str, dict[str, Document]] = field(default_factory=dict)
    provenance: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)
    ids: dict[str, dict[str, int]] = field(default_factory=dict)
    touched: dict[str, dict[str, int]] = field(default_factory=dict)
    points: dict[str, Points] = field(default_factory=dict)
    rows: dict[tuple[str, str, str], Document] = field(default_factory=dict)


@dataclass(slots=True)
class Comparison:
    """Counts of one resource type, and the first differences in words."""

    source: int
    target: int
    different: int = 0
    first: list[str] = field(default_factory=list)

    def differs(self, text: str, count: int = 1) -> None:
        self.different += count
        if len(self.first) < NAMED:
            self.first.append(text)

    def as_dict(self) -> dict[str, int]:
        return {"source": self.source, "target": self.target, "different": self.different}


def read(client: CogniteClient) -> Project:
    """Read a whole project into memory: meant for the demo's size (3 500 objects, 600 000 points, 20 000 rows)."""
    project = Project(client.config.project)
    listings: dict[str, Callable[[], Iterable[Any]]] = {
        "data_sets": lambda: client.data_sets.list(limit=None),
        "labels": lambda: client.labels.list(limit=None),
        "assets": lambda: client.assets.list(limit=None),
        "events": lambda: client.events.list(limit=None),
        "time_series": lambda: client.time_series.list(limit=None),
    }
    documents = {resource: [item.dump() for item in listing()] for resource, listing in listings.items()}
    for resource, items in documents.items():
        _keep(project, resource, items)
    _name_references(project)
    project.points = {key: _points(client, key) for key in project.objects["time_series"]}
    _read_rows(client, project)
    return project


def touched(before: Project, after: Project) -> dict[str, set[str]]:
    """What was created or written between two readings of one project: by the server's own time stamps, not by any report."""
    found = {
        resource: {key for key, time in times.items() if before.touched[resource].get(key) != time}
        for resource, times in after.touched.items()
    }
    return {resource: keys for resource, keys in found.items() if keys}


def compare(source: Project, target: Project) -> dict[str, Comparison]:
    """Compare two projects; the keys are the resource types in the order in which they are replicated."""
    found = {resource: _objects(resource, source, target) for resource in OBJECTS}
    found["datapoints"] = _all_points(source, target)
    found["raw"] = _mappings(source.rows, target.rows)
    return found


def _keep(project: Project, resource: str, items: list[Document]) -> None:
    objects, provenance = project.objects.setdefault(resource, {}), project.provenance.setdefault(resource, {})
    ids, touched = project.ids.setdefault(resource, {}), project.touched.setdefault(resource, {})
    for item in items:
        key = item["externalId"]
        metadata: dict[str, str] = item.pop("metadata", None) or {}
        ids[key] = item.get("id", 0)
        touched[key] = item.get("lastUpdatedTime", 0)
        provenance[key] = {name: text for name, text in metadata.items() if name.startswith(PROVENANCE)}
        objects[key] = {name: value for name, value in item.items() if name not in SERVER_FIELDS}
        objects[key]["metadata"] = {name: text for name, text in metadata.items() if name not in provenance[key]}


def _name_references(project: Project) -> None:
    """Replace ids by the external ids of what they point to. An id that leads nowhere stays a number, and so differs."""
    names = {resource: {number: key for key, number in ids.items()} for resource, ids in project.ids.items()}
    assets, data_sets = names["assets"], names["data_sets"]
    for objects in project.objects.values():
        for item in objects.values():
            for one in ("parentId", "assetId"):
                if one in item:
                    item[one] = assets.get(item[one], item[one])
            if "assetIds" in item:
                item["assetIds"] = sorted(str(assets.get(number, number)) for number in item["assetIds"])
            if "dataSetId" in item:
                item["dataSetId"] = data_sets.get(item["dataSetId"], item["dataSetId"])
            if "labels" in item:
                item["labels"] = sorted(label["externalId"] for label in item["labels"])


def _points(client: CogniteClient, external_id: str) -> Points:
    # All points there are: bad and uncertain ones, and from before 1970.
    found = client.time_series.data.retrieve_arrays(
        external_id=external_id,
        start=-2_208_988_800_000,
        end=4_102_444_800_000,
        include_status=True,
        ignore_bad_datapoints=False,
        treat_uncertain_as_bad=False,
    )
    array: Any = found
    return Points(array.timestamp.astype("datetime64[ms]").astype(np.int64), array.value)


def _read_rows(client: CogniteClient, project: Project) -> None:
    times = project.touched["raw"] = {}
    for database in client.raw.databases.list(limit=None):
        for table in client.raw.tables.list(str(database.name), limit=None):
            names = str(database.name), str(table.name)
            # Not rows.list(): it waits half a second per table for its own workers.
            for row in chain.from_iterable(client.raw.rows(*names, chunk_size=10_000, partitions=None)):
                key = (*names, str(row.key))
                project.rows[key] = row.columns or {}
                times["/".join(key)] = row.last_updated_time or 0


def _objects(resource: str, source: Project, target: Project) -> Comparison:
    found = _mappings(source.objects[resource], target.objects[resource])
    if resource == "labels":  # they have no metadata
        return found
    for key, number in source.ids[resource].items():
        expected = {"_replicatedSource": source.name, "_replicatedInternalId": str(number)}
        kept = target.provenance[resource].get(key, {})
        if key in target.objects[resource] and not expected.items() <= kept.items():
            found.differs(f"{key}: provenance is {kept}, expected {expected}")
    return found


def _mappings(source: Mapping[Any, Document], target: Mapping[Any, Document]) -> Comparison:
    found = Comparison(len(source), len(target))
    for key in source.keys() | target.keys():
        if key not in target:
            found.differs(f"{key}: missing in the target")
        elif key not in source:
            found.differs(f"{key}: only in the target")
        elif source[key] != target[key]:
            found.differs(f"{key}: {_fields(source[key], target[key])}")
    return found


def _fields(source: Document, target: Document) -> str:
    names = sorted(name for name in source.keys() | target.keys() if source.get(name) != target.get(name))
    return "; ".join(
        f"{name} is {source.get(name)!r} at the source, {target.get(name)!r} in the target" for name in names
    )


def _all_points(source: Project, target: Project) -> Comparison:
    found = Comparison(
        sum(len(series.timestamps) for series in source.points.values()),
        sum(len(series.timestamps) for series in target.points.values()),
    )
    nothing = Points(np.empty(0, np.int64), np.empty(0, np.float64))
    for key in sorted(source.points.keys() | target.points.keys()):
        count = _different_points(source.points.get(key, nothing), target.points.get(key, nothing))
        if count:
            found.differs(f"{key}: {count} points differ", count)
    return found


def _different_points(source: Points, target: Points) -> int:
    """Points of either side without an equal one on the other: a changed value counts once."""
    _, here, there = np.intersect1d(source.timestamps, target.timestamps, assume_unique=True, return_indices=True)
    alone = len(source.timestamps) + len(target.timestamps) - 2 * len(here)
    left, right = source.values[here], target.values[there]
    return int(alone + np.count_nonzero((left != right) & ~(np.isnan(left) & np.isnan(right))))
