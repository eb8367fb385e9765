# SPDX-License-Identifier: Apache-2.0
"""Triggers that wait for replications of CouchDB and Cloudant, without a worker.

Their arguments are connection ids, document ids and limits: JSON without secrets, as Airflow keeps them in its database. The
times are seconds since 1970, so that a trigger which is started again in another process goes on as if nothing had happened. Each
fires one event, and what the event says is only a hint: the task looks at the server again.
"""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_replicator.exceptions import ReplicatorError
from airflow_provider_replicator.hooks.cloudant import CloudantHook
from airflow_provider_replicator.triggers._watching import LagLimits, LagWatch, ProgressLog, look, sentence, stoppable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from airflow_provider_replicator.couchdb.client import CouchClient
    from airflow_provider_replicator.couchdb.jobs.outcome import Outcome

__all__ = ["ReplicationLagTrigger", "ReplicationStateTrigger"]


class _CouchTrigger(BaseTrigger):
    """Serialised as the arguments in ``kept``, each an attribute of its name. Fires one event, with what :meth:`_found` returns."""

    kept: ClassVar[tuple[str, ...]]

    def __init__(self, memo: Mapping[str, Any] | None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.memo = dict(memo or {})

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{__name__}.{type(self).__name__}", {name: getattr(self, name) for name in self.kept}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        try:
            found = await self._found()
        except Exception as error:  # noqa: BLE001 - whatever it is, the task is to know, and decides
            self.log.warning("%s", error)
            found = {"error": {"kind": type(error).__name__, "message": str(error)}}
        yield TriggerEvent(found | {"memo": self.memo})  # type: ignore[no-untyped-call]

    async def _found(self) -> dict[str, Any]:
        raise NotImplementedError


class ReplicationStateTrigger(_CouchTrigger):
    """Waits until jobs have ended, or their limits have.

    The event is ``{"outcomes": [...], "memo": memo}``, or ``{"error": {"kind", "message"}, "memo": memo}`` if the server could not
    be asked. Where a user acts on the deferred task, the jobs are stopped; not where a triggerer is restarted.

    :param mediator_conn_id: connection of the server that runs the jobs
    :param jobs: one job, or two (there and back), as dictionaries
    :param limits: of the wait, as a dictionary
    :param started_at: when the waiting began, in seconds since 1970
    :param until: ``completed``, ``running`` or ``drained``; None: completed, for continuous jobs running
    :param source_conn_id: connection of the source, which is asked how much is pending
    :param target_conn_id: connection of the target, which is asked what this run has written
    :param owner: whose jobs they are, as a dictionary: only those are stopped
    :param cancel_on_kill: stop the jobs when a user acts on the task
    :param memo: comes back with the event
    """

    kept = (
        "mediator_conn_id",
        "jobs",
        "limits",
        "started_at",
        "until",
        "source_conn_id",
        "target_conn_id",
        "owner",
        "cancel_on_kill",
        "memo",
    )

    def __init__(
        self,
        *,
        mediator_conn_id: str,
        jobs: Sequence[Mapping[str, Any]],
        limits: Mapping[str, Any],
        started_at: float,
        until: str | None = None,
        source_conn_id: str | None = None,
        target_conn_id: str | None = None,
        owner: Mapping[str, Any] | None = None,
        cancel_on_kill: bool = False,
        memo: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(memo)
        self.mediator_conn_id = mediator_conn_id
        self.jobs = [dict(job) for job in jobs]
        self.limits = dict(limits)
        self.started_at = started_at
        self.until = until
        self.source_conn_id = source_conn_id
        self.target_conn_id = target_conn_id
        self.owner = None if owner is None else dict(owner)
        self.cancel_on_kill = cancel_on_kill

    async def _found(self) -> dict[str, Any]:
        return {"outcomes": [outcome.to_dict() for outcome in await self._wait()]}

    async def on_kill(self) -> None:
        """Stop the jobs: Airflow calls this when a user marks, clears or fails the deferred task, and only then."""
        from airflow_provider_replicator.couchdb.jobs.choices import Owner
        from airflow_provider_replicator.couchdb.jobs.job import Job
        from airflow_provider_replicator.couchdb.jobs.stop import stop

        owner = None if self.owner is None else Owner(**self.owner)
        jobs = [job for job in map(Job.from_dict, self.jobs) if stoppable(job)]
        if not self.cancel_on_kill or not jobs:
            return
        async with await CloudantHook(self.mediator_conn_id).aget_client() as mediator:
            for job in jobs:
                try:
                    await stop(mediator, job.replicator_db, job.doc_id, owner=owner)
                    self.log.info("stopped replication %s", job.doc_id)
                except ReplicatorError as error:  # the other one is stopped all the same
                    self.log.warning("replication %s could not be stopped: %s", job.doc_id, error)

    async def _wait(self) -> Sequence[Outcome]:
        from airflow_provider_replicator.couchdb.jobs.bidirectional import wait_both
        from airflow_provider_replicator.couchdb.jobs.choices import WaitLimits
        from airflow_provider_replicator.couchdb.jobs.job import Job
        from airflow_provider_replicator.couchdb.jobs.wait import wait

        jobs, limits = [Job.from_dict(job) for job in self.jobs], WaitLimits.from_dict(self.limits)
        line = ProgressLog(self.log.info)
        async with AsyncExitStack() as stack:
            open_client = _opener(stack)
            mediator = await open_client(self.mediator_conn_id)
            more: dict[str, Any] = {
                "until": self.until,
                "started_at": self.started_at,
                "source": await open_client(self.source_conn_id) if self.source_conn_id else None,
                "target": await open_client(self.target_conn_id) if self.target_conn_id else None,
            }
            if len(jobs) == 2:
                return await wait_both(mediator, (jobs[0], jobs[1]), limits, on_progress=line, **more)
            return [await wait(mediator, jobs[0], limits, on_progress=lambda now: line(jobs[0], now), **more)]


class ReplicationLagTrigger(_CouchTrigger):
    """Waits until the target of a replication is near enough to its source, several times in a row.

    The event is ``{"near": true}``, ``{"timeout": true}``, or ``{"error": {"kind", "message"}}``, each with ``memo``.

    :param mediator_conn_id: connection of the server that runs the job
    :param source_conn_id: connection of its source
    :param job: the job, as a dictionary
    :param limits: of the lag, as a dictionary (:class:`~airflow_provider_replicator.triggers._watching.LagLimits`)
    :param poll_interval: seconds between two looks
    :param deadline: when to give up, in seconds since 1970
    :param target_conn_id: connection of the target, where heartbeats arrive; None: none are written
    :param memo: comes back with the event
    """

    kept = (
        "mediator_conn_id",
        "source_conn_id",
        "job",
        "limits",
        "poll_interval",
        "deadline",
        "target_conn_id",
        "memo",
    )

    def __init__(
        self,
        *,
        mediator_conn_id: str,
        source_conn_id: str,
        job: Mapping[str, Any],
        limits: Mapping[str, Any],
        poll_interval: float,
        deadline: float,
        target_conn_id: str | None = None,
        memo: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(memo)
        self.mediator_conn_id = mediator_conn_id
        self.source_conn_id = source_conn_id
        self.job = dict(job)
        self.limits = dict(limits)
        self.poll_interval = poll_interval
        self.deadline = deadline
        self.target_conn_id = target_conn_id

    async def _found(self) -> dict[str, Any]:
        return {"near": True} if await self._watch() else {"timeout": True}

    async def _watch(self) -> bool:
        """True: near enough so often in a row. False: not before the deadline."""
        from airflow_provider_replicator.couchdb.jobs.job import Job

        job, watch = Job.from_dict(self.job), LagWatch(LagLimits(**self.limits))
        async with AsyncExitStack() as stack:
            open_client = _opener(stack)
            mediator, source = await open_client(self.mediator_conn_id), await open_client(self.source_conn_id)
            target = await open_client(self.target_conn_id) if self.target_conn_id else None
            while True:
                lag = await look(mediator, source, target, job, watch.limits)
                self.log.info("%s: %s", job.doc_id, sentence(lag))
                if watch.near_enough(lag, job.doc_id):
                    return True
                if time.time() + self.poll_interval > self.deadline:
                    return False
                await mediator.transport.sleep(self.poll_interval)


def _opener(stack: AsyncExitStack) -> Callable[[str], Awaitable[CouchClient]]:
    """Opens clients by connection id, each connection once, until ``stack`` is left."""
    opened: dict[str, CouchClient] = {}

    async def open_client(conn_id: str) -> CouchClient:
        if conn_id not in opened:
            opened[conn_id] = await stack.enter_async_context(await CloudantHook(conn_id).aget_client())
        return opened[conn_id]

    return open_client
