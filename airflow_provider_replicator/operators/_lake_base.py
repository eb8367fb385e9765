# SPDX-License-Identifier: Apache-2.0
"""What all operators have in common that write Delta tables: the lake's connection, the source's, what a task leaves in Airflow."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, TypedDict

from airflow_provider_replicator.core.arguments import Kind
from airflow_provider_replicator.exceptions import ConfigurationError, PartialReplicationError, ReplicatorError
from airflow_provider_replicator.operators._engine_operator import EngineOperator, WindowedOperator
from airflow_provider_replicator.operators._outcome import emit_table_events, push_report, summary, table_alias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.cdf.http.connection import CdfConnection
    from airflow_provider_replicator.core.progress import Progress
    from airflow_provider_replicator.core.report import Report
    from airflow_provider_replicator.couchdb.client import CouchClient
    from airflow_provider_replicator.couchdb.connection import CouchConnection
    from airflow_provider_replicator.lake.feeds.options import MergeWhen
    from airflow_provider_replicator.lake.location import Lake
    from airflow_provider_replicator.operators._engine_operator import Main

MISFITS: dict[str, Kind] = {"dead_letter_path": "text", "max_failed": "integer", "on_misfit": "text"}


class LakeRun(TypedDict):
    """What an engine that reads no CDF is called with, besides its options."""

    lake: Lake
    progress: Progress


class CdfToLakeRun(LakeRun):
    """What an engine from CDF to Delta is called with, besides its options."""

    source: CdfClient


class CouchToLakeRun(LakeRun):
    """The same from CouchDB."""

    source: CouchClient


def read_merge_when(values: Mapping[str, Any]) -> MergeWhen:
    """From what a user wrote. Raises ConfigurationError."""
    from airflow_provider_replicator.lake.feeds.options import MergeWhen

    try:
        return MergeWhen(**values)
    except TypeError as error:
        names = ", ".join(MergeWhen.__dataclass_fields__)
        raise ConfigurationError(f"merge_when: {error}. Write some of: {names}") from None


class DeltaOperator(EngineOperator):
    """Something done with Delta tables.

    :param delta_conn_id: connection of type ``delta_lake_s3``: the bucket and prefix (or the folder) below which the tables are
    """

    #: What the asset alias ``delta:…`` and the report are called by. A subclass says so.
    resource_type: ClassVar[str]
    #: Whether there is news for whoever is scheduled on a table.
    writes_tables: ClassVar[bool] = True

    template_fields: Sequence[str] = ("delta_conn_id",)
    ui_color = "#e0f2ec"

    def __init__(self, *, delta_conn_id: str = "delta_lake_default", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.delta_conn_id = delta_conn_id
        if self.writes_tables:
            self.outlets = [*self.outlets, table_alias(self.resource_type)]

    @abstractmethod
    def _options(self, **common: Any) -> Any:
        """The options of the engine: the common ones and its own, all arguments read and checked."""

    @abstractmethod
    async def _run(self, options: Any, run: Any) -> Report:
        """Call the engine: ``return await engine(options=options, **run)``."""

    def _common_options(self, context: Context) -> dict[str, Any]:
        """The options that this class reads for its subclasses."""
        return {}

    def _main(self, context: Context) -> Main:
        options = self._options(**self._common_options(context))
        lake = self._lake()

        async def engine() -> dict[str, Any]:
            return (await self._run(options, LakeRun(lake=lake, progress=self._progress()))).as_dict()

        return engine

    def _lake(self) -> Lake:
        from airflow_provider_replicator.hooks.delta_lake import DeltaLakeHook

        lake = DeltaLakeHook(self.delta_conn_id).get_lake()
        self.log.info("tables: below %s", lake.root)
        return lake

    def _progress(self) -> Progress:
        from airflow_provider_replicator.core.progress import Progress

        return Progress(self.log.info)

    def _finished(self, context: Context, report: dict[str, Any]) -> dict[str, Any]:
        self.log.info(summary(report))
        if not report["dry_run"]:
            emit_table_events(context, report["target"], report)
        return push_report(context, report)

    def _failed(self, context: Context, error: ReplicatorError) -> None:
        if isinstance(error, PartialReplicationError):
            self.log.info(summary(error.report))
            push_report(context, error.report)


class ToDeltaOperator(DeltaOperator):
    """From somewhere into Delta tables.

    Killed and retried, a task goes on after what it has committed, and no row is there twice. Rows that do not fit their table
    do not stop the others; the task then fails with ``PartialReplicationError`` and its XCom ``report`` names them.

    :param dead_letter_path: file to which rows that do not fit are appended, whole and with the reason, one JSON a line
    :param max_failed: succeed although up to so many rows did not fit (0)
    :param on_misfit: ``fail`` (default): a row with a value that does not fit its column is a dead letter. ``rescue``: the row is
        kept, the value goes as JSON to the column ``_rescued``
    """

    template_fields: Sequence[str] = (*DeltaOperator.template_fields, *MISFITS)

    def __init__(
        self,
        *,
        dead_letter_path: str | None = None,
        max_failed: int | str = 0,
        on_misfit: str = "fail",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.dead_letter_path = dead_letter_path
        self.max_failed = max_failed
        self.on_misfit = on_misfit

    def _common_options(self, context: Context) -> dict[str, Any]:
        return {**super()._common_options(context), **self._given(MISFITS)}

    def _main(self, context: Context) -> Main:
        options = self._options(**self._common_options(context))
        connection, lake = self._source(), self._lake()

        async def engine() -> dict[str, Any]:
            async with connection.client() as source:
                run = {"source": source, "lake": lake, "progress": self._progress()}
                return (await self._run(options, run)).as_dict()

        return engine

    @abstractmethod
    def _source(self) -> CdfConnection | CouchConnection:
        """The connection to what is read."""


class CdfToDeltaOperator(ToDeltaOperator):
    """From a CDF project into Delta tables.

    :param cdf_conn_id: connection of type ``cdf`` that is read
    """

    template_fields: Sequence[str] = (*ToDeltaOperator.template_fields, "cdf_conn_id")

    def __init__(self, *, cdf_conn_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cdf_conn_id = cdf_conn_id

    def _source(self) -> CdfConnection:
        from airflow_provider_replicator.hooks.cdf import CdfHook

        connection = CdfHook(self.cdf_conn_id).get_cdf_connection()
        self.log.info("source: %s at %s", connection.project, connection.base_url)
        return connection


class CdfToDeltaWindowOperator(WindowedOperator, CdfToDeltaOperator):
    """From a CDF project into Delta tables, window by window. ``_options`` gets ``mode`` and ``window`` as well.

    :param mode: ``full``: everything, whatever the run's data interval. ``window``: only the window, and an error if there
        is none. None (default): the window if the run has one, else everything
    :param window_start: begin of the half-open window ``[start, end)``, ISO 8601 (UTC if it names no zone). Together with
        ``window_end`` it goes before the run's params of the same names, and these go before the data interval
    :param window_end: end of the window, exclusive
    """

    template_fields: Sequence[str] = (*CdfToDeltaOperator.template_fields, "mode", "window_start", "window_end")

    def __init__(
        self,
        *,
        mode: str | None = None,
        window_start: str | None = None,
        window_end: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.mode = mode
        self.window_start = window_start
        self.window_end = window_end

    def _common_options(self, context: Context) -> dict[str, Any]:
        mode, window = self._mode_and_window(context)
        return {**super()._common_options(context), "mode": mode, "window": window}
