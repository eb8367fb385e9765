# SPDX-License-Identifier: Apache-2.0
"""What all operators between two CDF projects have in common: two connections, a window, a selection."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.core.arguments import Kind
from airflow_provider_replicator.exceptions import ConfigurationError
from airflow_provider_replicator.operators._engine_operator import WindowedOperator

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from airflow.sdk import Context

    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.cdf.http.connection import CdfConnection
    from airflow_provider_replicator.cdf.options import Selection
    from airflow_provider_replicator.operators._engine_operator import Main

    Engine = Callable[[CdfClient, CdfClient], Coroutine[Any, Any, dict[str, Any]]]

SELECTION: dict[str, Kind] = {
    "external_ids": "names",
    "external_id_prefix": "text",
    "exclude_pattern": "text",
    "data_set_external_ids": "names",
    "asset_subtree_external_ids": "names",
    "max_depth": "integer",
}


class CdfProjectsOperator(WindowedOperator):
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

    def _main(self, context: Context) -> Main:
        engine = self._prepared(context)
        from_source, from_target = self._connections()

        async def connected() -> dict[str, Any]:
            async with from_source.client() as source, from_target.client() as target:
                return await engine(source, target)

        return connected

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

    def _selection(self) -> Selection:
        from airflow_provider_replicator.cdf.options import Selection

        return Selection(**self._given(SELECTION))
