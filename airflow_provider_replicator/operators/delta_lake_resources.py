# SPDX-License-Identifier: Apache-2.0
"""Classic resources and raw rows of CDF into Delta tables."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_replicator.core.arguments import Kind, coerce
from airflow_provider_replicator.exceptions import ConfigurationError
from airflow_provider_replicator.operators._base import SELECTION
from airflow_provider_replicator.operators._lake_base import CdfToDeltaWindowOperator
from airflow_provider_replicator.operators._outcome import table_alias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from airflow_provider_replicator.core.report import Report
    from airflow_provider_replicator.lake.resources.options import RawTableOptions, ResourceOptions
    from airflow_provider_replicator.operators._lake_base import CdfToLakeRun

_LANDING: dict[str, Kind] = {
    "dry_run": "flag",
    "max_delete_fraction": "number",
    "on_schema_change": "text",
    "rows_per_commit": "integer",
}


class _LandingOperator(CdfToDeltaWindowOperator):
    """What both have in common.

    In mode ``window`` what changed in the window is merged by key: windows in any order, any number of times and several at a
    time give the same tables. In mode ``full`` everything is read and a table is replaced in one commit, so that deletes follow; an
    error leaves it as it was.

    :param dry_run: read, compare and report, but write nothing
    :param max_delete_fraction: a full run that would take more than this share of a table's rows deletes nothing and fails (0.1)
    :param on_schema_change: ``evolve`` (default): a table gets new columns where the package or ``schema`` declares more than it has.
        ``freeze``: that is an error
    :param overlap_minutes: how far before the window changed objects are read again, because CDF's lists lag behind (10)
    :param rows_per_commit: rows of one merge, which bounds the memory of a run with a window (200 000)
    """

    template_fields: Sequence[str] = (*CdfToDeltaWindowOperator.template_fields, *_LANDING, "overlap_minutes")

    def __init__(
        self,
        *,
        dry_run: bool | str = False,
        max_delete_fraction: float | str = 0.1,
        on_schema_change: str = "evolve",
        overlap_minutes: float | str | None = None,
        rows_per_commit: int | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        # Hides BaseOperator.dry_run(), which Airflow 3 never calls: a template field is named like its argument.
        self.dry_run = dry_run  # type: ignore[method-assign, assignment]
        self.max_delete_fraction = max_delete_fraction
        self.on_schema_change = on_schema_change
        self.overlap_minutes = overlap_minutes
        self.rows_per_commit = rows_per_commit

    def _common_options(self, context: Context) -> dict[str, Any]:
        given = {**super()._common_options(context), **self._given(_LANDING)}
        overlap = coerce("overlap_minutes", self.overlap_minutes, "number")
        if overlap is not None:
            if not 0 <= overlap < math.inf:
                raise ConfigurationError(f"overlap_minutes is {overlap}: write a number >= 0")
            given["overlap_ms"] = round(overlap * 60_000)
        return given


class CdfToDeltaResourceOperator(_LandingOperator):
    """Keep all objects of one type in the Delta table ``resources/{resource}``, one row per object.

    With a selection a full run replaces only what it selects: objects that the source does not have any more are removed, all other
    rows stay. Labels have no time by which they could be listed, so they are always read in full.

    :param resource: ``assets``, ``events``, ``timeseries``, ``files``, ``sequences``, ``relationships``, ``labels`` or ``data_sets``
    :param external_ids: only objects with these external ids
    :param external_id_prefix: only objects whose external id begins so
    :param exclude_pattern: leave out objects whose external id matches this regular expression somewhere
    :param data_set_external_ids: only objects of these data sets
    :param asset_subtree_external_ids: only these assets, everything below them, and what is linked to any of it
    :param max_depth: with ``asset_subtree_external_ids``, assets only: so many levels below the roots (0: the roots alone)
    :param aggregates: assets only: fill ``childCount``, ``depth`` and ``path`` as well. They change without the asset changing, so
        only full runs keep them right
    """

    resource_type: ClassVar[str] = "resources"

    template_fields: Sequence[str] = (*_LandingOperator.template_fields, "resource", *SELECTION, "aggregates")

    def __init__(
        self,
        *,
        resource: str,
        external_ids: Sequence[str] | str | None = None,
        external_id_prefix: str | None = None,
        exclude_pattern: str | None = None,
        data_set_external_ids: Sequence[str] | str | None = None,
        asset_subtree_external_ids: Sequence[str] | str | None = None,
        max_depth: int | str | None = None,
        aggregates: bool | str = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.resource = resource
        if "{{" not in resource:  # an alias has its name before a task runs
            self.outlets = [*self.outlets, table_alias(f"resources/{resource}")]
        self.external_ids = external_ids
        self.external_id_prefix = external_id_prefix
        self.exclude_pattern = exclude_pattern
        self.data_set_external_ids = data_set_external_ids
        self.asset_subtree_external_ids = asset_subtree_external_ids
        self.max_depth = max_depth
        self.aggregates = aggregates

    def _options(self, **common: Any) -> ResourceOptions:
        from airflow_provider_replicator.cdf.options import Selection
        from airflow_provider_replicator.lake.resources.options import ResourceOptions

        selection = Selection(**self._given(SELECTION))
        aggregates = self._given({"aggregates": "flag"})
        return ResourceOptions(resource=self.resource, selection=selection, **aggregates, **common)

    async def _run(self, options: ResourceOptions, run: CdfToLakeRun) -> Report:
        from airflow_provider_replicator.lake.resources.classic import resource_to_delta

        return await resource_to_delta(options=options, **run)


class CdfToDeltaRawOperator(_LandingOperator):
    """Keep the rows of raw tables in Delta tables ``raw/{database}/{table}``.

    A row is its ``_key``, its ``_lastUpdatedTime`` and all of its ``columns`` as JSON text.

    :param databases: names or shell wildcards (``*``, ``?``, ``[abc]``); default: all
    :param tables: names or shell wildcards, as ``table`` or ``database/table``; default: all
    :param exclude_pattern: leave out tables whose ``database/table`` matches this regular expression somewhere
    :param schema: columns that get a column of their own, name -> ``text``, ``boolean``, ``int32``, ``int64``, ``float32``,
        ``float64``, ``timestamp``, ``date`` or ``json``; or wildcard of ``database/table`` -> such a mapping
    """

    resource_type: ClassVar[str] = "raw"

    template_fields: Sequence[str] = (
        *_LandingOperator.template_fields,
        "databases",
        "tables",
        "exclude_pattern",
        "schema",
    )

    def __init__(
        self,
        *,
        databases: Sequence[str] | str | None = None,
        tables: Sequence[str] | str | None = None,
        exclude_pattern: str | None = None,
        schema: Mapping[str, Any] | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.databases = databases
        self.tables = tables
        self.exclude_pattern = exclude_pattern
        self.schema = schema

    def _options(self, **common: Any) -> RawTableOptions:
        from airflow_provider_replicator.lake.resources.options import RawTableOptions

        kinds: dict[str, Kind] = {
            "databases": "names",
            "tables": "names",
            "exclude_pattern": "text",
            "schema": "mapping",
        }
        return RawTableOptions(**self._given(kinds), **common)

    async def _run(self, options: RawTableOptions, run: CdfToLakeRun) -> Report:
        from airflow_provider_replicator.lake.resources.raw import raw_to_delta

        return await raw_to_delta(options=options, **run)
