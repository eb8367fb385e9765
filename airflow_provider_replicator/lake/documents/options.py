# SPDX-License-Identifier: Apache-2.0
"""What may be chosen about a database in the lake. Plain values, checked where they are made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from airflow_provider_replicator.exceptions import ConfigurationError
from airflow_provider_replicator.lake.documents.declared import Declared, read_declared
from airflow_provider_replicator.lake.documents.schema import layout_at, layout_of
from airflow_provider_replicator.lake.feeds.options import MergeWhen, OnMisfit, one_of, within
from airflow_provider_replicator.lake.table import OnSchemaChange

if TYPE_CHECKING:
    from collections.abc import Mapping

Deletes = Literal["remove", "mark"]
OnRecreated = Literal["resync", "fail"]
#: Documents of one request.
MAX_PAGE = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentsOptions:
    """``database`` goes into the table ``documents/{table}``.

    :param table: the name of the table; None: that of the database
    :param columns: declared columns, which are there beside the whole document: name -> type, or name -> ``{"type", "path"}``
    :param deletes: ``remove``: a deleted document's row goes; ``mark``: it stays, with ``_deleted`` true
    :param history: keep every change that a run has seen in the table of changes
    :param design_documents: also rows for ``_design/…``, which are code
    :param on_recreated: what to do when the database was deleted and made again: read it anew, so that rows of documents that are no
        more vanish (``resync``), or ``fail``
    :param resync: read everything anew and replace the table's content, in one commit
    :param page_size: the most documents of one request. Large documents make it smaller by themselves, and so does a server that
        answers that a page takes too long
    :param commit_rows, commit_bytes: a first load commits at the first of these; two such commits are held in memory
    """

    database: str
    table: str | None = None
    columns: Mapping[str, str | Mapping[str, Any]] = field(default_factory=dict)
    deletes: Deletes = "remove"
    history: bool = False
    design_documents: bool = False
    on_recreated: OnRecreated = "resync"
    resync: bool = False
    on_schema_change: OnSchemaChange = "evolve"
    on_misfit: OnMisfit = "fail"
    merge_when: MergeWhen = field(default_factory=MergeWhen)
    page_size: int = 2000
    commit_rows: int = 250_000
    commit_bytes: int = 128 * 1024 * 1024
    dead_letter_path: str | None = None
    max_failed: int = 0

    def __post_init__(self) -> None:
        if not self.database:
            raise ConfigurationError("database is missing: write the name of the database that is read")
        if layout_at(layout_of(self.table_name).path) is None:
            raise ConfigurationError(f"table is {self.table!r}: tables of changes are kept there; write another name")
        self.declared()
        for name, known in (
            ("deletes", get_args(Deletes)),
            ("on_recreated", get_args(OnRecreated)),
            ("on_schema_change", get_args(OnSchemaChange)),
            ("on_misfit", get_args(OnMisfit)),
        ):
            one_of(name, getattr(self, name), known)
        for name, most in (("page_size", MAX_PAGE), ("commit_rows", 10**9), ("commit_bytes", 10**12)):
            within(name, getattr(self, name), most)

    @property
    def table_name(self) -> str:
        return self.table or self.database

    def declared(self) -> tuple[Declared, ...]:
        """The declared columns. Raises ConfigurationError."""
        return read_declared(self.columns)
