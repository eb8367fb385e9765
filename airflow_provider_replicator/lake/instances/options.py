# SPDX-License-Identifier: Apache-2.0
"""What may be chosen about replicating instances. Plain values, checked where they are made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import get_args

from airflow_provider_replicator.exceptions import ConfigurationError
from airflow_provider_replicator.lake.feeds.options import MergeWhen, OnMisfit, one_of, within
from airflow_provider_replicator.lake.table import OnSchemaChange

#: Instances of one page: the most that CDF's sync and query give.
MAX_SYNC_PAGE = 2000
MAX_QUERY_PAGE = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class InstancesOptions:
    """``space`` is where the views (or the data model) are defined. Without ``data_model`` and ``views``: all views of the space,
    each in its newest version.

    :param data_model: external id of a data model in ``space``; its views are replicated, of whatever space
    :param data_model_version: its version; None: the newest
    :param views: external ids of views, ``"Pump"`` or ``"Pump/v2"``: only these
    :param instance_spaces: only instances of these spaces
    :param edge_spaces: edges of these spaces, whatever their type and view, as tables of their own without properties. None:
        those of ``instance_spaces``, or else of ``space``
    :param history: keep every version and tombstone in the changes table
    :param resync: read everything anew and replace the tables' content, in one commit each
    :param page_size: instances of a page of changes; ``load_page_size``: of a first load. Both shrink while CDF answers that a
        page takes too long, and grow again
    :param commit_rows, commit_bytes: a first load commits at the first of these; two such commits are held in memory
    :param parallel: views read at a time; None: as many as the project allows (``concurrentReadLimit``)
    """

    space: str
    data_model: str | None = None
    data_model_version: str | None = None
    views: tuple[str, ...] | None = None
    instance_spaces: tuple[str, ...] | None = None
    edge_spaces: tuple[str, ...] | None = None
    history: bool = False
    resync: bool = False
    on_schema_change: OnSchemaChange = "evolve"
    on_misfit: OnMisfit = "fail"
    merge_when: MergeWhen = field(default_factory=MergeWhen)
    page_size: int = MAX_SYNC_PAGE
    load_page_size: int = MAX_QUERY_PAGE
    commit_rows: int = 250_000
    commit_bytes: int = 128 * 1024 * 1024
    parallel: int | None = None
    dead_letter_path: str | None = None
    max_failed: int = 0

    def __post_init__(self) -> None:
        if not self.space:
            raise ConfigurationError("space is missing: write the space in which the views are defined")
        if self.data_model_version and not self.data_model:
            raise ConfigurationError("data_model_version without data_model: name the model as well")
        one_of("on_schema_change", self.on_schema_change, get_args(OnSchemaChange))
        one_of("on_misfit", self.on_misfit, get_args(OnMisfit))
        for name, most in (
            ("page_size", MAX_SYNC_PAGE),
            ("load_page_size", MAX_QUERY_PAGE),
            ("commit_rows", 10**9),
            ("commit_bytes", 10**12),
            ("parallel", 1000),
        ):
            within(name, getattr(self, name), most)
