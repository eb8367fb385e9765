# SPDX-License-Identifier: Apache-2.0
"""Sensors that wait for replications of CouchDB and Cloudant: for their end, or until a target is near enough to its source.

They wait on a worker (``mode="poke"``), come back from time to time (``mode="reschedule"``), or wait in the triggerer
(``deferrable=True``). Whoever has made the replication: they change nothing.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseSensorOperator
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowSensorTimeout, AirflowSkipException

from airflow_provider_replicator.core.arguments import Kind, coerce, given
from airflow_provider_replicator.exceptions import ConfigurationError, TransientError
from airflow_provider_replicator.links.cloudant import CloudantDashboardLink, ReplicationDocumentLink, push_links

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context
    from airflow.triggers.base import BaseTrigger

    from airflow_provider_replicator.core.checkpoint import Checkpoint, CheckpointStore
    from airflow_provider_replicator.couchdb.connection import CouchConnection
    from airflow_provider_replicator.couchdb.jobs.job import Job
    from airflow_provider_replicator.triggers._watching import LagLimits, LagWatch

__all__ = ["CloudantReplicationLagSensor", "CloudantReplicationSensor"]

_LAG: dict[str, Kind] = {
    "max_pending": "integer",
    "checks": "integer",
    "max_seconds": "number",
    "max_crashes": "integer",
}


class _ReplicationSensor(BaseSensorOperator):
    """Waits for a document of a replicator database.

    :param doc_id: id of the replication's document
    :param cloudant_conn_id: connection of the server that runs the job
    :param replicator_db: where the document is; None: as the connection says (``_replicator``)
    :param max_crashes: so many crashes in a row are too many (3)
    :param deferrable: wait in the triggerer, without a worker (default: ``[operators] default_deferrable``)
    """

    template_fields: Sequence[str] = ("doc_id", "cloudant_conn_id", "replicator_db", "max_crashes")
    operator_extra_links = (ReplicationDocumentLink(), CloudantDashboardLink())
    ui_color = "#ffe8e0"

    def __init__(
        self,
        *,
        doc_id: str,
        cloudant_conn_id: str = "cloudant_default",
        replicator_db: str | None = None,
        max_crashes: int | str = 3,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.doc_id = doc_id
        self.cloudant_conn_id = cloudant_conn_id
        self.replicator_db = replicator_db
        self.max_crashes = max_crashes
        self.deferrable = deferrable

    def execute(self, context: Context) -> Any:
        """Look from time to time, on the worker or in the triggerer."""
        if not self.deferrable:
            return super().execute(context)
        if not self.poke(context):
            self._defer(context, time.time() + self.timeout)
        return None

    def execute_complete(self, context: Context, event: Mapping[str, Any] | None = None) -> None:
        """Back from the triggerer: what it says is looked up at the server."""
        from airflow_provider_replicator.triggers._watching import MAX_LOST

        event = event or {}
        memo = event.get("memo", {})
        if self._back(context):
            return
        deadline, lost = float(memo.get("deadline", 0.0)), int(memo.get("lost", 0))
        if time.time() >= deadline:
            message = f"not within {self.timeout:.0f} s"
            raise AirflowSkipException(message) if self.soft_fail else AirflowSensorTimeout(message)
        if error := event.get("error"):
            lost += 1
            words = f"the triggerer could not follow the replication ({error['kind']}: {error['message']})"
            if lost >= MAX_LOST:
                raise TransientError(f"{words}, {lost} times in a row")
            self.log.warning("%s: looking again", words)
        self._defer(context, deadline, lost)

    @abstractmethod
    def _trigger(self, job: Job, deadline: float, memo: Mapping[str, Any]) -> BaseTrigger:
        """What waits in the place of a worker."""

    @abstractmethod
    def _back(self, context: Context) -> bool:
        """Whether what the trigger has seen is still so. Raises what fails the sensor."""

    def _defer(self, context: Context, deadline: float, lost: int = 0) -> NoReturn:
        from airflow_provider_replicator.triggers._watching import TRIGGER_GRACE_SECONDS

        _, job = self._job(context)
        trigger = self._trigger(job, deadline, {"deadline": deadline, "lost": lost})
        patience = timedelta(seconds=max(0.0, deadline - time.time()) + TRIGGER_GRACE_SECONDS)
        self.defer(trigger=trigger, method_name="execute_complete", timeout=patience)

    def _job(self, context: Context) -> tuple[CouchConnection, Job]:
        """The server that runs the job, and what is known of the job."""
        from airflow_provider_replicator.couchdb.jobs.job import Job
        from airflow_provider_replicator.hooks.cloudant import CloudantHook

        doc_id = coerce("doc_id", self.doc_id, "text")
        if doc_id is None:
            raise ConfigurationError("doc_id is empty: write the id of a replication's document")
        mediator = CloudantHook(self.cloudant_conn_id).get_couch_connection()
        replicator_db = coerce("replicator_db", self.replicator_db, "text") or mediator.replicator_db
        push_links(context, base_url=mediator.base_url, replicator_db=replicator_db, doc_id=doc_id)
        source_db, target_db = self._databases()
        return mediator, Job(
            doc_id=doc_id, replicator_db=replicator_db, source_db=source_db, target_db=target_db, own=False
        )

    def _databases(self) -> tuple[str, str]:
        """The names of source and target, where they are known."""
        return "", ""


class CloudantReplicationSensor(_ReplicationSensor):
    """Waits until a replication has completed (or, a continuous one, runs). Fails where it cannot.

    Success is what the server calls it: documents that the target refused, or that are missing for other reasons, are found by a
    :class:`CloudantVerifyReplicationOperator`.

    :param until: ``completed`` (default) or ``running``
    """

    template_fields: Sequence[str] = (*_ReplicationSensor.template_fields, "until")

    def __init__(self, *, until: str = "completed", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.until = until

    def poke(self, context: Context) -> bool:
        """One look, one request."""
        from airflow_provider_replicator.couchdb.blocking import run
        from airflow_provider_replicator.couchdb.jobs.states import state_of
        from airflow_provider_replicator.triggers._watching import reached

        until, max_crashes = self._until(), coerce("max_crashes", self.max_crashes, "integer")
        mediator, job = self._job(context)
        with mediator.blocking() as client:
            state = run(state_of(client, job))
        self.log.info("%s: %s%s", job.doc_id, state.state, f": {state.error}" if state.error else "")
        return reached(state, job.doc_id, until=until, max_crashes=max_crashes)

    def _until(self) -> str:
        until: str | None = coerce("until", self.until, "text")
        if until not in ("completed", "running"):
            raise ConfigurationError(f"until is {until!r}: write completed or running")
        return until

    def _trigger(self, job: Job, deadline: float, memo: Mapping[str, Any]) -> BaseTrigger:
        from airflow_provider_replicator.couchdb.jobs.choices import WaitLimits
        from airflow_provider_replicator.triggers.cloudant import ReplicationStateTrigger

        crashes, now = coerce("max_crashes", self.max_crashes, "integer"), time.time()
        limits = WaitLimits(
            poll_interval=max(self.poke_interval, 0.05),
            timeout=max(0.0, deadline - now),
            not_picked_up_timeout=None,
            max_crashes=crashes,
        )
        return ReplicationStateTrigger(
            mediator_conn_id=self.cloudant_conn_id,
            jobs=[job.to_dict()],
            limits=limits.as_dict(),
            started_at=now,
            until=self._until(),
            memo=memo,
        )

    def _back(self, context: Context) -> bool:
        return self.poke(context)


class CloudantReplicationLagSensor(_ReplicationSensor):
    """Waits until the target of a continuous replication is near enough to its source, several times in a row.

    What is pending is asked of the source: the job's own number is up to half a minute old. A job that crashes is not near, whatever
    is pending; one that has failed, or that is gone, fails the sensor.

    :param source_conn_id: connection of the job's source
    :param source_db: name of the source database
    :param max_pending: at most so many changes of the source are not copied yet (0)
    :param checks: so many looks in a row have to find that (3)
    :param max_seconds: besides, a heartbeat that is written into the source at each look has to arrive within so many seconds
    :param target_conn_id: connection of the job's target, for the heartbeats
    :param target_db: name of the target database; None: like the source
    """

    template_fields: Sequence[str] = (
        *_ReplicationSensor.template_fields,
        "source_conn_id",
        "source_db",
        "max_pending",
        "checks",
        "max_seconds",
        "target_conn_id",
        "target_db",
    )

    _memory: CheckpointStore | None = None

    def __init__(
        self,
        *,
        source_conn_id: str,
        source_db: str,
        max_pending: int | str = 0,
        checks: int | str = 3,
        max_seconds: float | str | None = None,
        target_conn_id: str | None = None,
        target_db: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source_conn_id = source_conn_id
        self.source_db = source_db
        self.max_pending = max_pending
        self.checks = checks
        self.max_seconds = max_seconds
        self.target_conn_id = target_conn_id
        self.target_db = target_db

    def poke(self, context: Context) -> bool:
        """One look, two requests. How many in a row were near is kept by Airflow, for a sensor that is rescheduled."""
        from airflow_provider_replicator.triggers._watching import LagWatch

        counted = self._counted(context)
        watch = LagWatch(self._limits(), near=(counted.load() or {}).get("near", 0))
        if self._near_enough(context, watch):
            counted.clear()
            return True
        counted.save({"near": watch.near})
        return False

    def _near_enough(self, context: Context, watch: LagWatch) -> bool:
        from airflow_provider_replicator.couchdb.blocking import run
        from airflow_provider_replicator.hooks.cloudant import CloudantHook
        from airflow_provider_replicator.triggers._watching import look, sentence

        mediator, job = self._job(context)
        source, target = CloudantHook(self.source_conn_id), self._heartbeats_at()
        with ExitStack() as stack:
            lag = run(
                look(
                    stack.enter_context(mediator.blocking()),
                    stack.enter_context(source.get_client()),
                    None if target is None else stack.enter_context(CloudantHook(target).get_client()),
                    job,
                    watch.limits,
                )
            )
        self.log.info("%s: %s", job.doc_id, sentence(lag))
        return watch.near_enough(lag, job.doc_id)

    def _trigger(self, job: Job, deadline: float, memo: Mapping[str, Any]) -> BaseTrigger:
        from dataclasses import asdict

        from airflow_provider_replicator.triggers.cloudant import ReplicationLagTrigger

        return ReplicationLagTrigger(
            mediator_conn_id=self.cloudant_conn_id,
            source_conn_id=self.source_conn_id,
            target_conn_id=self._heartbeats_at(),
            job=job.to_dict(),
            limits=asdict(self._limits()),
            poll_interval=self.poke_interval,
            deadline=deadline,
            memo=memo,
        )

    def _back(self, context: Context) -> bool:
        """One more look: the trigger has counted, and what it has seen may have changed since."""
        from dataclasses import replace

        from airflow_provider_replicator.triggers._watching import LagWatch

        return self._near_enough(context, LagWatch(replace(self._limits(), checks=1)))

    def _databases(self) -> tuple[str, str]:
        source = coerce("source_db", self.source_db, "text")
        if source is None:
            raise ConfigurationError("source_db is empty: write the name of a database")
        return source, coerce("target_db", self.target_db, "text") or source

    def _limits(self) -> LagLimits:
        from airflow_provider_replicator.triggers._watching import LagLimits

        limits = LagLimits(**given(self, _LAG))
        if limits.max_seconds is not None and self._heartbeats_at() is None:
            raise ConfigurationError("max_seconds is measured at the target: write target_conn_id as well")
        return limits

    def _heartbeats_at(self) -> str | None:
        name: str | None = coerce("target_conn_id", self.target_conn_id, "text")
        return name

    def _counted(self, context: Context) -> Checkpoint:
        """How many looks in a row were near, in this try."""
        from airflow_provider_replicator.core.checkpoint import Checkpoint, MemoryStore, fingerprint

        self._memory = context.get("task_state_store") or self._memory or MemoryStore()
        identity = fingerprint(doc_id=self.doc_id, try_number=context["ti"].try_number, limits=repr(self._limits()))
        return Checkpoint(self._memory, identity, name="lag")
