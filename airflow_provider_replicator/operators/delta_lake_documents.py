# SPDX-License-Identifier: Apache-2.0
"""Databases of Cloudant and CouchDB into Delta tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_replicator.operators._lake_base import ToDeltaOperator, read_merge_when

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_replicator.core.arguments import Kind
    from airflow_provider_replicator.core.report import Report
    from airflow_provider_replicator.couchdb.connection import CouchConnection
    from airflow_provider_replicator.lake.documents.options import DocumentsOptions
    from airflow_provider_replicator.operators._lake_base import CouchToLakeRun

_KINDS: dict[str, Kind] = {
    "database": "text",
    "table_name": "text",
    "columns": "mapping",
    "deletes": "text",
    "history": "flag",
    "design_documents": "flag",
    "on_recreated": "text",
    "resync": "flag",
    "on_schema_change": "text",
    "merge_when": "mapping",
    "page_size": "integer",
    "commit_rows": "integer",
}


class CloudantToDeltaOperator(ToDeltaOperator):
    """Keep a database of Cloudant or CouchDB in the Delta table ``documents/{table_name}``, one row per document.

    The first run loads everything, the next ones follow the changes, deletes as well, exactly once. The table holds the winning
    revisions; in a large one, recent changes wait in a small table beside until merging them pays (``merge_when``), and what this
    package publishes has them all the same. A database that was deleted and made again is read anew, and rows of documents that are no
    more go.

    Columns: ``_id``, ``_rev``, ``_deleted``, ``document`` (the whole document as JSON text, as the server gave it; of attachments the
    stubs), and those that ``columns`` declares.

    :param cloudant_conn_id: connection of type ``couchdb`` or ``cloudant`` that is read; reading rights in the database are enough
    :param database: the database
    :param table_name: what the table is called (default: as the database)
    :param columns: declared columns, which are cast strictly: ``{"name": "text", "temperature": {"type": "float64", "path":
        "readings.temperature"}}``. A path names fields and places in lists, with dots or as a JSON pointer (``/readings/0``);
        without one it is the field of the column's name. Types: ``text``, ``boolean``, ``int32``, ``int64``, ``float32``, ``float64``,
        ``timestamp``, ``date``, ``json``, ``map``, and lists such as ``text[]``
    :param deletes: ``remove`` (default): the row of a deleted document goes. ``mark``: it stays, with ``_deleted`` true
    :param history: keep every change that a run has seen in the table of changes, ``documents/_changes/{table_name}``
    :param design_documents: also rows for design documents
    :param on_recreated: what a run does that finds the database deleted and made again: ``resync`` (default) or ``fail``
    :param resync: read everything anew, and remove what is no longer there
    :param on_schema_change: ``evolve`` (default): newly declared columns are added, and everything is read anew for their values.
        ``freeze``: they are an error
    :param merge_when: when waiting changes are merged, at the first of: ``{"share": 0.1, "rows": 250000, "megabytes": 128,
        "batches": 100, "hours": 24, "small_table": 50000}`` (the defaults; null for never)
    :param page_size: the most documents of one request (2000). Large documents make it smaller by themselves, and so does a server
        that answers that it takes too long
    :param commit_rows: rows of a commit of the first load; two such commits are held in memory
    """

    resource_type: ClassVar[str] = "documents"
    template_fields: Sequence[str] = (*ToDeltaOperator.template_fields, "cloudant_conn_id", *_KINDS)

    def __init__(
        self,
        *,
        database: str,
        cloudant_conn_id: str = "cloudant_default",
        table_name: str | None = None,
        columns: Mapping[str, Any] | str | None = None,
        deletes: str = "remove",
        history: bool | str = False,
        design_documents: bool | str = False,
        on_recreated: str = "resync",
        resync: bool | str = False,
        on_schema_change: str = "evolve",
        merge_when: Mapping[str, Any] | str | None = None,
        page_size: int | str | None = None,
        commit_rows: int | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.database = database
        self.cloudant_conn_id = cloudant_conn_id
        self.table_name = table_name
        self.columns = columns
        self.deletes = deletes
        self.history = history
        self.design_documents = design_documents
        self.on_recreated = on_recreated
        self.resync = resync
        self.on_schema_change = on_schema_change
        self.merge_when = merge_when
        self.page_size = page_size
        self.commit_rows = commit_rows

    def _options(self, **common: Any) -> DocumentsOptions:
        from airflow_provider_replicator.lake.documents.options import DocumentsOptions

        given = {"database": "", **self._given(_KINDS)}
        if "merge_when" in given:
            given["merge_when"] = read_merge_when(given["merge_when"])
        return DocumentsOptions(**common, table=given.pop("table_name", None), **given)

    async def _run(self, options: DocumentsOptions, run: CouchToLakeRun) -> Report:
        from airflow_provider_replicator.lake.documents.replicate import replicate_documents

        return await replicate_documents(options=options, **run)

    def _source(self) -> CouchConnection:
        from airflow_provider_replicator.hooks.cloudant import CloudantHook

        connection = CloudantHook(self.cloudant_conn_id).get_couch_connection()
        self.log.info("source: %s at %s", self.database, connection.base_url)
        return connection
