# SPDX-License-Identifier: Apache-2.0
"""Which series a run covers, and how each is named on both sides."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.cdf.identity import key_of
from airflow_provider_replicator.cdf.listing import pages
from airflow_provider_replicator.cdf.protobuf.wire import external_id_field, instance_id_field
from airflow_provider_replicator.cdf.references import by_ids
from airflow_provider_replicator.cdf.resources import RESOURCES
from airflow_provider_replicator.cdf.selection import scope_of
from airflow_provider_replicator.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.cdf.options import DatapointOptions
    from airflow_provider_replicator.cdf.protobuf.wire import Kind
    from airflow_provider_replicator.cdf.selection import Scope
    from airflow_provider_replicator.core.report import Report

_TIME_SERIES = RESOURCES["time_series"]


@dataclass(frozen=True, slots=True)
class Series:
    """A series of the source: ``source_id`` there; in the target the external id ``key``, or the data-model node ``node``
    (space, external id) that both projects have. ``may_miss``: why the replication of time series leaves it out of the target, if
    it does.
    """

    key: str
    source_id: int
    kind: Kind
    node: tuple[str, str] | None = None
    may_miss: str | None = None

    @property
    def reference(self) -> dict[str, Any]:
        """How a JSON request to the target names it."""
        if self.node is None:
            return {"externalId": self.key}
        return {"instanceId": {"space": self.node[0], "externalId": self.node[1]}}

    @property
    def identifier(self) -> bytes:
        """How an insertion names it."""
        return external_id_field(self.key) if self.node is None else instance_id_field(*self.node)

    @property
    def order(self) -> tuple[bool, str]:
        """Strings after numbers, so that requests hold series of one kind; then by key. The same in every run."""
        return self.kind == "string", self.key


def series_of(document: dict[str, Any], project: str, options: DatapointOptions) -> Series:
    """The series that a document of the source project describes."""
    instance = document.get("instanceId")
    node = (instance["space"], instance["externalId"]) if instance else None
    kind: Kind = "string" if document.get("isString") else "numeric"
    key = f"{node[0]}/{node[1]}" if node else key_of(document, project)
    return Series(key=key, source_id=document["id"], kind=kind, node=node, may_miss=_may_miss(document, options))


def _may_miss(document: dict[str, Any], options: DatapointOptions) -> str | None:
    for field_name, reason in _TIME_SERIES.skipped.items():
        if document.get(field_name):
            return reason
    return "unlinkable" if options.skip_unlinkable and document.get("assetId") else None


async def selected_series(source: CdfClient, options: DatapointOptions, report: Report) -> list[Series]:
    """The series of the run, in their order. What is left out is counted by reason in ``report``. Raises ConfigurationError if the
    selection names what does not exist.
    """
    # The window of datapoints is about their timestamps, not about when the series was last edited.
    scope = await scope_of(_TIME_SERIES, source, replace(options, mode="full", window=None))
    found: dict[int, Series] = {}
    async for documents in _documents(source, scope, report):
        for document in documents:
            reason = scope.why_not(document) or _why_not(document, options)
            if reason:
                report.skip(reason)
                continue
            series = series_of(document, source.project, options)
            if in_shard(series.key, options.shard):
                found[series.source_id] = series
    return sorted(found.values(), key=lambda series: series.order)


def _why_not(document: dict[str, Any], options: DatapointOptions) -> str | None:
    if document.get("type") == "state":
        return "state_series"
    return "nonasset" if options.skip_nonasset and not document.get("assetId") else None


def in_shard(key: str, shard: tuple[int, int] | None) -> bool:
    """Whether a key belongs to shard ``(index, count)``. The same in every process and every version of Python."""
    return shard is None or zlib.crc32(key.encode()) % shard[1] == shard[0]


async def _documents(source: CdfClient, scope: Scope, report: Report) -> AsyncIterator[list[dict[str, Any]]]:
    """Pages of documents; the scope has yet to say which of them it covers."""
    for listing in scope.listings or ():
        async for documents in pages(source, _TIME_SERIES.path, listing):
            yield documents
    if scope.keys:
        found = await by_ids(source, _TIME_SERIES.path, [{"externalId": key} for key in scope.keys])
        if not found:
            raise ConfigurationError(f"{source.project} has none of the {len(scope.keys)} selected time series")
        report.skip("not_in_source", len(scope.keys) - len(found))
        yield found
