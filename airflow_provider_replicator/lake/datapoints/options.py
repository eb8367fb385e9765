# SPDX-License-Identifier: Apache-2.0
"""What a user can choose about datapoints in the lake. Checked once, where it is made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_replicator.cdf.options import DatapointOptions, Selection
from airflow_provider_replicator.exceptions import ConfigurationError
from airflow_provider_replicator.lake.location import path_part

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_replicator.cdf.options import Mode
    from airflow_provider_replicator.core.window import Window
    from airflow_provider_replicator.lake.datapoints.layout import Period


OnRemoved = Literal["keep", "delete"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedOptions:
    """``subscription``: its external id. ``create_subscription``: what to make it of where it does not exist, as the API has it
    (``filter``, or ``timeSeriesIds`` and ``instanceIds``; ``partitionCount``, ``name`` …). ``on_removed``: what happens to the rows
    of a series that the subscription no longer follows. ``resync``: read all series in whole, as the first run does.

    ``batch_points``: changes of one commit, about; they are held in memory. ``max_minutes``: after that a run ends at the next
    commit, although there is more; the next run goes on. The rest as in :class:`PointsOptions`.
    """

    subscription: str
    create_subscription: Mapping[str, Any] | None = None
    on_removed: OnRemoved = "keep"
    resync: bool = False
    batch_points: int = 500_000
    max_minutes: float = 60.0
    table_name: str = "datapoints_feed"
    partition_by: Period | None = None
    include_status: bool = False
    dead_letter_path: str | None = None
    max_failed: int = 0
    on_misfit: Literal["fail", "rescue"] = "fail"

    def __post_init__(self) -> None:
        if not self.subscription:
            raise ConfigurationError("subscription is empty: write its external id")
        if self.on_removed not in ("keep", "delete"):
            raise ConfigurationError(f"on_removed is {self.on_removed!r}: write 'keep' or 'delete'")
        if self.batch_points < 1 or self.max_minutes <= 0:
            raise ConfigurationError("batch_points and max_minutes are numbers > 0")
        self.whole_series()  # checks the rest

    def whole_series(self) -> PointsOptions:
        """For reading series from their beginning."""
        return PointsOptions(
            table_name=self.table_name,
            partition_by=self.partition_by,
            include_status=self.include_status,
            dead_letter_path=self.dead_letter_path,
            max_failed=self.max_failed,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PointsOptions:
    """``mode`` ``window``: the rows of ``window`` of the selected series are replaced; ``full``: all of theirs.

    ``table_name``: the table is ``datapoints/<table_name>``. ``partition_by`` and ``buckets`` (folders of series, a multiple of the
    number of shards) are fixed when the table is made; None: as it is, or month and as many as there are shards. ``shard``:
    (index, count): only series whose key hashes to it. ``include_status``: good points have status code 0 instead of null.
    ``max_failed``, ``dead_letter_path``, ``on_misfit``: as everywhere; every point that CDF can hold fits the table.
    """

    mode: Mode = "full"
    window: Window | None = None
    selection: Selection = field(default_factory=Selection)
    table_name: str = "datapoints"
    partition_by: Period | None = None
    buckets: int | None = None
    shard: tuple[int, int] | None = None
    include_status: bool = False
    dead_letter_path: str | None = None
    max_failed: int = 0
    on_misfit: Literal["fail", "rescue"] = "fail"

    def __post_init__(self) -> None:
        if self.partition_by not in (None, "day", "month"):
            raise ConfigurationError(f"partition_by is {self.partition_by!r}: write 'day' or 'month'")
        if self.buckets is not None and not 1 <= self.buckets <= 1000:
            raise ConfigurationError(f"buckets is {self.buckets}: write a number from 1 to 1000, or leave it out")
        if not self.table_name:
            raise ConfigurationError("table_name is empty: write a name")
        self.reading()  # checks the rest

    @property
    def table_path(self) -> str:
        """Below the lake's root."""
        return f"datapoints/{path_part(self.table_name)}"

    def reading(self) -> DatapointOptions:
        """The same as options of the engine that reads."""
        return DatapointOptions(
            mode=self.mode,
            window=self.window,
            selection=self.selection,
            shard=self.shard,
            dead_letter_path=self.dead_letter_path,
            max_failed=self.max_failed,
            resume=False,
        )
