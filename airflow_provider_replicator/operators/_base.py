# SPDX-License-Identifier: Apache-2.0
"""What all CDF operators have in common: two connections, a window, a selection, and how an engine is run inside a task."""

from __future__ import annotations

from abc import abstractmethod
from asyncio import CancelledError
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_provider_replicator.core.window import THREE_WAYS, resolve
from airflow_provider_replicator.exceptions import ConfigurationError, ReplicatorError, TransientError
from airflow_provider_replicator.operators._arguments import Kind, coerce, coerce_all
from airflow_provider_replicator.operators._engine_thread import EngineThread

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from airflow.sdk import Context

    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.cdf.http.connection import CdfConnection
    from airflow_provider_replicator.cdf.options import Mode, Selection
    from airflow_provider_replicator.core.window import Resolution, Window

    Engine = Callable[[CdfClient, CdfClient], Coroutine[Any, Any, dict[str, Any]]]

SELECTION: dict[str, Kind] = {
    "external_ids": "names",
    "external_id_prefix": "text",
    "exclude_pattern": "text",
    "data_set_external_ids": "names",
    "asset_subtree_external_ids": "names",
    "max_depth": "integer",
}


class CdfProjectsOperator(BaseOperator):
    """Something done with a source and a target project.

    :param source_conn_id: connection of type ``cdf`` that is read
    :param target_conn_id: connection of type ``cdf`` of the target project
    :param mode: ``full``: everything, whatever the run's data interval. ``window``: only the window, and an error if there
        is none. None (default): the window if the run has one, else everything
    :param window_start: begin of the half-open window ``[start, end)``, ISO 8601 (UTC if it names no zone). Together with
        ``window_end`` it goes before the run's params of the same names, and these go before the data interval
    :param window_end: end of the window, exclusive
    :param external_ids: only objects with these external ids
    :param external_id_prefix: only objects whose external id begins so
    :param exclude_pattern: leave out objects whose external id matches this regular expression somewhere
    :param data_set_external_ids: only objects of these data sets (of the source)
    :param asset_subtree_external_ids: only these assets, everything below them, and what is linked to any of it
    """

    template_fields: Sequence[str] = (
        "source_conn_id",
        "target_conn_id",
        "mode",
        "window_start",
        "window_end",
        "external_ids",
        "external_id_prefix",
        "exclude_pattern",
        "data_set_external_ids",
        "asset_subtree_external_ids",
    )
    ui_color = "#e3ecff"

    _engine: EngineThread[dict[str, Any]] | None = None

    def __init__(
        self,
        *,
        source_conn_id: str,
        target_conn_id: str,
        mode: str | None = None,
        window_start: str | None = None,
        window_end: str | None = None,
        external_ids: Sequence[str] | str | None = None,
        external_id_prefix: str | None = None,
        exclude_pattern: str | None = None,
        data_set_external_ids: Sequence[str] | str | None = None,
        asset_subtree_external_ids: Sequence[str] | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source_conn_id = source_conn_id
        self.target_conn_id = target_conn_id
        self.mode = mode
        self.window_start = window_start
        self.window_end = window_end
        self.external_ids = external_ids
        self.external_id_prefix = external_id_prefix
        self.exclude_pattern = exclude_pattern
        self.data_set_external_ids = data_set_external_ids
        self.asset_subtree_external_ids = asset_subtree_external_ids

    def execute(self, context: Context) -> dict[str, Any]:
        """Read the arguments, connect, run, and return the report. Nothing is opened while an argument is wrong."""
        engine = self._prepared(context)
        from_source, from_target = self._connections()

        async def connected() -> dict[str, Any]:
            async with from_source.client() as source, from_target.client() as target:
                return await engine(source, target)

        self._engine = EngineThread(connected)
        try:
            return self._finished(context, self._engine.run())
        except CancelledError:
            # A user who stopped the task has already set its state; a worker that goes away wants the task elsewhere.
            raise TransientError("the task was told to stop; a retry goes on at its last checkpoint") from None
        except ReplicatorError as error:
            self._failed(context, error)
            raise

    def on_kill(self) -> None:
        """Cancel what runs and close its connections. What is written stays; a retry goes on at the last checkpoint."""
        if self._engine is not None:
            self._engine.cancel()

    def _connections(self) -> tuple[CdfConnection, CdfConnection]:
        from airflow_provider_replicator.hooks.cdf import CdfHook

        source, target = (CdfHook(name).get_cdf_connection() for name in (self.source_conn_id, self.target_conn_id))
        if (source.base_url, source.project) == (target.base_url, target.project):
            raise ConfigurationError(
                f"{self.source_conn_id} and {self.target_conn_id} are the same project, {source.project} at {source.base_url}"
            )
        self.log.info(
            "source: %s at %s; target: %s at %s", source.project, source.base_url, target.project, target.base_url
        )
        return source, target

    @abstractmethod
    def _prepared(self, context: Context) -> Engine:
        """What to run, with all arguments read and checked."""

    @abstractmethod
    def _finished(self, context: Context, report: dict[str, Any]) -> dict[str, Any]:
        """Tell Airflow about a run that did all it should."""

    @abstractmethod
    def _failed(self, context: Context, error: ReplicatorError) -> None:
        """Leave in Airflow what is known about a run that fails with ``error``."""

    def _given(self, kinds: Mapping[str, Kind]) -> dict[str, Any]:
        """The arguments in ``kinds`` that this operator has and that were given."""
        have = {name: kind for name, kind in kinds.items() if hasattr(self, name)}
        return coerce_all({name: getattr(self, name) for name in have}, have)

    def _selection(self) -> Selection:
        from airflow_provider_replicator.cdf.options import Selection

        return Selection(**self._given(SELECTION))

    def _mode_and_window(self, context: Context) -> tuple[Mode, Window | None]:
        """The mode of this run, and its window if it has one (arguments, then params, then data interval)."""
        mode = coerce("mode", self.mode, "text")
        if mode == "full":
            if self._resolved(context, with_interval=False).window:
                raise ConfigurationError(
                    "mode='full' copies everything: leave out window_start and window_end, or the mode"
                )
            self.log.info("mode full: everything, whatever the data interval of the run")
            return "full", None
        resolved = self._resolved(context)
        self.log.info(resolved.sentence)
        if mode == "window" and resolved.window is None:
            raise ConfigurationError(f"mode='window', but {resolved.sentence}. {THREE_WAYS}")
        return mode or ("window" if resolved.window else "full"), resolved.window

    def _resolved(self, context: Context, *, with_interval: bool = True) -> Resolution:
        return resolve(
            window_start=self.window_start,
            window_end=self.window_end,
            params=context.get("params"),
            data_interval_start=context.get("data_interval_start") if with_interval else None,
            data_interval_end=context.get("data_interval_end") if with_interval else None,
        )
