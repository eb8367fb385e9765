# SPDX-License-Identifier: Apache-2.0
"""Assets, events, time series, files, sequences, relationships, labels and data sets of a project, each type in one table."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.cdf.listing import PAGE, Reader
from airflow_provider_replicator.cdf.objects.accounting import accounted
from airflow_provider_replicator.cdf.objects.positions import Positions
from airflow_provider_replicator.cdf.references import by_ids
from airflow_provider_replicator.cdf.selection import SUBTREES, Scope, scope_of
from airflow_provider_replicator.core.collector import seldom_collected
from airflow_provider_replicator.core.dead_letters import DeadLetters
from airflow_provider_replicator.core.report import Report
from airflow_provider_replicator.exceptions import CdfRequestError, ConfigurationError
from airflow_provider_replicator.lake.resources.declared import classic_table
from airflow_provider_replicator.lake.resources.landing import Landing
from airflow_provider_replicator.lake.resources.merging import merged, selected
from airflow_provider_replicator.lake.resources.replacing import replaced

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.cdf.objects.positions import Ticket
    from airflow_provider_replicator.cdf.resources import Resource
    from airflow_provider_replicator.core.progress import Progress
    from airflow_provider_replicator.lake.location import Lake
    from airflow_provider_replicator.lake.resources.declared import Document
    from airflow_provider_replicator.lake.resources.landing import Put
    from airflow_provider_replicator.lake.resources.options import ResourceOptions

#: Pages that are read ahead.
_PAGES_IN_FLIGHT = 8
_AGGREGATED: Document = {"aggregatedProperties": ["childCount", "path", "depth"]}


@seldom_collected
async def resource_to_delta(
    *, source: CdfClient, lake: Lake, options: ResourceOptions, progress: Progress | None = None
) -> Report:
    """Bring the table ``resources/{resource}`` up to date with the source.

    Mode ``window``: what changed in the window (and ``overlap_ms`` before it) is merged by key. Windows in any order, any number of
    times and beside each other give the same table. Mode ``full``: everything takes the place of everything, in one commit; with a
    selection, only what the selection covers, and everything else stays. Types without a time filter (labels) are always read in full.

    Rows that do not fit are dead letters; more than ``options.max_failed`` of them raise PartialReplicationError when all others are
    written. Raises DeleteGuardError, with nothing deleted, if more than ``options.max_delete_fraction`` of the rows would go, and
    LakeConflictError if another run replaced the table meanwhile. After a crash the table is as before, or has a part of the window;
    the same call again does the rest.
    """
    table = classic_table(options.resource)
    if not table.listing.can_filter_by_time:
        options = replace(options, mode="full", window=None)
    report = Report(options.resource, source.project, lake.root, options.mode, options.window, options.dry_run)
    with (
        DeadLetters(report, options.dead_letter_path, options.max_failed) as letters,
        accounted(report, source),
    ):
        now_ms = source.now_ms()
        scope = await scope_of(table.listing, source, options.reading())
        landing = Landing(lake, table.layout, options, report, letters, progress)
        listing = _Listing(source, table.listing, scope, report, aggregates=options.aggregates)
        if options.mode == "window":
            await merged(landing, listing.read)
        elif options.selection.everything:
            await replaced(landing, listing.read, listing.still_there)
        else:
            await selected(landing, listing.read, listing.still_there, _covers(scope), now_ms)
    letters.raise_if_too_many()
    return report


def _covers(scope: Scope) -> Any:
    """A mask of the rows (externalId, dataSetId) that may belong to the selection. Subtrees are not known here: too many rows are no
    harm, as the source is asked about each of them.
    """

    def covers(rows: pa.RecordBatch) -> Any:
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        mask = np.ones(rows.num_rows, bool)
        external_ids = rows.column("externalId").cast(pa.string())
        names = scope.external_ids if scope.listings is not None else frozenset(scope.keys)
        conditions = [
            None if scope.prefix is None else pc.starts_with(external_ids, scope.prefix),
            None if names is None else pc.is_in(external_ids, pa.array(sorted(names), pa.string())),
            None
            if scope.data_sets is None
            else pc.is_in(rows.column("dataSetId"), pa.array(sorted(scope.data_sets), pa.int64())),
        ]
        for condition in conditions:
            if condition is not None:
                mask &= pc.fill_null(condition, False).to_numpy(zero_copy_only=False)
        return mask

    return covers


class _Listing:
    """Reads what a scope covers, page by page."""

    def __init__(
        self, source: CdfClient, resource: Resource, scope: Scope, report: Report, *, aggregates: bool
    ) -> None:
        self._source = source
        self._resource = resource
        self._scope = scope
        self._report = report
        self._more = _AGGREGATED if aggregates else {}

    async def read(self, put: Put) -> None:
        """Every object of the scope, in no order. An object that moves while its list is read may come twice."""
        if self._scope.listings is None:
            await self._by_name(put)
            return
        positions = Positions(None, self._source.now_ms)

        async def process(page: list[Document], ticket: Ticket) -> None:
            await put(self._covered(page))
            positions.finish(ticket)

        reader = Reader(
            self._source,
            self._resource,
            positions,
            process,
            pages_in_flight=_PAGES_IN_FLIGHT,
            little_to_write=lambda: True,
        )
        for number, listing in enumerate(self._scope.listings):
            try:
                await reader.read({**listing, **self._more}, str(number))
            except CdfRequestError as error:
                if error.status != 400 or SUBTREES not in listing["filter"]:
                    raise
                await self._without_subtree_filter(reader, error)
                return

    async def _without_subtree_filter(self, reader: Reader, error: CdfRequestError) -> None:
        """CDF refuses subtrees of more than 100 000 assets. Assets say where they are; others can only be selected otherwise."""
        if not self._resource.parent:
            raise ConfigurationError(
                f"{self._resource.name}: the selected subtrees are too big for CDF's filter; select by data set or prefix ({error})"
            ) from error
        self._scope = self._scope.without_subtree_filter()
        for number, listing in enumerate(self._scope.listings or ()):
            await reader.read({**listing, **self._more}, f"all {number}")

    async def _by_name(self, put: Put) -> None:
        keys, found = self._scope.keys, 0
        for start in range(0, len(keys), PAGE):
            documents = await self._ask([{"externalId": key} for key in keys[start : start + PAGE]])
            found += len(documents)
            await put(self._covered(documents))
        if not found:
            raise ConfigurationError(
                f"{self._source.project} has none of the {len(keys)} selected {self._resource.name}"
            )
        self._report.skip("not_in_source", len(keys) - found)

    async def still_there(self, keys: Sequence[Any]) -> Sequence[Document]:
        """The objects with these keys (ids, or external ids where there are no ids) that the source has. Consistent at once."""
        name = "id" if self._resource.has_ids else "externalId"
        return await self._ask([{name: key} for key in keys])

    async def _ask(self, items: list[Document]) -> list[Document]:
        return await by_ids(self._source, self._resource.path, items, **self._more)

    def _covered(self, page: list[Document]) -> list[Document]:
        scope = self._scope
        if not scope.looks_at_documents:
            return page
        kept = []
        for document in page:
            reason = scope.why_not(document)
            if reason is None:
                kept.append(document)
            else:
                self._report.skip(reason)
        return kept
