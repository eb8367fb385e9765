# SPDX-License-Identifier: Apache-2.0
"""A replicating task, step by step: submit, wait (here or in the triggerer), settle, finish, verify, repair, report.

Between two steps there is a :class:`Stage`, with which any process can go on.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.exceptions import PermanentError, ReplicatorError
from airflow_provider_replicator.operators._cloudant_base import blocking
from airflow_provider_replicator.operators._cloudant_reports import brief, verification_error, verification_report

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_replicator.couchdb.client import CouchClient
    from airflow_provider_replicator.couchdb.connection import CouchConnection
    from airflow_provider_replicator.couchdb.jobs.choices import Owner
    from airflow_provider_replicator.couchdb.jobs.job import Job
    from airflow_provider_replicator.couchdb.jobs.options import ReplicationOptions
    from airflow_provider_replicator.couchdb.jobs.outcome import Outcome
    from airflow_provider_replicator.couchdb.jobs.progress import Progress
    from airflow_provider_replicator.couchdb.verify.report import VerifyReport
    from airflow_provider_replicator.operators._cloudant_clients import Clients, Connections
    from airflow_provider_replicator.operators._cloudant_plan import Leg, Plan
    from airflow_provider_replicator.operators._cloudant_stage import Stage, StageStore

    Log = Callable[..., None]


@dataclass(slots=True)
class Flow:
    """One task instance at work. ``submitted`` is called with every set of jobs, before they are waited for."""

    plan: Plan
    connections: Connections
    clients: Clients
    store: StageStore
    log: Log
    submitted: Callable[[tuple[Job, ...]], None]

    def begin(self, stage: Stage) -> Stage:
        """Submit the jobs, or find those that a try before this one has submitted."""
        stage = stage.with_(jobs=self._submit(stage), started_at=time.time(), lost=0)
        self.store.save(stage)
        return stage

    def over(self, stage: Stage) -> bool:
        """Whether there is nothing to wait for: one request per job."""
        from airflow_provider_replicator.couchdb.jobs.states import state_of

        return all(blocking(state_of(self.clients.mediator, job)).terminal for job in stage.jobs)

    def wait(self, stage: Stage, on_progress: Callable[[Job, Progress], None]) -> tuple[Outcome, ...]:
        """Wait here until all jobs have ended, or one cannot."""
        from airflow_provider_replicator.couchdb.jobs.bidirectional import wait_both
        from airflow_provider_replicator.couchdb.jobs.wait import wait

        mediator, source, target = self.clients.mediator, self.clients.source, self.clients.target
        limits, started_at = self.plan.limits, stage.started_at
        if len(stage.jobs) == 2:
            both = (stage.jobs[0], stage.jobs[1])
            return blocking(
                wait_both(
                    mediator,
                    both,
                    limits,
                    started_at=started_at,
                    source=source,
                    target=target,
                    on_progress=on_progress,
                )
            )
        (job,) = stage.jobs
        outcome = wait(
            mediator,
            job,
            limits,
            started_at=started_at,
            source=source,
            target=target,
            on_progress=lambda progress: on_progress(job, progress),
        )
        return (blocking(outcome),)

    def after(self, stage: Stage, outcomes: tuple[Outcome, ...]) -> Stage:
        """What follows the end of a wait: another stage to wait for, or one without jobs, whose report is the task's.

        Raises what fails the task: ReplicationFailedError, ReplicationStalledError, VerificationError, each with a report.
        """
        if any(outcome.kind == "duplicate" for outcome in outcomes):
            return self._settled(stage, outcomes)
        outcomes = tuple(self._meanwhile(outcome) for outcome in outcomes)
        if self.plan.level == "pending":
            stage = stage.with_(reached=tuple(outcome.state.checkpointed_source_seq for outcome in outcomes))
        counted = self._finished(stage, outcomes)
        report = counted if stage.report is None else stage.report | {"repair": brief(counted)}
        return self.verified(stage.with_(report=report, jobs=()))

    def verified(self, stage: Stage) -> Stage:
        """Verify what was copied, if that is wanted: the stage with its report, or that of a repair. Raises VerificationError."""
        self.store.save(stage)
        report = dict(stage.report or {})
        if self.plan.level is None:
            return stage
        found = [self._verify(leg, stage) for leg in self.plan.legs]
        report |= verification_report(found)
        if all(one.ok for one in found):
            return stage.with_(report=report)
        if self.plan.repair and "repair" not in report:
            self.log("repairing: everything is compared again, and what the target lacks is transferred")
            return self.begin(stage.with_(report=report))
        raise verification_error(found, report)

    def _submit(self, stage: Stage) -> tuple[Job, ...]:
        from airflow_provider_replicator.couchdb.jobs.submit import submit

        jobs: tuple[Job, ...] = ()
        for leg in self._legs_of(stage):
            if not leg.options.continuous:  # one that ran before is not to be stopped
                self.submitted((*jobs, self._expected(leg, stage)))
            job = submit(
                self.clients.mediator,
                *self._ends(leg),
                leg.options,
                owner=self.owner_of(stage),
                policies=self.plan.policies,
                doc_id=leg.doc_id,
                source_client=self._swapped(leg.back)[0],
            )
            jobs = (*jobs, blocking(job))
            self.submitted(jobs)
            self.log("replication document: %s in %s", jobs[-1].doc_id, jobs[-1].replicator_db)
        return jobs

    def _expected(self, leg: Leg, stage: Stage) -> Job:
        """The job before its document is written: whoever stops the task meanwhile knows what to look for."""
        from airflow_provider_replicator.couchdb.jobs.document import document_id
        from airflow_provider_replicator.couchdb.jobs.job import Job

        source, target = self._ends(leg)
        return Job(
            doc_id=leg.doc_id or document_id(source.name, target.name, leg.options, self.owner_of(stage)),
            replicator_db=self.connections.mediator.replicator_db,
            source_db=leg.options.source_db,
            target_db=leg.options.target_db,
        )

    def _meanwhile(self, outcome: Outcome) -> Outcome:
        """A job that was too slow may have ended since: then it was not too slow."""
        from airflow_provider_replicator.couchdb.jobs.states import state_of

        if outcome.kind != "stalled":
            return outcome
        state = blocking(state_of(self.clients.mediator, outcome.job))
        return replace(outcome, kind="completed", state=state) if state.state == "completed" else outcome

    def _settled(self, stage: Stage, outcomes: tuple[Outcome, ...]) -> Stage:
        """Other documents replicate the same: what is waited for then is up to the policy."""
        from airflow_provider_replicator.couchdb.jobs.duplicates import settle

        jobs = []
        for leg, outcome in zip(self._legs_of(stage), outcomes, strict=True):
            if outcome.kind != "duplicate":
                jobs.append(outcome.job)
                continue
            self.log("%s", outcome.reason)
            settled = settle(
                self.clients.mediator,
                *self._ends(leg),
                leg.options,
                outcome,
                owner=self.owner_of(stage),
                policies=self.plan.policies,
                limits=self.plan.limits,
                started_at=stage.started_at,
            )
            jobs.append(blocking(settled))
        stage = stage.with_(jobs=tuple(jobs))
        self.submitted(stage.jobs)
        self.store.save(stage)
        return stage

    def _finished(self, stage: Stage, outcomes: tuple[Outcome, ...]) -> dict[str, Any]:
        """The report of the job; of two, that of the first, with the other one under ``back``. What is permanent is raised first."""
        reports: list[dict[str, Any]] = []
        errors: list[ReplicatorError] = []
        for leg, outcome in zip(self._legs_of(stage), outcomes, strict=True):
            try:
                reports.append(self._finish(leg, outcome))
            except ReplicatorError as error:  # the other one is finished all the same
                errors.append(error)
        if errors:
            raise min(errors, key=lambda one: not isinstance(one, PermanentError))
        return reports[0] if len(reports) == 1 else reports[0] | {"back": brief(reports[1])}

    def _finish(self, leg: Leg, outcome: Outcome) -> dict[str, Any]:
        from airflow_provider_replicator.couchdb.jobs.finish import finish

        source, target = self._swapped(leg.back)
        return blocking(
            finish(
                self.clients.mediator,
                source,
                target,
                outcome.job,
                outcome,
                self.plan.policies,
                cancel_on_failure=self.plan.cancel_on_failure,
                options=leg.options,
            )
        )

    def _verify(self, leg: Leg, stage: Stage) -> VerifyReport:
        from airflow_provider_replicator.couchdb.verify.run import verify
        from airflow_provider_replicator.couchdb.verify.selection import Selection

        source, target = self._swapped(leg.back)
        since = None if stage.window is None else stage.window.since_seq
        if self.plan.level == "pending":
            since = stage.reached[int(leg.back)] if stage.reached else None
        found = verify(
            source,
            leg.options.source_db,
            target,
            leg.options.target_db,
            level=self.plan.level or "revisions",
            selection=Selection.of(leg.options),
            sample=self.plan.sample,
            max_missing=self.plan.max_missing,
            since=since,
        )
        verified = blocking(found)
        self.log("%s", verified.message)
        return verified

    def _legs_of(self, stage: Stage) -> tuple[Leg, ...]:
        """The jobs of a stage: from the sequence of its window, or, to repair, of everything."""
        if stage.report is not None:
            return tuple(
                replace(leg, options=repairing(leg.options), doc_id=leg.doc_id and f"{leg.doc_id}-repair")
                for leg in self.plan.legs
            )
        if stage.window is None or stage.window.since_seq is None:
            return self.plan.legs
        since = stage.window.since_seq
        return tuple(replace(leg, options=replace(leg.options, since_seq=since)) for leg in self.plan.legs)

    def owner_of(self, stage: Stage) -> Owner:
        """A repair has a document of its own, whose id follows from the owner."""
        owner = self.plan.owner
        return owner if stage.report is None else replace(owner, run_id=f"{owner.run_id}+repair")

    def _ends(self, leg: Leg) -> tuple[CouchConnection, CouchConnection]:
        source, target = self.connections.source, self.connections.target
        return (target, source) if leg.back else (source, target)

    def _swapped(self, back: bool) -> tuple[CouchClient, CouchClient]:
        source, target = self.clients.source, self.clients.target
        return (target, source) if back else (source, target)


def repairing(options: ReplicationOptions) -> ReplicationOptions:
    """A job that compares every revision, whatever its checkpoint says, and leaves no checkpoint behind."""
    return replace(options, since_seq="0", use_checkpoints=False, continuous=False)
