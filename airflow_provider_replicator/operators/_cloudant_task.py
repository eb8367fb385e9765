# SPDX-License-Identifier: Apache-2.0
"""A task that waits for replication jobs: on its worker, or deferred to the triggerer, and back again."""

from __future__ import annotations

import time
from abc import abstractmethod
from asyncio import CancelledError
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import TaskDeferralError, TaskDeferralTimeout

from airflow_provider_replicator.core.arguments import coerce
from airflow_provider_replicator.exceptions import ReplicatorError, TransientError, VerificationError
from airflow_provider_replicator.links.cloudant import CloudantDashboardLink, ReplicationDocumentLink, push_links
from airflow_provider_replicator.operators._cloudant_base import CouchPairOperator
from airflow_provider_replicator.operators._outcome import push_report

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow.sdk import Context

    from airflow_provider_replicator.couchdb.jobs.job import Job
    from airflow_provider_replicator.operators._cloudant_flow import Flow
    from airflow_provider_replicator.operators._cloudant_plan import Leg, Plan
    from airflow_provider_replicator.operators._cloudant_stage import Stage

    Step = Callable[[Flow, Stage], Stage]


class CouchJobsOperator(CouchPairOperator):
    """A task that waits for replication jobs.

    Killed and retried, it finds its jobs again and goes on with them; cleared, it starts over.

    :param timeout: seconds (or a timedelta) for the whole wait; None: the task's ``execution_timeout``, or a day
    :param poll_interval: longest pause in seconds between two looks at a job (15); the first ones are closer
    :param max_crashes: so many crashes in a row are too many (3)
    :param limits: further limits of the wait, in seconds: ``pending_timeout``, ``not_picked_up_timeout`` (60), ``crash_timeout``,
        ``error_tolerance`` (300), ``gone_tolerance`` (5), and ``grace_crashes`` (1): crashes allowed where a database does not exist
    :param cancel_on_kill: stop the replication when a user stops the task, or its time is over (true)
    :param deferrable: wait in the triggerer, without a worker (default: ``[operators] default_deferrable``)
    """

    template_fields: Sequence[str] = (
        *CouchPairOperator.template_fields,
        "timeout",
        "poll_interval",
        "max_crashes",
        "limits",
        "cancel_on_kill",
    )
    operator_extra_links = (ReplicationDocumentLink(), CloudantDashboardLink())

    _stopping: Callable[[], None] | None = None
    _linked: str | None = ""

    def __init__(
        self,
        *,
        timeout: float | timedelta | str | None = None,
        poll_interval: float | str = 15.0,
        max_crashes: int | str = 3,
        limits: Mapping[str, Any] | str | None = None,
        cancel_on_kill: bool | str = True,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.timeout = timeout
        self.poll_interval = poll_interval
        self.max_crashes = max_crashes
        self.limits = limits
        self.cancel_on_kill = cancel_on_kill
        self.deferrable = deferrable

    def execute(self, context: Context) -> dict[str, Any]:
        """Submit, wait, report. Nothing is opened while an argument is wrong."""
        return self._work(context, self._start)

    def execute_complete(self, context: Context, event: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Back from the triggerer. What the event says is looked up at the server."""
        return self._work(context, lambda flow, saved: self._resume(flow, saved, event or {}))

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Back from a triggerer that failed, or did not answer in time: the jobs are there all the same."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except (TaskDeferralError, TaskDeferralTimeout) as error:
            lost = {"error": {"kind": type(error).__name__, "message": str(error)}}
            return self.execute_complete(context, lost)

    def on_kill(self) -> None:
        """Stop the jobs, within the few seconds that Airflow leaves a task. Their checkpoints stay, so a retry goes on there."""
        super().on_kill()
        self._stop_jobs()

    def _stop_jobs(self) -> None:
        if self._stopping is not None and coerce("cancel_on_kill", self.cancel_on_kill, "flag"):
            self._stopping()

    @abstractmethod
    def _legs(self, context: Context) -> tuple[Leg, ...]:
        """The jobs to run, with all their arguments read and checked."""

    @abstractmethod
    def _plan(self, context: Context, legs: tuple[Leg, ...], *, retried: bool) -> Plan:
        """What to do with them. ``retried``: this try has a predecessor, and the task was not cleared in between."""

    @abstractmethod
    def _done(self, context: Context, flow: Flow, stage: Stage) -> dict[str, Any]:
        """Tell Airflow about a run that did all it should, and return the report."""

    def _start(self, flow: Flow, saved: Stage) -> Stage:
        """The first stage of a try. ``saved`` is that of the try before, or empty."""
        if saved.report is not None and not saved.jobs:
            return flow.verified(saved)
        return flow.begin(saved)

    def _work(self, context: Context, first: Step) -> dict[str, Any]:
        from airflow_provider_replicator.operators._cloudant_flow import Flow
        from airflow_provider_replicator.operators._cloudant_stage import Stage, StageStore

        legs = self._legs(context)
        ends = (self.mediator_conn_id, self.source_conn_id, self.target_conn_id)
        store = StageStore(context, legs=repr(legs), ends=ends)
        saved = store.load()
        plan = self._plan(context, legs, retried=saved is not None)
        connections = self._connections()
        with self._stoppable() as stop, connections.open(stop) as clients:
            flow = Flow(plan, connections, clients, store, self.log.info, lambda jobs: self._show(context, flow, jobs))
            try:
                stage = self._last_stage(flow, first(flow, saved or Stage()))
            except CancelledError:
                self._stop_jobs()  # once more: one may have been on its way to the server when it was told to stop
                raise
            except ReplicatorError as error:
                self._failed(context, flow, error)
                raise
            return self._done(context, flow, stage)

    def _last_stage(self, flow: Flow, stage: Stage) -> Stage:
        """Wait for stage after stage, until there is none to wait for."""
        from airflow_provider_replicator.triggers._watching import ProgressLog

        while stage.jobs:
            deadline = stage.started_at + (flow.plan.limits.timeout or 0.0)
            if self.deferrable and time.time() < deadline and not flow.over(stage):
                self._defer(flow, stage, deadline - time.time())
            stage = flow.after(stage, flow.wait(stage, ProgressLog(self.log.info)))
        return stage

    def _defer(self, flow: Flow, stage: Stage, seconds: float) -> NoReturn:
        from dataclasses import asdict

        from airflow_provider_replicator.triggers._watching import TRIGGER_GRACE_SECONDS
        from airflow_provider_replicator.triggers.cloudant import ReplicationStateTrigger

        flow.store.save(stage)
        trigger = ReplicationStateTrigger(
            mediator_conn_id=flow.connections.mediator.name,
            jobs=[job.to_dict() for job in stage.jobs],
            limits=flow.plan.limits.as_dict(),
            started_at=stage.started_at,
            source_conn_id=flow.connections.source.name,
            target_conn_id=flow.connections.target.name,
            owner=asdict(flow.owner_of(stage)),
            cancel_on_kill=bool(coerce("cancel_on_kill", self.cancel_on_kill, "flag")),
            memo=stage.to_dict(),
        )
        patience = timedelta(seconds=seconds + TRIGGER_GRACE_SECONDS)
        self.defer(trigger=trigger, method_name="execute_complete", timeout=patience)

    def _resume(self, flow: Flow, saved: Stage, event: Mapping[str, Any]) -> Stage:
        from airflow_provider_replicator.couchdb.jobs.outcome import Outcome
        from airflow_provider_replicator.operators._cloudant_stage import Stage
        from airflow_provider_replicator.triggers._watching import MAX_LOST

        stage = Stage.from_dict(event["memo"]) if event.get("memo") else saved
        if not stage.jobs:
            return self._start(flow, stage)
        flow.submitted(stage.jobs)
        if "outcomes" in event:
            outcomes = tuple(Outcome.from_dict(outcome) for outcome in event["outcomes"])
            return flow.after(stage.with_(jobs=tuple(outcome.job for outcome in outcomes), lost=0), outcomes)
        error = event.get("error", {"kind": "nothing", "message": "an event without a result"})
        words = f"the triggerer could not follow the replication ({error['kind']}: {error['message']})"
        if stage.lost + 1 >= MAX_LOST:
            raise TransientError(f"{words}, {MAX_LOST} times in a row; a retry goes on with the same replication")
        self.log.warning("%s: looking again", words)
        return stage.with_(lost=stage.lost + 1)

    def _show(self, context: Context, flow: Flow, jobs: tuple[Job, ...]) -> None:
        """Remember what ``on_kill`` stops, and push the links."""
        from airflow_provider_replicator.operators._cloudant_stop import stop_jobs

        mediator = flow.connections.mediator
        self._stopping = partial(stop_jobs, mediator, flow.plan.owner, jobs, self.log)
        doc_id = jobs[0].doc_id if len(jobs) == 1 else None
        if doc_id != self._linked:
            push_links(context, base_url=mediator.base_url, replicator_db=mediator.replicator_db, doc_id=doc_id)
            self._linked = doc_id

    def _failed(self, context: Context, flow: Flow, error: ReplicatorError) -> None:
        report = getattr(error, "report", None)
        if report:
            push_report(context, report)
        if isinstance(error, VerificationError):
            flow.store.clear()  # the run went to its end: the next one copies again before it compares
