# SPDX-License-Identifier: Apache-2.0
"""Copies whose references could not be mapped so far: found in the target by their mark, read again from the source, linked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_replicator.cdf.identity import INTERNAL_ID, SOURCE, UNLINKED, YES
from airflow_provider_replicator.cdf.listing import pages
from airflow_provider_replicator.cdf.references import by_ids

if TYPE_CHECKING:
    from airflow_provider_replicator.cdf.objects.assets import Counted
    from airflow_provider_replicator.cdf.objects.flow import Flow


async def relink(flow: Flow, counted: Counted) -> None:
    """For mode ``window``, which does not see a source object that did not change. One list request if nothing is marked."""
    source, resource = flow.source, flow.resource
    if resource.metadata_bytes is None:
        return
    body = {"filter": {"metadata": {SOURCE: source.project, UNLINKED: YES}}}
    async for copies in pages(flow.target, resource.path, body):
        origins = [copy["metadata"].get(INTERNAL_ID, "") for copy in copies]
        items = [{"id": int(origin)} for origin in origins if origin.isdecimal()]
        documents = await by_ids(source, resource.path, items)
        # What changed in the window has been seen to.
        rest = [document for document in documents if not flow.scope.in_window(document)]
        if rest:
            with counted() as tally:
                await flow.process(rest, tally, how="fetched")
