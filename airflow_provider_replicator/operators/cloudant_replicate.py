# SPDX-License-Identifier: Apache-2.0
"""Replicate one database into another one, by a job of a CouchDB or Cloudant server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.core.arguments import Kind, coerce
from airflow_provider_replicator.exceptions import ConfigurationError
from airflow_provider_replicator.operators._cloudant_base import POLICIES, SELECTION
from airflow_provider_replicator.operators._cloudant_outcome import count, database_alias, emit_database_event, summary
from airflow_provider_replicator.operators._cloudant_task import CouchJobsOperator
from airflow_provider_replicator.operators._outcome import push_report

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from airflow_provider_replicator.couchdb.jobs.options import ReplicationOptions
    from airflow_provider_replicator.operators._cloudant_flow import Flow
    from airflow_provider_replicator.operators._cloudant_plan import Leg, Plan
    from airflow_provider_replicator.operators._cloudant_stage import Stage

_NAMED: dict[str, Kind] = {**SELECTION, "continuous": "flag", "create_target": "flag"}


class CloudantReplicateOperator(CouchJobsOperator):
    """Replicate a database. The task succeeds when the job has completed, the target refused nothing, and what was to be verified is.

    The job runs on a server, not on the worker: its document's id follows from DAG, task, run and map index, so that a retry finds the
    job of the try before, and goes on with it. A task that was cleared starts a new one, which goes on at the server's checkpoint. A
    document that is not this task's is never touched.

    With ``continuous`` the task ends as soon as the job runs, and the job goes on; later runs of the DAG find it, and start it again
    where it has stopped. :class:`CloudantReplicationLagSensor` watches it, :class:`CloudantStopReplicationOperator` ends it.

    :param continuous: go on replicating whatever changes, until somebody stops it
    :param create_target: make the target database where there is none
    :param options: further options by the server's names, such as ``{"worker_batch_size": 1000, "http_connections": 40}``. Unknown
        names, and values that would stop the server, are errors
    :param doc_id: id of the job's document; None: one that follows from DAG, task, run and map index
    :param wait_for_completion: false: end when the job is submitted; :class:`CloudantReplicationSensor` waits for it elsewhere
    :param if_completed: a kept document says that this very job has completed: ``reuse`` its result or ``rerun`` it. None: a retry
        reuses, a task that was cleared reruns
    :param on_mismatch: a document of this task and run has other options: ``replace`` (default) it or ``fail``
    :param on_duplicate: another document runs the same replication, of which a server runs one: ``fail`` (default), ``adopt`` (follow
        that one), ``wait`` for its end and run then, or ``replace`` it, if Airflow has made it
    :param on_write_failures: the target refused documents: ``fail`` (default), ``warn`` or ``ignore``
    :param keep_document: leave the job's document, which holds credentials, on the server after success (false)
    :param verify: ``counts``, ``pending``, ``revisions`` or ``bodies``: how to compare both databases afterwards; None: not at all
    :param repair: where the verification misses something, compare everything again once, transfer it, and verify again
    :param cancel_on_failure: stop a job that keeps failing, so that it does not go on for ever (true)
    """

    template_fields: Sequence[str] = (
        *CouchJobsOperator.template_fields,
        "continuous",
        "create_target",
        "options",
        "doc_id",
        "wait_for_completion",
        *POLICIES,
        "verify",
        "repair",
        "cancel_on_failure",
    )

    def __init__(
        self,
        *,
        continuous: bool | str = False,
        create_target: bool | str = False,
        options: Mapping[str, Any] | str | None = None,
        doc_id: str | None = None,
        wait_for_completion: bool | str = True,
        if_completed: str | None = None,
        on_mismatch: str = "replace",
        on_duplicate: str = "fail",
        on_write_failures: str = "fail",
        keep_document: bool | str = False,
        verify: str | None = None,
        repair: bool | str = False,
        cancel_on_failure: bool | str = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.outlets = [*self.outlets, database_alias()]
        self.continuous = continuous
        self.create_target = create_target
        self.options = options
        self.doc_id = doc_id
        self.wait_for_completion = wait_for_completion
        self.if_completed = if_completed
        self.on_mismatch = on_mismatch
        self.on_duplicate = on_duplicate
        self.on_write_failures = on_write_failures
        self.keep_document = keep_document
        self.verify = verify
        self.repair = repair
        self.cancel_on_failure = cancel_on_failure

    def _legs(self, context: Context) -> tuple[Leg, ...]:
        from airflow_provider_replicator.operators._cloudant_plan import Leg

        return (Leg(options=self._options(), doc_id=coerce("doc_id", self.doc_id, "text")),)

    def _options(self) -> ReplicationOptions:
        from airflow_provider_replicator.operators._cloudant_plan import read_options

        named = self._given(_NAMED)
        if named.get("doc_ids") == ():
            raise ConfigurationError("doc_ids is empty, which would copy nothing: name documents, or leave it out")
        return read_options(*self._databases(), named, self.options)

    def _plan(self, context: Context, legs: tuple[Leg, ...], *, retried: bool) -> Plan:
        from airflow_provider_replicator.operators import _cloudant_plan as reading

        own = self._given({"repair": "flag", "cancel_on_failure": "flag"})
        plan = reading.Plan(
            legs=legs,
            owner=reading.read_owner(context),
            policies=reading.read_policies(self, retried=retried),
            limits=reading.read_limits(self),
            level=reading.read_level("verify", self.verify),
            **own,
        )
        if plan.repair and plan.level is None:
            raise ConfigurationError("repair needs a verification: write verify='revisions' as well")
        if plan.continuous and plan.level is not None:
            raise ConfigurationError(
                "a continuous replication is never complete: leave out verify, and use a CloudantReplicationLagSensor, or a "
                "CloudantVerifyReplicationOperator with its own task"
            )
        return plan

    def _last_stage(self, flow: Flow, stage: Stage) -> Stage:
        if coerce("wait_for_completion", self.wait_for_completion, "flag") is not False:
            return super()._last_stage(flow, stage)
        left = [{"doc_id": job.doc_id, "replicator_db": job.replicator_db} for job in stage.jobs]
        return stage.with_(report={**left[0], "state": "submitted"}, jobs=())

    def _done(self, context: Context, flow: Flow, stage: Stage) -> dict[str, Any]:
        report = dict(stage.report or {})
        flow.store.clear()
        self.log.info(summary(report))
        count(report)
        ended = report.get("state") == "completed"
        for leg in flow.plan.legs if ended else ():
            target = flow.connections.source if leg.back else flow.connections.target
            emit_database_event(context, target.base_url, leg.options.target_db, report)
        return push_report(context, report)
