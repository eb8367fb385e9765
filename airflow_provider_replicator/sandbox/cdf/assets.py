# SPDX-License-Identifier: Apache-2.0
"""The asset tree: parents, roots, paths and subtrees."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from airflow_provider_replicator.sandbox.cdf.fields import Invalid, list_of, text
from airflow_provider_replicator.sandbox.cdf.filters import Compiler, Condition, among, identifiers
from airflow_provider_replicator.sandbox.cdf.http import ApiError
from airflow_provider_replicator.sandbox.cdf.indexes import Document
from airflow_provider_replicator.sandbox.cdf.kinds import Change
from airflow_provider_replicator.sandbox.cdf.payload import flag_of
from airflow_provider_replicator.sandbox.cdf.project import Project
from airflow_provider_replicator.sandbox.cdf.store import DocumentStore, Entry

MAX_SUBTREE = 100_000


class Tree:
    """id -> ids of the children. Kept beside the store, current at once."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._children: dict[int, set[int]] = {}
        project.assets.on_delete.append(self._cut)

    def children(self, asset: int) -> set[int]:
        return self._children.get(asset, set())

    def add(self, docs: Iterable[Document]) -> None:
        children = self._children
        for doc in docs:
            parent = doc.get("parentId")
            if parent is not None:
                siblings = children.get(parent)
                if siblings is None:
                    children[parent] = {doc["id"]}
                else:
                    siblings.add(doc["id"])

    def move(self, doc: Document, parent: int) -> None:
        self._children[doc["parentId"]].discard(doc["id"])
        self._children.setdefault(parent, set()).add(doc["id"])

    def subtree(self, root: int) -> list[int]:
        """The asset and everything below, parents first."""
        found = [root]
        for asset in found:
            found.extend(self._children.get(asset, ()))
        return found

    def path(self, doc: Document) -> list[int]:
        """Ids from the root to the asset itself."""
        path = [doc["id"]]
        while "parentId" in doc:
            doc = self._project.assets.by_id[doc["parentId"]].doc
            path.append(doc["id"])
        return path[::-1]

    def aggregates(self, doc: Document, wanted: Iterable[str]) -> Document:
        values: Document = {}
        if "childCount" in wanted:
            values["childCount"] = len(self.children(doc["id"]))
        if "path" in wanted or "depth" in wanted:
            path = self.path(doc)
            if "path" in wanted:
                values["path"] = [{"id": asset} for asset in path]
            if "depth" in wanted:
                values["depth"] = len(path) - 1
        return values

    def _cut(self, docs: list[Document]) -> None:
        for doc in docs:
            self._children.pop(doc["id"], None)
            if "parentId" in doc and doc["parentId"] in self._children:
                self._children[doc["parentId"]].discard(doc["id"])


def tree(project: Project) -> Tree:
    return project.extension("asset tree", Tree)


def plant(project: Project, docs: list[Document]) -> None:
    """Give new assets their parentId, parentExternalId and rootId. Parents may be anywhere in the same request."""
    created = {doc["externalId"]: doc for doc in docs if "externalId" in doc}
    missing: list[Document] = []
    waiting = []
    for doc in docs:
        if "parentExternalId" not in doc and "parentId" not in doc:
            doc["rootId"] = doc["id"]
        else:
            waiting.append((doc, _parent(project, doc, created, missing)))
    if missing:
        raise ApiError(400, "Reference to unknown parent asset", missing=missing)
    _root(waiting)


def _parent(project: Project, doc: Document, created: dict[str, Document], missing: list[Document]) -> Document | None:
    if "parentId" in doc and "parentExternalId" in doc:
        raise ApiError(400, "An asset can have parentId or parentExternalId, not both")
    if "parentId" in doc:
        parent = project.assets.resolve({"id": doc["parentId"]})
        if parent is None:
            missing.append({"id": doc["parentId"]})
        return parent
    name = doc["parentExternalId"]
    parent = created.get(name) or project.assets.resolve({"externalId": name})
    if parent is None:
        missing.append({"externalId": name})
    return parent


def _root(waiting: list[tuple[Document, Document | None]]) -> None:
    """Fill in the links; in whatever order parents and children come. What never gets a root is a cycle."""
    while waiting:
        later = []
        for doc, parent in waiting:
            if parent is None or "rootId" not in parent:
                later.append((doc, parent))
                continue
            doc["parentId"] = parent["id"]
            doc["rootId"] = parent["rootId"]
            if "externalId" in parent:
                doc["parentExternalId"] = parent["externalId"]
        if len(later) == len(waiting):
            raise ApiError(400, "The parents of these assets form a cycle")
        waiting = later


def planted(project: Project, docs: list[Document]) -> None:
    tree(project).add(docs)


