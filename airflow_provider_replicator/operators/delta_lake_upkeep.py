# SPDX-License-Identifier: Apache-2.0
"""The operator that looks after Delta tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.core.arguments import Kind, coerce
from airflow_provider_replicator.operators._lake_base import DeltaOperator
from airflow_provider_replicator.operators._outcome import push_report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from airflow_provider_replicator.core.report import Report
    from airflow_provider_replicator.lake.upkeep import OptimizeOptions

_OPTIONS: dict[str, Kind] = {
    "tables": "names",
    "compact": "flag",
    "z_order_by": "names",
    "vacuum_hours": "integer",
    "allow_short_retention": "flag",
    "checkpoint": "flag",
    "clean_log": "flag",
    "dry_run": "flag",
    "tasks": "integer",
    "missing_ok": "flag",
}


class DeltaOptimizeTableOperator(DeltaOperator):
    """Compact tables, delete files that nobody needs any more, write a checkpoint, shorten the log.

    Safe beside readers and writers: rows stay as they are, and where a writer changes the same files at the same time, the step is
    tried again (``LakeConflictError`` if that does not help; a retry later may). All tables are tried before the task fails. The
    report's ``tables`` say files, bytes and rows per file before and after.

    :param tables: paths below the connection's prefix, such as ``resources/events``, or wildcards, which stay
        within a part of the path: ``raw/*/*``; ``**`` at the end is any depth
    :param compact: many small files become few large ones (true)
    :param z_order_by: instead: rewrite the table so that rows which are near in these columns are near in the files
    :param vacuum_hours: delete files that no version of the last so many hours needs (168; ``None``: delete nothing)
    :param allow_short_retention: accept fewer than 168 hours, where nobody reads or writes the tables meanwhile
    :param checkpoint: write a checkpoint, with which tables open faster (true)
    :param clean_log: delete entries of the log that are older than the table's log retention, 30 days (true)
    :param dry_run: change nothing, count the files that vacuum would delete
    :param tasks: files that are made at once; each takes memory (1)
    :param missing_ok: go on where there is no such table yet, instead of failing (false)
    """

    resource_type = "optimize"
    writes_tables = False

    template_fields: Sequence[str] = (*DeltaOperator.template_fields, *_OPTIONS)

    def __init__(
        self,
        *,
        tables: Sequence[str] | str,
        compact: bool | str = True,
        z_order_by: Sequence[str] | str | None = None,
        vacuum_hours: int | str | None = 168,
        allow_short_retention: bool | str = False,
        checkpoint: bool | str = True,
        clean_log: bool | str = True,
        dry_run: bool | str = False,
        tasks: int | str = 1,
        missing_ok: bool | str = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.tables = tables
        self.compact = compact
        self.z_order_by = z_order_by
        self.vacuum_hours = vacuum_hours
        self.allow_short_retention = allow_short_retention
        self.checkpoint = checkpoint
        self.clean_log = clean_log
        # Hides BaseOperator.dry_run(), which Airflow 3 never calls: a template field is named like its argument.
        self.dry_run = dry_run  # type: ignore[method-assign, assignment]
        self.tasks = tasks
        self.missing_ok = missing_ok

    def _options(self, **common: Any) -> OptimizeOptions:
        from airflow_provider_replicator.lake.upkeep import OptimizeOptions

        given = {"tables": (), **self._given(_OPTIONS)}
        # Here nothing given means something: no vacuum.
        return OptimizeOptions(
            **common, **given | {"vacuum_hours": coerce("vacuum_hours", self.vacuum_hours, "integer")}
        )

    async def _run(self, options: Any, run: Any) -> Report:
        from airflow_provider_replicator.lake.upkeep import optimize_tables

        return await optimize_tables(options=options, **run)

    def _finished(self, context: Context, report: dict[str, Any]) -> dict[str, Any]:
        for one in report.get("tables", ()):
            self.log.info(
                "%s: %s files of %s bytes -> %s of %s; vacuum %s %s files",
                *(one[name] for name in ("table", "files_before", "bytes_before", "files_after", "bytes_after")),
                "would delete" if report["dry_run"] else "deleted",
                one["vacuumed"],
            )
        return push_report(context, report)
