# SPDX-License-Identifier: Apache-2.0
"""Operators that replicate a CDF project into another one, and one that proves it.

Each copies one resource type: data sets, labels, assets, events, time series, datapoints or raw. All arguments are keywords and
all but ``transform`` are templated. What a task returns is its report (counts, never data), also pushed as XCom ``report``,
which is there even when the task fails because some objects could not be copied.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.core.arguments import Kind, coerce, import_function, read_shard
from airflow_provider_replicator.core.window import moment_ms
from airflow_provider_replicator.exceptions import ConfigurationError, ReplicatorError, VerificationError
from airflow_provider_replicator.operators._base import CdfProjectsOperator
from airflow_provider_replicator.operators._outcome import push_report
from airflow_provider_replicator.operators._replicate import CdfReplicateOperator, Run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from airflow.sdk import Context

    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.cdf.options import DatapointOptions, Options, RawOptions, Selection
    from airflow_provider_replicator.core.report import Report
    from airflow_provider_replicator.operators._base import Engine

__all__ = [
    "CdfReplicateAssetsOperator",
    "CdfReplicateDataSetsOperator",
    "CdfReplicateDatapointsOperator",
    "CdfReplicateEventsOperator",
    "CdfReplicateLabelsOperator",
    "CdfReplicateRawOperator",
    "CdfReplicateTimeSeriesOperator",
    "CdfVerifyReplicationOperator",
]


class _CdfReplicateObjectsOperator(CdfReplicateOperator):
    """Objects: one algorithm for every type that can be described by a table.

    :param replay_dead_letters: copy the objects (of this type) named in this file of dead letters, and no others, whatever the
        window. The task is skipped if there are none
    """

    template_fields = (*CdfReplicateOperator.template_fields, "replay_dead_letters")

    def __init__(self, *, replay_dead_letters: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.replay_dead_letters = replay_dead_letters

    def _options(self, **common: Any) -> Options:
        from airflow_provider_replicator.cdf.options import Options

        if path := coerce("replay_dead_letters", self.replay_dead_letters, "text"):
            common |= _replay(path, self.resource_type, **common)
        return Options(**common)

    async def _replicate(self, options: Any, run: Run) -> Report:
        from airflow_provider_replicator.cdf.objects.replicate import replicate_objects

        return await replicate_objects(self.resource_type, options=options, **run)


class CdfReplicateDataSetsOperator(_CdfReplicateObjectsOperator):
    """Replicate data sets. CDF cannot delete data sets, so they are never deleted."""

    resource_type = "data_sets"


class CdfReplicateLabelsOperator(_CdfReplicateObjectsOperator):
    """Replicate label definitions."""

    resource_type = "labels"


class CdfReplicateAssetsOperator(_CdfReplicateObjectsOperator):
    """Replicate assets with their hierarchy: whole subtrees a request, moved assets are moved.

    :param max_depth: with ``asset_subtree_external_ids``: how many levels below these assets (0: only they themselves)
    """

    resource_type = "assets"
    template_fields = (*_CdfReplicateObjectsOperator.template_fields, "max_depth")

    def __init__(self, *, max_depth: int | str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_depth = max_depth


class CdfReplicateEventsOperator(_CdfReplicateObjectsOperator):
    """Replicate events, with their links to assets."""

    resource_type = "events"


class CdfReplicateTimeSeriesOperator(_CdfReplicateObjectsOperator):
    """Replicate time series without their datapoints. Series that belong to a data-model node are skipped."""

    resource_type = "time_series"


class CdfReplicateDatapointsOperator(CdfReplicateOperator):
    """Replicate the datapoints of the series that exist in the target.

    With a window, the target's points in it end up equal to the source's. Without one, each series goes on after the target's
    last point; with ``mode="full"`` all points of both sides are compared and made equal.

    :param mirror: points of the window that the source no longer has are deleted in the target (true)
    :param transform: ``f(timestamps, values) -> (timestamps, values)`` on numpy arrays (int64 milliseconds; float64, or object
        for strings), as a function or as ``"package.module:function"``
    :param limit: at most so many points of each series, oldest first
    :param shard: ``{"index": i, "count": n}``: only the series whose key hashes to shard ``i`` of ``n``, for fanning out
        with ``.expand(shard=[...])``
    """

    resource_type = "datapoints"
    template_fields = (*CdfReplicateOperator.template_fields, "mirror", "limit", "shard")

    def __init__(
        self,
        *,
        mirror: bool | str = True,
        transform: Callable[..., object] | str | None = None,
        limit: int | str | None = None,
        shard: Mapping[str, int] | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.mirror = mirror
        self.transform = transform
        self.limit = limit
        self.shard = shard

    def _options(self, **common: Any) -> DatapointOptions:
        from airflow_provider_replicator.cdf.options import DatapointOptions

        own = self._given({"mirror": "flag", "limit": "integer"})
        transform = import_function("transform", self.transform)
        resume = coerce("mode", self.mode, "text") != "full"
        return DatapointOptions(**common, **own, transform=transform, shard=read_shard(self.shard), resume=resume)

    async def _replicate(self, options: Any, run: Run) -> Report:
        from airflow_provider_replicator.cdf.datapoints.replicate import replicate_datapoints

        return await replicate_datapoints(options=options, **run)


class CdfReplicateRawOperator(CdfReplicateOperator):
    """Replicate raw databases, tables and rows.

    :param databases: only these databases; names or shell wildcards (``*``, ``?``, ``[abc]``)
    :param tables: only these tables, as ``table`` or ``database/table``; names or shell wildcards
    """

    resource_type = "raw"
    template_fields = (*CdfReplicateOperator.template_fields, "databases", "tables")

    def __init__(
        self,
        *,
        databases: Sequence[str] | str | None = None,
        tables: Sequence[str] | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.databases = databases
        self.tables = tables

    def _options(self, **common: Any) -> RawOptions:
        from airflow_provider_replicator.cdf.options import RawOptions

        return RawOptions(**common, **self._given(_RAW_NAMES))

    async def _replicate(self, options: Any, run: Run) -> Report:
        from airflow_provider_replicator.cdf.raw.replicate import replicate_raw

        return await replicate_raw(options=options, **run)


class CdfVerifyReplicationOperator(CdfProjectsOperator):
    """Compare source and target, and fail with the first differences. Reads only.

    :param resource_types: what to compare: ``data_sets``, ``labels``, ``assets``, ``events``, ``time_series``,
        ``datapoints``, ``raw``
    :param level: ``counts``; ``keys``: also that every key is there; ``content`` (default): also every field, every row, and
        checksum aggregates of the datapoints per period; ``full``: also every point
    :param max_depth: as for assets
    :param databases: raw databases to compare; names or shell wildcards
    :param tables: raw tables to compare; names or shell wildcards
    :param allow_extra: replicated objects whose source object is gone are counted, but no difference (true)
    :param skip_unlinkable: as given to the replication: what it left out is listed, but no difference
    :param skip_nonasset: likewise
    :param on_conflict: likewise; with ``skip``, objects of somebody else that differ are no difference
    :param as_of: a moment, e.g. ``"{{ dag_run.start_date }}"``: what the source changed from then on, and points from that hour on,
        are left out, so that a source that is written to all the time can be verified
    :param max_differences: how many differences to name (20)
    """

    template_fields = (
        *CdfProjectsOperator.template_fields,
        "resource_types",
        "level",
        "max_depth",
        "databases",
        "tables",
        "allow_extra",
        "skip_unlinkable",
        "skip_nonasset",
        "on_conflict",
        "as_of",
        "max_differences",
    )

    def __init__(
        self,
        *,
        resource_types: Sequence[str] | str,
        level: str = "content",
        max_depth: int | str | None = None,
        databases: Sequence[str] | str | None = None,
        tables: Sequence[str] | str | None = None,
        allow_extra: bool | str = True,
        skip_unlinkable: bool | str = False,
        skip_nonasset: bool | str = False,
        on_conflict: str = "adopt",
        as_of: datetime | str | int | None = None,
        max_differences: int | str = 20,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.resource_types = resource_types
        self.level = level
        self.max_depth = max_depth
        self.databases = databases
        self.tables = tables
        self.allow_extra = allow_extra
        self.skip_unlinkable = skip_unlinkable
        self.skip_nonasset = skip_nonasset
        self.on_conflict = on_conflict
        self.as_of = as_of
        self.max_differences = max_differences

    def _prepared(self, context: Context) -> Engine:
        resource_types = coerce("resource_types", self.resource_types, "names")
        if not resource_types:
            raise ConfigurationError("resource_types is empty: name at least one resource type to compare")
        _, window = self._mode_and_window(context)
        selection = self._selection()
        own = self._given(_VERIFY) | {"as_of": moment_ms("as_of", self.as_of)}

        async def engine(source: CdfClient, target: CdfClient) -> dict[str, Any]:
            from airflow_provider_replicator.cdf.verify.run import verify

            report = await verify(
                resource_types, source=source, target=target, selection=selection, window=window, **own
            )
            return report.as_dict()

        return engine

    def _finished(self, context: Context, report: dict[str, Any]) -> dict[str, Any]:
        self._log_counts(report)
        return push_report(context, report)

    def _log_counts(self, report: Mapping[str, Any]) -> None:
        for name, counts in report.get("resources", {}).items():
            self.log.info("%s: %s", name, ", ".join(f"{what} {count}" for what, count in counts.items()))

    def _failed(self, context: Context, error: ReplicatorError) -> None:
        if isinstance(error, VerificationError):
            self._log_counts(error.report)
            push_report(context, error.report | {"differences": error.differences})


_RAW_NAMES: dict[str, Kind] = {"databases": "names", "tables": "names"}
_VERIFY: dict[str, Kind] = {
    "level": "text",
    "allow_extra": "flag",
    "skip_unlinkable": "flag",
    "skip_nonasset": "flag",
    "on_conflict": "text",
    "max_differences": "integer",
    **_RAW_NAMES,
}


def _replay(
    path: str,
    resource_type: str,
    *,
    selection: Selection,
    delete_missing: bool = False,
    delete_foreign: bool = False,
    **_: Any,
) -> dict[str, Any]:
    """The options that select what the file names."""
    from airflow.sdk.exceptions import AirflowSkipException

    from airflow_provider_replicator.core.dead_letters import keys_in

    if selection.external_ids is not None or delete_missing or delete_foreign:
        raise ConfigurationError("replay_dead_letters goes neither with external_ids nor with deletes")
    keys = keys_in(path, resource_type)
    if not keys:
        raise AirflowSkipException(f"no dead letters of {resource_type} in {path}")
    return {"mode": "full", "window": None, "selection": replace(selection, external_ids=keys)}
