# SPDX-License-Identifier: Apache-2.0
"""Data-model instances of CDF into Delta tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_replicator.operators._lake_base import CdfToDeltaOperator, read_merge_when

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_replicator.core.arguments import Kind
    from airflow_provider_replicator.core.report import Report
    from airflow_provider_replicator.lake.instances.options import InstancesOptions
    from airflow_provider_replicator.operators._lake_base import CdfToLakeRun

_KINDS: dict[str, Kind] = {
    "space": "text",
    "data_model": "text",
    "data_model_version": "text",
    "views": "names",
    "instance_spaces": "names",
    "edge_spaces": "names",
    "history": "flag",
    "resync": "flag",
    "on_schema_change": "text",
    "page_size": "integer",
    "load_page_size": "integer",
    "commit_rows": "integer",
    "parallel": "integer",
    "merge_when": "mapping",
}


class CdfToDeltaInstancesOperator(CdfToDeltaOperator):
    """Nodes and edges of data models, a table per view, brought up to what CDF holds when the task starts.

    The first run loads everything, the next ones follow the changes, deletes as well. The tables hold the current state, one
    row per instance; in large ones, recent changes wait in a small table beside until merging them pays (``merge_when``), and
    what this package publishes has them all the same. Run it at least every other day: CDF forgets where a reader was after three
    days, and the next run then reads everything anew.

    :param space: the space in which the views, or the data model, are defined
    :param data_model: external id of a data model: all its views
    :param data_model_version: its version (default: the newest)
    :param views: external ids of views (``"Pump"``, or ``"Pump/v2"`` for another version than the newest). Without ``data_model``
        and ``views``: all views of the space
    :param instance_spaces: only instances of these spaces (default: of all)
    :param edge_spaces: edges of these spaces also go to a table each, all of them, without properties (default: those of
        ``instance_spaces``, or else of ``space``; an empty list: none)
    :param history: keep every version and every deletion in the tables of changes
    :param resync: read everything anew, and remove what is no longer there
    :param on_schema_change: ``evolve`` (default): new properties become new columns, and everything is read anew for their values.
        ``freeze``: they are an error
    :param merge_when: when waiting changes are merged, at the first of: ``{"share": 0.1, "rows": 250000, "megabytes": 128,
        "batches": 100, "hours": 24, "small_table": 50000}`` (the defaults; null for never)
    :param page_size: instances of a page of changes, at most 2000. Shrinks by itself while CDF answers that it takes too long
    :param load_page_size: of the first load, at most 10 000
    :param commit_rows: rows of a commit of the first load; two such commits are held in memory
    :param parallel: tables worked on at a time (default: as many as the project allows reads)
    """

    resource_type: ClassVar[str] = "instances"
    template_fields: Sequence[str] = (*CdfToDeltaOperator.template_fields, *_KINDS)

    def __init__(
        self,
        *,
        space: str,
        data_model: str | None = None,
        data_model_version: str | None = None,
        views: Sequence[str] | str | None = None,
        instance_spaces: Sequence[str] | str | None = None,
        edge_spaces: Sequence[str] | str | None = None,
        history: bool | str = False,
        resync: bool | str = False,
        on_schema_change: str = "evolve",
        merge_when: Mapping[str, Any] | str | None = None,
        page_size: int | str | None = None,
        load_page_size: int | str | None = None,
        commit_rows: int | str | None = None,
        parallel: int | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.space = space
        self.data_model = data_model
        self.data_model_version = data_model_version
        self.views = views
        self.instance_spaces = instance_spaces
        self.edge_spaces = edge_spaces
        self.history = history
        self.resync = resync
        self.on_schema_change = on_schema_change
        self.merge_when = merge_when
        self.page_size = page_size
        self.load_page_size = load_page_size
        self.commit_rows = commit_rows
        self.parallel = parallel

    def _options(self, **common: Any) -> InstancesOptions:
        from airflow_provider_replicator.lake.instances.options import InstancesOptions

        given = {"space": "", **self._given(_KINDS)}
        if "merge_when" in given:
            given["merge_when"] = read_merge_when(given["merge_when"])
        return InstancesOptions(**common, **given)

    async def _run(self, options: InstancesOptions, run: CdfToLakeRun) -> Report:
        from airflow_provider_replicator.lake.instances.replicate import replicate_instances

        return await replicate_instances(options=options, **run)
