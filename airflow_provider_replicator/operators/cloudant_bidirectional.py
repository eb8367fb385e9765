# SPDX-License-Identifier: Apache-2.0
"""Replicate two databases into each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.core.arguments import coerce
from airflow_provider_replicator.operators.cloudant_replicate import CloudantReplicateOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_replicator.operators._cloudant_plan import Leg


class CloudantBidirectionalReplicateOperator(CloudantReplicateOperator):
    """Replicate two databases into each other, by two jobs of one server, and wait for both.

    Edits of one document on both sides are kept as branches of its history on both sides: which one wins is the same everywhere, and
    nothing is merged. The report is that of the way there, with the way back under ``back``.

    :param doc_id: id of the document of the way there; that of the way back ends in ``-back``
    """

    def __init__(self, *, doc_id: str | None = None, **kwargs: Any) -> None:
        super().__init__(doc_id=doc_id, **kwargs)

    def _legs(self, context: Context) -> tuple[Leg, ...]:
        from airflow_provider_replicator.couchdb.jobs.bidirectional import reversed_options
        from airflow_provider_replicator.operators._cloudant_plan import Leg

        options, doc_id = self._options(), coerce("doc_id", self.doc_id, "text")
        there = Leg(options=options, doc_id=doc_id)
        return there, Leg(options=reversed_options(options), doc_id=doc_id and f"{doc_id}-back", back=True)