def transplant(project: Project, changes: list[Change]) -> None:
    """Check and complete changed parents. A root stays a root, a child a child, and nobody becomes its own ancestor."""
    fresh = {new["id"]: new for _, new in changes}
    for old, new in changes:
        by_id = new.get("parentId") != old.get("parentId")
        by_name = new.get("parentExternalId") != old.get("parentExternalId")
        if not by_id and not by_name:
            continue
        if by_id and by_name:
            raise ApiError(400, "An asset can have parentId or parentExternalId, not both")
        if "parentId" not in old:
            raise ApiError(400, f"Asset {old['id']} is a root asset: it cannot be given a parent")
        item = {"id": new["parentId"]} if by_id else {"externalId": new["parentExternalId"]}
        parent = project.assets.resolve(item)
        if parent is None:
            raise ApiError(400, "Reference to unknown parent asset", missing=[item])
        _hang(new, fresh.get(parent["id"], parent))
    _refuse_cycles(project, changes, fresh)


def _hang(doc: Document, parent: Document) -> None:
    doc["parentId"] = parent["id"]
    doc.pop("parentExternalId", None)
    if "externalId" in parent:
        doc["parentExternalId"] = parent["externalId"]


def _refuse_cycles(project: Project, changes: list[Change], fresh: dict[int, Document]) -> None:
    for old, new in changes:
        if new.get("parentId") == old.get("parentId"):
            continue
        above = new
        passed = set()
        while "parentId" in above:
            passed.add(above["id"])
            above = fresh.get(above["parentId"]) or project.assets.by_id[above["parentId"]].doc
            if above["id"] in passed:  # itself, or a cycle of others that are moved in the same request
                raise ApiError(400, f"Asset {above['id']} cannot be placed below itself")
        new["rootId"] = above["id"]


def transplanted(project: Project, changes: list[Change]) -> None:
    """Keep what the server derives in step below changed assets: rootId of moved subtrees, parentExternalId of renamed parents.
    That is no update of those assets: their lastUpdatedTime stays."""
    grown = tree(project)
    for old, new in changes:
        if new.get("parentId") != old.get("parentId"):
            grown.move(old, new["parentId"])
    store = project.assets
    for old, new in changes:
        if new["rootId"] != old["rootId"]:
            below = [store.by_id[asset] for asset in grown.subtree(new["id"])]
            store.rewrite([(entry, {**entry.doc, "rootId": new["rootId"]}) for entry in below])
        if new.get("externalId") != old.get("externalId"):
            children = [store.by_id[asset] for asset in grown.children(new["id"])]
            store.rewrite([(entry, _renamed(entry.doc, new)) for entry in children])


def _renamed(doc: Document, parent: Document) -> Document:
    copy = dict(doc)
    _hang(copy, parent)
    return copy


def fell(project: Project, payload: Mapping[str, Any], entries: list[Entry]) -> list[Entry]:
    """What a delete request takes away: whole subtrees if ``recursive``; else 400 if a child would lose its parent."""
    grown = tree(project)
    if flag_of(payload, "recursive"):
        return [project.assets.by_id[asset] for entry in entries for asset in grown.subtree(entry.doc["id"])]
    going = {entry.doc["id"] for entry in entries}
    for asset in going:
        if not grown.children(asset) <= going:
            raise ApiError(400, f"Asset {asset} has children: delete them first, or use recursive")
    return entries


def aggregated(project: Project, payload: Mapping[str, Any], entries: list[Entry]) -> list[bytes]:
    """With ``aggregatedProperties`` each asset gets ``aggregates``."""
    wanted = payload.get("aggregatedProperties")
    if not wanted:
        return [entry.encoded for entry in entries]
    if type(wanted) is not list or not {"childCount", "path", "depth"}.issuperset(wanted):
        raise ApiError(400, "aggregatedProperties: expected childCount, path and depth")
    grown = tree(project)
    return [orjson.dumps({**entry.doc, "aggregates": grown.aggregates(entry.doc, wanted)}) for entry in entries]


def subtree(name: str) -> Compiler:
    """Documents whose reference ``name`` points into the subtrees of the given assets. Unknown assets match nothing."""

    def compiled(value: Any, project: Project, store: DocumentStore) -> Condition:
        items = (
            [{"id": item} if isinstance(item, int) else item for item in value] if isinstance(value, list) else value
        )
        found = [project.assets.resolve(item) for item in identifiers(items, 100)]
        ids = {asset for doc in found if doc is not None for asset in tree(project).subtree(doc["id"])}
        if len(ids) > MAX_SUBTREE:
            raise Invalid(f"the subtrees have more than {MAX_SUBTREE} assets")
        return among(name, ids, store)

    return compiled


def by_external_id(name: str) -> Compiler:
    def compiled(value: Any, project: Project, store: DocumentStore) -> Condition:
        names = list_of(text(255), 5000)(value)
        found = (project.assets.resolve({"externalId": element}) for element in names)
        return among(name, [doc["id"] for doc in found if doc is not None], store)

    return compiled
