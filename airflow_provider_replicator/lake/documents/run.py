# SPDX-License-Identifier: Apache-2.0
"""A run of one database."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from airflow_provider_replicator.exceptions import LakeError
from airflow_provider_replicator.lake.documents.asking import Asking
from airflow_provider_replicator.lake.documents.decode import Decoder
from airflow_provider_replicator.lake.documents.following import DocumentsFollowing
from airflow_provider_replicator.lake.documents.schema import SYSTEM, current_schema, layout_of
from airflow_provider_replicator.lake.feeds.run import FeedRun
from airflow_provider_replicator.lake.feeds.state import FeedLostError
from airflow_provider_replicator.lake.feeds.tables import FeedTables
from airflow_provider_replicator.lake.stream import query_hash

if TYPE_CHECKING:
    from airflow_provider_replicator.couchdb.client import CouchClient
    from airflow_provider_replicator.lake.documents.options import DocumentsOptions
    from airflow_provider_replicator.lake.feeds.counting import FeedCounts
    from airflow_provider_replicator.lake.feeds.following import Following
    from airflow_provider_replicator.lake.feeds.state import CurrentState
    from airflow_provider_replicator.lake.location import Lake


class DatabaseRun(FeedRun):
    """Of one database into its table."""

    _source: Asking

    def __init__(self, client: CouchClient, lake: Lake, options: DocumentsOptions, counts: FeedCounts) -> None:
        super().__init__(counts.path, counts)
        self._client = client
        self._lake = lake
        self._options = options

    @property
    def bytes(self) -> int:
        """Of the answers so far."""
        return self._source.bytes

    def _open(self) -> None:
        options = self._options
        declared = options.declared()
        self._tables = FeedTables(
            self._lake,
            layout_of(options.table_name),
            options,
            question=_question(options),
            schema_of=partial(current_schema, declared, rescue=options.on_misfit == "rescue"),
        )
        columns = self._tables.schema.columns[len(SYSTEM) : len(SYSTEM) + len(declared)]
        self._source = Asking(self._client, Decoder(declared, columns, options), options)

    def _close(self) -> None:
        """Nothing is open."""

    def _following(self) -> Following:
        return DocumentsFollowing(self._source, self._tables, self._counts)

    async def _why_lost(self, state: CurrentState) -> str | None:
        changes = self._tables.changes_state
        follows = changes is not None and changes.generation == state.generation
        try:
            await self._source.check(state, changes.cursor if changes is not None and follows else state.live)
        except FeedLostError as lost:
            return str(lost)
        return "other columns are declared" if self._tables.current.asked != self._tables.question else None

    def _lost_again(self, why: FeedLostError) -> LakeError:
        return LakeError(f"{self._path}: {why}, twice during this run: see who does that to {self._options.database}")


def _question(options: DocumentsOptions) -> str:
    """Identifies what is asked: with another answer every row would be another one."""
    return query_hash(
        columns=sorted([one.name, one.type_name, list(one.path)] for one in options.declared()),
        deletes=options.deletes,
        design_documents=options.design_documents,
    )
