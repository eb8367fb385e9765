# SPDX-License-Identifier: Apache-2.0
"""Replicate what a database has changed in a window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.core.arguments import coerce
from airflow_provider_replicator.exceptions import ConfigurationError
from airflow_provider_replicator.operators._cloudant_base import blocking
from airflow_provider_replicator.operators._window_arguments import WindowArguments
from airflow_provider_replicator.operators.cloudant_replicate import CloudantReplicateOperator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from airflow_provider_replicator.core.window import Window
    from airflow_provider_replicator.operators._cloudant_flow import Flow
    from airflow_provider_replicator.operators._cloudant_plan import Leg, Plan
    from airflow_provider_replicator.operators._cloudant_stage import Stage


class CloudantReplicateWindowOperator(CloudantReplicateOperator, WindowArguments):
    """Replicate what the source has changed since the begin of a window, whatever the server's checkpoints say.

    Servers know no times: a job begins at a sequence and goes on to now. So each run keeps the sequence of the source from just before
    it ran, in a document ``_local/…`` of the target, which is not replicated; the run of a window begins at the sequence that was
    kept by the run of a window before. It copies at least what was changed in its window, and more where that is needed to be sure.
    Windows may be run again, in any order, and several at a time: where nothing was kept, everything is compared, and what is missing
    is copied.

    Checkpoints of the server are neither used nor written, so that other replications of the same databases are not disturbed.

    :param mode: ``full``: everything, whatever the run's data interval. ``window``: only the window, and an error if there
        is none. None (default): the window if the run has one, else everything
    :param window_start: begin of the half-open window ``[start, end)``, ISO 8601 (UTC if it names no zone). Together with
        ``window_end`` it goes before the run's params of the same names, and these go before the data interval
    :param window_end: end of the window, exclusive. Later changes are copied as well
    :param on_duplicate: as elsewhere, but ``wait`` by default: runs of several windows follow each other
    """

    template_fields: Sequence[str] = (
        *CloudantReplicateOperator.template_fields,
        "mode",
        "window_start",
        "window_end",
    )

    _window: Window | None = None

    def __init__(
        self,
        *,
        mode: str | None = None,
        window_start: str | None = None,
        window_end: str | None = None,
        on_duplicate: str = "wait",
        **kwargs: Any,
    ) -> None:
        super().__init__(on_duplicate=on_duplicate, **kwargs)
        self.mode = mode
        self.window_start = window_start
        self.window_end = window_end

    def _legs(self, context: Context) -> tuple[Leg, ...]:
        _, self._window = self._mode_and_window(context)
        legs = super()._legs(context)
        options = legs[0].options
        if options.continuous:
            raise ConfigurationError("a continuous replication has no windows: leave out continuous")
        if coerce("on_duplicate", self.on_duplicate, "text") == "adopt":
            raise ConfigurationError(
                "on_duplicate='adopt' would follow a job that began elsewhere: write 'wait' or 'replace'"
            )
        if options.since_seq is not None:
            raise ConfigurationError("since_seq follows from the window here: leave it out of options")
        return legs

    def _plan(self, context: Context, legs: tuple[Leg, ...], *, retried: bool) -> Plan:
        from dataclasses import replace

        beside = tuple(replace(leg, options=replace(leg.options, use_checkpoints=False)) for leg in legs)
        return super()._plan(context, beside if self._window else legs, retried=retried)

    def _start(self, flow: Flow, saved: Stage) -> Stage:
        if self._window is None or saved.window is not None:
            return super()._start(flow, saved)
        from dataclasses import replace

        from airflow_provider_replicator.core.window import iso
        from airflow_provider_replicator.couchdb.jobs.windows import begin

        run = blocking(
            begin(
                flow.clients.source,
                flow.plan.legs[0].options.source_db,
                stream=self._stream(flow),
                window=iso(self._window.start_ms),
                store=flow.clients.target,  # a target that is made again has forgotten what it had
                store_db=flow.plan.legs[0].options.target_db,
            )
        )
        self.log.info("%s", run.reason)
        saved = saved.with_(window=run)
        flow.store.save(saved)  # before the job: a retry that finds it has to know where it began
        stage = super()._start(flow, saved)
        if any(job.adopted for job in stage.jobs):
            # It began earlier than we have looked: what was kept for it is lost, so the next window begins where this one does.
            stage = stage.with_(window=replace(run, last_seq=run.since_seq or "0"))
            flow.store.save(stage)
        return stage

    def _done(self, context: Context, flow: Flow, stage: Stage) -> dict[str, Any]:
        report = dict(stage.report or {}) | {"window": self._window and self._window.as_dict()}
        if stage.window is not None and report.get("state") == "completed":
            from airflow_provider_replicator.couchdb.jobs.windows import record

            blocking(record(flow.clients.target, flow.plan.legs[0].options.target_db, stage.window))
            report["since_window"] = stage.window.previous
        return super()._done(context, flow, stage.with_(report=report))

    def _stream(self, flow: Flow) -> str:
        """One source and one selection of one task: what is kept for another one says nothing of it."""
        from airflow_provider_replicator.core.checkpoint import fingerprint

        owner, source = flow.plan.owner, flow.connections.source.base_url
        return f"{owner.dag_id}.{owner.task_id}.{fingerprint(source=source, options=repr(flow.plan.legs[0].options))}"
