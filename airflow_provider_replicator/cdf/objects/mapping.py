# SPDX-License-Identifier: Apache-2.0
"""Source documents into what the target should hold: without what the server makes, references mapped.

Provenance is added when something is written: whoever compares need not copy every document's metadata.

Works on whole pages, column by column, because a page has a thousand documents and a call per document costs more than the work.
Source documents are left as they are: a dead letter shows them whole.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.cdf.identity import PROVENANCE, made_key
from airflow_provider_replicator.cdf.provenance import Stamp, mark_unlinked, unstamped
from airflow_provider_replicator.cdf.references import id_names, label_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.cdf.objects.tally import Tally
    from airflow_provider_replicator.cdf.references import Names
    from airflow_provider_replicator.cdf.resources import Resource

Document = dict[str, Any]
#: key, what the target should hold, the source document.
Item = tuple[str, Document, Document]


@dataclass(slots=True)
class _Page:
    """A page on its way: ``desired`` grows out of ``documents``; ``unlinked`` are places whose references could not all be mapped."""

    documents: Sequence[Document]
    desired: list[Document]
    unlinked: set[int] = field(default_factory=set)


class Mapper:
    """Maps pages of one resource type from ``source`` to ``target``."""

    def __init__(
        self, resource: Resource, source: CdfClient, target: CdfClient, *, skip_unlinkable: bool = False
    ) -> None:
        self._resource = resource
        self._project = source.project
        self._skip_unlinkable = skip_unlinkable
        self._stamp = Stamp(resource, source.project)
        self._ids: dict[str, Names[int]] = {
            reference.to: id_names(reference.to, source, target)
            for reference in resource.references.values()
            if reference.kind != "names"
        }
        self._labels = label_names(target)

    async def map(self, documents: Sequence[Document], tally: Tally) -> list[Item]:
        """One item for each document that is not left out; counts what was left out and what stays unlinked."""
        page = _Page(documents, self._stripped(documents))
        for name, reference in self._resource.references.items():
            if reference.kind == "names":
                await self._map_names(name, page)
            elif reference.kind == "ids":
                await self._map_lists(name, self._ids[reference.to], page)
            else:
                await self._map_ids(name, self._ids[reference.to], page)
        left_out = self._unlinkable(page) if self._skip_unlinkable else frozenset()
        tally.skip("unlinkable", len(left_out))
        tally.unlinked += len(page.unlinked - left_out)
        for n in page.unlinked:
            self._stamp.put(page.desired[n], documents[n])
            mark_unlinked(page.desired[n])
        items = zip([desired["externalId"] for desired in page.desired], page.desired, documents, strict=True)
        return [item for n, item in enumerate(items) if n not in left_out] if left_out else list(items)

    def _stripped(self, documents: Sequence[Document]) -> list[Document]:
        """Copies without what the server makes (copying and deleting is four times as fast as picking)."""
        read_only = tuple(self._resource.read_only)
        page = [document.copy() for document in documents]
        for desired in page:
            for name in read_only:
                desired.pop(name, None)
        for doc, desired in zip(documents, page, strict=True):
            if not desired.get("externalId"):
                desired["externalId"] = made_key(self._project, doc["id"])
            if not PROVENANCE.isdisjoint(desired.get("metadata") or ()):
                desired["metadata"] = unstamped(desired["metadata"])
        if self._resource.parent:
            for doc, desired in zip(documents, page, strict=True):
                if "parentId" in doc and not desired.get("parentExternalId"):
                    desired["parentExternalId"] = made_key(self._project, doc["parentId"])
        return page

    async def _map_ids(self, name: str, names: Names[int], page: _Page) -> None:
        with_it = [(n, desired) for n, desired in enumerate(page.desired) if name in desired]
        if not with_it:
            return
        known = await names.resolve({desired[name] for _, desired in with_it})
        for n, desired in with_it:
            there = known.get(desired[name])
            if there is None:
                del desired[name]
                page.unlinked.add(n)
            else:
                desired[name] = there

    async def _map_lists(self, name: str, names: Names[int], page: _Page) -> None:
        with_it = [(n, desired) for n, desired in enumerate(page.desired) if desired.get(name)]
        if not with_it:
            return
        wanted: set[int] = set()
        for _, desired in with_it:
            wanted.update(desired[name])
        known = await names.resolve(wanted)
        for n, desired in with_it:
            ids = desired[name]
            there = [known[number] for number in ids if number in known]
            if len(there) < len(ids):
                page.unlinked.add(n)
            desired[name] = there

    async def _map_names(self, name: str, page: _Page) -> None:
        with_it = [(n, desired) for n, desired in enumerate(page.desired) if desired.get(name)]
        if not with_it:
            return
        wanted = {label["externalId"] for _, desired in with_it for label in desired[name]}
        known = await self._labels.resolve(wanted)
        for n, desired in with_it:
            labels = desired[name]
            desired[name] = [{"externalId": label["externalId"]} for label in labels if label["externalId"] in known]
            if len(desired[name]) < len(labels):
                page.unlinked.add(n)

    def _unlinkable(self, page: _Page) -> frozenset[int]:
        """Places of documents that belong to assets, none of which is in the target."""
        fields = self._resource.asset_fields
        return frozenset(
            n
            for n in page.unlinked
            if any(page.documents[n].get(name) for name in fields)
            and not any(page.desired[n].get(name) for name in fields)
        )
