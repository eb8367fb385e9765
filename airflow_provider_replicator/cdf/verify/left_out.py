# SPDX-License-Identifier: Apache-2.0
"""What is not compared, on purpose: what replication leaves out, and what it could not know of yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.cdf.identity import key_of, origin_of
from airflow_provider_replicator.cdf.references import by_ids
from airflow_provider_replicator.cdf.resources import RESOURCES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_provider_replicator.cdf.resources import Resource
    from airflow_provider_replicator.cdf.verify.job import Job

Document = dict[str, Any]

CHANGED_SINCE = "changed_since"


def why_left_out(resource: Resource, doc: Document, job: Job) -> str | None:
    """The reason, as far as the source document alone tells."""
    reason = next((reason for field, reason in resource.skipped.items() if doc.get(field)), None)
    if reason is not None:
        return reason
    changed: int = (
        doc["lastUpdatedTime"] if "lastUpdatedTime" in doc else doc["createdTime"]
    )  # labels are never updated
    if job.as_of is not None and changed >= job.as_of:
        return CHANGED_SINCE
    if job.skip_nonasset and resource.asset_fields and not asset_ids(resource, doc):
        return "nonasset"
    return None


def is_conflict(copy: Document, job: Job) -> bool:
    """Whether a differing object of the target is somebody else's, and conflicts are skipped. Labels do not say whose they are."""
    return job.on_conflict == "skip" and origin_of(copy) != job.source.project


def asset_ids(resource: Resource, doc: Document) -> list[int]:
    found: list[int] = []
    for field in resource.asset_fields:
        value = doc.get(field) or []
        found += value if isinstance(value, list) else [value]
    return found


async def unlinkable(resource: Resource, docs: Iterable[Document], job: Job) -> set[int]:
    """The ids of those documents that belong to assets of which the target has none."""
    wanted = {doc["id"]: asset_ids(resource, doc) for doc in docs} if job.skip_unlinkable else {}
    numbers = sorted({number for ids in wanted.values() for number in ids})
    if not numbers:
        return set()
    path = RESOURCES["assets"].path
    here = await by_ids(job.source, path, [{"id": number} for number in numbers])
    keys = {doc["id"]: key_of(doc, job.source.project) for doc in here}
    there = {
        doc["externalId"] for doc in await by_ids(job.target, path, [{"externalId": key} for key in keys.values()])
    }
    linkable = {number for number, key in keys.items() if key in there}
    return {number for number, ids in wanted.items() if ids and linkable.isdisjoint(ids)}
