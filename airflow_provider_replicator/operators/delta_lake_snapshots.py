# SPDX-License-Identifier: Apache-2.0
"""Flat files for Tableau and other readers of Parquet, out of Delta tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_replicator.core.arguments import Kind, coerce
from airflow_provider_replicator.exceptions import ConfigurationError
from airflow_provider_replicator.operators._lake_base import DeltaOperator
from airflow_provider_replicator.operators._outcome import emit_table_events, push_report, summary, table_alias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from airflow_provider_replicator.core.report import Report
    from airflow_provider_replicator.operators._lake_base import LakeRun

_OPTIONS: dict[str, Kind] = {
    "formats": "names",
    "names": "text",
    "keep_versions": "integer",
    "reuse_unchanged": "flag",
    "missing_ok": "flag",
    "temporary_folder": "text",
}


class DeltaPublishSnapshotOperator(DeltaOperator):
    """Publish tables as flat Parquet files, all of one moment, below ``publish/{snapshot}/``.

    A reader that wants one moment follows ``manifest.json``, which is written last; one that takes one file (Tableau's S3 connector)
    has a key per table that never changes, ``publish/{snapshot}/{table}.parquet``. An error leaves the previous snapshot as it was.
    Two runs at once do no harm: what was read first is not published after what was read later.

    :param snapshot: the name of the snapshot
    :param tables: paths of tables below the lake's root; wildcards (``*``, ``?``, ``[abc]``) stay within a part of the path:
        ``["instances/plant/*/v1/nodes", "resources/events"]``. Or a dictionary ``{path: name of the file}``; None is the usual name,
        the path without its first part with dots for slashes (``plant.Pump.v1.nodes``, ``events``)
    :param formats: ``parquet`` (default), or ``["parquet", "hyper"]`` for Tableau extracts as well (needs the extra ``[tableau]``)
    :param names: what columns are called: as in the table (``column``, default; no two differ by case alone), or as the property at
        the source (``property``)
    :param keep_versions: so many earlier snapshots stay readable for who has read an older manifest (3)
    :param reuse_unchanged: tables without changes since the last snapshot are copied within the store instead of read (true)
    :param missing_ok: leave out tables that do not exist yet, instead of failing (false); a path that is written out and that the last
        snapshot had is an error all the same
    :param temporary_folder: where files are made, in the worker, before they go to the lake; None: the system's temporary folder
    """

    resource_type: ClassVar[str] = "publish"

    template_fields: Sequence[str] = (*DeltaOperator.template_fields, "snapshot", "tables", *_OPTIONS)

    def __init__(
        self,
        *,
        snapshot: str,
        tables: Sequence[str] | Mapping[str, str | None] | str,
        formats: Sequence[str] | str | None = None,
        names: str = "column",
        keep_versions: int | str = 3,
        reuse_unchanged: bool | str = True,
        missing_ok: bool | str = False,
        temporary_folder: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.snapshot = snapshot
        self.tables = tables
        self.formats = formats
        self.names = names
        self.keep_versions = keep_versions
        self.reuse_unchanged = reuse_unchanged
        self.missing_ok = missing_ok
        self.temporary_folder = temporary_folder
        if isinstance(snapshot, str) and "{" not in snapshot:  # a template is not known before the task runs
            self.outlets = [*self.outlets, table_alias(f"publish/{snapshot}")]

    def _options(self, **common: Any) -> dict[str, Any]:
        from airflow_provider_replicator.lake.snapshots.options import SnapshotOptions

        snapshot = coerce("snapshot", self.snapshot, "text")
        if snapshot is None:
            raise ConfigurationError("snapshot is missing: write the name of the snapshot")
        options = SnapshotOptions(**common, **self._given(_OPTIONS))
        return {"name": snapshot, "tables": _tables(self.tables), "options": options}

    async def _run(self, options: dict[str, Any], run: LakeRun) -> Report:
        from airflow_provider_replicator.lake.snapshots.publish import publish

        return await publish(**options, **run)

    def _finished(self, context: Context, report: dict[str, Any]) -> dict[str, Any]:
        self.log.info(summary(report))
        self.log.info("published %d tables under %s/%s", report["table_count"], report["source"], report["manifest"])
        event = {"table": f"publish/{report['snapshot']}"}
        event |= {name: report[name] for name in ("run", "manifest", "table_count", "written", "bytes")}
        emit_table_events(context, report["source"], report | {"tables": [event]})
        return push_report(context, report)


def _tables(given: Any) -> tuple[str, ...] | dict[str, str | None]:
    """A list of paths, or a dictionary from paths to names, as they are or as templates rendered them."""
    if isinstance(given, dict) or (isinstance(given, str) and given.strip().startswith("{")):
        found: dict[str, str | None] = coerce("tables", given, "mapping") or {}
        wrong = [path for path, name in found.items() if not isinstance(path, str) or not isinstance(name, str | None)]
        if wrong:
            raise ConfigurationError(
                f"tables: {wrong[0]!r}: write {{path: name of the file, or None for the usual one}}"
            )
        return found
    paths: tuple[str, ...] = coerce("tables", given, "names") or ()
    return paths
