# SPDX-License-Identifier: Apache-2.0
"""What every page goes through: select, map, look what the target has, decide, write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.cdf.objects.breaker import Breaker
from airflow_provider_replicator.cdf.objects.existing import Existing
from airflow_provider_replicator.cdf.objects.mapping import Mapper
from airflow_provider_replicator.cdf.objects.verdicts import Decider
from airflow_provider_replicator.cdf.objects.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.cdf.objects.mapping import Item
    from airflow_provider_replicator.cdf.objects.tally import Tally
    from airflow_provider_replicator.cdf.objects.verdicts import Verdicts
    from airflow_provider_replicator.cdf.options import Options
    from airflow_provider_replicator.cdf.resources import Resource
    from airflow_provider_replicator.cdf.selection import How, Scope

Document = dict[str, Any]


class Flow:
    """The way of a page of one resource type. ``now``: the run's time in milliseconds, as text.

    ``on_read`` sees every document that was read. ``hold`` may keep back what cannot be written yet (the tree does).
    """

    def __init__(
        self, resource: Resource, source: CdfClient, target: CdfClient, options: Options, scope: Scope, *, now: str
    ) -> None:
        self.resource = resource
        self.source = source
        self.target = target
        self.scope = scope
        self.existing = Existing(resource, source.project, target, certain=options.dry_run)
        self.decider = Decider(resource, source.project, options.on_conflict, now)
        self.writer = Writer(resource, target, self.existing, self.decider, Breaker(), now=now, dry_run=options.dry_run)
        self.on_read: Callable[[Sequence[Document]], None] | None = None
        self.hold: Callable[[Sequence[Item], Verdicts], None] | None = None
        self._mapper = Mapper(resource, source, target, skip_unlinkable=options.skip_unlinkable)
        self._asset_fields = resource.asset_fields if options.skip_nonasset else ()

    async def process(self, documents: Sequence[Document], tally: Tally, *, how: How = "listed") -> None:
        """One page. When this returns, everything is written (or held back, or in the tally with the reason)."""
        tally.read += len(documents)
        if self.on_read is not None:
            self.on_read(documents)
        items = await self._mapper.map(self._covered(documents, tally, how), tally)
        found = await self.existing.find(items)
        verdicts = self.decider.decide(items, found, tally)
        if self.hold is not None:
            self.hold(items, verdicts)
        await self.writer.write(verdicts, tally)

    def _covered(self, documents: Sequence[Document], tally: Tally, how: How) -> Sequence[Document]:
        """Without what is not selected, cannot be copied, or comes twice (a page shifts when the source changes meanwhile)."""
        if self.resource.has_ids:
            unique = {document["id"]: document for document in documents}
            if len(unique) < len(documents):
                tally.read -= len(documents) - len(unique)
                documents = list(unique.values())
        scope = self.scope
        if how != "listed" or scope.looks_at_documents:
            documents = _without(documents, tally, lambda document: scope.why_not(document, how))
        for name, reason in self.resource.skipped.items():
            documents = _without(documents, tally, lambda doc, n=name, r=reason: r if doc.get(n) else None)  # type: ignore[misc]
        if fields := self._asset_fields:
            documents = _without(
                documents, tally, lambda doc: None if any(doc.get(name) for name in fields) else "nonasset"
            )
        return documents


def _without(
    documents: Sequence[Document], tally: Tally, why_not: Callable[[Document], str | None]
) -> Sequence[Document]:
    kept = []
    for document in documents:
        reason = why_not(document)
        if reason is None:
            kept.append(document)
        else:
            tally.skip(reason)
    return kept
