# SPDX-License-Identifier: Apache-2.0
"""What must be true of the target, judged from the sandbox's own stores and from the documents' meaning, not with our engine.

It knows nothing of the resource table, the mapping or the writers: references are followed through the stores on both sides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tests.simulation.edits import STORES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_provider_replicator.sandbox.cdf.store import DocumentStore, Entry
    from tests.simulation.world import World

Doc = dict[str, Any]

PROVENANCE = ("_replicatedSource", "_replicatedTime", "_replicatedInternalId", "_replicatedUnlinked")
SERVER_MADE = {"id", "createdTime", "lastUpdatedTime", "rootId", "type"}
REFERENCES = {"parentId", "parentExternalId", "assetId", "assetIds", "dataSetId", "labels", "metadata", "externalId"}
SERVER_MADE_OF = {"events": SERVER_MADE - {"type"}}


def current(store: DocumentStore) -> list[tuple[Any, Entry]]:
    """What is there now, whether or not lists know it. Labels have no ids."""
    return list(store.by_id.items()) or list(store.by_external_id.items())


class Side:
    """One project as it is: documents by resource and id."""

    def __init__(self, world: World, project: str) -> None:
        self.project = project
        stores = world.server.projects[project]
        self.docs: dict[str, dict[Any, Doc]] = {
            resource: {entry.doc.get("id", key): entry.doc for key, entry in current(stores.store(name))}
            for resource, name in STORES.items()
        }

    def of(self, resource: str) -> list[Doc]:
        return list(self.docs[resource].values())


def key_of(doc: Doc, project: str) -> str:
    return str(doc.get("externalId") or f"replicated:{project}:{doc['id']}")


def provenance(doc: Doc) -> str | None:
    return (doc.get("metadata") or {}).get("_replicatedSource")


def meaning(resource: str, doc: Doc, side: Side, name: Any) -> Doc:
    """A document without what the server makes, and with its references as names. ``name(resource, id)``: None if dangling."""
    made = SERVER_MADE_OF.get(resource, SERVER_MADE)
    said = {field: value for field, value in doc.items() if field not in made and field not in REFERENCES}
    said["metadata"] = {k: v for k, v in (doc.get("metadata") or {}).items() if k not in PROVENANCE}
    said["parent"] = name("assets", doc["parentId"]) if "parentId" in doc else None
    said["data set"] = name("data_sets", doc["dataSetId"]) if "dataSetId" in doc else None
    assets = doc.get("assetIds") or ([doc["assetId"]] if "assetId" in doc else [])
    said["assets"] = sorted(filter(None, (name("assets", asset) for asset in assets)))
    said["labels"] = sorted(label["externalId"] for label in doc.get("labels") or [])
    return said


class Judge:
    """Compares one source with the target, and collects what is wrong.

    ``skipped`` are target objects (resource -> id -> document) of other people whose names the source also uses, where
    conflicts are skipped. ``covers(resource, doc, side)``: whether the selection holds a document. ``windows``: a window does
    not see that something was deleted, nor that a link to it now dangles.
    """

    def __init__(
        self,
        world: World,
        source: str,
        target: str,
        *,
        skipped: Mapping[str, Mapping[Any, Doc]],
        windows: bool,
        covers: Callable[[str, Doc, Side], bool],
    ) -> None:
        self.source = Side(world, source)
        self.target = Side(world, target)
        self.wrong: list[str] = []
        self._skipped = {
            (resource, doc["externalId"])
            for resource, docs in skipped.items()
            for doc in docs.values()
            if "externalId" in doc
        }
        self._windows = windows
        self._covers = covers
        self._skips = bool(skipped)

    def objects(self, resource: str, *, extra_allowed: bool) -> None:
        """Every source object is in the target once, means the same there, and carries its provenance."""
        expected = {key_of(doc, self.source.project): doc for doc in self.source.of(resource)}
        found = {doc.get("externalId"): doc for doc in self.target.of(resource)}
        for key, doc in expected.items():
            if (resource, key) in self._skipped or not self._covers(resource, doc, self.source):
                continue
            copy = found.get(key)
            if copy is None:
                self.wrong.append(f"{resource} {key}: missing in the target")
                continue
            self._same(resource, key, doc, copy)
            self._stamped(resource, key, doc, copy)
        self._nothing_doubled(resource)
        if not extra_allowed:
            self._nothing_left_over(resource, expected)

    def _same(self, resource: str, key: str, doc: Doc, copy: Doc) -> None:
        if resource == "labels" and self._skips:  # they cannot say whose they are, so none is overwritten
            return
        ours = meaning(resource, doc, self.source, self._name_in_source)
        theirs = meaning(resource, copy, self.target, self._name_in_target)
        if self._windows and self._dangles(doc):
            theirs["assets"] = ours["assets"]
        for field in sorted(ours.keys() | theirs.keys()):
            if ours.get(field) != theirs.get(field):
                self.wrong.append(
                    f"{resource} {key}: {field} is {ours.get(field)!r}, in the target {theirs.get(field)!r}"
                )

    def _stamped(self, resource: str, key: str, doc: Doc, copy: Doc) -> None:
        if resource == "labels":  # they have no metadata
            return
        metadata = copy.get("metadata") or {}
        expected = {"_replicatedSource": self.source.project, "_replicatedInternalId": str(doc["id"])}
        for name, value in expected.items():
            if metadata.get(name) != value:
                self.wrong.append(f"{resource} {key}: {name} should be {value!r}, is {metadata.get(name)!r}")
        if "_replicatedUnlinked" in metadata and not self._dangles(doc):
            self.wrong.append(f"{resource} {key}: marked as unlinked although everything it refers to is there")

    def _dangles(self, doc: Doc) -> bool:
        assets = doc.get("assetIds") or ([doc["assetId"]] if "assetId" in doc else [])
        return any(asset not in self.source.docs["assets"] for asset in assets)

    def _name_in_source(self, resource: str, key: int) -> str | None:
        doc = self.source.docs[resource].get(key)
        return None if doc is None else key_of(doc, self.source.project)

    def _name_in_target(self, resource: str, key: int) -> str | None:
        doc = self.target.docs[resource].get(key)
        return None if doc is None else str(doc.get("externalId"))

    def _nothing_doubled(self, resource: str) -> None:
        """No two target objects of one origin. (External ids are unique by themselves, and labels have nothing else.)"""
        if resource == "labels":
            return
        origins: dict[str, list[Any]] = {}
        for doc in self.target.of(resource):
            if provenance(doc) == self.source.project and self._covers(resource, doc, self.target):
                origins.setdefault(doc["metadata"]["_replicatedInternalId"], []).append(doc.get("externalId"))
        living = {str(doc["id"]) for doc in self.source.of(resource)}
        for origin, keys in origins.items():
            if len(keys) > 1 and origin in living:
                self.wrong.append(f"{resource} with source id {origin}: doubled in the target as {keys}")

    def _nothing_left_over(self, resource: str, expected: dict[str, Doc]) -> None:
        for doc in self.target.of(resource):
            ours = provenance(doc) == self.source.project and self._covers(resource, doc, self.target)
            if ours and doc.get("externalId") not in expected:
                self.wrong.append(f"{resource} {doc.get('externalId')}: in the target, but no longer in the source")


def points_of(world: World, project: str, series: Doc) -> list[Any]:
    """All points of a series as ``(timestamp, value, status code)``."""
    item = {
        "id": series["id"],
        "start": -2_208_988_800_000,
        "end": 4_102_444_800_000,
        "limit": 100_000,
        "includeStatus": True,
        "ignoreBadDataPoints": False,
        "treatUncertainAsBad": False,
    }
    answer = world.call(project, "POST", "/timeseries/data/list", {"items": [item]})
    points = answer["items"][0]["datapoints"]
    return [(p["timestamp"], p.get("value"), (p.get("status") or {}).get("code", 0)) for p in points]


def judge_points(world: World, source: str, target: str) -> list[str]:
    wrong = []
    copies = {doc.get("externalId"): doc for doc in Side(world, target).of("time_series")}
    for doc in Side(world, source).of("time_series"):
        key = key_of(doc, source)
        ours = points_of(world, source, doc)
        theirs = points_of(world, target, copies[key]) if key in copies else "no such series"
        if ours != theirs:
            wrong.append(f"points of {key}: {_points_in_words(ours, theirs)}")
    return wrong


def _points_in_words(ours: list[Any], theirs: Any) -> str:
    if isinstance(theirs, str):
        return theirs
    missing = [point for point in ours if point not in theirs][:3]
    extra = [point for point in theirs if point not in ours][:3]
    return (
        f"{len(ours)} in the source, {len(theirs)} in the target; missing or different {missing}; not expected {extra}"
    )


def rows_of(world: World, project: str) -> dict[tuple[str, str], dict[str, Any]]:
    """All raw rows: (database, table) -> key -> columns."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for db in world.call(project, "GET", "/raw/dbs?limit=1000")["items"]:
        base = f"/raw/dbs/{quote(db['name'], safe='')}/tables"
        for table in world.call(project, "GET", f"{base}?limit=1000")["items"]:
            found[db["name"], table["name"]] = _rows(world, project, f"{base}/{quote(table['name'], safe='')}/rows")
    return found


def _rows(world: World, project: str, path: str) -> dict[str, Any]:
    rows: dict[str, Any] = {}
    cursor = ""
    while True:
        answer = world.call(project, "GET", f"{path}?limit=10000{cursor}")
        rows |= {row["key"]: row["columns"] for row in answer["items"]}
        if not answer.get("nextCursor"):
            return rows
        cursor = "&cursor=" + quote(answer["nextCursor"], safe="")


def judge_rows(world: World, source: str, target: str, *, extra_allowed: bool) -> list[str]:
    wrong = []
    ours, theirs = rows_of(world, source), rows_of(world, target)
    for place, rows in ours.items():
        copies = theirs.get(place)
        if copies is None:
            wrong.append(f"raw {place}: no such table in the target")
            continue
        wrong += [
            f"raw {place} {key}: {columns!r}, in the target {copies.get(key)!r}"
            for key, columns in rows.items()
            if key not in copies or copies[key] != columns
        ]
        if not extra_allowed:
            wrong += [f"raw {place} {key}: only in the target" for key in copies if key not in rows]
    return wrong
