# SPDX-License-Identifier: Apache-2.0
"""Prove that a replication is complete, and complete it where it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.core.arguments import Kind
from airflow_provider_replicator.exceptions import ConfigurationError
from airflow_provider_replicator.operators._cloudant_base import SELECTION
from airflow_provider_replicator.operators._cloudant_task import CouchJobsOperator
from airflow_provider_replicator.operators._outcome import push_report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from airflow_provider_replicator.operators._cloudant_flow import Flow
    from airflow_provider_replicator.operators._cloudant_plan import Leg, Plan
    from airflow_provider_replicator.operators._cloudant_stage import Stage

_OWN: dict[str, Kind] = {"repair": "flag", "max_missing": "integer", "sample": "integer"}


class CloudantVerifyReplicationOperator(CouchJobsOperator):
    """Compare a source with its target, and fail with the first documents that are missing. Reads only, unless it is to repair.

    ``counts``: as many documents and deleted ones, for a target that holds nothing else. ``revisions`` (default): the target knows
    every current revision of the source, conflicts and deletions as well. ``bodies``: that, and the content of a sample is the same.

    :param level: ``counts``, ``revisions`` or ``bodies``
    :param max_missing: so many missing documents are no failure (0)
    :param sample: with ``bodies``: of how many documents the content is compared (100)
    :param repair: compare everything again by a job of the server, which transfers what is missing, and verify once more
    """

    template_fields: Sequence[str] = (*CouchJobsOperator.template_fields, "level", *_OWN)

    def __init__(
        self,
        *,
        level: str = "revisions",
        max_missing: int | str = 0,
        sample: int | str | None = 100,
        repair: bool | str = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.level = level
        self.max_missing = max_missing
        self.sample = sample
        self.repair = repair

    def _legs(self, context: Context) -> tuple[Leg, ...]:
        from airflow_provider_replicator.operators._cloudant_plan import Leg, read_options

        return (Leg(options=read_options(*self._databases(), self._given(SELECTION), None)),)

    def _plan(self, context: Context, legs: tuple[Leg, ...], *, retried: bool) -> Plan:
        from airflow_provider_replicator.couchdb.jobs.choices import Policies
        from airflow_provider_replicator.operators import _cloudant_plan as reading

        level = reading.read_level("level", self.level) or "revisions"
        if level == "pending":
            raise ConfigurationError(
                "level='pending' is about one run of a job: write it as verify of a CloudantReplicateOperator"
            )
        own = self._given(_OWN)
        policies = Policies(on_duplicate="wait", if_completed="reuse" if retried else "rerun")
        return reading.Plan(
            legs=legs,
            owner=reading.read_owner(context),
            policies=policies,
            limits=reading.read_limits(self),
            level=level,
            **{"sample": None, **own},
        )

    def _start(self, flow: Flow, saved: Stage) -> Stage:
        """Nothing is replicated first: an empty report stands for it."""
        return super()._start(flow, saved if saved.report is not None else saved.with_(report={}))

    def _done(self, context: Context, flow: Flow, stage: Stage) -> dict[str, Any]:
        flow.store.clear()
        return push_report(context, stage.report or {})
