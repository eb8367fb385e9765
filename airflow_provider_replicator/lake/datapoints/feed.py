# SPDX-License-Identifier: Apache-2.0
"""A table that follows a datapoint subscription: upserts and deletes, exactly once.

The first run takes cursors, reads all series of the subscription in whole, and goes on with what has changed since the cursors. A
series that joins the subscription later is read in whole when its joining is told, before anything that follows. Cursors that the
server does not take any more, or that are older than the week for which it keeps changes, leave a gap: everything is read in whole
again. What was changed meanwhile may come twice, and that changes nothing: the last change of a point is always the last to be told.

Rows are named as their series was when the change was told: a series that gets another external id goes on under the new one, and
``resync`` reads it in whole.

Changes and cursors are committed together (see :mod:`~airflow_provider_replicator.lake.stream`). Killed at any moment, the next run
goes on behind the last commit. Of two runs at once one stops with LakeConflictError, and the table is right.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.cdf.datapoints.series import series_of
from airflow_provider_replicator.cdf.objects.accounting import accounted
from airflow_provider_replicator.core.dead_letters import DeadLetters
from airflow_provider_replicator.core.report import Report
from airflow_provider_replicator.exceptions import LakeConflictError
from airflow_provider_replicator.lake.datapoints.changes import Batch, decoded
from airflow_provider_replicator.lake.datapoints.doomed import InWindow
from airflow_provider_replicator.lake.datapoints.replace import Replacement
from airflow_provider_replicator.lake.datapoints.rows import chunks
from airflow_provider_replicator.lake.datapoints.sink import TableSink
from airflow_provider_replicator.lake.datapoints.spool import Spool
from airflow_provider_replicator.lake.datapoints.subscription import KEPT_SECONDS, CursorExpiredError, Subscription
from airflow_provider_replicator.lake.datapoints.window import ALWAYS, prepared, read_points
from airflow_provider_replicator.lake.stream import Stream, query_hash
from airflow_provider_replicator.lake.table import Table

if TYPE_CHECKING:
    from deltalake import DeltaTable, Transaction

    from airflow_provider_replicator.cdf.datapoints.series import Series
    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.core.progress import Progress
    from airflow_provider_replicator.lake.datapoints.files import Doomed
    from airflow_provider_replicator.lake.datapoints.layout import Layout, Named
    from airflow_provider_replicator.lake.datapoints.options import FeedOptions
    from airflow_provider_replicator.lake.datapoints.subscription import Cursors
    from airflow_provider_replicator.lake.location import Lake

_LOG = logging.getLogger(__name__)
#: Changes that one request asks for: a few megabytes of JSON.
_PAGE = 50_000
#: From this age on a cursor is worth a warning.
_OLD_SECONDS = 5 * 86_400

Document = dict[str, Any]


async def follow_subscription(
    *, source: CdfClient, lake: Lake, options: FeedOptions, progress: Progress | None = None
) -> Report:
    """Bring the table up to date. ``read`` counts points that were told or read, ``written`` rows, ``updated`` rows that were
    overwritten, ``deleted`` rows that are gone.

    Raises ConfigurationError if there is no such subscription and none is to be made; PartialReplicationError if more than
    ``max_failed`` updates could not be read, when everything else is written; LakeConflictError if another run was faster.
    """
    report = Report(resource="datapoints", source=source.project, target=lake.root, mode="feed")
    subscription = Subscription(source, options.subscription)
    with DeadLetters(report, options.dead_letter_path, options.max_failed) as letters, accounted(report, source):
        await subscription.find(options.create_subscription)
        table = Table(lake, options.whole_series().table_path)
        layout = await asyncio.to_thread(prepared, table, options.whole_series())
        feed = _Feed(source, subscription, table, layout, options, report, letters, progress)
        await feed.run()
    letters.raise_if_too_many()
    return report


class _OvertakenError(Exception):
    """Another run has committed to the stream."""


class _Feed:
    """One run."""

    def __init__(
        self,
        source: CdfClient,
        subscription: Subscription,
        table: Table,
        layout: Layout,
        options: FeedOptions,
        report: Report,
        letters: DeadLetters,
        progress: Progress | None,
    ) -> None:
        self._source = source
        self._subscription = subscription
        self._table = table
        self._layout = layout
        self._options = options
        self._report = report
        self._letters = letters
        self._progress = progress
        self._reading = options.whole_series()
        self._stream = Stream(table, f"subscription:{subscription.name}")
        # A subscription that was deleted and made again is another one.
        self._query = query_hash(subscription=subscription.name, created=subscription.created)
        self._number: int | None = None
        self._rows = self._deleted = 0
        self._version: int | None = None
        #: Series that this run has read in whole: younger than any change that it reads.
        self._fresh: set[Named] = set()

    async def run(self) -> None:
        cursors = await asyncio.to_thread(self._position)
        try:
            if cursors is None:
                cursors = await self._load()
            try:
                await self._follow(cursors)
            except CursorExpiredError as error:
                _LOG.warning("%s: %s: all series are read again", self._table.path, error)
                await self._follow(await self._load())
        except _OvertakenError:
            raise LakeConflictError(
                f"{self._table.path}: another run follows subscription {self._subscription.name!r} and was faster; "
                "nothing of this run's last batch is in the table"
            ) from None
        await asyncio.to_thread(self._tidy)
        report = self._report
        report.written = 0  # so far: rows on their way
        report.wrote(self._table.path, written=self._rows, deleted=self._deleted, version=self._version)

    def _position(self) -> Cursors | None:
        """The cursors to go on from; None: everything has to be read in whole."""
        handle = self._table.open()
        assert handle is not None
        self._number = handle.transaction_version(self._stream.app_id)
        if self._number is None or self._options.resync:
            return None
        position = self._stream.position(handle)
        if position is None or position.query != self._query:
            _LOG.warning("%s: the stored cursors belong to another subscription", self._table.path)
            return None
        age = position.age_seconds()
        if age > _OLD_SECONDS:
            _LOG.warning("%s: the cursors are %.1f days old, and 7 is the end", self._table.path, age / 86_400)
        cursors: Cursors = position.state["cursors"]
        return cursors if age < KEPT_SECONDS else None

    # -- in whole

    async def _load(self) -> Cursors:
        """Replace the rows of all members by what the source has now. The cursors are older than what is read."""
        cursors = await self._subscription.begin()
        series = [one async for page in self._subscription.members() for one in self._series(page)]
        keys = frozenset(self._layout.named(one).key for one in series)
        async with self._spool() as spool:
            await self._read_whole(series, spool)
            await self._commit(spool, InWindow(*ALWAYS, keys), cursors)
        return cursors

    def _series(self, documents: list[Document]) -> list[Series]:
        states = [document for document in documents if document.get("type") == "state"]
        self._report.skip("state_series", len(states))
        options = self._reading.reading()
        return [series_of(one, self._source.project, options) for one in documents if one not in states]

    async def _read_whole(self, series: list[Series], spool: Spool) -> None:
        sink = TableSink(self._layout, spool, self._report)
        await read_points(self._source, series, self._reading, self._report, sink, self._progress)
        self._fresh.update(map(self._layout.named, series))

    # -- change by change

    async def _follow(self, cursors: Cursors) -> None:
        end = time.monotonic() + 60 * self._options.max_minutes
        more = True
        while more:
            batch, joined = Batch(), dict[int, Document]()
            while True:
                page, cursors = await self._subscription.changes(cursors, _PAGE)
                await asyncio.to_thread(self._take, page, batch, joined)
                more = bool(page["hasNext"]) and time.monotonic() < end
                if not more or joined or batch.points >= self._options.batch_points:
                    break
            await self._write(batch, list(joined.values()), cursors)

    def _take(self, page: Document, batch: Batch, joined: dict[int, Document]) -> None:
        """Note what a page tells."""
        for update in page["updates"]:
            self._update(update, batch)
        changes = page.get("subscriptionChanges") or {}
        for document in changes.get("removed") or ():
            named = self._named(document)
            self._fresh.discard(named)
            if self._options.on_removed == "delete":
                batch.forget(named, for_good=True)
        for document in changes.get("added") or ():
            if self._named(document) not in self._fresh:
                joined[document["id"]] = document

    def _update(self, update: Document, batch: Batch) -> None:
        document = update["timeSeries"]
        if document.get("type") == "state":
            self._report.skip("state_series")
            return
        text = bool(document.get("isString"))
        try:
            named = self._named(document)
            points = decoded(update.get("upserts") or (), text=text)
            deletes = [_range(one) for one in update.get("deletes") or ()]
        except (KeyError, TypeError, ValueError) as error:
            key = str(document.get("externalId") or document.get("instanceId") or document.get("id"))
            self._letters.add("datapoints", key, update, f"{type(error).__name__}: {error}")
            return
        self._report.read += len(points)
        batch.update(named, points, deletes, text=text)

    def _named(self, document: Document) -> Named:
        return self._layout.named(series_of(document, self._source.project, self._reading.reading()))

    async def _write(self, batch: Batch, joined: list[Document], cursors: Cursors) -> None:
        async with self._spool() as spool:
            if joined:
                series = self._series(await self._subscription.documents(joined))
                for one in series:
                    batch.forget(self._layout.named(one), for_good=False)
                await self._read_whole(series, spool)
            for named, points in batch.net():
                await spool.add(chunks(self._layout, named, points, 100 * len(points)))
            await self._commit(spool, batch.doomed(), cursors)

    # -- into the table

    def _spool(self) -> Spool:
        good = 0 if self._options.include_status else None
        return Spool(self._layout, self._table.lake.objects(), self._table.path, good=good)

    async def _commit(self, spool: Spool, doomed: Doomed, cursors: Cursors) -> None:
        """Rows and cursors together, or nothing."""
        tried: list[int] = []

        def transactions(handle: DeltaTable) -> list[Transaction]:
            if handle.transaction_version(self._stream.app_id) != self._number:
                raise _OvertakenError
            transaction = self._stream.advance(handle, {"cursors": cursors}, query=self._query)
            tried.append(transaction.version)
            return [transaction]

        def is_done(handle: DeltaTable) -> bool:
            return handle.transaction_version(self._stream.app_id) in tried

        new = await spool.finish()
        replacement = Replacement(self._table, self._layout, new, doomed, transactions, is_done)
        replaced = await spool.committed(replacement)
        self._number = tried[-1]
        self._rows += spool.rows
        self._deleted += replaced.deleted
        self._report.updated += replaced.gone - replaced.deleted
        self._version = replaced.version
        if self._progress is not None:
            self._progress.update(self._report)

    def _tidy(self) -> None:
        handle = self._table.open()
        if handle is not None:
            self._stream.tidy(handle)


def _range(deleted: Document) -> tuple[int, int]:
    """Without an end it is one point."""
    begin = int(deleted["inclusiveBegin"])
    end = deleted.get("exclusiveEnd")
    return begin, begin + 1 if end is None else int(end)
