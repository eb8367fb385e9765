# SPDX-License-Identifier: Apache-2.0
"""Datapoints of CDF into Delta tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_replicator.core.arguments import Kind, coerce, read_shard
from airflow_provider_replicator.exceptions import ConfigurationError
from airflow_provider_replicator.operators._base import SELECTION
from airflow_provider_replicator.operators._lake_base import CdfToDeltaOperator, CdfToDeltaWindowOperator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from airflow_provider_replicator.core.report import Report
    from airflow_provider_replicator.lake.datapoints.options import FeedOptions, PointsOptions
    from airflow_provider_replicator.operators._lake_base import CdfToLakeRun

_BOTH: dict[str, Kind] = {"table_name": "text", "partition_by": "text", "include_status": "flag"}
#: What only one of the two ways of running takes.
_BY_WINDOW: dict[str, Kind] = {"buckets": "integer"}
_FEED: dict[str, Kind] = {
    "create_subscription": "mapping",
    "on_removed": "text",
    "resync": "flag",
    "batch_points": "integer",
    "max_minutes": "number",
}
_NOT_FOR_A_FEED = ("mode", "window_start", "window_end", "shard", *_BY_WINDOW, *SELECTION)


class CdfToDeltaDatapointsOperator(CdfToDeltaWindowOperator):
    """Keep datapoints in the Delta table ``datapoints/{table_name}``, one row per point.

    With a window, the rows of the selected series in the window are replaced by what the source has, in one commit: windows in any
    order, any number of times and several at a time give the same table. In mode ``full`` all rows of the selected series are
    replaced; without a selection that is the whole table, so that series which are gone leave it, too.

    With ``subscription``, the table follows a datapoint subscription, exactly once: the first run reads all of its series in whole,
    the next ones what was changed and deleted since. Data intervals of such runs mean nothing.

    Columns: ``externalId``, ``_instanceSpace`` (of series that belong to a data-model node; ``externalId`` is then the node's),
    ``timestamp``, ``value`` or ``stringValue``, ``statusCode`` (null: good), and the folder ``_month`` or ``_day``. All points are
    there, bad and uncertain ones as well.

    :param table_name: ``datapoints``, with a subscription ``datapoints_feed``
    :param partition_by: ``month`` or ``day``, when the table is made: what one folder holds. Windows should be whole ones of these
    :param buckets: folders of series, when the table is made: as many as there will be shards, or a multiple
    :param shard: ``{"index": i, "count": n}``: only the series whose key hashes to shard ``i`` of ``n``, for fanning out
        with ``.expand(shard=[...])``
    :param include_status: good points have status code 0 instead of null
    :param external_ids: only series with these external ids
    :param external_id_prefix: only series whose external id begins so
    :param exclude_pattern: leave out series whose external id matches this regular expression somewhere
    :param data_set_external_ids: only series of these data sets
    :param asset_subtree_external_ids: only series of these assets and of everything below them
    :param subscription: external id of a datapoint subscription
    :param create_subscription: what to make it of where it does not exist, as the API has it: ``{"filter": …}`` or
        ``{"timeSeriesIds": […], "instanceIds": […]}``, with ``partitionCount``, ``name`` …
    :param on_removed: ``keep`` (default) or ``delete`` the rows of a series that leaves the subscription
    :param resync: read all series of the subscription in whole again
    :param batch_points: changes of one commit, about (500 000)
    :param max_minutes: of a subscription: end at the next commit after so many minutes; the next run goes on (60)
    """

    resource_type: ClassVar[str] = "datapoints"

    template_fields: Sequence[str] = (
        *CdfToDeltaWindowOperator.template_fields,
        *(name for name in SELECTION if name != "max_depth"),
        *_BOTH,
        *_BY_WINDOW,
        "shard",
        "subscription",
        *_FEED,
    )

    def __init__(
        self,
        *,
        table_name: str | None = None,
        partition_by: str | None = None,
        buckets: int | str | None = None,
        shard: Mapping[str, int] | str | None = None,
        include_status: bool | str = False,
        external_ids: Sequence[str] | str | None = None,
        external_id_prefix: str | None = None,
        exclude_pattern: str | None = None,
        data_set_external_ids: Sequence[str] | str | None = None,
        asset_subtree_external_ids: Sequence[str] | str | None = None,
        subscription: str | None = None,
        create_subscription: Mapping[str, Any] | str | None = None,
        on_removed: str | None = None,
        resync: bool | str | None = None,
        batch_points: int | str | None = None,
        max_minutes: float | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.table_name = table_name
        self.partition_by = partition_by
        self.buckets = buckets
        self.shard = shard
        self.include_status = include_status
        self.external_ids = external_ids
        self.external_id_prefix = external_id_prefix
        self.exclude_pattern = exclude_pattern
        self.data_set_external_ids = data_set_external_ids
        self.asset_subtree_external_ids = asset_subtree_external_ids
        self.subscription = subscription
        self.create_subscription = create_subscription
        self.on_removed = on_removed
        self.resync = resync
        self.batch_points = batch_points
        self.max_minutes = max_minutes

    def _common_options(self, context: Context) -> dict[str, Any]:
        if coerce("subscription", self.subscription, "text") is None:
            return super()._common_options(context)
        return CdfToDeltaOperator._common_options(self, context)

    def _options(self, **common: Any) -> PointsOptions | FeedOptions:
        both = {**common, **self._given(_BOTH)}
        subscription = coerce("subscription", self.subscription, "text")
        return self._points_options(both) if subscription is None else self._feed_options(subscription, both)

    def _points_options(self, both: dict[str, Any]) -> PointsOptions:
        from airflow_provider_replicator.cdf.options import Selection
        from airflow_provider_replicator.lake.datapoints.options import PointsOptions

        self._refuse(_FEED, "needs a subscription")
        selection = Selection(**self._given(SELECTION))
        return PointsOptions(selection=selection, shard=read_shard(self.shard), **both, **self._given(_BY_WINDOW))

    def _feed_options(self, subscription: str, both: dict[str, Any]) -> FeedOptions:
        from airflow_provider_replicator.lake.datapoints.options import FeedOptions

        self._refuse(_NOT_FOR_A_FEED, "does not go together with a subscription, which says itself what is read")
        return FeedOptions(subscription=subscription, **both, **self._given(_FEED))

    def _refuse(self, names: Sequence[str] | Mapping[str, Kind], why: str) -> None:
        for name in names:
            if str(getattr(self, name, None)).lower() not in ("", "none", "null", "false"):
                raise ConfigurationError(f"{name} {why}: leave it out")

    async def _run(self, options: PointsOptions | FeedOptions, run: CdfToLakeRun) -> Report:
        from airflow_provider_replicator.lake.datapoints.feed import follow_subscription
        from airflow_provider_replicator.lake.datapoints.options import FeedOptions
        from airflow_provider_replicator.lake.datapoints.window import export_datapoints

        if isinstance(options, FeedOptions):
            return await follow_subscription(options=options, **run)
        return await export_datapoints(options=options, **run)
