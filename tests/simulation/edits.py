# SPDX-License-Identifier: Apache-2.0
"""The people at the source: they create, change, move, clear and delete while the program under test is running."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from tests.simulation.world import World

Doc = dict[str, Any]

PATHS = {
    "data_sets": "/datasets",
    "labels": "/labels",
    "assets": "/assets",
    "events": "/events",
    "time_series": "/timeseries",
}
STORES = {name: path[1:] for name, path in PATHS.items()}
WORDS = ("pump", "valve", "støy", "42", "", "a b", 'quote"d', "ünï", "null", "x" * 60)


class ObjectEditor:
    """Edits data sets, labels, assets, events and time series of one project. Names begin with ``prefix``."""

    def __init__(
        self, world: World, project: str, rng: random.Random, *, prefix: str = "", renames: bool = True
    ) -> None:
        self._world = world
        self._project = project
        self._rng = rng
        self._prefix = prefix
        self._count = 0
        self._renames = renames
        self._gone: dict[str, list[Doc]] = {}
        self._kept: set[str] = set()
        self._selected: int | None = None

    # -- what is there

    def docs(self, resource: str) -> list[Doc]:
        """The current documents, in an order that depends on nothing but the edits."""
        store = self._world.server.projects[self._project].store(STORES[resource])
        return [entry.doc for entry in (store.by_id or store.by_external_id).values()]

    def _some(self, resource: str) -> Doc | None:
        docs = [doc for doc in self.docs(resource) if doc.get("externalId") not in self._kept]
        return self._rng.choice(docs) if docs else None

    def _ask(self, path: str, payload: Any) -> int:
        """An edit that the API refuses (a cycle, a deleted parent …) is an edit that did not happen."""
        status, answer = self._world.ask(self._project, "POST", path, payload)
        said = f" {answer}" if status >= 400 else ""
        self._world.note(f"edit {self._project} {path} {payload} -> {status}{said}")
        return status

    # -- new documents

    def populate(self, resources: tuple[str, ...], size: int) -> None:
        for resource, share in (("data_sets", 4), ("labels", 4), ("assets", 1), ("events", 1), ("time_series", 2)):
            if resource in resources:
                for _ in range(max(1, size // share)):
                    self.create(resource)

    def create(self, resource: str) -> None:
        rng = self._rng
        doc: Doc = {}
        if resource == "labels" or rng.random() < 0.75:
            doc["externalId"] = self._new_name(resource)
        getattr(self, f"_fill_{resource}")(doc)
        gone = self._gone.get(resource, [])
        if gone and rng.random() < 0.4:
            _come_back(doc, gone.pop())
        self._ask(PATHS[resource], {"items": [doc]})

    def select_data_set(self, resources: tuple[str, ...]) -> str:
        """The external id of a data set made for the purpose. It always holds one object of each type that nobody touches: an
        empty selection is what the delete guard is for.
        """
        name = self._new_name("data_sets")
        self._ask("/datasets", {"items": [{"externalId": name, "name": name}]})
        number = next(doc["id"] for doc in self.docs("data_sets") if doc.get("externalId") == name)
        self._selected = number
        for resource in resources:
            kept = f"{self._prefix}{resource[0]}0"
            self._kept.add(kept)
            self._ask(PATHS[resource], {"items": [{"externalId": kept, "dataSetId": number}]})
        return name

    def _new_name(self, resource: str) -> str:
        self._count += 1
        return f"{self._prefix}{resource[0]}{self._count}"

    def _word(self) -> str:
        return self._rng.choice(WORDS)

    def _maybe(self, doc: Doc, name: str, value: Callable[[], Any], chance: float = 0.5) -> None:
        if self._rng.random() < chance and (made := value()) is not None:
            doc[name] = made

    def _metadata(self) -> dict[str, str]:
        return {f"k{self._rng.randrange(4)}": self._word() for _ in range(self._rng.randrange(4))}

    def _data_set(self) -> int | None:
        if self._selected is not None and self._rng.random() < 0.6:
            return self._selected
        found = self._some("data_sets")
        return found["id"] if found else None

    def _asset_ids(self) -> list[int] | None:
        docs = self.docs("assets")
        chosen = self._rng.sample(docs, min(len(docs), self._rng.randrange(1, 4)))
        return [doc["id"] for doc in chosen] or None

    def _labels(self) -> list[Doc] | None:
        docs = self.docs("labels")
        chosen = self._rng.sample(docs, min(len(docs), self._rng.randrange(1, 3)))
        return [{"externalId": doc["externalId"]} for doc in chosen] or None

    def _common(self, doc: Doc) -> None:
        self._maybe(doc, "description", self._word)
        self._maybe(doc, "metadata", self._metadata)

    def _fill_data_sets(self, doc: Doc) -> None:
        self._common(doc)
        doc["name"] = self._new_name("name")

    def _fill_labels(self, doc: Doc) -> None:
        doc["name"] = self._new_name("name")
        self._maybe(doc, "description", self._word)
        self._maybe(doc, "dataSetId", self._data_set, 0.3)

    def _fill_assets(self, doc: Doc) -> None:
        self._common(doc)
        doc["name"] = self._new_name("name")
        self._maybe(doc, "source", self._word, 0.3)
        self._maybe(doc, "labels", self._labels, 0.3)
        self._maybe(doc, "dataSetId", self._data_set, 0.3)
        parent = self._some("assets")
        if parent is not None and self._rng.random() < 0.8:
            doc["parentId"] = parent["id"]

    def _fill_events(self, doc: Doc) -> None:
        self._common(doc)
        self._maybe(doc, "dataSetId", self._data_set, 0.3 if self._selected is None else 0.9)
        self._maybe(doc, "startTime", lambda: self._rng.choice((0, 1_000, 5_000)))
        if doc.get("startTime") is not None:
            self._maybe(doc, "endTime", lambda: doc["startTime"] + self._rng.choice((0, 10)))
        self._maybe(doc, "type", self._word)
        self._maybe(doc, "assetIds", self._asset_ids)

    def _fill_time_series(self, doc: Doc) -> None:
        self._common(doc)
        doc["isString"] = self._rng.random() < 0.3
        self._maybe(doc, "name", self._word)
        self._maybe(doc, "isStep", lambda: True, 0.3)
        self._maybe(doc, "unit", lambda: self._rng.choice(("bar", "°C")))
        self._maybe(doc, "assetId", lambda: (self._some("assets") or {}).get("id"))
        self._maybe(doc, "dataSetId", self._data_set, 0.3 if self._selected is None else 0.9)

    # -- changes

    def edit(self, resources: tuple[str, ...]) -> None:
        """One random change to one of ``resources``."""
        resource = self._rng.choice(resources)
        if resource == "labels":
            self._edit_labels()
            return
        action = self._rng.choices(("create", "update", "clear", "rename", "delete"), (4, 4, 2, 1, 3))[0]
        if action == "create" or self._some(resource) is None:
            self.create(resource)
        elif action == "delete" and resource != "data_sets":
            self._delete(resource)
        elif action == "rename" and self._renames and resource != "data_sets":  # the old copy cannot be deleted
            self._update(resource, {"externalId": {"set": self._new_name(resource)}})
        elif action == "clear":
            self._update(resource, self._clearing(resource))
        else:
            self._update(resource, self._changing(resource))

    def _edit_labels(self) -> None:
        """Labels cannot be updated: whoever wants another name deletes and creates them."""
        found = self._some("labels")
        if found is None or self._rng.random() < 0.5:
            self.create("labels")
            return
        doc: Doc = {"externalId": found["externalId"]}
        self._fill_labels(doc)
        self._ask("/labels/delete", {"items": [{"externalId": found["externalId"]}]})
        self._ask("/labels", {"items": [doc]})

    def _update(self, resource: str, update: Doc) -> None:
        found = self._some(resource)
        assert found is not None
        self._ask(f"{PATHS[resource]}/update", {"items": [{"id": found["id"], "update": update}]})

    def _delete(self, resource: str) -> None:
        found = self._some(resource)
        assert found is not None
        if len(self.docs(resource)) == 1:
            return  # an empty source is what the delete guard is for
        options = {"recursive": "parentId" in found and self._rng.random() < 0.5} if resource == "assets" else {}
        before = self.docs(resource)
        self._ask(f"{PATHS[resource]}/delete", {"items": [{"id": found["id"]}], **options})
        left = {doc["id"] for doc in self.docs(resource)}
        self._gone.setdefault(resource, []).extend(doc for doc in before if doc["id"] not in left)

    def _changing(self, resource: str) -> Doc:
        """New values for one or two fields: those a new document of this type could have."""
        doc: Doc = {}
        getattr(self, f"_fill_{resource}")(doc)
        doc.pop("isString", None)
        names = self._rng.sample(sorted(doc), min(len(doc), self._rng.randrange(1, 3)))
        if resource == "events" and {"startTime", "endTime"} & set(names):
            names = [*{*names, "startTime", "endTime"}]
        return {name: _patch(name, doc.get(name)) for name in sorted(names)}

    def _clearing(self, resource: str) -> Doc:
        name = self._rng.choice(_CLEARABLE[resource])
        return {name: _patch(name, None)}


def _come_back(doc: Doc, old: Doc) -> None:
    """Somebody creates the deleted thing anew: the same external id, another internal id.

    What CDF cannot change in the copy that may still be in the target stays as it was: being a root, being a string series.
    """
    if "externalId" not in old or ("parentId" in old) != ("parentId" in doc):
        return
    doc["externalId"] = old["externalId"]
    if "isString" in old:
        doc["isString"] = old["isString"]


_CLEARABLE = {
    "data_sets": ("description", "metadata"),
    "assets": ("description", "metadata", "source", "labels", "dataSetId"),
    "events": ("description", "metadata", "endTime", "type", "assetIds", "dataSetId"),
    "time_series": ("description", "metadata", "unit", "assetId", "dataSetId", "name"),
}


def _patch(name: str, value: Any) -> Doc:
    if name in ("metadata", "assetIds"):
        return {"set": value if value is not None else {} if name == "metadata" else []}
    if name == "labels":
        return {"set": value or []}
    return {"setNull": True} if value is None else {"set": value}
