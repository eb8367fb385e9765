# SPDX-License-Identifier: Apache-2.0
"""Replicate objects of one type: read pages, let them flow, finish the tree, link what was unlinked, delete what is asked for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.cdf.identity import number_of
from airflow_provider_replicator.cdf.listing import PAGE, Reader
from airflow_provider_replicator.cdf.objects.assets import AssetTree
from airflow_provider_replicator.cdf.objects.deletes import Deletes, KeySet
from airflow_provider_replicator.cdf.objects.flow import Flow
from airflow_provider_replicator.cdf.objects.positions import Positions, Ticket
from airflow_provider_replicator.cdf.objects.relink import relink
from airflow_provider_replicator.cdf.objects.tally import Tally
from airflow_provider_replicator.cdf.references import by_ids
from airflow_provider_replicator.cdf.resources import resource_named
from airflow_provider_replicator.cdf.selection import SUBTREES, scope_of
from airflow_provider_replicator.core.collector import seldom_collected
from airflow_provider_replicator.core.dead_letters import DeadLetters
from airflow_provider_replicator.core.report import Report
from airflow_provider_replicator.exceptions import CdfRequestError, CircuitOpenError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.cdf.options import Options
    from airflow_provider_replicator.cdf.selection import Scope
    from airflow_provider_replicator.core.checkpoint import Checkpoint
    from airflow_provider_replicator.core.progress import Progress

Document = dict[str, Any]
#: Pages that are mapped, compared and written at the same time: what bounds memory (about 6 MB each).
PAGES_IN_FLIGHT = 8
#: Bytes of new assets kept in memory until the whole tree is known; beyond that they wait in a temporary file.
SPOOL_BYTES = 64 * 1024 * 1024


@seldom_collected
async def replicate_objects(
    resource: str,
    *,
    source: CdfClient,
    target: CdfClient,
    options: Options,
    checkpoint: Checkpoint | None = None,
    progress: Progress | None = None,
    pages_in_flight: int = PAGES_IN_FLIGHT,
    spool_bytes: int = SPOOL_BYTES,
) -> Report:
    """Make the target hold what the source holds of ``resource``: data_sets, labels, assets, events or time_series.

    Raises ConfigurationError for a selection that names what does not exist, PartialReplicationError when more than
    ``options.max_failed`` objects could not be copied (all others were), DeleteGuardError, CircuitOpenError, CdfAccessError, and
    a transient error when CDF was not to be reached for longer than the client's retries.

    After a crash or an error the target is consistent: every object is as it was or as it should be. The same call again goes on at
    the checkpoint and ends as if nothing had happened.
    """
    description = resource_named(resource)
    report = Report(resource, source.project, target.project, options.mode, options.window, options.dry_run)
    before = _traffic(source, target)
    # Before the first read: what the source changes from here on is for the next run.
    now = str(source.now_ms())
    # Deletes need every key of the source, and the tree its parents: both are read from the start.
    resumable = not (options.delete_missing or options.delete_foreign or description.parent)
    positions = Positions(checkpoint if resumable else None, source.now_ms)
    positions.totals.add_to(report)
    report.resumed = positions.resumed
    with DeadLetters(report, options.dead_letter_path, options.max_failed) as letters:
        try:
            scope = await scope_of(description, source, options)
            flow = Flow(description, source, target, options, scope, now=now)
            run = _Run(flow, options, report, letters, positions, progress, pages_in_flight)
            tree = AssetTree(flow, run.counted, now=now, spool_bytes=spool_bytes) if description.parent else None
            await run.all(scope, tree)
        finally:
            _account(report, before, _traffic(source, target))
        positions.clear()
        letters.raise_if_too_many()
    return report


def _traffic(source: CdfClient, target: CdfClient) -> tuple[int, int, int]:
    volume = source.stats.bytes_received + target.stats.bytes_sent
    return source.stats.requests, target.stats.requests, volume


def _account(report: Report, before: tuple[int, int, int], after: tuple[int, int, int]) -> None:
    report.requests = {"source": after[0] - before[0], "target": after[1] - before[1]}
    report.bytes = after[2] - before[2]
    report.seconds = time.monotonic() - report.started


class _Run:
    """The order of things in one run, and their way into the report."""

    def __init__(
        self,
        flow: Flow,
        options: Options,
        report: Report,
        letters: DeadLetters,
        positions: Positions,
        progress: Progress | None,
        pages_in_flight: int,
    ) -> None:
        self._flow = flow
        self._options = options
        self._report = report
        self._letters = letters
        self._positions = positions
        self._progress = progress
        self._reader = Reader(
            flow.source,
            flow.resource,
            positions,
            self._page,
            pages_in_flight=pages_in_flight,
            little_to_write=flow.existing.has_something,
        )

    async def all(self, scope: Scope, tree: AssetTree | None) -> None:
        flow, options = self._flow, self._options
        keys = KeySet(flow.source.project)
        if options.delete_missing or options.delete_foreign:
            flow.on_read = keys.add
        if tree is not None:
            flow.hold = tree.hold
        await self._read(scope)
        if options.mode == "window":
            await relink(flow, self.counted)
        if tree is not None:
            await tree.finish()
        went_well = self._report.failed <= options.max_failed
        if flow.on_read is not None and went_well:
            with self.counted() as tally:
                await Deletes(flow.resource, flow.source, flow.target, options, keys).run(tally)

    async def _read(self, scope: Scope) -> None:
        if scope.listings is None:
            await self._read_by_name(scope.keys)
            return
        for n, listing in enumerate(scope.listings):
            try:
                await self._reader.read(listing, str(n))
            except CdfRequestError as error:
                if error.status != 400 or SUBTREES not in listing["filter"]:
                    raise
                await self._read_without_subtree_filter(scope, error)
                return

    async def _read_without_subtree_filter(self, scope: Scope, error: CdfRequestError) -> None:
        """CDF refuses subtrees of more than 100 000 assets. Assets say where they are; others can only be selected otherwise."""
        resource = self._flow.resource
        if not resource.parent:
            raise ConfigurationError(
                f"{resource.name}: the selected subtrees are too big for CDF's filter; select by data set or prefix ({error})"
            ) from error
        self._flow.scope = scope.without_subtree_filter()
        for n, listing in enumerate(self._flow.scope.listings or ()):
            await self._reader.read(listing, f"all {n}")

    async def _read_by_name(self, keys: Sequence[str]) -> None:
        flow = self._flow
        found = 0
        for start in range(0, len(keys), PAGE):
            items = [_address(key, flow.source.project) for key in keys[start : start + PAGE]]
            documents = await by_ids(flow.source, flow.resource.path, items)
            found += len(documents)
            with self.counted() as tally:
                await flow.process(documents, tally)
        if not found:
            raise ConfigurationError(f"{flow.source.project} has none of the {len(keys)} selected {flow.resource.name}")
        self._report.skip("not_in_source", len(keys) - found)

    async def _page(self, documents: Sequence[Document], ticket: Ticket) -> None:
        with self.counted(ticket.tally) as tally:
            await self._flow.process(documents, tally)
        self._positions.finish(ticket)

    @contextmanager
    def counted(self, tally: Tally | None = None) -> Iterator[Tally]:
        """A tally that reaches the report when its work is done; what was refused also when the circuit opened."""
        tally = Tally() if tally is None else tally
        try:
            yield tally
        except CircuitOpenError:
            tally.add_to(self._report, self._letters)
            raise
        tally.add_to(self._report, self._letters)
        if self._progress is not None:
            self._progress.update(self._report, self._reader.total)


def _address(key: str, project: str) -> Document:
    """How the source is asked for an object: by its name, or by its id if the key was made for one without a name."""
    number = number_of(key, project)
    return {"externalId": key} if number is None else {"id": number}
