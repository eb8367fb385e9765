# SPDX-License-Identifier: Apache-2.0
"""What all replicating operators have in common: how to write, what to do when something cannot be written, checkpoints."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, TypedDict

from airflow_provider_replicator.core.arguments import Kind, coerce
from airflow_provider_replicator.exceptions import ConfigurationError, PartialReplicationError, ReplicatorError
from airflow_provider_replicator.operators._base import CdfProjectsOperator
from airflow_provider_replicator.operators._checkpoints import checkpoint_of
from airflow_provider_replicator.operators._outcome import emit_asset_event, push_report, replica_alias, summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.cdf.options import Options
    from airflow_provider_replicator.core.checkpoint import Checkpoint
    from airflow_provider_replicator.core.progress import Progress
    from airflow_provider_replicator.core.report import Report
    from airflow_provider_replicator.operators._base import Engine

OPTIONS: dict[str, Kind] = {
    "dry_run": "flag",
    "skip_unlinkable": "flag",
    "skip_nonasset": "flag",
    "on_conflict": "text",
    "dead_letter_path": "text",
    "delete_missing": "flag",
    "delete_foreign": "flag",
    "max_delete_fraction": "number",
    "max_failed": "integer",
}


class Run(TypedDict):
    """What every engine is called with, besides its options."""

    source: CdfClient
    target: CdfClient
    checkpoint: Checkpoint
    progress: Progress


class CdfReplicateOperator(CdfProjectsOperator):
    """Replicate one resource type.

    Killed with SIGKILL and retried, a task goes on at its last checkpoint; cleared, it starts over. Objects that cannot be
    copied do not stop the others; the task then fails with ``PartialReplicationError`` and its XCom ``report`` names them.

    :param dry_run: read, compare and report, but write nothing
    :param skip_unlinkable: leave out objects that refer to an asset which the target does not have, instead of copying them
        without that reference until it does
    :param skip_nonasset: leave out objects that refer to no asset
    :param on_conflict: ``adopt`` (default), ``skip`` or ``fail``: an object with the same key exists in the target, and
        somebody else made it
    :param dead_letter_path: file to which refused objects are appended, whole and with the reason, one JSON a line
    :param delete_missing: delete replicated objects whose source object is gone (mode ``full`` only)
    :param delete_foreign: delete objects of the target that were not replicated from this source (mode ``full`` only)
    :param max_delete_fraction: delete nothing and fail if more than this share of the target's objects would go (0.1)
    :param max_failed: succeed although up to so many objects could not be copied (0)
    :param overlap_minutes: how far before the window changed objects are read again, because CDF's lists lag behind (10)
    """

    resource_type: ClassVar[str]

    template_fields: Sequence[str] = (*CdfProjectsOperator.template_fields, *OPTIONS, "overlap_minutes")

    def __init__(
        self,
        *,
        dry_run: bool | str = False,
        skip_unlinkable: bool | str = False,
        skip_nonasset: bool | str = False,
        on_conflict: str = "adopt",
        dead_letter_path: str | None = None,
        delete_missing: bool | str = False,
        delete_foreign: bool | str = False,
        max_delete_fraction: float | str = 0.1,
        max_failed: int | str = 0,
        overlap_minutes: float | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.outlets = [*self.outlets, replica_alias(self.resource_type)]
        # Hides BaseOperator.dry_run(), which Airflow 3 never calls: a template field is named like its argument.
        self.dry_run = dry_run  # type: ignore[method-assign, assignment]
        self.skip_unlinkable = skip_unlinkable
        self.skip_nonasset = skip_nonasset
        self.on_conflict = on_conflict
        self.dead_letter_path = dead_letter_path
        self.delete_missing = delete_missing
        self.delete_foreign = delete_foreign
        self.max_delete_fraction = max_delete_fraction
        self.max_failed = max_failed
        self.overlap_minutes = overlap_minutes

    @abstractmethod
    def _options(self, **common: Any) -> Options:
        """The options of this resource type: the common ones and its own."""

    @abstractmethod
    async def _replicate(self, options: Any, run: Run) -> Report:
        """Call the engine of this resource type."""

    def _prepared(self, context: Context) -> Engine:
        options = self._options(**self._common_options(context))

        async def engine(source: CdfClient, target: CdfClient) -> dict[str, Any]:
            from airflow_provider_replicator.core.progress import Progress

            checkpoint = checkpoint_of(
                context,
                resource_type=self.resource_type,
                source=f"{self.source_conn_id}/{source.project}",
                target=f"{self.target_conn_id}/{target.project}",
                options=options,
            )
            if checkpoint.load() is not None:
                self.log.info("an earlier try of this task left a checkpoint: going on there")
            run = Run(source=source, target=target, checkpoint=checkpoint, progress=Progress(self.log.info))
            try:
                report = (await self._replicate(options, run)).as_dict()
            except PartialReplicationError:
                checkpoint.clear()  # the run went to its end: the next one has to look at the refused objects again
                raise
            checkpoint.clear()
            return report

        return engine

    def _common_options(self, context: Context) -> dict[str, Any]:
        mode, window = self._mode_and_window(context)
        given = self._given(OPTIONS)
        overlap = coerce("overlap_minutes", self.overlap_minutes, "number")
        if overlap is not None:
            if not 0 <= overlap < math.inf:
                raise ConfigurationError(f"overlap_minutes is {overlap}: write a number >= 0")
            given["overlap_ms"] = round(overlap * 60_000)
        return {"mode": mode, "window": window, "selection": self._selection(), **given}

    def _finished(self, context: Context, report: dict[str, Any]) -> dict[str, Any]:
        self.log.info(summary(report))
        if not report["dry_run"]:
            emit_asset_event(context, self.resource_type, report)
        return push_report(context, report)

    def _failed(self, context: Context, error: ReplicatorError) -> None:
        if isinstance(error, PartialReplicationError):
            self.log.info(summary(error.report))
            push_report(context, error.report)
