# SPDX-License-Identifier: Apache-2.0
"""One source's part of a run."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from airflow_provider_replicator.exceptions import LakeError
from airflow_provider_replicator.lake.feeds.batches import Order
from airflow_provider_replicator.lake.feeds.run import FeedRun
from airflow_provider_replicator.lake.feeds.tables import FeedTables
from airflow_provider_replicator.lake.instances.asking import Asking, server_time_ms
from airflow_provider_replicator.lake.instances.decode import Decoder
from airflow_provider_replicator.lake.instances.following import InstancesFollowing
from airflow_provider_replicator.lake.instances.schema import DELETED, current_schema, layout_of, system_columns

if TYPE_CHECKING:
    import polars as pl

    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.lake.feeds.counting import FeedCounts
    from airflow_provider_replicator.lake.feeds.following import Following
    from airflow_provider_replicator.lake.feeds.state import CurrentState, FeedLostError
    from airflow_provider_replicator.lake.instances.options import InstancesOptions
    from airflow_provider_replicator.lake.instances.schema import InstanceSource
    from airflow_provider_replicator.lake.location import Lake


class SourceRun(FeedRun):
    """Of the nodes or edges of a view, or of all edges of a space."""

    _source: Asking

    def __init__(
        self, client: CdfClient, lake: Lake, source: InstanceSource, options: InstancesOptions, counts: FeedCounts
    ) -> None:
        super().__init__(source.path, counts)
        self._client = client
        self._lake = lake
        self._instances = source
        self._options = options

    def _open(self) -> None:
        source, options = self._instances, self._options
        rescue = options.on_misfit == "rescue"
        self._tables = FeedTables(
            self._lake,
            layout_of(source.path),
            options,
            question=source.question,
            schema_of=partial(current_schema, source, rescue=rescue),
            order=_EVENTS,
        )
        first = len(system_columns(source.instances))
        properties = self._tables.schema.columns[first : first + len(source.properties)]
        self._decoder = Decoder(source, properties, rescue=rescue)
        self._source = Asking(
            self._client,
            source,
            self._decoder,
            page_size=options.page_size,
            load_page_size=options.load_page_size,
        )

    def _close(self) -> None:
        self._decoder.close()

    def _following(self) -> Following:
        stop_ms = server_time_ms(self._client)
        return InstancesFollowing(self._source, self._instances, self._tables, self._counts, stop_ms=stop_ms)

    async def _why_lost(self, state: CurrentState) -> str | None:
        return "the view has changed" if self._tables.current.asked != self._instances.question else None

    def _lost_again(self, why: FeedLostError) -> LakeError:
        return LakeError(
            f"{self._path}: CDF takes not even a cursor that it has just given ({why}): the load took longer than cursors live, or "
            "the endpoint is out of order"
        )


def _in_order(frame: pl.DataFrame) -> pl.DataFrame:
    """As it happened: an instance that was deleted and made again is in a page twice, in any order, as a tombstone and alive."""
    import polars as pl

    return frame.with_columns(event=pl.coalesce(DELETED, "_lastUpdatedTime"), live=pl.col(DELETED).is_null()).sort(
        "page", "event", "_createdTime", "live", "place"
    )


_EVENTS = Order((DELETED, "_createdTime", "_lastUpdatedTime"), _in_order)
