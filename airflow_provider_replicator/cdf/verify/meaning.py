# SPDX-License-Identifier: Apache-2.0
"""What a document means, apart from the project it is in: without what the server made, references as names of objects.

Source and target are both translated to meanings and these are compared, so that neither the mapping nor the writers of the
replication are trusted here. Only the table of resource types is shared with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.cdf.identity import PROVENANCE, UNLINKED, key_of
from airflow_provider_replicator.cdf.references import by_ids
from airflow_provider_replicator.cdf.resources import RESOURCES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.cdf.resources import Resource

Document = dict[str, Any]

#: Names kept per resource type. Pages refer to neighbours, so forgetting everything now and then costs little.
REMEMBERED = 200_000
REFERRED_TO = ("assets", "data_sets")


class Names:
    """id -> external id in the target, of the objects of one project. None: there is no such object (any more)."""

    def __init__(self, client: CdfClient, *, source_project: str | None) -> None:
        self._client = client
        #: set for the source, whose objects have made-up names in the target where they have none of their own
        self._project = source_project
        self._known: dict[str, dict[int, str | None]] = {name: {} for name in REFERRED_TO}

    async def learn(self, resource: Resource, docs: Iterable[Document]) -> None:
        """Look up everything that these documents refer to and that is not known yet."""
        wanted: dict[str, set[int]] = {name: set() for name in REFERRED_TO}
        for doc in docs:
            for name, reference in references(resource, doc):
                wanted[name].add(reference)
        for name, ids in wanted.items():
            known = self._known[name]
            if len(known) > REMEMBERED:
                known.clear()
            unknown = sorted(ids - known.keys())
            if unknown:
                await self._look_up(name, unknown)

    async def _look_up(self, name: str, ids: list[int]) -> None:
        found = await by_ids(self._client, RESOURCES[name].path, [{"id": number} for number in ids])
        known = self._known[name]
        known.update(dict.fromkeys(ids))
        known.update({doc["id"]: self._name(doc) for doc in found})

    def _name(self, doc: Document) -> str:
        if self._project is not None:
            return key_of(doc, self._project)
        # An object of somebody else without an external id: no source object can mean it.
        return doc.get("externalId") or f"(id {doc['id']})"

    def of(self, resource: str, number: int) -> str | None:
        return self._known[resource].get(number)


def references(resource: Resource, doc: Document) -> list[tuple[str, int]]:
    """``(resource type, id)`` of everything the document refers to by id."""
    found = [("assets", doc["parentId"])] if resource.parent and "parentId" in doc else []
    for field, reference in resource.references.items():
        value = doc.get(field)
        if value is not None and reference.kind != "names":
            found += [(reference.to, number) for number in (value if reference.kind == "ids" else [value])]
    return found


def meaning(resource: Resource, doc: Document, names: Names) -> Document:
    """Fields that are absent and fields that are empty mean the same and are left out; so are references that lead nowhere."""
    said = {field: value for field, value in doc.items() if field not in _said_otherwise(resource)}
    said["metadata"] = {name: value for name, value in (doc.get("metadata") or {}).items() if name not in PROVENANCE}
    if resource.parent and "parentId" in doc:
        said["parent"] = names.of("assets", doc["parentId"])
    for field, reference in resource.references.items():
        said[field] = _referred(doc.get(field), reference.to, reference.kind, names)
    return {field: value for field, value in said.items() if value not in (None, [], {})}


def _said_otherwise(resource: Resource) -> set[str]:
    return {*resource.read_only, *resource.references, "metadata", "externalId", "parentId", "parentExternalId"}


def _referred(value: Any, to: str, kind: str, names: Names) -> Any:
    if value is None:
        return None
    if kind == "id":
        return names.of(to, value)
    if kind == "names":
        return sorted(item["externalId"] for item in value)
    return sorted(filter(None, (names.of(to, number) for number in value)))


def differing(ours: Document, theirs: Document) -> list[str]:
    """The fields that differ, sorted."""
    return sorted(field for field in ours.keys() | theirs.keys() if ours.get(field) != theirs.get(field))


def only_unlinked(resource: Resource, fields: Iterable[str], ours: Document, theirs: Document, copy: Document) -> bool:
    """Whether all that is missing are references that the copy itself says could not be mapped yet."""
    if UNLINKED not in (copy.get("metadata") or {}):
        return False
    return all(field in resource.references and _part_of(theirs.get(field), ours.get(field)) for field in fields)


def _part_of(part: Any, whole: Any) -> bool:
    if isinstance(whole, list):
        return set(part or ()) <= set(whole)
    return part is None


def in_words(field: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    return f"{field} is {_short(ours.get(field))} in the source, {_short(theirs.get(field))} in the target"


def _short(value: Any) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 80 else text[:79] + "…"
