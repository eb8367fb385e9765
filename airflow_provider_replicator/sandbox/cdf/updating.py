# SPDX-License-Identifier: Apache-2.0
"""``/update`` of every resource type: all items or none."""

from __future__ import annotations

from typing import Any

from airflow_provider_replicator.sandbox.cdf.http import ApiError, Request, Response
from airflow_provider_replicator.sandbox.cdf.indexes import Document
from airflow_provider_replicator.sandbox.cdf.kinds import Change, Kind
from airflow_provider_replicator.sandbox.cdf.patches import patched
from airflow_provider_replicator.sandbox.cdf.payload import answer, body, find_all, items
from airflow_provider_replicator.sandbox.cdf.project import Project
from airflow_provider_replicator.sandbox.cdf.references import check_references
from airflow_provider_replicator.sandbox.cdf.store import DocumentStore, Entry


def update(kind: Kind, project: Project, request: Request) -> Response:
    wanted = items(body(request), kind.item_limit)
    store = project.store(kind.name)
    entries = find_all(store, wanted, ids=kind.has_ids)
    _refuse_repeated(kind, entries)
    changes = [_change(kind, entry, item, n) for n, (entry, item) in enumerate(zip(entries, wanted, strict=True))]
    _refuse_taken_names(kind, store, changes)
    check_references(
        project, kind.references, [_written(item, new) for item, (_, new) in zip(wanted, changes, strict=True)]
    )
    kind.prepare_update(project, changes)
    now = project.next_timestamp()
    for _, new in changes:
        new["lastUpdatedTime"] = now
    stored = store.replace(zip(entries, (new for _, new in changes), strict=True), time=now)
    kind.updated(project, changes)
    return answer([entry.encoded for entry in stored])


def _change(kind: Kind, entry: Entry, item: dict[str, Any], n: int) -> Change:
    if "update" not in item:
        raise ApiError(400, f"items[{n}].update: is required")
    if "instanceId" in entry.doc and type(item["update"]) is dict and not kind.node_fields.issuperset(item["update"]):
        raise ApiError(
            400,
            f"items[{n}].update: belongs to a data-model node; only {', '.join(sorted(kind.node_fields))} can be updated",
        )
    return entry.doc, patched(entry.doc, item["update"], kind.fields, kind.custom_patches, f"items[{n}].update")


def _written(item: dict[str, Any], new: Document) -> Document:
    """Only what this request set: an old reference may dangle without hindering the change of something else."""
    return {name: new[name] for name in item["update"] if name in new}


def _refuse_repeated(kind: Kind, entries: list[Entry]) -> None:
    if len({entry.row for entry in entries}) == len(entries):
        return
    seen: set[int] = set()
    twice = []
    for entry in entries:
        if entry.row in seen:
            twice.append({name: entry.doc[name] for name in ("id", "externalId") if name in entry.doc})
        seen.add(entry.row)
    status = 422 if kind.duplicate_in_request_status == 422 else 400
    raise ApiError(status, "Items must be unique within the request", duplicated=twice)


def _refuse_taken_names(kind: Kind, store: DocumentStore, changes: list[Change]) -> None:
    renamed = [(old, new) for old, new in changes if old.get("externalId") != new.get("externalId")]
    if not renamed:
        return
    freed = {old.get("externalId") for old, _ in renamed}
    names = [new["externalId"] for _, new in renamed if "externalId" in new]
    taken = {name for name in names if names.count(name) > 1}
    taken |= {name for name in names if name in store.by_external_id and name not in freed}
    if taken:
        raise ApiError(
            409, f"{kind.noun} id duplicated".capitalize(), duplicated=[{"externalId": name} for name in sorted(taken)]
        )
